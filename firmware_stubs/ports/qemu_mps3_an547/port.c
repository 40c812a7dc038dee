/* Arm MPS3 with image AN547, all of it secure, as QEMU has it. */
#include "mps.h"

#define UART0_RECEIVE 33u

EQ_INTERRUPTS = {[UART0_RECEIVE] = mps_receive};

const struct mps mps = {
    .uart = 0x59303000u,
    .uart_interrupt = UART0_RECEIVE,
    .fpgaio = 0x59302000u,
    .clock_hz = 20000000u,
    .flash = 0x70000000u,
    .flash_bytes = 16u << 20,
    .board = {
        .target = EQ_TARGET,
        .board = "Arm MPS3 AN547",
        .arch = "armv8.1-m.main",
        .cpu = "Cortex-M55",
        .emulator = "QEMU",
        .cpu_hz = 20000000u,
        .ram_bytes = 512u << 10,
    },
};
