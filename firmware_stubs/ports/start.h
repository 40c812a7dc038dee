/* What start-up code does on every bare core once there is a stack. */
#ifndef EQ_START_H
#define EQ_START_H

#include "edgeq/eq_core.h"
#include "layout.h"

extern const uint32_t eq_data_load[];
extern uint32_t eq_data[], eq_data_end[], eq_bss_end[];
int main(int argc, char **argv);

/* Paint the stack below `top`, give variables their first values, and run. */
static inline void eq_start(const volatile uint32_t *top)
{
    uint32_t *to = eq_data;
    for (volatile uint32_t *at = eq_stack_low; at < top; at++) {
        *at = EQ_PAINT;
    }
    for (const uint32_t *from = eq_data_load; to < eq_data_end; to++, from++) {
        *to = *from;
    }
    for (; to < eq_bss_end; to++) {
        *to = 0;
    }
    (void)main(0, NULL);
}

#endif
