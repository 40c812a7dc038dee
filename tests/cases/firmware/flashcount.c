/* A stand-in for firmware: what it is sent comes back; '+' adds one to the first byte of flash, '?' asks for it. */
#include <stdint.h>

#define UART_DATA (*(volatile uint32_t *)0x40004000u)
#define UART_STATE (*(volatile uint32_t *)0x40004004u)
#define UART_CTRL (*(volatile uint32_t *)0x40004008u)
#define UART_BAUDDIV (*(volatile uint32_t *)0x40004010u)
#define FLASH (*(volatile uint8_t *)0x21000000u)

void start(void)
{
    UART_BAUDDIV = 16;
    UART_CTRL = 3;
    for (;;) {
        uint32_t byte;
        while ((UART_STATE & 2u) == 0) {
        }
        byte = UART_DATA;
        if (byte == '+') {
            FLASH = (uint8_t)(FLASH + 1);
        } else if (byte == '?') {
            byte = FLASH;
        }
        while (UART_STATE & 1u) {
        }
        UART_DATA = byte;
    }
}

__attribute__((section(".vectors"), used)) static const uintptr_t vectors[] = {0x20400000u, (uintptr_t)start};
