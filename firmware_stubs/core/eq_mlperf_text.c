#include "eq_mlperf_text.h"

#ifdef EQ_MLPERF

#include <stddef.h>

#include "eq_commands.h"

#define NUMBER_BYTES 20u

/* Writing */

void eq_text_flush(struct eq_text *out)
{
    const struct eq_config *config = out->core->config;
    if (out->bytes > 0) {
        config->write(config->context, out->core->answer, out->bytes);
        eq_idle(out->core); /* an input of 27 KB is 90 KB of text, which a slow line needs seconds for */
    }
    out->bytes = 0;
}

void eq_text_char(struct eq_text *out, char character)
{
    if (out->bytes == out->core->buf_size) {
        eq_text_flush(out);
    }
    out->core->answer[out->bytes++] = (uint8_t)character;
}

void eq_text_put(struct eq_text *out, const char *text)
{
    while (*text != 0) {
        eq_text_char(out, *text++);
    }
}

void eq_text_foreign(struct eq_text *out, const uint8_t *text, uint32_t bytes)
{
    for (uint32_t i = 0; i < bytes && text[i] != 0; i++) {
        eq_text_char(out, text[i] < ' ' || text[i] > '~' || text[i] == ']' ? '_' : (char)text[i]);
    }
}

void eq_text_number(struct eq_text *out, uint64_t number)
{
    char digits[NUMBER_BYTES];
    uint32_t count = 0, digit;
    do {
        number = eq_divide(number, 10, &digit);
        digits[count++] = (char)('0' + digit);
    } while (number > 0);
    while (count > 0) {
        eq_text_char(out, digits[--count]);
    }
}

void eq_text_line(struct eq_text *out, const char *name, uint64_t number)
{
    eq_text_put(out, name);
    eq_text_number(out, number);
    eq_text_put(out, "\r\n");
}

void eq_text_value(struct eq_text *out, float value)
{
    uint32_t whole, thousandths;
    if (value < 0) {
        eq_text_char(out, '-');
        value = -value;
    }
    if (!(value < 4294967040.0f)) {
        eq_text_put(out, value > 0 ? "inf" : "nan");
        return;
    }
    whole = (uint32_t)value;
    thousandths = (uint32_t)((value - (float)whole) * 1000.0f + 0.5f);
    eq_text_number(out, (uint64_t)whole + (thousandths == 1000));
    eq_text_char(out, '.');
    eq_text_char(out, (char)('0' + thousandths / 100 % 10));
    eq_text_char(out, (char)('0' + thousandths / 10 % 10));
    eq_text_char(out, (char)('0' + thousandths % 10));
}

void eq_text_refuse(struct eq_text *out, const char *why)
{
    eq_text_put(out, "e-[");
    eq_text_put(out, why);
    eq_text_put(out, "]\r\n");
}

/* Reading */

struct eq_word eq_word_next(struct eq_words *rest)
{
    struct eq_word word = {NULL, 0};
    while (rest->at < rest->end && *rest->at == ' ') {
        rest->at++;
    }
    word.at = rest->at;
    while (rest->at < rest->end && *rest->at != ' ') {
        rest->at++;
        word.bytes++;
    }
    return word;
}

int eq_word_is(struct eq_word word, const char *name)
{
    uint32_t i = 0;
    while (i < word.bytes && name[i] != 0 && (uint8_t)name[i] == word.at[i]) {
        i++;
    }
    return i == word.bytes && name[i] == 0;
}

int eq_word_number(struct eq_word word, uint32_t *number)
{
    *number = 0;
    for (uint32_t i = 0; i < word.bytes; i++) {
        if (word.at[i] < '0' || word.at[i] > '9') {
            return 0;
        }
        *number = *number * 10 + (word.at[i] - '0');
        if (*number > EQ_MOST_RUNS) {
            return 0;
        }
    }
    return word.bytes > 0;
}

int eq_word_digit(uint8_t byte)
{
    uint8_t lower = byte | 0x20u;
    return byte >= '0' && byte <= '9' ? byte - '0' : lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

#endif
