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

/* Where vector `index` lies, or NULL. */
static const uint8_t *vector_at(const struct eq_model *model, unsigned index)
{
    const struct eq_body *head = model->head;
    uint32_t bytes = 0;
    for (unsigned i = 0; i < head->inputs; i++) {
        bytes += eq_input_info(model, i)->bytes;
    }
    for (unsigned i = 0; i < head->outputs; i++) {
        bytes += eq_output_info(model, i)->bytes;
    }
    return index < head->goldens ? model->body + head->golden + (size_t)bytes * index : NULL;
}

/* Behind the inputs of a vector, which are written into the arena if `copy` says so. */
static const uint8_t *behind_inputs(const struct eq_model *model, const uint8_t *at, int copy)
{
    uint32_t bytes;
    void *input;
    for (unsigned i = 0; (input = eq_input(model, i, &bytes)) != NULL; i++) {
        if (copy) {
            memcpy(input, at, bytes);
        }
        at += bytes;
    }
    return at;
}

int eq_golden_load(struct eq_model *model, unsigned index)
{
    const uint8_t *at = vector_at(model, index);
    if (at == NULL) {
        return EQ_NOT_FOUND;
    }
    if (index == 0) {
        eq_model_reset(model);
    }
    (void)behind_inputs(model, at, 1);
    return EQ_OK;
}

uint32_t eq_golden_apart(const struct eq_model *model, const uint8_t *expected)
{
    uint32_t bytes, largest = 0;
    const void *output;
    for (unsigned i = 0; (output = eq_output(model, i, &bytes)) != NULL; i++) {
        uint32_t difference = worst(eq_output_info(model, i), output, expected);
        largest = difference > largest ? difference : largest;
        expected += bytes;
    }
    return largest;
}

uint32_t eq_golden_compare(const struct eq_model *model, unsigned index)
{
    const uint8_t *at = vector_at(model, index);
    return at == NULL ? UINT32_MAX : eq_golden_apart(model, behind_inputs(model, at, 0));
}

uint32_t eq_golden(struct eq_model *model, unsigned index)
{
    if (eq_golden_load(model, index) != EQ_OK) {
        return UINT32_MAX;
    }
    eq_invoke(model);
    return eq_golden_compare(model, index);
}
