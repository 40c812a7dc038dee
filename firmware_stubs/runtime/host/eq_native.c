#include "eq_native.h"

size_t eq_native_model_bytes(void)
{
    return sizeof(struct eq_model);
}

size_t eq_native_frontend_bytes(void)
{
    return sizeof(struct eq_frontend);
}

unsigned eq_native_goldens(const struct eq_model *model)
{
    return model->head->goldens;
}

size_t eq_native_kinds(const struct eq_model *model, uint16_t *kinds, size_t room)
{
    struct eq_model walk = *model;
    size_t count = 0;
    for (eq_begin(&walk); walk.at != walk.end; count++) {
        const struct eq_op *op = (const void *)walk.at;
        if (count < room) {
            kinds[count] = op->kind;
        }
        walk.at += op->bytes;
    }
    return count;
}
