TARGET ?= mps3-an547
PREFIX := arm-none-eabi-
PACKAGES := gcc-arm-none-eabi libnewlib-arm-none-eabi
CPU := -mcpu=cortex-m55 -mthumb -mfloat-abi=hard
ISA := armv7e-m
SHARED := ports/cortex_m/start.c ports/mps/mps.c ports/memory_flash.c
LINK := -nostartfiles -Lports -Tports/$(PORT)/board.ld
MLPERF ?= 1
