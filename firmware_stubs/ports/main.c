/* The whole firmware, on every port. */
#include "eq_core_state.h"
#include "eq_port.h"

static struct eq_core core;
static struct eq_config config;

int main(int argc, char **argv)
{
    const struct eq_config *given = eq_port_start(argc, argv);
    if (given == NULL) {
        return 1;
    }
    config = *given;
    config.trust = eq_port_trust;
    if (eq_core_init(&core, &config) != 0) {
        return 1;
    }
    for (;;) {
        if (!eq_core_poll(&core)) {
            eq_port_wait();
        }
    }
}
