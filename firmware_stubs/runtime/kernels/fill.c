#include <string.h>

#include "eq_check.h"

static int check(const struct eq_bounds *bounds, const void *record)
{
    const struct eq_fill *op = record;
    if (eq_check_elem(op->elem_bytes) != EQ_OK) {
        return EQ_INVALID;
    }
    return eq_check_arena(bounds, op->out, (uint64_t)op->count * op->elem_bytes, op->elem_bytes);
}

static void run(const struct eq_model *model, const void *record)
{
    const struct eq_fill *op = record;
    uint8_t *out = eq_in_arena(model, op->out);
    if (op->elem_bytes == 1) {
        memset(out, (int)(op->value & 0xff), op->count);
        return;
    }
    for (uint32_t i = 0; i < op->count; i++, out += op->elem_bytes) {
        memcpy(out, &op->value, op->elem_bytes); /* its low bytes */
    }
}

const struct eq_kernel eq_fill = {sizeof(struct eq_fill), check, run};
