/* Arm MPS2+ with image AN386, as QEMU has it. */
#include "mps.h"

#define UART0_RECEIVE 0u

EQ_INTERRUPTS = {[UART0_RECEIVE] = mps_receive};

const struct mps mps = {
    .uart = 0x40004000u,
    .uart_interrupt = UART0_RECEIVE,
    .fpgaio = 0x40028000u,
    .clock_hz = 25000000u,
    .watchdog = 0x40008000u,
    .flash = 0x21000000u,
    .flash_bytes = 16u << 20,
    .board = {
        .target = EQ_TARGET,
        .board = "Arm MPS2+ AN386",
        .arch = "armv7e-m",
        .cpu = "Cortex-M4F",
        .emulator = "QEMU",
        .cpu_hz = 25000000u,
        .ram_bytes = 4u << 20,
    },
};
