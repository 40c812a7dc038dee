TARGET ?= mps2-an386
PREFIX := arm-none-eabi-
PACKAGES := gcc-arm-none-eabi libnewlib-arm-none-eabi
CPU := -mcpu=cortex-m4 -mthumb -mfloat-abi=hard -mfpu=fpv4-sp-d16
ISA := armv7e-m
SHARED := ports/cortex_m/start.c ports/mps/mps.c ports/memory_flash.c
LINK := -nostartfiles -Lports -Tports/$(PORT)/board.ld
MLPERF ?= 1
