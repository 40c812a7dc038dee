/* The whole firmware, on every port. */
#include "eq_core_state.h"
#include "eq_port.h"

static struct eq_core core;

int main(int argc, char **argv)
{
    const struct eq_config *config = eq_port_start(argc, argv);
    if (config == NULL || eq_core_init(&core, config) != 0) {
        return 1;
    }
    for (;;) {
        if (!eq_core_poll(&core)) {
            eq_port_wait();
        }
    }
}
