/* Walks over up to six dimensions: the kernel's own loop runs along the innermost one, the others are counted
 * here. */
#ifndef EQ_WALK_H
#define EQ_WALK_H

#include "edgeq/eq_image.h"

#define EQ_INNER (EQ_MAX_RANK - 1u)

/* The position of a row; all zeros is the first one. */
struct eq_row {
    uint32_t at[EQ_INNER];
};

/* To the next row; 0 behind the last one. */
static inline int eq_next_row(struct eq_row *row, const uint32_t *dims)
{
    for (unsigned i = EQ_INNER; i-- > 0;) {
        if (++row->at[i] < dims[i]) {
            return 1;
        }
        row->at[i] = 0;
    }
    return 0;
}

static inline uint32_t eq_count(const uint32_t *dims)
{
    uint32_t count = 1;
    for (unsigned i = 0; i < EQ_MAX_RANK; i++) {
        count *= dims[i];
    }
    return count;
}

/* In elements, from the walk's first one. */
static inline int32_t eq_row_offset(const struct eq_row *row, const int32_t *step)
{
    int32_t offset = 0;
    for (unsigned i = 0; i < EQ_INNER; i++) {
        offset += (int32_t)row->at[i] * step[i];
    }
    return offset;
}

/* What a kernel of two operands makes of an element of each. */
typedef int8_t eq_of_two(const void *op, int32_t a, int32_t b);

/* Walk two operands, each by its own steps; what comes of them lies dense. */
static inline void eq_walk_two(const uint32_t *dims, const int8_t *a, const int32_t *a_step, const int8_t *b,
                               const int32_t *b_step, int8_t *out, eq_of_two *value, const void *op)
{
    int32_t a_inner = a_step[EQ_INNER], b_inner = b_step[EQ_INNER];
    struct eq_row row = {{0}};
    do {
        const int8_t *a_row = a + eq_row_offset(&row, a_step);
        const int8_t *b_row = b + eq_row_offset(&row, b_step);
        for (uint32_t i = 0; i < dims[EQ_INNER]; i++) {
            *out++ = value(op, a_row[(int32_t)i * a_inner], b_row[(int32_t)i * b_inner]);
        }
    } while (eq_next_row(&row, dims));
}

#endif
