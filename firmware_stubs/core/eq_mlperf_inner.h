/* What the files of eq_mlperf.h share: commands (eq_mlperf.c), the input that waits (eq_mlperf_input.c), measuring
 * (eq_mlperf_measure.c) and results (eq_mlperf_results.c). */
#ifndef EQ_MLPERF_INNER_H
#define EQ_MLPERF_INNER_H

#include "eq_commands.h"
#include "eq_mlperf.h"
#include "eq_mlperf_text.h"

/* The model that serves is open; else what was wrong is told. */
int eq_dut_open(struct eq_text *out);

/* Whether the open model has this name. */
int eq_dut_named(const struct eq_core *core, const char *name);

/* `db`: an input is expected, arrives, or is printed. */
void eq_dut_db(struct eq_text *out, struct eq_words *rest);

/* The input is here as a whole; as it came; and whether it came as float32 values that the device quantizes, as the
 * benchmark has it for ad01. */
int eq_dut_loaded(const struct eq_core *core);
uint8_t *eq_dut_kept(const struct eq_core *core);
int eq_dut_is_float(const struct eq_core *core, uint32_t bytes);

/* An input may be overwritten by the inference, so it is written before each. */
void eq_dut_write_input(struct eq_core *core);

/* A falling edge for a power meter, then the time. */
void eq_dut_timestamp(struct eq_text *out);

/* So many inferences after those for warm-up, and how long they took. */
void eq_dut_measure(struct eq_text *out, uint32_t count, uint32_t warmup);

/* What the last inference came to. */
void eq_dut_put_results(struct eq_text *out);

/* Value `index` of float32 ones. */
float eq_dut_float_at(const uint8_t *data, uint32_t index);

#endif
