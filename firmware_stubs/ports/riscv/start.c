/* Start-up of a RISC-V hart in machine mode: traps, a guard below the stack, the painted stack, variables, main. */
#include "riscv.h"
#include "start.h"

#define GUARD_BYTES 4096u
#define PMP_NAPOT 0x18u
#define PMP_LOCKED 0x80u /* binds machine mode too */

static void start(void) __attribute__((used, noreturn));
static void fault(void) __attribute__((used, noreturn));
static void interrupt(void) __attribute__((used, interrupt("machine")));

/* Where the hart begins. */
__attribute__((section(".vectors"), naked, used)) static void enter(void)
{
    __asm__ volatile("la sp, eq_stack_top\n\tj %0" ::"i"(start));
}

/* A fault gets the stack from its top: it may be the stack's end that was at fault. */
__attribute__((naked, aligned(4))) static void trap(void)
{
    __asm__ volatile("csrw mscratch, t0\n\t"
                     "csrr t0, mcause\n\t"
                     "bltz t0, 1f\n\t"
                     "la sp, eq_stack_top\n\t"
                     "j %0\n"
                     "1:\tcsrr t0, mscratch\n\t"
                     "j %1" ::"i"(fault),
                     "i"(interrupt));
}

static void interrupt(void)
{
    eq_external_interrupt();
}

/* A crash in a trial ends the trial: the next start finds it interrupted. */
static void fault(void)
{
    eq_system_reset();
}

/* The memory right below the stack is nobody's. */
static void guard_stack(void)
{
    EQ_CSR_WRITE(pmpaddr0, ((uint32_t)eq_stack_low - GUARD_BYTES) >> 2 | (GUARD_BYTES / 8u - 1u));
    EQ_CSR_WRITE(pmpcfg0, PMP_LOCKED | PMP_NAPOT);
}

static void start(void)
{
    const volatile uint32_t *top;
    EQ_CSR_WRITE(mtvec, trap);
    guard_stack();
    __asm__ volatile("mv %0, sp" : "=r"(top));
    eq_start(top);
    for (;;) {
        eq_wait_for_interrupt();
    }
}
