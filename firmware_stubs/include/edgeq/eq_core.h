/* The firmware core: a whole edgeq device behind a serial line, for a port that fills one struct. The core reads bytes,
 * answers requests, keeps releases in flash and runs the serving model; it owns no memory and no global.
 *
 *     static struct eq_core core;
 *     eq_core_init(&core, &config);
 *     for (;;) {
 *         if (!eq_core_poll(&core)) {
 *             sleep until a byte arrives, for a second at most;
 *         }
 *     }
 */
#ifndef EQ_CORE_H
#define EQ_CORE_H

#include <stddef.h>
#include <stdint.h>

#include "edgeq/eq_flash.h"
#include "edgeq/eq_runtime.h"
#include "edgeq/eq_trust.h"

/* What the board says of itself in `describe`; texts are UTF-8 and live as long as the core. */
struct eq_board {
    const char *target;   /* name of the target profile; an image for another one is refused */
    const char *board;    /* what a person calls it */
    const char *arch;     /* as the profile's cpu.arch: "armv7e-m" */
    const char *cpu;      /* "Cortex-M4F" */
    const char *emulator; /* "QEMU", or NULL on hardware */
    uint32_t cpu_hz;      /* 0 where it is not known */
    uint32_t ram_bytes;   /* of the board */
};

enum eq_watchdog { EQ_WATCHDOG_FEED = 0, EQ_WATCHDOG_START = 1 };

struct eq_config {
    void *context; /* handed to every function below */

    /* Up to `size` bytes that have arrived, without waiting; how many. */
    size_t (*read)(void *context, uint8_t *data, size_t size);
    /* Send all of them; may wait. */
    void (*write)(void *context, const uint8_t *data, size_t size);
    /* A counter that wraps at 2^32 and counts `ticks_hz` a second. */
    uint32_t (*ticks)(void *context);
    uint32_t ticks_hz;
    /* Where a counter counts instructions and nothing else (an emulator's): instructions = ticks * num / den. Zero: it
     * does not. */
    uint32_t instructions_num, instructions_den;
    /* From `on` to off nothing but the caller runs, so that a count of instructions repeats exactly. NULL where the
     * line would lose bytes meanwhile. */
    void (*hush)(void *context, int on);
    /* Restart the board; it does not return. */
    void (*reset)(void *context);
    /* Change the line's rate when all that was written has left; 0 for the rate that it started with. 0, or
     * EQ_UNSUPPORTED. NULL where rates mean nothing. */
    int (*set_baud)(void *context, uint32_t baud);
    /* Start the watchdog, and feed it: between messages, the steps of an inference and the pieces of other long work. It
     * restarts the board where it is not fed for longer than the longest op or the longest erase takes. May be NULL. */
    void (*watchdog)(void *context, enum eq_watchdog what);

    const struct eq_flash *flash; /* two slots and the record log */
    const struct eq_board *board;

    uint8_t *arena;        /* for the model, at a multiple of EQ_ALIGN */
    uint32_t arena_bytes;
    uint8_t *buffer;       /* for messages; at least EQ_CORE_BUFFER(EQ_CORE_LEAST) */
    uint32_t buffer_bytes;
    uint32_t buf_count;    /* messages of the longest size that the port's receive ring holds while the core is busy, and one */

    /* The stack, painted by the start-up code with EQ_PAINT; NULL where it is not. */
    const uint32_t *stack_low, *stack_high;

    const struct eq_trust *trust; /* whose signatures an image must have; NULL takes every one. main.c fills it in */

    /* A pin that a power meter watches, low from the start on. It is high during each inference of a bench, and low between
     * them (docs/power.md). A command of MLPerf Tiny makes it high; its falling edges are then where measuring begins
     * and ends (docs/mlperf.md). It is called again for the level that it has, too. NULL where there is none. */
    void (*trigger)(void *context, int high);
};

#define EQ_PAINT 0xc5c5c5c5u

/* Bytes of a buffer for messages of up to `n` bytes, of which one arrives while another one is answered. */
#define EQ_CORE_BUFFER(n) (2u * (n) + 4u)
#define EQ_CORE_LEAST 512u /* the shortest `n` */

struct eq_core; /* core/eq_core_state.h defines it, for the port to allocate */

/* Find out what serves; the model itself is loaded when it is first used. `config` outlives the core. EQ_INVALID where it
 * or the flash's geometry cannot work. */
int eq_core_init(struct eq_core *core, const struct eq_config *config);

/* Do one piece of work: take what has arrived, or advance a job by one step. 0 when there is nothing to do. */
int eq_core_poll(struct eq_core *core);

#endif
