# Debian's packages that hold the compiler, and how it is called.
PREFIX := arm-none-eabi-
PACKAGES := gcc-arm-none-eabi libnewlib-arm-none-eabi
# The name of the target profile (targets/NAME.toml) that this port is for, unless the build says another one.
TARGET ?= template
# The core; ISA armv7e-m takes the kernels that use its DSP instructions, `portable` those in C alone.
CPU := -mcpu=cortex-m4 -mthumb -mfloat-abi=hard -mfpu=fpv4-sp-d16
ISA := armv7e-m
# Sources of ports/ that are used beside those of this folder.
SHARED := ports/cortex_m/start.c
# 1: it also answers the benchmark MLPerf Tiny (docs/mlperf.md), for 5 KB of flash.
MLPERF ?= 0
LINK := -nostartfiles -Lports -Tports/$(PORT)/board.ld
