/* The device under test of MLPerf Tiny (docs/mlperf.md), on the line that frames use: commands are printable characters
 * and end in '%'. Only a build that says EQ_MLPERF has it; in others these functions are nothing. */
#ifndef EQ_MLPERF_H
#define EQ_MLPERF_H

#include "eq_core_state.h"

#ifdef EQ_MLPERF

/* A byte that the receiver of frames has seen. With the last one of a command it is carried out and answered. */
void eq_dut_byte(struct eq_core *core, uint8_t byte);

/* The line has been silent for longer than any pause inside a frame: what comes now is no rest of one. */
void eq_dut_quiet(struct eq_core *core);

/* The model is closed, and what was loaded for it is gone. */
void eq_dut_forget(struct eq_core *core);

#else

static inline void eq_dut_byte(struct eq_core *core, uint8_t byte)
{
    (void)core;
    (void)byte;
}

static inline void eq_dut_quiet(struct eq_core *core)
{
    (void)core;
}

static inline void eq_dut_forget(struct eq_core *core)
{
    (void)core;
}

#endif
#endif
