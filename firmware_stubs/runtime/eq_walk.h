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

#endif
