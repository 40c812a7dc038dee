/* Start-up of a Cortex-M: vectors, the painted stack, variables, main. */
#include "cortex_m.h"
#include "start.h"

static void start(void)
{
    const volatile uint32_t *top;
#ifdef __ARM_FP
    *(volatile uint32_t *)0xe000ed88u |= 0xfu << 20; /* CPACR: the FPU, and with it Helium */
    __asm__ volatile("dsb\n\tisb");
#endif
    __asm__ volatile("mov %0, sp" : "=r"(top));
    eq_start(top);
    for (;;) {
        eq_wait_for_interrupt();
    }
}

/* A crash in a trial ends the trial: the next start finds it interrupted. */
static void fault(void)
{
    eq_system_reset();
}

struct vectors {
    uint32_t *stack;
    void (*start)(void);
    void (*exceptions[14])(void);
};

__attribute__((section(".vectors"), used)) static const struct vectors vectors = {
    eq_stack_top,
    start,
    {fault, fault, fault, fault, fault, fault, fault, fault, fault, fault, fault, fault, fault, fault},
};
