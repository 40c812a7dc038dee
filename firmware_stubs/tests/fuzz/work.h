/* How much an image is to compute: hostile ones may ask for hours, which is no fault of a kernel's. */
#ifndef WORK_H
#define WORK_H

#include "edgeq/eq_runtime.h"

/* About how often the innermost loops of one invoke run. */
uint64_t work_of(const struct eq_model *model);

#endif
