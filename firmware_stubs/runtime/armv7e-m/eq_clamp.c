#include "eq_clamp.h"

#include "eq_dsp.h"

void eq_clamp_i8(int8_t *values, uint32_t count, int32_t low, int32_t high)
{
    const uint32_t lows = eq_splat(low), highs = eq_splat(high);
    uint32_t word;
    if (low == INT8_MIN && high == INT8_MAX) {
        return;
    }
    for (; count > 3; count -= 4, values += 4) {
        word = eq_limited(eq_word(values), lows, highs);
        memcpy(values, &word, sizeof word);
    }
    for (; count; count--, values++) {
        *values = (int8_t)(*values < low ? low : *values > high ? high : *values);
    }
}
