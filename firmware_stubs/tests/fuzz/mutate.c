/* Changes images where it hurts: fields of op records, descriptors and heads, while the rest stays an image. */
#include <stddef.h>
#include <string.h>

#include "edgeq/eq_frontend.h"
#include "execute.h"

#define BODY EQ_ENVELOPE_BYTES
#define MOST_RECORDS 32u

size_t LLVMFuzzerMutate(uint8_t *data, size_t bytes, size_t most);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t bytes, size_t most, unsigned seed);

struct image {
    uint8_t *data;
    uint32_t bytes; /* at least of the envelope and the body's head */
    uint32_t seed;  /* of the next random number */
    uint32_t count; /* of records */
    uint32_t record[MOST_RECORDS]; /* where they lie */
};

static uint32_t random_below(struct image *image, uint32_t limit)
{
    image->seed = image->seed * 1664525u + 1013904223u;
    return (uint32_t)((uint64_t)image->seed * limit >> 32);
}

static uint32_t word_at(const struct image *image, uint32_t at)
{
    uint32_t word;
    memcpy(&word, image->data + at, sizeof word);
    return word;
}

static uint32_t record_bytes(const struct image *image, uint32_t at)
{
    return word_at(image, at) >> 16;
}

static void find_records(struct image *image, uint32_t at, uint32_t left)
{
    image->count = 0;
    if (at % 4 != 0 || at > image->bytes - BODY || left > image->bytes - BODY - at) {
        return;
    }
    for (at += BODY; left >= 4 && image->count < MOST_RECORDS; image->count++) {
        uint32_t bytes = record_bytes(image, at);
        if (bytes < 4 || bytes % 4 != 0 || bytes > left) {
            return;
        }
        image->record[image->count] = at;
        at += bytes;
        left -= bytes;
    }
}

/* A number that may be at the rim of something. */
static uint32_t rim(struct image *image)
{
    static const uint32_t numbers[] = {0,      1,       2,          3,           4,           127,
                                       128,    255,     0xffff,     0x10000,     0x1ffff,     0x7fffff,
                                       1u << 28, 1u << 30, 0x7fffffffu, 0x80000000u, 0xffffff80u, 0xffffffffu};
    uint32_t limits[4];
    limits[0] = numbers[random_below(image, sizeof numbers / sizeof *numbers)];
    limits[1] = word_at(image, offsetof(struct eq_envelope, arena_bytes));
    limits[2] = image->bytes - BODY;
    limits[3] = (image->bytes - BODY) | EQ_CONST;
    return limits[random_below(image, 4)] - random_below(image, 5);
}

static uint32_t other_value(struct image *image, uint32_t value, uint32_t elsewhere)
{
    switch (random_below(image, 6)) {
    case 0:
        return rim(image);
    case 1:
    case 2:
        return value + random_below(image, 9) - 4;
    case 3:
        return value ^ 1u << random_below(image, 32);
    case 4:
        return elsewhere;
    default:
        return random_below(image, UINT32_MAX) >> random_below(image, 32);
    }
}

/* Change a field of 2 or 4 bytes of the struct at `at`, where that lies in the image. */
static void change_field(struct image *image, uint32_t at, uint32_t bytes)
{
    uint32_t size = random_below(image, 3) == 0 ? 2 : 4, place, value;
    if (bytes < 4 || at > image->bytes || bytes > image->bytes - at) {
        return;
    }
    place = at + random_below(image, bytes / size) * size;
    value = other_value(image, word_at(image, place & ~3u), word_at(image, at + random_below(image, bytes / 4) * 4));
    memcpy(image->data + place, &value, size);
}

static void change_record(struct image *image)
{
    if (image->count > 0) {
        uint32_t at = image->record[random_below(image, image->count)];
        change_field(image, at + 4, record_bytes(image, at) - 4);
    }
}

/* Write one record over another of its length, or give it another kind. */
static void mix_records(struct image *image)
{
    if (image->count > 0) {
        uint32_t to = image->record[random_below(image, image->count)];
        uint32_t from = image->record[random_below(image, image->count)];
        if (from != to && record_bytes(image, from) == record_bytes(image, to)) {
            memcpy(image->data + to, image->data + from, record_bytes(image, to));
        } else {
            image->data[to] = (uint8_t)random_below(image, EQ_KINDS + 1);
        }
    }
}

