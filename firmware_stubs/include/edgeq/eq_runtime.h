/* The microcontroller runtime: executes an image where it lies. No heap, no globals, no recursion; re-entrant, so that
 * several models may be open at once, each with its own arena. docs/micro.md shows a whole program.
 */
#ifndef EQ_RUNTIME_H
#define EQ_RUNTIME_H

#include <stddef.h>
#include <stdint.h>

#include "edgeq/eq_image.h"
#include "edgeq/eq_status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The runtime's own alignment: of an image and of an arena. */
#define EQ_ALIGN 16u

/* An open model. The caller owns it, the image and the arena; they outlive it. Fields are the runtime's. */
struct eq_model {
    const uint8_t *body;         /* in the image */
    const struct eq_body *head;  /* the same place */
    uint8_t *arena;
    const uint8_t *at;           /* the next op record */
    const uint8_t *end;          /* behind the last one */
};

/* Facts of an image that are safe to read before anything of it is trusted. */
struct eq_image_facts {
    uint32_t image_bytes, arena_bytes;
    uint16_t plan_abi, packing;
    const uint8_t *sha256; /* 32 bytes */
    const char *target;    /* 32 bytes, zero-filled */
};

/* Read the envelope alone, of which `bytes` (>= EQ_ENVELOPE_BYTES) are there: enough to refuse an image before it has
 * arrived. EQ_INVALID for what is no image, EQ_NEWER for another plan ABI, EQ_MISMATCH for another packing. */
int eq_image_peek(const void *image, size_t bytes, struct eq_image_facts *facts);

/* Validate every offset, length, shape and parameter, bind the arena and reset. EQ_INVALID for a damaged image,
 * EQ_UNSUPPORTED for a kernel that is not compiled in, EQ_NO_SPACE for an arena too small. Digests are the caller's. */
int eq_model_open(struct eq_model *model, const void *image, size_t image_bytes, void *arena, size_t arena_bytes);

/* Variables get their first values again. */
void eq_model_reset(struct eq_model *model);

/* One inference in steps, each one op: eq_begin, then eq_step until it returns 0 (1 means that more is to do).
 * Inputs are to be written before eq_begin and outputs to be read before the next one; both lie in the arena, and an
 * input may be overwritten by the inference. */
void eq_begin(struct eq_model *model);
int eq_step(struct eq_model *model);

/* eq_begin and all the steps. */
void eq_invoke(struct eq_model *model);

/* The number of the op record that the next eq_step executes, from 0, and its kind; EQ_KINDS after the last. */
uint32_t eq_next_kind(const struct eq_model *model);

/* An input or output by position; NULL where there is none. */
void *eq_input(const struct eq_model *model, unsigned index, uint32_t *bytes);
const void *eq_output(const struct eq_model *model, unsigned index, uint32_t *bytes);
const struct eq_tensor *eq_input_info(const struct eq_model *model, unsigned index);
const struct eq_tensor *eq_output_info(const struct eq_model *model, unsigned index);

/* Golden vector `index` in halves, with an inference between them: write its inputs (0 resets first; the vectors are one
 * sequence), then tell the largest difference of an output value from what it must be, in output steps; int32 and float32
 * must be the same bits, else UINT32_MAX. EQ_NOT_FOUND where there is no such vector. */
int eq_golden_load(struct eq_model *model, unsigned index);
uint32_t eq_golden_compare(const struct eq_model *model, unsigned index);

/* The same difference of the model's outputs from others, which lie one after the other at `expected`. */
uint32_t eq_golden_apart(const struct eq_model *model, const uint8_t *expected);

/* A golden vector from beginning to end. */
uint32_t eq_golden(struct eq_model *model, unsigned index);

#ifdef __cplusplus
}
#endif

#endif
