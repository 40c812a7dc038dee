/* What a port gives to main.c: firmware is the core over these two functions and what the struct holds. */
#ifndef EQ_PORT_H
#define EQ_PORT_H

#include "edgeq/eq_core.h"

/* Set up clocks, line and flash. What it returns lives for ever; NULL where the board cannot work. */
const struct eq_config *eq_port_start(int argc, char **argv);

/* Whose signatures images must have, as `edgeq firmware build --trust` says; NULL without it (no_trust.c). */
extern const struct eq_trust *const eq_port_trust;

/* Sleep until a byte has arrived, for a second at most: the watchdog is fed, and the time of a trial counted, in between.
 * At once where a byte is there. It may return early. */
void eq_port_wait(void);

#endif