/* Write the plan once more, as far as it fits, near the end of the body. */
static void move_plan(struct image *image)
{
    uint32_t left = word_at(image, BODY + offsetof(struct eq_body, plan_bytes)), space = image->bytes & ~15u, to;
    struct eq_body *head = (void *)(image->data + BODY);
    if (image->count == 0) {
        return;
    }
    to = space - (1 + random_below(image, 64)) * 4;
    if (to > BODY + sizeof *head) {
        left = left < space - to ? left : space - to;
        memmove(image->data + to, image->data + image->record[random_below(image, image->count)], left);
        head->plan = to - BODY;
        head->plan_bytes = left;
    }
}

static void change_tensor(struct image *image)
{
    uint32_t at = word_at(image, BODY + offsetof(struct eq_body, tensors));
    if (at < image->bytes) {
        change_field(image, BODY + at, sizeof(struct eq_tensor));
    }
}

static void change_constant(struct image *image)
{
    change_field(image, BODY + sizeof(struct eq_body), (image->bytes - BODY - (uint32_t)sizeof(struct eq_body)) & ~3u);
}

static void find_plan(struct image *image)
{
    find_records(image, word_at(image, BODY + offsetof(struct eq_body, plan)),
                 word_at(image, BODY + offsetof(struct eq_body, plan_bytes)));
}

/* The front end's head or records, where there is one. */
static void change_front(struct image *image)
{
    uint32_t at = word_at(image, BODY + offsetof(struct eq_body, frontend));
    uint32_t bytes = word_at(image, BODY + offsetof(struct eq_body, frontend_bytes)), head = sizeof(struct eq_fe_head);
    if (bytes < head || at > image->bytes - BODY || bytes > image->bytes - BODY - at) {
        return;
    }
    if (random_below(image, 4) == 0) {
        change_field(image, BODY + at, head);
        return;
    }
    find_records(image, at + head, bytes - head);
    if (random_below(image, 8) == 0) {
        mix_records(image);
    } else {
        change_record(image);
    }
}

static void change_something(struct image *image)
{
    find_plan(image);
    if (word_at(image, BODY + offsetof(struct eq_body, frontend_bytes)) > 0 && random_below(image, 3) > 0) {
        change_front(image);
        return;
    }
    switch (random_below(image, 13)) {
    case 0:
        change_field(image, 0, 96); /* what a signature covers */
        break;
    case 1:
        change_field(image, BODY, sizeof(struct eq_body));
        break;
    case 2:
        change_tensor(image);
        break;
    case 3:
        mix_records(image);
        break;
    case 4:
        move_plan(image);
        break;
    case 5:
    case 6:
        change_constant(image);
        break;
    default:
        change_record(image);
    }
}

/* Heads that say the same, so that the image is not refused at the first look. */
static void agree(struct image *image)
{
    struct eq_envelope *envelope = (void *)image->data;
    struct eq_body *head = (void *)(image->data + BODY);
    envelope->magic = EQ_MAGIC;
    envelope->image_bytes = image->bytes & ~15u;
    envelope->plan_abi = head->plan_abi = head->frontend_bytes ? EQ_PLAN_ABI_FRONTEND : EQ_PLAN_ABI;
    envelope->packing = head->packing = EQ_PACKING_PORTABLE;
    envelope->arena_bytes %= MOST_ARENA_BYTES + 1;
    head->arena_bytes = envelope->arena_bytes;
    head->body_bytes = envelope->image_bytes - BODY;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t bytes, size_t most, unsigned seed)
{
    struct image image = {.data = data, .seed = seed};
    if (bytes < BODY + sizeof(struct eq_body) + 64 || random_below(&image, 16) == 0) {
        bytes = LLVMFuzzerMutate(data, bytes, most);
    }
    if (bytes < BODY + sizeof(struct eq_body) + 64) {
        return bytes;
    }
    image.bytes = (uint32_t)bytes;
    do {
        change_something(&image);
    } while (random_below(&image, 3) == 0);
    if (random_below(&image, 16) != 0) {
        agree(&image);
    }
    return bytes;
}
