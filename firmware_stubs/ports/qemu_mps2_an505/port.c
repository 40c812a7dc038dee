/* Arm MPS2+ with image AN505, all of it secure, as QEMU has it. */
#include "mps.h"

#define UART0_RECEIVE 32u

EQ_INTERRUPTS = {[UART0_RECEIVE] = mps_receive};

const struct mps mps = {
    .uart = 0x50200000u,
    .uart_interrupt = UART0_RECEIVE,
    .fpgaio = 0x50302000u,
    .clock_hz = 20000000u,
    .flash = 0x80000000u,
    .flash_bytes = 16u << 20,
    .board = {
        .target = EQ_TARGET,
        .board = "Arm MPS2+ AN505",
        .arch = "armv8-m.main",
        .cpu = "Cortex-M33",
        .emulator = "QEMU",
        .cpu_hz = 20000000u,
        .ram_bytes = 2u << 20,
    },
};
