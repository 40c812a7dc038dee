#include <string.h>

#include "eq_bytes.h"
#include "eq_commands.h"
#include "eq_mlperf.h"

#define HEADER_BYTES 8u
#define PIECE_BYTES 64u
#define QUIET_PER_SECOND 2u /* no byte for half a second is no pause inside a frame */
#define FALLBACK_SECONDS 3u

enum group { OS = 0, IMAGE = 1, EDGEQ = 64 };
enum op { READ = 0, WRITE = 2 };

struct entry {
    uint8_t op, group, command;
    eq_command *carry_out;
};

static const struct entry commands[] = {
    {WRITE, OS, 0, eq_os_echo},
    {READ, OS, 0, eq_os_echo},
    {WRITE, OS, 5, eq_os_reset},
    {READ, OS, 6, eq_os_params},
    {READ, IMAGE, 0, eq_image_state},
    {WRITE, IMAGE, 0, eq_image_adopt},
    {WRITE, IMAGE, 1, eq_image_upload},
    {WRITE, IMAGE, 5, eq_image_erase},
    {READ, EDGEQ, 0, eq_describe},
    {READ, EDGEQ, 1, eq_blob_have},
    {WRITE, EDGEQ, 2, eq_blob_put},
    {WRITE, EDGEQ, 3, eq_job_stage},
    {READ, EDGEQ, 4, eq_releases},
    {WRITE, EDGEQ, 5, eq_job_selftest},
    {WRITE, EDGEQ, 6, eq_job_activate},
    {WRITE, EDGEQ, 7, eq_trial_confirm},
    {WRITE, EDGEQ, 8, eq_job_rollback},
    {READ, EDGEQ, 9, eq_member},
    {WRITE, EDGEQ, 10, eq_invoke_chunk},
    {READ, EDGEQ, 11, eq_output_piece},
    {WRITE, EDGEQ, 12, eq_job_bench},
    {READ, EDGEQ, 13, eq_job_poll},
    {WRITE, EDGEQ, 14, eq_job_profile},
    {READ, EDGEQ, 15, eq_sensors},
    {WRITE, EDGEQ, 16, eq_line},
    {WRITE, EDGEQ, 17, eq_job_verify},
    {WRITE, EDGEQ, 19, eq_trial_report},
};

/* What the slots call while they work. */
static void feed(const void *context)
{
    const struct eq_config *config = context;
    if (config->watchdog != NULL) {
        config->watchdog(config->context, EQ_WATCHDOG_FEED);
    }
}

static void start_watchdog(const struct eq_config *config)
{
    if (config->watchdog != NULL) {
        config->watchdog(config->context, EQ_WATCHDOG_START);
    }
}

int eq_core_init(struct eq_core *core, const struct eq_config *config)
{
    uint32_t most = (config->buffer_bytes - EQ_FRAME_OVERHEAD) / 2;
    int status;
    if (config->buffer_bytes < EQ_CORE_BUFFER(EQ_CORE_LEAST) || config->buf_count == 0 || config->ticks_hz == 0 ||
        (uintptr_t)config->arena % EQ_ALIGN != 0 || (config->trust != NULL && eq_trust_sound(config->trust) != EQ_OK)) {
        return EQ_INVALID;
    }
    memset(core, 0, sizeof *core);
    core->config = config;
    core->buf_size = most < EQ_FRAME_MOST ? most : EQ_FRAME_MOST;
    core->answer = config->buffer + core->buf_size + EQ_FRAME_OVERHEAD;
    core->heard = core->heard_whole = eq_now(core);
    eq_rx_init(&core->rx, config->buffer, core->buf_size + EQ_FRAME_OVERHEAD);
    eq_unload(core);
    status = eq_slots_open(&core->slots, config->flash);
    if (status == EQ_OK) {
        core->slots.busy = feed;
        core->slots.busy_context = config;
        eq_watch_resume(core); /* what is damaged must not be looked at */
        eq_signed_start(core);
        start_watchdog(config);
        eq_watch_start(core);
    }
    return status;
}

int eq_refuse(struct eq_core *core, int status, const char *why)
{
    core->why = why;
    return status;
}

/* SMP's own codes, for groups 0 and 1. */
static unsigned smp_code(int status)
{
    switch (status) {
    case EQ_INVALID:
        return 3;
    case EQ_NO_SPACE:
        return 2;
    case EQ_NOT_FOUND:
        return 5;
    case EQ_BUSY:
    case EQ_STATE:
        return 6;
    case EQ_UNSUPPORTED:
        return 8;
    default:
        return 1;
    }
}

static void put_refusal(struct eq_writer *out, unsigned group, int status, const char *why)
{
    if (group != EDGEQ) {
        eq_put_map(out, 1);
        eq_put_key_uint(out, "rc", smp_code(status));
        return;
    }
    eq_put_map(out, 2);
    eq_put_text(out, "err");
    eq_put_map(out, 2);
    eq_put_key_uint(out, "group", EDGEQ);
    eq_put_key_uint(out, "rc", (uint32_t)-status);
    eq_put_key_text(out, "rsn", why);
}

static const struct entry *find(const uint8_t *message)
{
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        const struct entry *entry = &commands[i];
        if (entry->op == (message[0] & 7u) && entry->group == eq_be16(message + 4) && entry->command == message[7]) {
            return entry;
        }
    }
    return NULL;
}

