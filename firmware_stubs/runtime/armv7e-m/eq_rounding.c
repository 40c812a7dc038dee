#include "eq_rounding.h"

#include "eq_requant.h"

int8_t eq_rounded_any(int32_t sum, const struct eq_scale *scale, int32_t zero_point)
{
    return (int8_t)eq_requantize_to(sum, scale, zero_point, INT8_MIN, INT8_MAX);
}
