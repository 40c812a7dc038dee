/* The limits of an activation, where they are not those of int8. */
#ifndef EQ_CLAMP_H
#define EQ_CLAMP_H

#include <stdint.h>

/* values[i] = min(max(values[i], low), high); nothing to do for -128 .. 127. */
void eq_clamp_i8(int8_t *values, uint32_t count, int32_t low, int32_t high);

#endif
