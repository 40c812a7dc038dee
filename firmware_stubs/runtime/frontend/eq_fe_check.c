/* What a front end says is checked once; after that no byte of it can make a step read or write elsewhere, or overflow. */
#include "eq_fe_check.h"

#define MOST_LIFT 14u

static int check_records(struct eq_fe_check *check, const uint8_t *at, uint32_t left)
{
    for (; left > 0; check->records++) {
        const struct eq_op *op = (const void *)at;
        int status;
        if (left < sizeof *op || op->bytes < sizeof *op || op->bytes > left || op->bytes % 4 != 0) {
            return EQ_INVALID;
        }
        status = eq_fe_check_audio(check, op);
        status = status == EQ_UNSUPPORTED ? eq_fe_check_row(check, op) : status;
        if (status != EQ_OK) {
            return status;
        }
        at += op->bytes;
        left -= op->bytes;
    }
    return check->stage == DONE ? EQ_OK : EQ_INVALID;
}

static int check_goldens(const struct eq_bounds *bounds, const struct eq_model *model, const struct eq_fe_head *head)
{
    uint64_t at = head->raws, outputs = 0;
    for (unsigned i = 0; i < model->head->outputs; i++) {
        outputs += eq_output_info(model, i)->bytes;
    }
    for (uint32_t i = 0; i < head->raw_goldens; i++) {
        const struct eq_fe_golden *golden;
        uint64_t bytes;
        if (at >= EQ_CONST || eq_check_const(bounds, (eq_ref)at | EQ_CONST, sizeof *golden, 4) != EQ_OK) {
            return EQ_INVALID;
        }
        golden = (const void *)(bounds->body + at);
        bytes = sizeof *golden + (((uint64_t)golden->bytes + 3) & ~(uint64_t)3) + ((outputs + 3) & ~(uint64_t)3);
        if (eq_check_const(bounds, (eq_ref)at | EQ_CONST, bytes, 4) != EQ_OK) {
            return EQ_INVALID;
        }
        at += bytes;
    }
    return EQ_OK;
}

static int check_head(const struct eq_bounds *bounds, const struct eq_fe_head *head)
{
    return eq_check_that(head->least >= 1 && head->least <= head->most && head->most <= EQ_FE_MOST_SAMPLES &&
                         head->clip_samples >= 1 && head->lift <= MOST_LIFT) |
           eq_check_arena(bounds, head->clip, (uint64_t)head->clip_samples * 2, 2) |
           eq_check_arena(bounds, head->work, head->work_bytes, 8) |
           eq_check_arena(bounds, head->values, head->values_bytes, 8) |
           eq_check_apart(head->work, head->work_bytes, head->values, head->values_bytes);
}

int eq_fe_check(const struct eq_bounds *bounds, const struct eq_model *model)
{
    uint32_t offset = model->head->frontend, bytes = model->head->frontend_bytes;
    const struct eq_fe_head *head = (const void *)(bounds->body + offset);
    struct eq_fe_check check = {.bounds = bounds, .head = head, .input = eq_input_info(model, 0)};
    if (offset >= EQ_CONST || bytes < sizeof *head || eq_check_const(bounds, offset | EQ_CONST, bytes, 4) != EQ_OK) {
        return EQ_INVALID;
    }
    if (head->version != EQ_FRONTEND_VERSION) {
        return EQ_NEWER;
    }
    if (head->input < EQ_FE_AUDIO || head->input > EQ_FE_NUMBERS) {
        return EQ_UNSUPPORTED;
    }
    check.whole = head->most;
    check.stage = head->input == EQ_FE_AUDIO ? SAMPLES : head->input == EQ_FE_IMAGE ? PIXELS : WORDS;
    if (model->head->inputs != 1 || check_head(bounds, head) != EQ_OK || check_goldens(bounds, model, head) != EQ_OK) {
        return EQ_INVALID;
    }
    return check_records(&check, (const uint8_t *)(head + 1), bytes - (uint32_t)sizeof *head);
}
