/* The text of commands and answers of MLPerf Tiny (eq_mlperf.h): words of a line, and an answer that is sent piece by
 * piece out of the buffer in which those of frames are made. */
#ifndef EQ_MLPERF_TEXT_H
#define EQ_MLPERF_TEXT_H

#include "eq_core_state.h"

struct eq_text {
    struct eq_core *core;
    uint32_t bytes; /* in core->answer */
};

struct eq_word {
    const uint8_t *at;
    uint32_t bytes;
};

struct eq_words {
    const uint8_t *at, *end;
};

/* Send what is there. */
void eq_text_flush(struct eq_text *out);
void eq_text_char(struct eq_text *out, char character);
void eq_text_put(struct eq_text *out, const char *text);

/* Characters that are not ours: none of them ends the brackets that they stand in. */
void eq_text_foreign(struct eq_text *out, const uint8_t *text, uint32_t bytes);

void eq_text_number(struct eq_text *out, uint64_t number);

/* A name, a number, and the end of the line. */
void eq_text_line(struct eq_text *out, const char *name, uint64_t number);

/* With three digits behind the point, which is what the benchmark compares. */
void eq_text_value(struct eq_text *out, float value);

/* An error as the benchmark has it. */
void eq_text_refuse(struct eq_text *out, const char *why);

/* Without bytes where there is none. */
struct eq_word eq_word_next(struct eq_words *rest);
int eq_word_is(struct eq_word word, const char *name);

/* Whether the word is a number, at most EQ_MOST_RUNS. */
int eq_word_number(struct eq_word word, uint32_t *number);

/* The value of a hexadecimal digit, or -1. */
int eq_word_digit(uint8_t byte);

#endif
