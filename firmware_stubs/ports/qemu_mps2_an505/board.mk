TARGET ?= mps2-an505
PREFIX := arm-none-eabi-
PACKAGES := gcc-arm-none-eabi libnewlib-arm-none-eabi
CPU := -mcpu=cortex-m33 -mthumb -mfloat-abi=hard -mfpu=fpv5-sp-d16
ISA := armv7e-m
SHARED := ports/cortex_m/start.c ports/mps/mps.c ports/memory_flash.c
LINK := -nostartfiles -Lports -Tports/$(PORT)/board.ld
MLPERF ?= 1
