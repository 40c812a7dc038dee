#include <string.h>

#include "eq_kernel.h"

static uint32_t apart(uint32_t dtype, const uint8_t *a, const uint8_t *b)
{
    int16_t wide[2];
    int32_t difference;
    switch (dtype) {
    case EQ_I8:
        difference = (int8_t)*a - (int8_t)*b;
        break;
    case EQ_I16:
        memcpy(&wide[0], a, 2);
        memcpy(&wide[1], b, 2);
        difference = wide[0] - wide[1];
        break;
    case EQ_U8:
    case EQ_BOOL:
        difference = *a - *b;
        break;
    default: /* bit for bit */
        return memcmp(a, b, 4) == 0 ? 0 : UINT32_MAX;
    }
    return (uint32_t)(difference < 0 ? -difference : difference);
}

static uint32_t worst(const struct eq_tensor *tensor, const uint8_t *found, const uint8_t *expected)
{
    uint32_t step = tensor->dtype == EQ_I16                                ? 2
                    : (tensor->dtype == EQ_I32 || tensor->dtype == EQ_F32) ? 4
                                                                           : 1;
    uint32_t largest = 0;
    for (uint32_t at = 0; at < tensor->bytes; at += step) {
        uint32_t difference = apart(tensor->dtype, found + at, expected + at);
        largest = difference > largest ? difference : largest;
    }
    return largest;
}

uint32_t eq_golden(struct eq_model *model, unsigned index)
{
    const struct eq_body *head = model->head;
    const uint8_t *at = model->body + head->golden;
    uint32_t bytes, largest = 0, vector = 0;
    void *input;
    const void *output;
    if (index >= head->goldens) {
        return UINT32_MAX;
    }
    for (unsigned i = 0; i < head->inputs; i++) {
        vector += eq_input_info(model, i)->bytes;
    }
    for (unsigned i = 0; i < head->outputs; i++) {
        vector += eq_output_info(model, i)->bytes;
    }
    at += (size_t)vector * index;
    if (index == 0) {
        eq_model_reset(model);
    }
    for (unsigned i = 0; (input = eq_input(model, i, &bytes)) != NULL; i++) {
        memcpy(input, at, bytes);
        at += bytes;
    }
    eq_invoke(model);
    for (unsigned i = 0; (output = eq_output(model, i, &bytes)) != NULL; i++) {
        uint32_t difference = worst(eq_output_info(model, i), output, at);
        largest = difference > largest ? difference : largest;
        at += bytes;
    }
    return largest;
}
