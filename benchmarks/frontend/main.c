/* A port that prepares one recording and tells how many ticks that took; then it ends QEMU.
 *
 * Flash: u32 image_bytes, u32 samples, 8 bytes; the image, whose first golden vector from raw input is used, or without one
 * int16 samples for the peer. Line: u32 ticks, u32 bytes, the features. */
#include <string.h>

#include "edgeq/eq_frontend.h"
#include "eq_port.h"

#define EXIT_OPERATION 0x20u /* semihosting: SYS_EXIT_EXTENDED */
#define APPLICATION_EXIT 0x20026u

#define FEATURES_BYTES 16384u

/* Where the peer puts its features, and how many there were. */
void peer_open(uint16_t *features);
uint32_t peer_run(const int16_t *samples, uint32_t count);

static const struct eq_config *config;
static uint32_t given = FEATURES_BYTES; /* bytes of the arena that are in use */

/* The peer's tables come out of the arena. */
void *malloc(size_t bytes);
void free(void *data);
void *calloc(size_t count, size_t bytes);

void *malloc(size_t bytes)
{
    void *found = config->arena + given;
    given += ((uint32_t)bytes + 15u) & ~15u;
    return found;
}

void free(void *data)
{
    (void)data;
}

void *calloc(size_t count, size_t bytes)
{
    return memset(malloc(count * bytes), 0, count * bytes);
}

static void put(uint32_t value)
{
    const uint8_t data[4] = {(uint8_t)value, (uint8_t)(value >> 8), (uint8_t)(value >> 16), (uint8_t)(value >> 24)};
    config->write(config->context, data, sizeof data);
}

static void tell(uint32_t ticks, const void *features, uint32_t bytes)
{
    put(ticks);
    put(bytes);
    config->write(config->context, features, bytes);
}

static void leave(void)
{
    uint32_t block[2] = {APPLICATION_EXIT, 0};
    register uint32_t operation __asm__("r0") = EXIT_OPERATION;
    register uint32_t *argument __asm__("r1") = block;
    __asm__ volatile("bkpt 0xab" : "+r"(operation) : "r"(argument) : "memory");
}

static void ours(const uint8_t *image, uint32_t image_bytes)
{
    struct eq_model model;
    struct eq_frontend front;
    const uint8_t *data;
    const void *input;
    uint32_t left, before, ticks, bytes;
    if (eq_model_open(&model, image, image_bytes, config->arena, config->arena_bytes) != EQ_OK ||
        eq_frontend_open(&front, &model) != EQ_OK) {
        return;
    }
    before = config->ticks(config->context);
    (void)eq_frontend_golden_begin(&front, 0, &data, &left);
    while (left > 0) {
        uint32_t taken = eq_frontend_feed(&front, data, left);
        data += taken;
        left -= taken;
    }
    while (eq_frontend_step(&front)) {
    }
    ticks = config->ticks(config->context) - before;
    input = eq_input(&model, 0, &bytes);
    tell(ticks, input, bytes);
}

static void theirs(const int16_t *samples, uint32_t count)
{
    uint32_t before, features;
    peer_open((void *)config->arena);
    before = config->ticks(config->context);
    features = peer_run(samples, count);
    tell(config->ticks(config->context) - before, config->arena, features * 2);
}

int main(int argc, char **argv)
{
    uint32_t head[4];
    config = eq_port_start(argc, argv);
    memcpy(head, config->flash->base, sizeof head);
    if (head[0] > 0) {
        ours(config->flash->base + sizeof head, head[0]);
    } else {
        theirs((const void *)(config->flash->base + sizeof head), head[1]);
    }
    leave();
    return 0;
}
