#include <string.h>

#include "eq_check.h"

typedef char eq_envelope_is_256_bytes[sizeof(struct eq_envelope) == EQ_ENVELOPE_BYTES ? 1 : -1];
typedef char eq_body_is_128_bytes[sizeof(struct eq_body) == 128 ? 1 : -1];
typedef char eq_tensor_is_44_bytes[sizeof(struct eq_tensor) == 44 ? 1 : -1];

int eq_image_peek(const void *image, size_t bytes, struct eq_image_facts *facts)
{
    const struct eq_envelope *envelope = image;
    if (bytes < EQ_ENVELOPE_BYTES || (uintptr_t)image % EQ_ALIGN != 0 || envelope->magic != EQ_MAGIC ||
        envelope->image_bytes < EQ_ENVELOPE_BYTES + sizeof(struct eq_body) ||
        envelope->image_bytes % EQ_ALIGN != 0 || envelope->image_bytes >= EQ_CONST ||
        envelope->arena_bytes >= EQ_CONST) {
        return EQ_INVALID;
    }
    if (envelope->plan_abi != EQ_PLAN_ABI && envelope->plan_abi != EQ_PLAN_ABI_FRONTEND) {
        return EQ_NEWER;
    }
    if (envelope->packing != EQ_PACKING_PORTABLE) {
        return EQ_MISMATCH;
    }
    facts->image_bytes = envelope->image_bytes;
    facts->arena_bytes = envelope->arena_bytes;
    facts->plan_abi = envelope->plan_abi;
    facts->packing = envelope->packing;
    facts->sha256 = envelope->sha256;
    facts->target = envelope->target;
    return EQ_OK;
}

static int check_plan(const struct eq_bounds *bounds, const struct eq_body *head)
{
    uint32_t at = head->plan, left = head->plan_bytes;
    if (eq_check_const(bounds, at | EQ_CONST, left, 4) != EQ_OK) {
        return EQ_INVALID;
    }
    while (left > 0) {
        const struct eq_op *op = (const void *)(bounds->body + at);
        const struct eq_kernel *kernel;
        int status;
        if (left < sizeof *op || op->bytes < sizeof *op || op->bytes > left || op->bytes % 4 != 0) {
            return EQ_INVALID;
        }
        kernel = op->kind < EQ_KINDS ? eq_kernels[op->kind] : NULL;
        if (kernel == NULL) {
            return EQ_UNSUPPORTED;
        }
        status = op->bytes == kernel->op_bytes ? kernel->check(bounds, op) : EQ_INVALID;
        if (status != EQ_OK) {
            return status;
        }
        at += op->bytes;
        left -= op->bytes;
    }
    return EQ_OK;
}

static uint32_t elem_bytes(uint32_t dtype)
{
    switch (dtype) {
    case EQ_I8:
    case EQ_U8:
    case EQ_BOOL:
        return 1;
    case EQ_I16:
        return 2;
    case EQ_I32:
    case EQ_F32:
        return 4;
    default:
        return 0;
    }
}

static int check_tensor(const struct eq_bounds *bounds, const struct eq_tensor *tensor, int constant)
{
    uint64_t bytes = elem_bytes(tensor->dtype);
    uint32_t align = (uint32_t)bytes;
    if (bytes == 0 || tensor->rank > EQ_MAX_RANK) {
        return EQ_INVALID;
    }
    for (unsigned i = 0; i < tensor->rank; i++) {
        bytes *= tensor->dims[i];
        if (bytes == 0 || bytes > EQ_CONST) {
            return EQ_INVALID;
        }
    }
    if (bytes != tensor->bytes) {
        return EQ_INVALID;
    }
    return constant ? eq_check_any(bounds, tensor->at, bytes, align)
                    : eq_check_arena(bounds, tensor->at, bytes, align);
}

static int check_tensors(const struct eq_bounds *bounds, const struct eq_body *head)
{
    uint32_t count = (uint32_t)head->inputs + head->outputs;
    uint64_t vector = 0;
    const struct eq_tensor *tensor;
    if (head->inputs == 0 || head->outputs == 0 ||
        eq_check_const(bounds, head->tensors | EQ_CONST, (uint64_t)count * sizeof *tensor, 4) != EQ_OK) {
        return EQ_INVALID;
    }
    tensor = (const void *)(bounds->body + head->tensors);
    for (uint32_t i = 0; i < count; i++) {
        if (check_tensor(bounds, &tensor[i], i >= head->inputs) != EQ_OK) {
            return EQ_INVALID;
        }
        vector += tensor[i].bytes;
    }
    /* 32 bits hold what all of them are together, however they overlap. */
    return eq_check_that(vector < EQ_CONST) | eq_check_const(bounds, head->golden | EQ_CONST, vector * head->goldens, 1);
}

