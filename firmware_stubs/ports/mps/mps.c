#include "mps.h"

#include "memory_flash.h"
#include "ring.h"

/* CMSDK APB UART. */
struct uart {
    volatile uint32_t data, state, ctrl, intstatus, bauddiv;
};
#define UART ((struct uart *)mps.uart)
#define STATE_TX_FULL 1u
#define STATE_RX_FULL 2u
#define CTRL_TX 1u
#define CTRL_RX 2u
#define CTRL_RX_INTERRUPT 8u
#define INTSTATUS_RX 2u

/* FPGAIO: a line with a light, and a counter at the system clock. */
#define LED0 (*(volatile uint32_t *)mps.fpgaio)
#define COUNTER (*(volatile uint32_t *)(mps.fpgaio + 0x18u))
#define PRESCALE (*(volatile uint32_t *)(mps.fpgaio + 0x1cu))

/* CMSDK APB watchdog: at the first end of its count an NMI, which restarts the board, at the second a reset. */
struct watchdog {
    volatile uint32_t load, value, ctrl, intclr, ris, mis, reserved[762], lock;
};
#define WATCHDOG ((struct watchdog *)mps.watchdog)
#define WATCHDOG_UNLOCK 0x1acce551u
#define CTRL_COUNT 1u
#define CTRL_RESET 2u
#ifndef WATCHDOG_TICKS /* a test makes it short */
#define WATCHDOG_TICKS UINT32_MAX /* instructions take their time here: three minutes are little more than 10^9 of them */
#endif

#define MESSAGE_BYTES 4096u
#define FRAME_BYTES (MESSAGE_BYTES / 2u * 3u) /* more than the longest frame: base64 in lines */

static struct eq_ring ring;

/* What the UART holds goes into the ring; while that is full the UART keeps its byte and is silent. The interrupt
 * is cleared and enabled before the byte is looked for, so a byte that comes later raises it again. */
void mps_receive(void)
{
    UART->ctrl = CTRL_TX | CTRL_RX | CTRL_RX_INTERRUPT;
    UART->intstatus = INTSTATUS_RX;
    while (UART->state & STATE_RX_FULL) {
        if (eq_ring_is_full(&ring)) {
            UART->ctrl = CTRL_TX | CTRL_RX;
            return;
        }
        eq_ring_put(&ring, (uint8_t)UART->data);
    }
}

static size_t read(void *context, uint8_t *data, size_t size)
{
    size_t count = eq_ring_get(&ring, data, size);
    (void)context;
    if (count > 0 && !(UART->ctrl & CTRL_RX_INTERRUPT)) {
        eq_interrupts_off();
        mps_receive();
        eq_interrupts_on();
    }
    return count;
}

static void write(void *context, const uint8_t *data, size_t size)
{
    (void)context;
    for (size_t i = 0; i < size; i++) {
        while (UART->state & STATE_TX_FULL) {
        }
        UART->data = data[i];
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
        eq_disable_interrupt(mps.uart_interrupt);
    } else {
        eq_enable_interrupt(mps.uart_interrupt);
    }
}

static void watchdog(void *context, enum eq_watchdog what)
{
    (void)context;
    if (mps.watchdog == 0) {
        return;
    }
    if (what == EQ_WATCHDOG_START) {
        WATCHDOG->lock = WATCHDOG_UNLOCK;
        WATCHDOG->load = WATCHDOG_TICKS;
        WATCHDOG->ctrl = CTRL_COUNT | CTRL_RESET;
    }
    WATCHDOG->intclr = 1; /* it counts anew */
}

/* LED 0, which QEMU can trace (mps2_fpgaio_write). */
static void trigger(void *context, int high)
{
    (void)context;
    LED0 = (uint32_t)high;
}

static void reset(void *context)
{
    (void)context;
    while (UART->state & STATE_TX_FULL) {
    }
    eq_system_reset();
}

void eq_port_wait(void)
{
    eq_interrupts_off();
    if (eq_ring_is_empty(&ring)) {
        eq_wait_for_interrupt_or(mps.clock_hz / 2u);
    }
    eq_interrupts_on();
}

const struct eq_config *eq_port_start(int argc, char **argv)
{
    static uint8_t buffer[EQ_CORE_BUFFER(MESSAGE_BYTES)];
    static struct eq_flash flash;
    static struct eq_config config;
    (void)argc;
    (void)argv;
    PRESCALE = 0;
    LED0 = 0;
    UART->bauddiv = 16;
    mps_receive();
    eq_enable_interrupt(mps.uart_interrupt);
    eq_memory_flash(&flash, (uint8_t *)mps.flash, mps.flash_bytes);
    config = (struct eq_config){
        .read = read,
        .write = write,
        .ticks = ticks,
        .ticks_hz = mps.clock_hz,
        /* edgeq starts QEMU with -icount shift=7 (edgeq/emulate/boards/): an instruction takes 128 ns of the guest's
         * time, which is more than two ticks, so that the rounding of a tick never shows. Started in another way,
         * this is not so. */
        .instructions_num = 1000000000u / 128u,
        .instructions_den = mps.clock_hz,
        .hush = hush,
        .reset = reset,
        .watchdog = watchdog,
        .flash = &flash,
        .board = &mps.board,
        .arena = eq_arena,
        .arena_bytes = (uint32_t)(eq_arena_end - eq_arena),
        .buffer = buffer,
        .buffer_bytes = sizeof buffer,
        .buf_count = 1 + RING_BYTES / FRAME_BYTES,
        .stack_low = eq_stack_low,
        .stack_high = eq_stack_top,
        .trigger = trigger,
    };
    return &config;
}
