/* Arm MPS2+ with image AN386, as QEMU has it. */
#include "cortex_m.h"
#include "eq_port.h"
#include "memory_flash.h"

/* CMSDK APB UART. */
struct uart {
    volatile uint32_t data, state, ctrl, intstatus, bauddiv;
};
#define UART0 ((struct uart *)0x40004000u)
#define STATE_TX_FULL 1u
#define STATE_RX_FULL 2u
#define CTRL_TX 1u
#define CTRL_RX 2u
#define CTRL_RX_INTERRUPT 8u
#define INTSTATUS_RX 2u
#define UART0_RX_INTERRUPT 0u

/* FPGAIO: a counter at the system clock. */
#define COUNTER (*(volatile uint32_t *)0x40028018u)
#define PRESCALE (*(volatile uint32_t *)0x4002801cu)
#define CLOCK_HZ 25000000u

/* PSRAM, a file of the host's: it survives whatever happens to QEMU. */
#define FLASH ((uint8_t *)0x21000000u)
#define FLASH_BYTES 0x1000000u

#ifndef RING_BYTES /* a test makes it small, so that it fills up */
#define RING_BYTES 32768u
#endif
#define MESSAGE_BYTES 4096u
#define FRAME_BYTES (MESSAGE_BYTES / 2u * 3u) /* more than the longest frame: base64 in lines */

static struct {
    volatile uint32_t in, out; /* bytes ever; they wrap */
    uint8_t bytes[RING_BYTES];
} ring;

/* What the UART holds goes into the ring; while that is full the UART keeps its byte and is silent. The interrupt
 * is cleared and enabled before the byte is looked for, so a byte that comes later raises it again. */
static void take(void)
{
    UART0->ctrl = CTRL_TX | CTRL_RX | CTRL_RX_INTERRUPT;
    UART0->intstatus = INTSTATUS_RX;
    while (UART0->state & STATE_RX_FULL) {
        if (ring.in - ring.out == RING_BYTES) {
            UART0->ctrl = CTRL_TX | CTRL_RX;
            return;
        }
        ring.bytes[ring.in % RING_BYTES] = (uint8_t)UART0->data;
        ring.in++;
    }
}

EQ_INTERRUPTS = {[UART0_RX_INTERRUPT] = take};

static size_t read(void *context, uint8_t *data, size_t size)
{
    size_t count = 0;
    (void)context;
    for (; count < size && ring.in != ring.out; count++) {
        data[count] = ring.bytes[ring.out % RING_BYTES];
        ring.out++;
    }
    if (count > 0 && !(UART0->ctrl & CTRL_RX_INTERRUPT)) {
        eq_interrupts_off();
        take();
        eq_interrupts_on();
    }
    return count;
}

static void write(void *context, const uint8_t *data, size_t size)
{
    (void)context;
    for (size_t i = 0; i < size; i++) {
        while (UART0->state & STATE_TX_FULL) {
        }
        UART0->data = data[i];
    }
}

static uint32_t ticks(void *context)
{
    (void)context;
    return COUNTER;
}

/* The UART of QEMU waits with its byte. */
static void hush(void *context, int on)
{
    (void)context;
    if (on) {
        eq_disable_interrupt(UART0_RX_INTERRUPT);
    } else {
        eq_enable_interrupt(UART0_RX_INTERRUPT);
    }
}

static void reset(void *context)
{
    (void)context;
    while (UART0->state & STATE_TX_FULL) {
    }
    eq_system_reset();
}

void eq_port_wait(void)
{
    eq_interrupts_off();
    if (ring.in == ring.out) {
        eq_wait_for_interrupt();
    }
    eq_interrupts_on();
}

static const struct eq_board board = {
    .target = EQ_TARGET,
    .board = "Arm MPS2+ AN386",
    .arch = "armv7e-m",
    .cpu = "Cortex-M4F",
    .emulator = "QEMU",
    .cpu_hz = CLOCK_HZ,
    .ram_bytes = 4u << 20,
};

const struct eq_config *eq_port_start(int argc, char **argv)
{
    static uint8_t buffer[EQ_CORE_BUFFER(MESSAGE_BYTES)];
    static struct eq_flash flash;
    static struct eq_config config;
    (void)argc;
    (void)argv;
    PRESCALE = 0;
    UART0->bauddiv = 16;
    take();
    eq_enable_interrupt(UART0_RX_INTERRUPT);
    eq_memory_flash(&flash, FLASH, FLASH_BYTES);
    config = (struct eq_config){
        .read = read,
        .write = write,
        .ticks = ticks,
        .ticks_hz = CLOCK_HZ,
        /* edgeq starts QEMU with -icount shift=6 (edgeq/emulate/boards/mps2-an386.toml): an instruction takes
         * 64 ns of the guest's time and a tick is 40 ns. Started in another way, this is not so. */
        .instructions_num = 40,
        .instructions_den = 64,
        .hush = hush,
        .reset = reset,
        .flash = &flash,
        .board = &board,
        .arena = eq_arena,
        .arena_bytes = (uint32_t)(eq_arena_end - eq_arena),
        .buffer = buffer,
        .buffer_bytes = sizeof buffer,
        .buf_count = 1 + RING_BYTES / FRAME_BYTES,
        .stack_low = eq_stack_low,
        .stack_high = eq_stack_top,
    };
    return &config;
}
