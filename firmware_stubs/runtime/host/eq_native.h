/* What Python's ctypes needs beyond eq_runtime.h, so that no struct's layout is known there: edgeq/micro/native.py. */
#ifndef EQ_NATIVE_H
#define EQ_NATIVE_H

#include "edgeq/eq_frontend.h"

/* Bytes of a struct eq_model, and of a struct eq_frontend. */
size_t eq_native_model_bytes(void);
size_t eq_native_frontend_bytes(void);

/* How many golden vectors an open model has. */
unsigned eq_native_goldens(const struct eq_model *model);

/* The kinds of its ops in order: writes up to `room` of them and returns how many there are. Nothing is executed. */
size_t eq_native_kinds(const struct eq_model *model, uint16_t *kinds, size_t room);

#endif