/* Whether this very request was carried out just now; from now on it is the last one. */
static int is_repeated(struct eq_core *core, const uint8_t *message, uint32_t bytes)
{
    uint16_t crc = eq_be16(message + bytes); /* the frame's */
    int same = core->last.crc == crc && memcmp(core->last.head, message, HEADER_BYTES) == 0;
    memcpy(core->last.head, message, HEADER_BYTES);
    core->last.crc = crc;
    return same;
}

static int carry_out(struct eq_core *core, const uint8_t *message, uint32_t bytes, struct eq_writer *out)
{
    static const uint8_t nothing[] = {0xa0};
    const struct entry *entry = find(message);
    struct eq_item body;
    int empty = bytes == HEADER_BYTES;
    if (is_repeated(core, message, bytes) && core->last.job != 0) {
        eq_put_map(out, 1);
        eq_put_key_uint(out, "job", core->last.job);
        return EQ_OK;
    }
    core->last.job = 0;
    if (entry == NULL) {
        return eq_refuse(core, EQ_UNSUPPORTED, "the firmware does not know this command");
    }
    if (eq_cbor_check(empty ? nothing : message + HEADER_BYTES, empty ? 1 : bytes - HEADER_BYTES, &body) != EQ_OK ||
        eq_cbor_major(&body) != EQ_MAP) {
        return EQ_INVALID;
    }
    return entry->carry_out(core, &body, out);
}

static void send(struct eq_core *core, uint32_t bytes)
{
    const struct eq_config *config = core->config;
    uint8_t piece[PIECE_BYTES];
    struct eq_tx tx;
    int byte;
    eq_tx_init(&tx, (enum eq_framing)core->rx.framing, core->answer, bytes);
    do {
        uint32_t count = 0;
        while (count < sizeof piece && (byte = eq_tx_byte(&tx)) >= 0) {
            piece[count++] = (uint8_t)byte;
        }
        config->write(config->context, piece, count);
    } while (tx.framing != 0);
}

static void set_baud(struct eq_core *core, uint32_t baud)
{
    if (core->config->set_baud(core->config->context, baud) == 0) {
        core->baud = baud;
    }
}

/* What was asked for and comes behind the answer. */
static void follow(struct eq_core *core)
{
    if (core->resets) {
        core->config->reset(core->config->context);
    }
    if (core->next_baud != 0) {
        set_baud(core, core->next_baud);
        core->next_baud = 0;
    }
}

static void answer(struct eq_core *core, const uint8_t *message, uint32_t bytes)
{
    uint8_t *to = core->answer;
    struct eq_writer begin = {to + HEADER_BYTES, to + core->buf_size, 0}, out = begin;
    int status;
    core->why = NULL;
    status = carry_out(core, message, bytes, &out);
    if (status == EQ_OK && out.full) {
        status = eq_refuse(core, EQ_NO_SPACE, "the answer is longer than a message may be");
    }
    if (status != EQ_OK) {
        out = begin;
        put_refusal(&out, eq_be16(message + 4), status, core->why ? core->why : "the request is malformed");
    }
    memcpy(to, message, HEADER_BYTES);
    to[0] = (uint8_t)((message[0] & 0x18u) | ((message[0] & 7u) + 1u));
    to[1] = 0;
    eq_put_be16(to + 2, (uint16_t)(out.at - begin.at));
    send(core, (uint32_t)(out.at - to));
    follow(core);
}

static void take(struct eq_core *core, const uint8_t *message, uint32_t bytes)
{
    uint8_t first = message[0], op = first & 7u;
    if (bytes >= HEADER_BYTES && eq_be16(message + 2) == bytes - HEADER_BYTES && first < 0x10 &&
        (op == READ || op == WRITE)) {
        answer(core, message, bytes);
        core->heard_whole = eq_now(core);
    }
}

/* Bytes are here: how long was it silent? */
static void end_silence(struct eq_core *core)
{
    uint32_t now = eq_now(core);
    if (now - core->heard > core->config->ticks_hz / QUIET_PER_SECOND) {
        eq_rx_quiet(&core->rx);
        eq_dut_quiet(core);
    }
    if (core->baud != 0 && !eq_job_can_step(core) &&
        now - core->heard_whole > FALLBACK_SECONDS * core->config->ticks_hz) {
        set_baud(core, 0);
        core->heard_whole = now;
    }
}

int eq_core_poll(struct eq_core *core)
{
    uint8_t piece[PIECE_BYTES];
    size_t count = core->config->read(core->config->context, piece, sizeof piece);
    int steps;
    if (count > 0) {
        end_silence(core);
        for (size_t i = 0; i < count; i++) {
            uint32_t bytes = eq_rx_byte(&core->rx, piece[i]);
            if (bytes > 0) {
                take(core, core->rx.message, bytes);
            }
            eq_dut_byte(core, piece[i]);
        }
        core->heard = eq_now(core);
    }
    steps = eq_job_can_step(core);
    if (steps) {
        uint32_t before = eq_now(core);
        eq_job_step(core);
        core->heard += eq_now(core) - before;
    }
    eq_watch_poll(core);
    eq_idle(core);
    return count > 0 || steps;
}
