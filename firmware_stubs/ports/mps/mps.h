/* Arm's MPS boards as QEMU has them, for their ports: a port says where things lie, and at which rate they count. */
#ifndef EQ_MPS_H
#define EQ_MPS_H

#include "cortex_m.h"
#include "eq_port.h"

struct mps {
    uint32_t uart;           /* CMSDK APB UART 0, and its receive interrupt */
    unsigned uart_interrupt; /* which EQ_INTERRUPTS gives to mps_receive */
    uint32_t fpgaio;         /* whose counter runs at clock_hz */
    uint32_t clock_hz;
    uint32_t watchdog; /* CMSDK APB watchdog, which counts at clock_hz; 0 where none is used */
    uint32_t flash; /* memory that is a file of the host's: it survives whatever happens to QEMU */
    uint32_t flash_bytes;
    struct eq_board board;
};

extern const struct mps mps;

void mps_receive(void);

#endif
