/* QEMU's machine virt with one 32-bit hart. */
#include "eq_port.h"
#include "memory_flash.h"
#include "ring.h"
#include "riscv.h"

/* 16550. */
struct uart {
    volatile uint8_t data, ier, fcr, lcr, mcr, lsr;
}; /* while lcr has LCR_DIVISOR, data and ier are the divisor of the rate */
#define UART ((struct uart *)0x10000000u)
#define IER_RX 1u
#define FCR_FIFO 0xc1u /* an interrupt at 14 bytes, or when no more of them come */
#define LCR_8_BITS 3u
#define LCR_DIVISOR 0x80u
#define LSR_RX 1u
#define LSR_TX_EMPTY 0x20u
#define LSR_TX_DONE 0x40u

/* PLIC, as seen by hart 0 in machine mode. */
#define UART_SOURCE 10u
#define PLIC_PRIORITY(source) (*(volatile uint32_t *)(0x0c000000u + 4u * (source)))
#define PLIC_ENABLE (*(volatile uint32_t *)0x0c002000u)
#define PLIC_THRESHOLD (*(volatile uint32_t *)0x0c200000u)
#define PLIC_CLAIM (*(volatile uint32_t *)0x0c200004u)

/* CLINT: the hart's timer. */
#define MTIMECMP ((volatile uint32_t *)0x02004000u)
#define MTIME ((volatile uint32_t *)0x0200bff8u)
#define MTIME_HZ 10000000u

/* Ends or restarts the machine. */
#define FINISHER (*(volatile uint32_t *)0x00100000u)
#define FINISHER_RESET 0x7777u

/* The upper half of the memory, which is a file of the host's: it survives whatever happens to QEMU. */
#define FLASH ((uint8_t *)0x81000000u)
#define FLASH_BYTES (16u << 20)

/* edgeq starts QEMU with -icount shift=6 (edgeq/emulate/boards/riscv32.toml): an instruction takes 64 ns of the
 * guest's time, and mcycle counts those ns. Started in another way, this is not so. */
#define ICOUNT_SHIFT 6u
#define INSTRUCTIONS_HZ (1000000000u >> ICOUNT_SHIFT)

#define MESSAGE_BYTES 4096u
#define FRAME_BYTES (MESSAGE_BYTES / 2u * 3u) /* more than the longest frame: base64 in lines */

static struct eq_ring ring;

/* What the UART holds goes into the ring; while that is full the UART keeps its bytes and is silent. */
static void receive(void)
{
    while (UART->lsr & LSR_RX) {
        if (eq_ring_is_full(&ring)) {
            UART->ier = 0;
            return;
        }
        eq_ring_put(&ring, UART->data);
    }
    UART->ier = IER_RX;
}

void eq_external_interrupt(void)
{
    uint32_t source = PLIC_CLAIM;
    if (source == UART_SOURCE) {
        receive();
    }
    PLIC_CLAIM = source;
}

static size_t read(void *context, uint8_t *data, size_t size)
{
    size_t count = eq_ring_get(&ring, data, size);
    (void)context;
    if (count > 0 && UART->ier == 0) {
        eq_interrupts_off();
        receive();
        eq_interrupts_on();
    }
    return count;
}

static void write(void *context, const uint8_t *data, size_t size)
{
    (void)context;
    for (size_t i = 0; i < size; i++) {
        while (!(UART->lsr & LSR_TX_EMPTY)) {
        }
        UART->data = data[i];
    }
}

/* Instructions: bits 6 to 37 of mcycle, of which the low half alone would wrap within one inference. */
static uint32_t ticks(void *context)
{
    uint32_t high, low;
    (void)context;
    do {
        high = EQ_CSR_READ(mcycleh);
        low = EQ_CSR_READ(mcycle);
    } while (high != EQ_CSR_READ(mcycleh));
    return high << (32u - ICOUNT_SHIFT) | low >> ICOUNT_SHIFT;
}

/* The UART of QEMU waits with its bytes. */
static void hush(void *context, int on)
{
    (void)context;
    if (on) {
        EQ_CSR_CLEAR(mie, EQ_MIE_MEIE);
    } else {
        EQ_CSR_SET(mie, EQ_MIE_MEIE);
    }
}

void eq_system_reset(void)
{
    FINISHER = FINISHER_RESET;
    for (;;) {
    }
}

static void reset(void *context)
{
    (void)context;
    while (!(UART->lsr & LSR_TX_DONE)) {
    }
    eq_system_reset();
}

/* Half a second from now the timer is pending, which ends the waiting; its interrupt is never taken. */
static void wait_a_moment(void)
{
    uint32_t low = MTIME[0], high = MTIME[1], then = low + MTIME_HZ / 2u;
    MTIMECMP[1] = UINT32_MAX;
    MTIMECMP[0] = then;
    MTIMECMP[1] = high + (then < low);
    EQ_CSR_SET(mie, EQ_MIE_MTIE);
    eq_wait_for_interrupt();
    EQ_CSR_CLEAR(mie, EQ_MIE_MTIE);
}

void eq_port_wait(void)
{
    eq_interrupts_off();
    if (eq_ring_is_empty(&ring)) {
        wait_a_moment();
    }
    eq_interrupts_on();
}

static const struct eq_board board = {
    .target = EQ_TARGET,
    .board = "QEMU virt, riscv32",
    .arch = "rv32",
    .cpu = "RV32IM",
    .emulator = "QEMU",
    .cpu_hz = INSTRUCTIONS_HZ,
    .ram_bytes = 4u << 20,
};

static void listen(void)
{
    UART->lcr = LCR_8_BITS | LCR_DIVISOR;
    UART->data = 1;
    UART->ier = 0;
    UART->lcr = LCR_8_BITS;
    UART->fcr = FCR_FIFO;
    PLIC_PRIORITY(UART_SOURCE) = 1;
    PLIC_ENABLE = 1u << UART_SOURCE;
    PLIC_THRESHOLD = 0;
    receive();
    EQ_CSR_SET(mie, EQ_MIE_MEIE);
    eq_interrupts_on();
}

const struct eq_config *eq_port_start(int argc, char **argv)
{
    static uint8_t buffer[EQ_CORE_BUFFER(MESSAGE_BYTES)];
    static struct eq_flash flash;
    static struct eq_config config;
    (void)argc;
    (void)argv;
    listen();
    eq_memory_flash(&flash, FLASH, FLASH_BYTES);
    config = (struct eq_config){
        .read = read,
        .write = write,
        .ticks = ticks,
        .ticks_hz = INSTRUCTIONS_HZ,
        .instructions_num = 1,
        .instructions_den = 1,
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
