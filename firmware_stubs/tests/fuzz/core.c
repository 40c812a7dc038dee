/* libFuzzer over a whole device: requests one after the other, with what they leave behind in flash and memory. Each is
 * u8 op, group and command, u16 length, and a body; a group of 255 restarts the device, and of 254 the body is what comes
 * on the line after a silence, with nothing around it: commands of MLPerf Tiny. */
#include <stdlib.h>
#include <string.h>

#include "../../core/eq_bytes.h"
#include "../../core/eq_core_state.h"
#include "../../ports/memory_flash.h"

#define FLASH_BYTES 32768u
#define ARENA_BYTES 4096u
#define MESSAGE_BYTES 1024u
#define HEADER_BYTES 8u
#define REQUEST_BYTES 5u
#define RESTART 255u
#define TEXT 254u
#define TICKS_HZ 1000u
#define MOST_POLLS 200 /* a request and what it begins; a bench may go on for longer */

struct device {
    struct eq_core core;
    struct eq_config config;
    struct eq_flash flash;
    uint8_t *memory, *arena, *buffer, *line;
    uint32_t at, bytes; /* of the line */
    uint32_t ticks;
    uint32_t baud;
};

static size_t read_line(void *context, uint8_t *data, size_t size)
{
    struct device *device = context;
    size_t left = device->bytes - device->at, count = left < size ? left : size;
    memcpy(data, device->line + device->at, count);
    device->at += (uint32_t)count;
    return count;
}

static void write_line(void *context, const uint8_t *data, size_t size)
{
    volatile uint8_t seen;
    (void)context;
    for (size_t i = 0; i < size; i++) {
        seen = data[i];
    }
    (void)seen;
}

static uint32_t ticks(void *context)
{
    return ((struct device *)context)->ticks++;
}

static int set_baud(void *context, uint32_t baud)
{
    ((struct device *)context)->baud = baud;
    return baud % 2 == 0 ? EQ_OK : EQ_UNSUPPORTED;
}

static void *exact(size_t bytes, int byte)
{
    void *memory = malloc(bytes);
    if (memory == NULL) {
        abort();
    }
    return memset(memory, byte, bytes);
}

/* As after power was cut: only flash keeps what it had. */
static void start(struct device *device)
{
    memset(device->arena, 0x5a, ARENA_BYTES);
    (void)eq_core_init(&device->core, &device->config);
}

static void restart(void *context)
{
    start(context);
}

static void work(struct device *device)
{
    for (int polls = 0; polls < MOST_POLLS && eq_core_poll(&device->core); polls++) {
    }
}

static void say(struct device *device, const uint8_t *text, size_t bytes)
{
    memcpy(device->line, text, bytes);
    device->at = 0;
    device->bytes = (uint32_t)bytes;
    device->ticks += TICKS_HZ;
    work(device);
}

/* Send one request and let the device work; returns the bytes that it took of `data`. */
static size_t request(struct device *device, const uint8_t *data, size_t bytes)
{
    size_t body = data[3] | (size_t)data[4] << 8;
    uint8_t message[HEADER_BYTES + MESSAGE_BYTES] = {data[0], 0, 0, 0, 0, data[1], 0, data[2]};
    struct eq_tx tx;
    int byte;
    body = body < bytes - REQUEST_BYTES ? body : bytes - REQUEST_BYTES;
    body = body < MESSAGE_BYTES ? body : MESSAGE_BYTES;
    if (data[1] == TEXT) {
        say(device, data + REQUEST_BYTES, body);
        return REQUEST_BYTES + body;
    }
    eq_put_be16(message + 2, (uint16_t)body);
    memcpy(message + HEADER_BYTES, data + REQUEST_BYTES, body);
    eq_tx_init(&tx, data[0] & 0x40 ? EQ_CONSOLE : EQ_COBS, message, HEADER_BYTES + (uint32_t)body);
    for (device->at = device->bytes = 0; (byte = eq_tx_byte(&tx)) >= 0;) {
        device->line[device->bytes++] = (uint8_t)byte;
    }
    work(device);
    return REQUEST_BYTES + body;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes); /* libFuzzer has no header */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static const struct eq_board board = {.target = "host", .board = "Fuzz", .arch = "any", .cpu = "any"};
    struct device *device = exact(sizeof *device, 0);
    device->memory = exact(FLASH_BYTES, 0xff);
    device->arena = exact(ARENA_BYTES, 0);
    device->buffer = exact(EQ_CORE_BUFFER(MESSAGE_BYTES), 0);
    device->line = exact(4 * MESSAGE_BYTES, 0);
    eq_memory_flash(&device->flash, device->memory, FLASH_BYTES);
    device->config = (struct eq_config){.context = device, .read = read_line, .write = write_line, .ticks = ticks,
                                        .ticks_hz = TICKS_HZ, .reset = restart, .set_baud = set_baud,
                                        .flash = &device->flash, .board = &board, .arena = device->arena,
                                        .arena_bytes = ARENA_BYTES, .buffer = device->buffer,
                                        .buffer_bytes = EQ_CORE_BUFFER(MESSAGE_BYTES), .buf_count = 1};
    start(device);
    while (bytes >= REQUEST_BYTES) {
        size_t taken = REQUEST_BYTES;
        if (data[1] == RESTART) {
            start(device);
        } else {
            taken = request(device, data, bytes);
        }
        data += taken;
        bytes -= taken;
    }
    free(device->line);
    free(device->buffer);
    free(device->arena);
    free(device->memory);
    free(device);
    return 0;
}
