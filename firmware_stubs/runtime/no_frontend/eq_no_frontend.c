/* In place of runtime/frontend where no model has a front end: an image with one is refused, so that nothing else is called. */
#include <string.h>

#include "edgeq/eq_frontend.h"

uint32_t eq_frontend_version(void)
{
    return 0;
}

int eq_frontend_open(struct eq_frontend *front, const struct eq_model *model)
{
    memset(front, 0, sizeof *front);
    return model->head->frontend_bytes == 0 ? EQ_NOT_FOUND : EQ_UNSUPPORTED;
}

int eq_frontend_begin(struct eq_frontend *front, const struct eq_raw *raw, const char **why)
{
    (void)front;
    (void)raw;
    (void)why;
    return EQ_UNSUPPORTED;
}

uint32_t eq_frontend_bytes(const struct eq_frontend *front)
{
    (void)front;
    return 0;
}

uint32_t eq_frontend_feed(struct eq_frontend *front, const void *data, uint32_t bytes)
{
    (void)front;
    (void)data;
    return bytes;
}

int eq_frontend_step(struct eq_frontend *front)
{
    (void)front;
    return 0;
}

uint32_t eq_frontend_goldens(const struct eq_frontend *front)
{
    (void)front;
    return 0;
}

int eq_frontend_golden_begin(struct eq_frontend *front, uint32_t index, const uint8_t **data, uint32_t *bytes)
{
    (void)front;
    (void)index;
    (void)data;
    (void)bytes;
    return EQ_NOT_FOUND;
}

uint32_t eq_frontend_golden_compare(const struct eq_frontend *front, uint32_t index)
{
    (void)front;
    (void)index;
    return UINT32_MAX;
}
