/* What every RISC-V hart has in machine mode, for its ports. */
#ifndef EQ_RISCV_H
#define EQ_RISCV_H

#include "layout.h"

#define EQ_MSTATUS_MIE 0x8u
#define EQ_MIE_MEIE 0x800u
#define EQ_MIE_MTIE 0x80u

#define EQ_CSR_READ(name)                                   \
    __extension__({                                         \
        uint32_t value_;                                    \
        __asm__ volatile("csrr %0, " #name : "=r"(value_)); \
        value_;                                             \
    })
#define EQ_CSR_WRITE(name, value) __asm__ volatile("csrw " #name ", %0" ::"r"(value) : "memory")
#define EQ_CSR_SET(name, bits) __asm__ volatile("csrs " #name ", %0" ::"r"(bits) : "memory")
#define EQ_CSR_CLEAR(name, bits) __asm__ volatile("csrc " #name ", %0" ::"r"(bits) : "memory")

/* The port's: an external interrupt, and how the board restarts. */
void eq_external_interrupt(void);
void eq_system_reset(void) __attribute__((noreturn));

static inline void eq_interrupts_off(void)
{
    EQ_CSR_CLEAR(mstatus, EQ_MSTATUS_MIE);
}

static inline void eq_interrupts_on(void)
{
    EQ_CSR_SET(mstatus, EQ_MSTATUS_MIE);
}

/* Until an interrupt is pending, also while they are off. */
static inline void eq_wait_for_interrupt(void)
{
    __asm__ volatile("wfi" ::: "memory");
}

#endif
