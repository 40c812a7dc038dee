/* The board and its line: group 0, and of group 64 `describe`, `sensors` and `line`. */
#include "eq_commands.h"
#include "eq_sectors.h"

#ifndef EQ_VERSION
#define EQ_VERSION "0" /* edgeq's, as the build says */
#endif

/* That one chunk may need: its own sector, the next one, and one of the log. */
#define ERASES 3u

int eq_os_echo(struct eq_core *core, const struct eq_item *body, struct eq_writer *out)
{
    const uint8_t *text;
    uint32_t bytes;
    (void)core;
    if (eq_cbor_find_string(body, "d", EQ_TEXT, &text, &bytes) != EQ_OK) {
        return EQ_INVALID;
    }
    eq_put_map(out, 1);
    eq_put_text(out, "r");
    eq_put_string(out, EQ_TEXT, text, bytes);
    return EQ_OK;
}

int eq_os_reset(struct eq_core *core, const struct eq_item *body, struct eq_writer *out)
{
    (void)body;
    if (eq_free(core) != EQ_OK) {
        return EQ_STATE;
    }
    core->resets = 1;
    eq_put_map(out, 0);
    return EQ_OK;
}

int eq_os_params(struct eq_core *core, const struct eq_item *body, struct eq_writer *out)
{
    (void)body;
    eq_put_map(out, 2);
    eq_put_key_uint(out, "buf_size", core->buf_size);
    eq_put_key_uint(out, "buf_count", core->config->buf_count);
    return EQ_OK;
}

int eq_describe(struct eq_core *core, const struct eq_item *body, struct eq_writer *out)
{
    const struct eq_board *board = core->config->board;
    uint32_t erase_ms = core->config->flash->erase_ms;
    (void)body;
    eq_put_map(out, 22u + (erase_ms != 0));
    eq_put_key_uint(out, "protocol", 1);
    eq_put_key_text(out, "kind", "mcu");
    eq_put_key_text(out, "agent", EQ_VERSION);
    eq_put_key_text(out, "target", board->target);
    eq_put_key_text(out, "board", board->board);
    eq_put_key_text(out, "arch", board->arch);
    eq_put_key_text(out, "cpu", board->cpu);
    eq_put_key_uint(out, "cores", 1);
    eq_put_key_uint(out, "ram_bytes", board->ram_bytes);
    eq_put_key_uint(out, "arena_bytes", core->config->arena_bytes);
    eq_put_key_uint(out, "free_bytes", eq_slot_least(core->config->flash));
    eq_put_key_bool(out, "emulated", board->emulator != NULL);
    eq_put_key_text(out, "emulator", board->emulator ? board->emulator : "");
    eq_put_key_uint(out, "plan_abi", EQ_PLAN_ABI);
    eq_put_key_uint(out, "frontend", eq_frontend_version());
    eq_put_key_uint(out, "packing", EQ_PACKING_PORTABLE);
    eq_put_key_uint(out, "samples", 1);
    eq_put_key_bool(out, "signed", core->config->trust != NULL);
    eq_put_key_uint(out, "confirm", 1);
    eq_put_key_uint(out, "ops", 1);
    eq_put_key_uint(out, "stops", 1);
    if (erase_ms != 0) {
        eq_put_key_uint(out, "deaf_ms", ERASES * erase_ms);
    }
    eq_put_text(out, "runtime");
    eq_put_map(out, 2);
    eq_put_key_text(out, "name", EQ_RUNTIME_NAME);
    eq_put_key_text(out, "version", EQ_RUNTIME_VERSION);
    return EQ_OK;
}

/* The clock only where what is told is of this moment, and where it counts time. */
static void put_readings(struct eq_core *core, struct eq_writer *out, unsigned clock)
{
    uint32_t hz = core->config->board->cpu_hz;
    eq_put_map(out, (hz != 0) + clock);
    if (hz != 0) {
        eq_put_key_uint(out, "cpu_hz", hz);
    }
    if (clock) {
        eq_put_key_long(out, "clock_ns", eq_spent(core, eq_clock(core)));
    }
}

void eq_put_sensors(struct eq_core *core, struct eq_writer *out)
{
    put_readings(core, out, 0);
}

int eq_sensors(struct eq_core *core, const struct eq_item *body, struct eq_writer *out)
{
    (void)body;
    put_readings(core, out, !eq_counts(core));
    return EQ_OK;
}

int eq_line(struct eq_core *core, const struct eq_item *body, struct eq_writer *out)
{
    uint32_t baud;
    if (eq_cbor_find_uint(body, "baud", UINT32_MAX, &baud) != EQ_OK || baud == 0) {
        return EQ_INVALID;
    }
    if (core->config->set_baud == NULL) {
        return eq_refuse(core, EQ_UNSUPPORTED, "this line has no rate");
    }
    core->next_baud = baud;
    eq_put_map(out, 0);
    return EQ_OK;
}
