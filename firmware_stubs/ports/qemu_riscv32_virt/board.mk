TARGET ?= riscv32
PREFIX := riscv64-unknown-elf-
PACKAGES := gcc-riscv64-unknown-elf picolibc-riscv64-unknown-elf
# By later specifications than 2.2 the CSR instructions are an extension with a name, which picolibc has no build for.
CPU := -march=rv32im -mabi=ilp32 -misa-spec=2.2 -msmall-data-limit=0 --specs=picolibc.specs
ISA := portable
SHARED := ports/riscv/start.c ports/memory_flash.c
LINK := -nostartfiles -Lports -Tports/$(PORT)/board.ld
# No script: picolibc's has a stack.
ALONE := -T/dev/null
MLPERF ?= 1
