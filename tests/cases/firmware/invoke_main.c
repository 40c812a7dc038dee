/* A port that invokes models which lie in its flash, one after the other, and tells of each; then it ends QEMU.
 *
 * Flash: u32 cases, 12 bytes; each: u32 bytes of all that follows the head, image_bytes, steps, 4 bytes; the image; per
 * step all inputs and all outputs that there must be; to a multiple of 16. Line: per case i32 status of eq_model_open,
 * u32 steps with a wrong output and bytes written outside of the arena, u32 ticks of the last eq_invoke. The arena lies at
 * the end of the memory, so that reading behind it is a fault.
 */
#include <string.h>

#include "eq_port.h"

#define EXIT_OPERATION 0x20u /* semihosting: SYS_EXIT_EXTENDED */
#define APPLICATION_EXIT 0x20026u
#define GUARD_BYTES 4096u

struct head {
    uint32_t bytes, image_bytes, steps, zero;
};

static const struct eq_config *config;
static uint32_t took;

static void put(uint32_t value)
{
    const uint8_t data[4] = {(uint8_t)value, (uint8_t)(value >> 8), (uint8_t)(value >> 16), (uint8_t)(value >> 24)};
    config->write(config->context, data, sizeof data);
}

static void leave(void)
{
    uint32_t block[2] = {APPLICATION_EXIT, 0};
    register uint32_t operation __asm__("r0") = EXIT_OPERATION;
    register uint32_t *argument __asm__("r1") = block;
    __asm__ volatile("bkpt 0xab" : "+r"(operation) : "r"(argument) : "memory");
}

/* Whether a step gives what it must; `data` goes on to the next one. */
static int is_right(struct eq_model *model, const uint8_t **data)
{
    uint32_t bytes, ticks;
    void *input;
    const void *output;
    int right = 1;
    for (unsigned i = 0; (input = eq_input(model, i, &bytes)) != NULL; i++, *data += bytes) {
        memcpy(input, *data, bytes);
    }
    ticks = config->ticks(config->context);
    eq_invoke(model);
    took = config->ticks(config->context) - ticks;
    for (unsigned i = 0; (output = eq_output(model, i, &bytes)) != NULL; i++, *data += bytes) {
        right &= memcmp(output, *data, bytes) == 0;
    }
    return right;
}

static void run(const struct head *head)
{
    const uint8_t *image = (const uint8_t *)(head + 1), *data = image + head->image_bytes;
    const uint32_t arena_bytes = ((const struct eq_envelope *)(const void *)image)->arena_bytes;
    uint8_t *const arena = config->arena + ((config->arena_bytes - arena_bytes) & ~15u);
    uint8_t *const from = arena - GUARD_BYTES, *const end = config->arena + config->arena_bytes;
    struct eq_model model;
    uint32_t wrong = 0;
    int status;
    memset(from, 0x55, (size_t)(end - from));
    status = eq_model_open(&model, image, head->image_bytes, arena, arena_bytes);
    took = 0;
    for (uint32_t step = 0; status == EQ_OK && step < head->steps; step++) {
        wrong += !is_right(&model, &data);
    }
    for (const uint8_t *at = from; at < end; at++) {
        wrong += (at < arena || at >= arena + arena_bytes) && *at != 0x55;
    }
    put((uint32_t)status);
    put(wrong);
    put(took);
}

int main(int argc, char **argv)
{
    uint32_t count;
    const uint8_t *at;
    config = eq_port_start(argc, argv);
    memcpy(&count, config->flash->base, sizeof count);
    at = config->flash->base + 16;
    for (; count > 0; count--) {
        const struct head *head = (const void *)at;
        run(head);
        at += sizeof *head + head->bytes;
    }
    leave();
    return 0;
}
