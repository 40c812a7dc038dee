/* The front end of an image, where it has one: opened, and run where it is accepted. */
#ifndef FRONT_H
#define FRONT_H

#include "edgeq/eq_runtime.h"

/* Runs it over an input made of the image's own bytes, in pieces; EQ_OK, or why it was refused. */
int front_of(const struct eq_model *model);

#endif
