/* What the checks of a front end's records share. */
#ifndef EQ_FE_CHECK_H
#define EQ_FE_CHECK_H

#include "eq_check.h"
#include "eq_fe.h"

#define EQ_FE_MOST_SAMPLES (1u << 26)
#define EQ_FE_MOST_SHIFT 62u
#define EQ_FE_MOST_EXPONENT 512

/* What a record takes and gives. */
enum eq_fe_stage { SAMPLES, PIXELS, WORDS, FRAMES, BINS, NUMBERS, VALUES, DONE };

struct eq_fe_check {
    const struct eq_bounds *bounds;
    const struct eq_fe_head *head;
    const struct eq_tensor *input;
    uint32_t records;     /* seen so far */
    uint32_t length;      /* of a frame */
    uint32_t width;       /* of what a record gets */
    uint32_t pad;         /* samples of a padded clip; 0 without padding */
    uint32_t whole;       /* samples of the longest clip, behind a resample */
    uint8_t stage, resample, peak, preemphasis, stack, other; /* which were seen; `other`: a step on samples */
};

/* What a kind of record must be. */
struct eq_fe_rule {
    uint8_t from, to; /* enum eq_fe_stage */
    uint16_t bytes;   /* of the record */
    int (*holds)(struct eq_fe_check *check, const void *op);
};

/* A function of the record's own type as one of a rule. */
#define EQ_FE_RULE(name, type)                                               \
    static int name##_holds(struct eq_fe_check *check, const void *op)      \
    {                                                                        \
        return name(check, (const type *)op);                                \
    }

static inline const void *eq_fe_constant(const struct eq_fe_check *check, eq_ref ref)
{
    return check->bounds->body + (ref & ~EQ_CONST);
}

static inline int eq_fe_is_constant(const struct eq_fe_check *check, eq_ref ref, uint64_t bytes, uint32_t align)
{
    return eq_check_const(check->bounds, ref, bytes, align) == EQ_OK;
}

/* Whether `count` things of `size` bytes fit into the row of values. */
static inline int eq_fe_fits(const struct eq_fe_check *check, uint64_t count, uint32_t size)
{
    return count >= 1 && count <= EQ_FE_MOST_ROW && count * size <= check->head->values_bytes;
}

/* A record by the rules of a file, `count` of them by their kind: EQ_UNSUPPORTED for one that is not among them. */
static inline int eq_fe_check_by(const struct eq_fe_rule *rules, uint32_t count, struct eq_fe_check *check,
                                 const struct eq_op *op)
{
    const struct eq_fe_rule *rule = op->kind < count ? &rules[op->kind] : NULL;
    if (rule == NULL || rule->holds == NULL) {
        return EQ_UNSUPPORTED;
    }
    if (rule->from != check->stage || rule->bytes != op->bytes || !rule->holds(check, op)) {
        return EQ_INVALID;
    }
    check->stage = rule->to;
    return EQ_OK;
}

/* Records from samples to numbers; and those on rows of values, with what makes these of pixels and numbers. */
int eq_fe_check_audio(struct eq_fe_check *check, const struct eq_op *op);
int eq_fe_check_row(struct eq_fe_check *check, const struct eq_op *op);

#endif
