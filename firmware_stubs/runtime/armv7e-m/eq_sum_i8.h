/* TFLite's ADD and SUB of int8 values that lie one behind the other. */
#ifndef EQ_SUM_I8_H
#define EQ_SUM_I8_H

#include "edgeq/eq_image.h"

/* out[i] = a[i] +- b[i]; `out` may be either input. */
void eq_sum_i8(const struct eq_sum *sum, const int8_t *a, const int8_t *b, int8_t *out, uint32_t count);

#endif
