/* A port that checks signatures which lie in its flash and tells of each; then it ends QEMU.
 *
 * Flash: u32 cases, 12 bytes; each: u32 bytes of the message, 12 bytes, key (32), signature (64), message, to a multiple
 * of 16. A key that begins with 0 stands for the keys that were built in, the message for an envelope. Line: per case
 * i32 status, u32 ticks, u32 bytes of stack.
 */
#include <string.h>

#include "eq_ed25519.h"
#include "eq_port.h"

#define EXIT_OPERATION 0x20u /* semihosting: SYS_EXIT_EXTENDED */
#define APPLICATION_EXIT 0x20026u

static const struct eq_config *config;

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

/* How far the stack ever went down below `from`: the start-up code painted it. */
static uint32_t depth(const void *from)
{
    const uint32_t *at = config->stack_low;
    while (*at == EQ_PAINT) {
        at++;
    }
    return (uint32_t)((uintptr_t)from - (uintptr_t)at);
}

static void tell(const uint8_t *key, uint32_t bytes)
{
    const uint8_t *message = key + 96;
    uint32_t before = config->ticks(config->context), took;
    int status = key[0] != 0 || eq_port_trust == NULL
                     ? eq_ed25519_check(key, key + 32, message, bytes)
                     : eq_port_trust->check(eq_port_trust, (const void *)message);
    took = config->ticks(config->context) - before;
    put((uint32_t)status);
    put(took);
    put(depth(&took));
}

int main(int argc, char **argv)
{
    uint32_t count, bytes;
    const uint8_t *at;
    config = eq_port_start(argc, argv);
    memcpy(&count, config->flash->base, sizeof count);
    at = config->flash->base + 16;
    for (; count > 0; count--) {
        memcpy(&bytes, at, sizeof bytes);
        tell(at + 16, bytes);
        at += 16 + ((96 + bytes + 15) & ~15u);
    }
    leave();
    return 0;
}
