TARGET ?= mps2-an386
PREFIX := arm-none-eabi-
PACKAGES := gcc-arm-none-eabi libnewlib-arm-none-eabi
CPU := -mcpu=cortex-m4 -mthumb -mfloat-abi=hard -mfpu=fpv4-sp-d16
ISA := armv7e-m
SHARED := ports/cortex_m/start.c ports/memory_flash.c
LINK := -nostartfiles -Lports/cortex_m -Tports/$(PORT)/board.ld
