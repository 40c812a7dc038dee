#include "execute.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "../../core/eq_crc.h"
#include "edgeq/eq_runtime.h"
#include "front.h"
#include "work.h"

#ifndef GUARD_BYTES
#define GUARD_BYTES 0u /* a multiple of EQ_ALIGN */
#endif
#define GUARD 0x5a
#define GOLDENS 2

struct place {
    uint8_t *whole; /* with its guards */
    uint8_t *data;
    size_t bytes;
};

static struct place place_of(size_t bytes)
{
    struct place place;
    place.whole = memalign(EQ_ALIGN, bytes + 2 * GUARD_BYTES + (bytes == 0));
    if (place.whole == NULL) {
        abort();
    }
    memset(place.whole, GUARD, bytes + 2 * GUARD_BYTES);
    place.data = place.whole + GUARD_BYTES;
    place.bytes = bytes;
    return place;
}

static void leave(const struct place *place)
{
    for (size_t i = GUARD_BYTES; i-- > 0;) {
        if (place->whole[i] != GUARD || place->data[place->bytes + i] != GUARD) {
            abort();
        }
    }
    free(place->whole);
}

/* Inputs, and what nothing has written yet, are bytes that a fuzzer chooses. */
static void fill(const struct place *arena, const struct place *image)
{
    for (size_t i = 0; i < arena->bytes; i++) {
        arena->data[i] = image->data[image->bytes - 1 - i % image->bytes];
    }
}

static uint32_t run(struct eq_model *model)
{
    uint32_t crc = 0, bytes;
    const void *output;
    for (unsigned i = 0; i < GOLDENS; i++) {
        (void)eq_golden(model, i);
    }
    eq_invoke(model);
    for (unsigned i = 0; (output = eq_output(model, i, &bytes)) != NULL; i++) {
        crc = eq_crc32(crc, output, bytes);
    }
    return crc;
}

/* What the front end made of its input, where there is one. */
static uint32_t prepare(struct eq_model *model)
{
    uint32_t bytes;
    const void *input = eq_input(model, 0, &bytes);
    return front_of(model) == EQ_OK ? eq_crc32(0, input, bytes) : 0;
}

static void open_and_run(const struct place *image, uint32_t arena_bytes, struct verdict *verdict)
{
    struct place arena = place_of(arena_bytes);
    struct eq_model model;
    fill(&arena, image);
    verdict->status = eq_model_open(&model, image->data, image->bytes, arena.data, arena.bytes);
    if (verdict->status == EQ_OK && work_of(&model) <= MOST_WORK) {
        verdict->executed = 1;
        verdict->outputs = prepare(&model) ^ run(&model);
    }
    leave(&arena);
}

struct verdict execute(const uint8_t *data, size_t bytes)
{
    struct verdict verdict = {EQ_OK, 0, 0};
    struct eq_image_facts facts;
    struct place image = place_of(bytes);
    memcpy(image.data, data, bytes);
    verdict.status = eq_image_peek(image.data, bytes, &facts);
    if (verdict.status == EQ_OK && facts.arena_bytes > MOST_ARENA_BYTES) {
        verdict.status = EQ_NO_SPACE;
    } else if (verdict.status == EQ_OK) {
        open_and_run(&image, facts.arena_bytes, &verdict);
    }
    if (memcmp(image.data, data, bytes) != 0) {
        abort();
    }
    leave(&image);
    return verdict;
}
