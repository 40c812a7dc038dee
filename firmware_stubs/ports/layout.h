/* From the linker script: the arena, and the stack, which lies lowest so that running over is a fault. */
#ifndef EQ_LAYOUT_H
#define EQ_LAYOUT_H

#include <stdint.h>

extern uint8_t eq_arena[], eq_arena_end[];
extern uint32_t eq_stack_low[], eq_stack_top[];

#endif
