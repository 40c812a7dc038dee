/* Power cuts without Python: cuts STRIDE SEEDS. Fails where a promise does not hold (cuts.c says which is which). */
#include <stdio.h>
#include <stdlib.h>

#include "../cuts.h"
#include "../flash_sim.h"

static const char *const parts[SIM_PARTS] = {"equal", "l4", "h7", "f7", "nrf52", "rp2040"};

static uint32_t number(int argc, char **argv, int index)
{
    long value = argc > index ? atol(argv[index]) : 1;
    return value > 0 ? (uint32_t)value : 1;
}

int main(int argc, char **argv)
{
    uint32_t stride = number(argc, argv, 1), seeds = number(argc, argv, 2), tried = 0;
    for (uint32_t part = SIM_L4; part < SIM_PARTS; part++) {
        struct cuts cuts = {0};
        for (uint32_t seed = 0; seed < seeds && cuts.broken == 0; seed++) {
            cuts_run(seed, part, stride, &cuts);
        }
        tried += cuts.tried;
        (void)printf("%-7s %7u faults, then the old served %7u times, the new %7u\n", parts[part], (unsigned)cuts.tried,
                     (unsigned)cuts.old_serves, (unsigned)cuts.new_serves);
        if (cuts.broken) {
            (void)printf("promise %u broken: story %u, fault %u, fill %u, operation %u\n", (unsigned)cuts.by[0],
                         (unsigned)cuts.by[1], (unsigned)cuts.by[2], (unsigned)cuts.by[3], (unsigned)cuts.by[4]);
            return 1;
        }
    }
    (void)printf("%u faults, every promise kept\n", (unsigned)tried);
    return 0;
}