static int check_body(const struct eq_bounds *bounds, const struct eq_body *head,
                      const struct eq_envelope *envelope)
{
    int bad = head->plan_abi != envelope->plan_abi || head->packing != envelope->packing ||
              head->arena_bytes != envelope->arena_bytes || head->body_bytes != bounds->body_bytes ||
              head->state_bytes > head->arena_bytes ||
              (head->plan_abi == EQ_PLAN_ABI_FRONTEND) != (head->frontend_bytes != 0) ||
              (head->plan | head->tensors | head->golden | head->interface) >= EQ_CONST ||
              (head->state_init != EQ_NONE &&
               (head->state_init >= EQ_CONST ||
                eq_check_const(bounds, head->state_init | EQ_CONST, head->state_bytes, 1) != EQ_OK)) ||
              eq_check_const(bounds, head->interface | EQ_CONST, head->interface_bytes, 1) != EQ_OK;
    return bad ? EQ_INVALID : EQ_OK;
}

int eq_model_open(struct eq_model *model, const void *image, size_t image_bytes, void *arena,
                  size_t arena_bytes)
{
    struct eq_image_facts facts;
    struct eq_bounds bounds;
    const struct eq_body *head;
    int status = eq_image_peek(image, image_bytes, &facts);
    if (status != EQ_OK) {
        return status;
    }
    if (facts.image_bytes > image_bytes) {
        return EQ_INVALID;
    }
    if (facts.arena_bytes > arena_bytes || (uintptr_t)arena % EQ_ALIGN != 0) {
        return EQ_NO_SPACE;
    }
    bounds.body = (const uint8_t *)image + EQ_ENVELOPE_BYTES;
    bounds.body_bytes = facts.image_bytes - EQ_ENVELOPE_BYTES;
    bounds.arena_bytes = facts.arena_bytes;
    head = (const void *)bounds.body;
    status = check_body(&bounds, head, image);
    if (status == EQ_OK) {
        status = check_tensors(&bounds, head);
    }
    if (status == EQ_OK) {
        status = check_plan(&bounds, head);
    }
    if (status != EQ_OK) {
        return status;
    }
    model->body = bounds.body;
    model->head = head;
    model->arena = arena;
    eq_begin(model);
    eq_model_reset(model);
    return EQ_OK;
}

void eq_model_reset(struct eq_model *model)
{
    const struct eq_body *head = model->head;
    if (head->state_init != EQ_NONE) {
        memcpy(model->arena, model->body + head->state_init, head->state_bytes);
    } else {
        memset(model->arena, 0, head->state_bytes);
    }
}

void eq_begin(struct eq_model *model)
{
    model->at = model->body + model->head->plan;
    model->end = model->at + model->head->plan_bytes;
}

int eq_step(struct eq_model *model)
{
    const struct eq_op *op = (const void *)model->at;
    if (model->at == model->end) {
        return 0;
    }
    eq_kernels[op->kind]->run(model, op);
    model->at += op->bytes;
    return model->at != model->end;
}

void eq_invoke(struct eq_model *model)
{
    eq_begin(model);
    while (eq_step(model)) {
    }
}

uint32_t eq_next_kind(const struct eq_model *model)
{
    const struct eq_op *op = (const void *)model->at;
    return model->at == model->end ? (uint32_t)EQ_KINDS : op->kind;
}

static const struct eq_tensor *tensor_at(const struct eq_model *model, unsigned index)
{
    return (const struct eq_tensor *)(const void *)(model->body + model->head->tensors) + index;
}

const struct eq_tensor *eq_input_info(const struct eq_model *model, unsigned index)
{
    return index < model->head->inputs ? tensor_at(model, index) : NULL;
}

const struct eq_tensor *eq_output_info(const struct eq_model *model, unsigned index)
{
    return index < model->head->outputs ? tensor_at(model, index + model->head->inputs) : NULL;
}

void *eq_input(const struct eq_model *model, unsigned index, uint32_t *bytes)
{
    const struct eq_tensor *tensor = eq_input_info(model, index);
    if (tensor == NULL) {
        return NULL;
    }
    *bytes = tensor->bytes;
    return eq_in_arena(model, tensor->at);
}

const void *eq_output(const struct eq_model *model, unsigned index, uint32_t *bytes)
{
    const struct eq_tensor *tensor = eq_output_info(model, index);
    if (tensor == NULL) {
        return NULL;
    }
    *bytes = tensor->bytes;
    return eq_at(model, tensor->at);
}
