/* What every Cortex-M has, for its ports. */
#ifndef EQ_CORTEX_M_H
#define EQ_CORTEX_M_H

#include "layout.h"

/* A port's interrupts, in order from number 0:
 *
 *     EQ_INTERRUPTS = {uart_receive, NULL, timer};
 */
#define EQ_INTERRUPTS \
    __attribute__((section(".vectors.interrupts"), used)) static void (*const interrupts[])(void)

static inline void eq_enable_interrupt(unsigned number)
{
    ((volatile uint32_t *)0xe000e100u)[number / 32] = 1u << number % 32;
}

static inline void eq_disable_interrupt(unsigned number)
{
    ((volatile uint32_t *)0xe000e180u)[number / 32] = 1u << number % 32;
    __asm__ volatile("dsb\n\tisb" ::: "memory");
}

static inline void eq_interrupts_off(void)
{
    __asm__ volatile("cpsid i" ::: "memory");
}

static inline void eq_interrupts_on(void)
{
    __asm__ volatile("cpsie i" ::: "memory");
}

/* Until an interrupt is pending, also while they are off. */
static inline void eq_wait_for_interrupt(void)
{
    __asm__ volatile("dsb\n\twfi" ::: "memory");
}

/* The same for so many cycles at most, up to 2^24; SysTick counts them and is off otherwise. */
static inline void eq_wait_for_interrupt_or(uint32_t cycles)
{
    volatile uint32_t *systick = (volatile uint32_t *)0xe000e010u;
    systick[1] = cycles - 1u;
    systick[2] = 0;
    systick[0] = 7u;
    eq_wait_for_interrupt();
    systick[0] = 0;
    *(volatile uint32_t *)0xe000ed04u = 1u << 25; /* ICSR: its interrupt is not pending, and never taken */
}

static inline void eq_system_reset(void)
{
    __asm__ volatile("dsb" ::: "memory");
    *(volatile uint32_t *)0xe000ed0cu = 0x05fa0004u; /* AIRCR: SYSRESETREQ */
    for (;;) {
    }
}

#endif
