/* A port to start from: copy the folder, then fill in every place that says BOARD. */
#define RING_BYTES 4096u /* BOARD: of what has arrived while the core is busy */

#include "cortex_m.h"
#include "eq_port.h"
#include "ring.h"

#define CLOCK_HZ 48000000u /* BOARD */
#define MESSAGE_BYTES 1024u
#define FRAME_BYTES (MESSAGE_BYTES / 2u * 3u) /* more than the longest frame: base64 in lines */

static struct eq_ring ring;

/* The receive interrupt. What does not fit is lost: the core holds its host to `buf_count` messages. */
static void received(void)
{
    uint8_t byte = 0; /* BOARD: the UART's byte; reading it clears the interrupt */
    if (!eq_ring_is_full(&ring)) {
        eq_ring_put(&ring, byte);
    }
}

EQ_INTERRUPTS = {received}; /* BOARD: at its own number */

static size_t read(void *context, uint8_t *data, size_t size)
{
    (void)context;
    return eq_ring_get(&ring, data, size);
}

static void write(void *context, const uint8_t *data, size_t size)
{
    (void)context;
    (void)data;
    (void)size; /* BOARD: each byte, once the UART takes it */
}

/* Any counter that runs at a known rate and wraps at 2^32. This one is the core's own, DWT CYCCNT. */
static uint32_t ticks(void *context)
{
    (void)context;
    return *(volatile uint32_t *)0xe0001004u;
}

/* What restarts the board must be longer than the longest op of a model and the longest erase, twice over. */
static void watchdog(void *context, enum eq_watchdog what)
{
    (void)context;
    if (what == EQ_WATCHDOG_START) {
        /* BOARD: start it */
    }
    /* BOARD: feed it */
}

static void reset(void *context)
{
    (void)context; /* BOARD: wait until the last byte has left */
    eq_system_reset();
}

static int flash_write(void *context, uint32_t offset, const void *data, uint32_t bytes)
{
    (void)context;
    (void)offset;
    (void)data;
    (void)bytes; /* BOARD: unlock, program unit by unit, wait, lock; negative where the controller says error */
    return EQ_IO;
}

static int flash_erase(void *context, uint32_t offset, uint32_t bytes)
{
    (void)context;
    (void)offset;
    (void)bytes; /* BOARD */
    return EQ_IO;
}

void eq_port_wait(void)
{
    eq_interrupts_off();
    if (eq_ring_is_empty(&ring)) {
        eq_wait_for_interrupt_or(CLOCK_HZ / 4u); /* BOARD: 2^24 cycles at most */
    }
    eq_interrupts_on();
}

static const struct eq_flash flash = {
    .base = (const uint8_t *)0x08000000u, /* BOARD: and the geometry below */
    .log = {0x20000, 0x20800},
    .log_bytes = 0x800,
    .slot = {0x21000, 0x50800},
    .sectors = {{{95, 0x800}}, {{95, 0x800}}},
    .write_bytes = 8,
    .erase_ms = 0, /* BOARD: how long an erase stalls the core, where receiving stops with it */
    .write = flash_write,
    .erase = flash_erase,
};

static const struct eq_board board = {
    .target = EQ_TARGET,
    .board = "BOARD",
    .arch = "armv7e-m",
    .cpu = "Cortex-M4F",
    .cpu_hz = CLOCK_HZ,
    .ram_bytes = 128u << 10,
};

const struct eq_config *eq_port_start(int argc, char **argv)
{
    static uint8_t buffer[EQ_CORE_BUFFER(MESSAGE_BYTES)];
    static struct eq_config config;
    (void)argc;
    (void)argv;
    *(volatile uint32_t *)0xe000edfcu |= 1u << 24; /* DEMCR: trace on, so that */
    *(volatile uint32_t *)0xe0001000u |= 1u;       /* DWT counts cycles */
    eq_enable_interrupt(0); /* BOARD: clocks, pins, UART at 115200 with its receive interrupt */
    config = (struct eq_config){
        .read = read,
        .write = write,
        .ticks = ticks,
        .ticks_hz = CLOCK_HZ,
        .reset = reset,
        .watchdog = watchdog,
        .flash = &flash,
        .board = &board,
        .arena = eq_arena,
        .arena_bytes = (uint32_t)(eq_arena_end - eq_arena),
        .buffer = buffer,
        .buffer_bytes = sizeof buffer,
        .buf_count = 1 + RING_BYTES / FRAME_BYTES,
        .stack_low = eq_stack_low,
        .stack_high = eq_stack_top,
        /* BOARD: .trigger = trigger, where a power meter is to know what is measured. A function of a pin that is an output
         * and low from here on: `static void trigger(void *context, int high)` sets it, in a few cycles. The bench makes
         * it high during each inference; wire it to the meter, and say `pin=N` in its address (docs/power.md). */
    };
    return &config;
}
