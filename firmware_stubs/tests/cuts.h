/* Power cuts and failing cells at every flash operation of every change of the slots. For tests only. */
#ifndef CUTS_H
#define CUTS_H

#include <stdint.h>

struct cuts {
    uint32_t tried;     /* faults injected */
    uint32_t old_serves, new_serves;
    uint32_t broken;    /* whether a promise did not hold after one, which was the last */
    uint32_t by[5];     /* promise, story, fault, fill, operation */
};

/* All stories, all faults, all fill levels of the log on one `enum sim_part`, with sizes and pieces by `seed`, up to the
 * first broken promise. A fault at every `stride`-th operation, from one that `seed` draws. */
void cuts_run(uint32_t seed, uint32_t part, uint32_t stride, struct cuts *cuts);

#endif
