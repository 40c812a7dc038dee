#include <string.h>

#include "eq_check.h"
#include "eq_walk.h"

static int check(const struct eq_bounds *bounds, const void *record)
{
    const struct eq_copy *op = record;
    struct eq_extent in = {0, 0}, out = {0, 0};
    eq_ref in_from, out_from;
    uint64_t in_bytes, out_bytes;
    if (eq_check_count(op->dims) == 0 || eq_check_elem(op->elem_bytes) != EQ_OK || (op->out & EQ_CONST)) {
        return EQ_INVALID;
    }
    eq_extend(&in, op->dims, op->in_step);
    eq_extend(&out, op->dims, op->out_step);
    if (eq_check_extent(bounds, op->in, &in, op->elem_bytes, &in_from, &in_bytes) != EQ_OK ||
        eq_check_extent(bounds, op->out, &out, op->elem_bytes, &out_from, &out_bytes) != EQ_OK) {
        return EQ_INVALID;
    }
    return eq_check_apart(in_from, in_bytes, out_from, out_bytes);
}

static void copy_element(uint8_t *out, const uint8_t *in, uint32_t bytes)
{
    switch (bytes) {
    case 1:
        *out = *in;
        break;
    case 2:
        memcpy(out, in, 2);
        break;
    default:
        memcpy(out, in, 4);
    }
}

static void copy_row(const struct eq_copy *op, const uint8_t *in, uint8_t *out)
{
    int32_t in_step = op->in_step[EQ_INNER], out_step = op->out_step[EQ_INNER],
            bytes = (int32_t)op->elem_bytes;
    if (in_step == 1 && out_step == 1) {
        memcpy(out, in, op->dims[EQ_INNER] * op->elem_bytes);
        return;
    }
    for (int32_t i = 0; i < (int32_t)op->dims[EQ_INNER]; i++) {
        copy_element(out + i * out_step * bytes, in + i * in_step * bytes, op->elem_bytes);
    }
}

static void run(const struct eq_model *model, const void *record)
{
    const struct eq_copy *op = record;
    const uint8_t *in = eq_at(model, op->in);
    uint8_t *out = eq_in_arena(model, op->out);
    int32_t bytes = (int32_t)op->elem_bytes;
    struct eq_row row = {{0}};
    do {
        copy_row(op, in + eq_row_offset(&row, op->in_step) * bytes,
                 out + eq_row_offset(&row, op->out_step) * bytes);
    } while (eq_next_row(&row, op->dims));
}

const struct eq_kernel eq_copy = {sizeof(struct eq_copy), check, run};
