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

/* All stories, all faults, all fill levels of the log, with sizes and pieces by `seed`, up to the first broken promise. */
void cuts_run(uint32_t seed, struct cuts *cuts);

#endif
