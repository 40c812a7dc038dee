/* Start-up of a Cortex-M: vectors, the painted stack, variables, main. */
#include "cortex_m.h"

#include "edgeq/eq_core.h"

extern const uint32_t eq_data_load[];
extern uint32_t eq_data[], eq_data_end[], eq_bss_end[];
int main(int argc, char **argv);

static void paint_stack(void)
{
    const volatile uint32_t *top;
    __asm__ volatile("mov %0, sp" : "=r"(top));
    for (volatile uint32_t *at = eq_stack_low; at < top; at++) {
        *at = EQ_PAINT;
    }
}

static void start(void)
{
    uint32_t *to = eq_data;
#ifdef __ARM_FP
    *(volatile uint32_t *)0xe000ed88u |= 0xfu << 20; /* CPACR: the FPU */
    __asm__ volatile("dsb\n\tisb");
#endif
    paint_stack();
    for (const uint32_t *from = eq_data_load; to < eq_data_end; to++, from++) {
        *to = *from;
    }
    for (; to < eq_bss_end; to++) {
        *to = 0;
    }
    (void)main(0, NULL);
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
