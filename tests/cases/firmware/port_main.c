/* A port without the core, for tests: one-letter requests on its line. Numbers are little-endian.
 *
 *     e u32 n, n bytes   the bytes come back
 *     t                  u32 instructions of 100000 rounds of a loop, by the clock
 *     s                  u32 bytes of stack that were used so far, u32 of all
 *     a                  u32 bytes of the arena, each of which was written and read
 *     f u8 how           i32 status of flash: 0 erases a sector of slot 1, 1 fills it with numbers, 2 writes its first
 *                        unit
 *     k                  '.', then erase and fill the sector for ever
 *     d u32 n            waits until n bytes must have arrived, then all of them come back
 *     r                  restart
 *     o                  runs over the stack
 */
#include <string.h>

#include "eq_port.h"

#define SECTOR 4096u

static const struct eq_config *config;

static void get(void *data, uint32_t bytes)
{
    uint8_t *to = data;
    while (bytes > 0) {
        size_t count = config->read(config->context, to, bytes);
        if (count == 0) {
            eq_port_wait();
        }
        to += count;
        bytes -= (uint32_t)count;
    }
}

static void put(uint32_t value)
{
    uint8_t data[4] = {(uint8_t)value, (uint8_t)(value >> 8), (uint8_t)(value >> 16), (uint8_t)(value >> 24)};
    config->write(config->context, data, sizeof data);
}

static uint32_t get_number(void)
{
    uint8_t data[4];
    get(data, sizeof data);
    return data[0] | (uint32_t)data[1] << 8 | (uint32_t)data[2] << 16 | (uint32_t)data[3] << 24;
}

static void echo(uint32_t left)
{
    uint8_t data[512];
    while (left > 0) {
        uint32_t count = left < sizeof data ? left : (uint32_t)sizeof data;
        get(data, count);
        config->write(config->context, data, count);
        left -= count;
    }
}

static uint32_t ticks(void)
{
    return config->ticks(config->context);
}

static uint32_t instructions(uint32_t count)
{
    return (uint32_t)((uint64_t)count * config->instructions_num / config->instructions_den);
}

static void spend(uint32_t rounds)
{
    for (volatile uint32_t left = rounds; left > 0; left--) {
    }
}

static uint32_t stack_used(void)
{
    const uint32_t *at = config->stack_low;
    while (at < config->stack_high && *at == EQ_PAINT) {
        at++;
    }
    return (uint32_t)(config->stack_high - at) * 4;
}

static uint32_t overflow(uint32_t depth)
{
    volatile uint32_t mine[16];
    mine[depth % 16] = depth;
    return depth == 0 ? 0 : overflow(depth + 1) + mine[depth % 16];
}

static uint32_t arena_good(void)
{
    volatile uint8_t *arena = config->arena;
    uint32_t at = 0;
    for (uint32_t i = 0; i < config->arena_bytes; i++) {
        arena[i] = (uint8_t)(i * 31 ^ i >> 8);
    }
    while (at < config->arena_bytes && arena[at] == (uint8_t)(at * 31 ^ at >> 8)) {
        at++;
    }
    return at;
}

static int erase(void)
{
    return config->flash->erase(config->flash->context, config->flash->slot[1], SECTOR);
}

static int fill(uint32_t number, uint32_t bytes)
{
    uint32_t data[SECTOR / 4];
    for (uint32_t i = 0; i < SECTOR / 4; i++) {
        data[i] = number << 12 | i;
    }
    return config->flash->write(config->flash->context, config->flash->slot[1], data, bytes);
}

static int flash(uint8_t how)
{
    return how == 0 ? erase() : fill(how, how == 1 ? SECTOR : config->flash->write_bytes);
}

static void answer(uint8_t request)
{
    uint32_t number;
    uint8_t byte;
    switch (request) {
    case 'e':
        echo(get_number());
        break;
    case 't':
        number = ticks();
        spend(100000);
        put(instructions(ticks() - number));
        break;
    case 'o':
        put(overflow(1));
        break;
    case 's':
        put(stack_used());
        put((uint32_t)(config->stack_high - config->stack_low) * 4);
        break;
    case 'a':
        put(arena_good());
        break;
    case 'f':
        get(&byte, 1);
        put((uint32_t)flash(byte));
        break;
    case 'k':
        config->write(config->context, (const uint8_t *)".", 1);
        for (number = 0;; number++) {
            (void)erase();
            (void)fill(number, SECTOR);
        }
    case 'd':
        number = get_number();
        spend(number * 100);
        echo(number);
        break;
    case 'r':
        config->reset(config->context);
        break;
    default:
        break;
    }
}

int main(int argc, char **argv)
{
    uint8_t request;
    config = eq_port_start(argc, argv);
    while (config != NULL) {
        get(&request, 1);
        answer(request);
    }
    return 1;
}
