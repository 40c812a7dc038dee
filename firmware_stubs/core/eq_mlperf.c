/* Commands of MLPerf Tiny's benchmark: https://github.com/mlcommons/tiny, benchmark/api. They run whatever serves, change
 * no flash, and keep nothing in buffers of their own: a command arrives in the receiver's buffer, which is free between
 * frames, answers are made where those of frames are, and an input waits in the arena behind what the model takes. */
#include "eq_mlperf.h"

#ifdef EQ_MLPERF

#include <string.h>

#include "eq_commands.h"
#include "eq_mlperf_text.h"

#define COMMAND_BYTES 80u /* of the longest one, as the benchmark has it */
#define WARMUP 10u        /* inferences before those that are measured, unless `infer` says how many */
#define PULSES_PER_SECOND 100000u /* that fit, each of the length of the trigger's: 10 us */
#define ROW_BYTES 8u

typedef void command(struct eq_text *out, struct eq_words *rest);

/* The model and its input */

/* The model that serves is open; else what was wrong is told. */
static int is_open(struct eq_text *out)
{
    struct eq_core *core = out->core;
    uint32_t slot = eq_slots_serving(&core->slots);
    int status = slot < EQ_SLOTS ? eq_free(core)
                                 : eq_refuse(core, EQ_STATE, "no release is active on this device; deploy one first");
    core->why = status == EQ_OK ? NULL : core->why;
    if (status == EQ_OK && (status = eq_load(core, slot)) != EQ_OK && core->why == NULL) {
        core->why = "the release cannot be loaded";
    }
    if (status != EQ_OK) {
        eq_text_refuse(out, core->why);
    }
    return status == EQ_OK;
}

static int is_named(const struct eq_core *core, const char *name)
{
    const char *own = core->model.head->name;
    uint32_t i = 0;
    while (name[i] != 0 && own[i] == name[i]) {
        i++;
    }
    return name[i] == own[i];
}

static uint32_t input_bytes(const struct eq_core *core)
{
    uint32_t total = 0, bytes;
    for (unsigned i = 0; eq_input(&core->model, i, &bytes) != NULL; i++) {
        total += bytes;
    }
    return total;
}

static uint32_t rounded(uint32_t bytes)
{
    return (bytes + EQ_ALIGN - 1) & ~(EQ_ALIGN - 1);
}

/* Whether so many bytes are float32 values that the device quantizes, as the benchmark has it for ad01. */
static int is_float(const struct eq_core *core, uint32_t bytes)
{
    return core->model.head->inputs == 1 && eq_input_info(&core->model, 0)->dtype == EQ_I8 &&
           bytes == 4 * input_bytes(core);
}

/* The input as it came, at the end of the arena. */
static uint8_t *kept(const struct eq_core *core)
{
    return core->config->arena + (core->config->arena_bytes & ~(EQ_ALIGN - 1)) - rounded(core->dut.bytes);
}

/* The same as the model takes it. */
static uint8_t *ready(const struct eq_core *core)
{
    return is_float(core, core->dut.bytes) ? kept(core) - rounded(input_bytes(core)) : kept(core);
}

/* Pixels come as 0 .. 255, and an int8 model of the benchmark takes them less 128. */
static uint8_t flip_of(const struct eq_core *core)
{
    return eq_input_info(&core->model, 0)->dtype == EQ_I8 && (is_named(core, "ic01") || is_named(core, "vww01")) ? 0x80u
                                                                                                                 : 0u;
}

static float float_at(const uint8_t *data, uint32_t index)
{
    float value;
    memcpy(&value, data + 4 * (size_t)index, 4);
    return value;
}

static void quantize(struct eq_core *core)
{
    const struct eq_tensor *tensor = eq_input_info(&core->model, 0);
    const uint8_t *from = kept(core);
    uint8_t *to = ready(core);
    for (uint32_t i = 0; i < tensor->bytes; i++) {
        float value = float_at(from, i) / tensor->scale + (float)tensor->zero_point;
        value = value > -128.0f ? value : -128.0f; /* also what is no number */
        value = value < 127.0f ? value : 127.0f;
        to[i] = (uint8_t)(int8_t)(value + (value < 0 ? -0.5f : 0.5f));
    }
}

/* An input may be overwritten by the inference, so it is written before each. */
static void write_input(struct eq_core *core)
{
    const uint8_t *from = ready(core);
    uint32_t bytes;
    uint8_t *tensor;
    for (unsigned i = 0; (tensor = eq_input(&core->model, i, &bytes)) != NULL; i++) {
        memcpy(tensor, from, bytes);
        from += bytes;
    }
}

static int is_loaded(const struct eq_core *core)
{
    return core->dut.bytes > 0 && core->dut.have == core->dut.bytes;
}

/* The clock and the pin */

void eq_dut_count(struct eq_core *core)
{
    uint32_t now = eq_now(core);
    core->dut.ticks += now - core->dut.last;
    core->dut.last = now;
}

static void put_lap(struct eq_text *out, uint64_t ticks)
{
    uint32_t hz = out->core->config->ticks_hz, rest, none;
    uint64_t seconds = eq_text_divide(ticks, hz, &rest);
    eq_text_line(out, "m-lap-us-", seconds * 1000000u + eq_text_divide((uint64_t)rest * 1000000u, hz, &none));
}

static void put_clock(struct eq_text *out)
{
    if (eq_counts(out->core)) {
        eq_text_put(out, "m-[m-lap-us counts the instructions of an emulator, which are no time]\r\n");
    }
}

/* A falling edge for a power meter, and up again. */
static void pulse(const struct eq_core *core)
{
    const struct eq_config *config = core->config;
    uint32_t from = eq_now(core);
    if (config->trigger != NULL) {
        config->trigger(config->context, 0);
        while (eq_now(core) - from <= config->ticks_hz / PULSES_PER_SECOND) {
        }
        config->trigger(config->context, 1);
    }
}

static void hush(const struct eq_core *core, int on)
{
    if (core->config->hush != NULL) {
        core->config->hush(core->config->context, on);
    }
}

/* Results */

/* Value `index` of a tensor that lies at `data`. */
static float value_at(const struct eq_tensor *tensor, const uint8_t *data, uint32_t index)
{
    int16_t wide;
    int32_t whole;
    switch (tensor->dtype) {
    case EQ_F32:
        return float_at(data, index);
    case EQ_I32:
        memcpy(&whole, data + 4 * (size_t)index, 4);
        break;
    case EQ_I16:
        memcpy(&wide, data + 2 * (size_t)index, 2);
        whole = wide;
        break;
    case EQ_I8:
        whole = (int8_t)data[index];
        break;
    default:
        whole = data[index];
    }
    return tensor->scale > 0 ? (float)(whole - tensor->zero_point) * tensor->scale : (float)whole;
}

static uint32_t values_of(const struct eq_tensor *tensor)
{
    return tensor->dtype == EQ_F32 || tensor->dtype == EQ_I32 ? tensor->bytes / 4
           : tensor->dtype == EQ_I16                          ? tensor->bytes / 2
                                                              : tensor->bytes;
}

/* The mean of the squares of what an autoencoder changed. */
static float score(const struct eq_core *core)
{
    const struct eq_tensor *given = eq_input_info(&core->model, 0), *made = eq_output_info(&core->model, 0);
    int plain = is_float(core, core->dut.bytes);
    uint32_t bytes, count = values_of(made);
    const uint8_t *output = eq_output(&core->model, 0, &bytes), *input = kept(core);
    float sum = 0;
    for (uint32_t i = 0; i < count; i++) {
        float apart = value_at(made, output, i) - (plain ? float_at(input, i) : value_at(given, input, i));
        sum += apart * apart;
    }
    return sum / (float)count;
}

static int has_score(const struct eq_core *core)
{
    return is_named(core, "ad01") && is_loaded(core) &&
           values_of(eq_input_info(&core->model, 0)) == values_of(eq_output_info(&core->model, 0));
}

static void put_outputs(struct eq_text *out)
{
    const struct eq_model *model = &out->core->model;
    const uint8_t *data;
    uint32_t bytes;
    for (unsigned i = 0; (data = eq_output(model, i, &bytes)) != NULL; i++) {
        const struct eq_tensor *tensor = eq_output_info(model, i);
        for (uint32_t j = 0; j < values_of(tensor); j++) {
            if (i + j > 0) {
                eq_text_char(out, ',');
            }
            eq_text_value(out, value_at(tensor, data, j));
        }
    }
}

static void put_results(struct eq_text *out)
{
    eq_text_put(out, "m-results-[");
    if (has_score(out->core)) {
        eq_text_value(out, score(out->core));
    } else {
        put_outputs(out);
    }
    eq_text_put(out, "]\r\n");
}

/* Commands */

static void say_name(struct eq_text *out, struct eq_words *rest)
{
    const struct eq_board *board = out->core->config->board;
    (void)rest;
    eq_text_put(out, "m-name-dut-[edgeq ");
    eq_text_put(out, board->board);
    if (board->emulator != NULL) {
        eq_text_put(out, ", emulated by ");
        eq_text_put(out, board->emulator);
    }
    eq_text_put(out, "]\r\n");
}

static void say_profile(struct eq_text *out, struct eq_words *rest)
{
    uint32_t slot = eq_slots_serving(&out->core->slots);
    const struct eq_body *body = slot < EQ_SLOTS ? eq_slot_body(out->core, slot) : NULL;
    (void)rest;
    eq_text_put(out, "m-profile-[ULPMark for tinyML Firmware V0.0.1]\r\n");
    if (body == NULL) {
        eq_text_refuse(out, "no release is active on this device; deploy one first");
        return;
    }
    eq_text_put(out, "m-model-[");
    eq_text_foreign(out, (const uint8_t *)body->name, sizeof body->name);
    eq_text_put(out, "]\r\n");
}

static void say_timestamp(struct eq_text *out, struct eq_words *rest)
{
    (void)rest;
    pulse(out->core);
    eq_dut_count(out->core);
    put_lap(out, out->core->dut.ticks);
    put_clock(out);
}

static void load(struct eq_text *out, struct eq_word word)
{
    struct eq_core *core = out->core;
    struct eq_dut *dut = &core->dut;
    uint32_t bytes, wanted;
    if (!eq_word_number(word, &bytes) || bytes == 0) {
        eq_text_refuse(out, "db load needs the number of bytes, at least 1 and at most 1000000");
        return;
    }
    if (!is_open(out)) {
        return;
    }
    dut->bytes = dut->have = 0;
    wanted = input_bytes(core);
    if (bytes != wanted && !is_float(core, bytes)) {
        eq_text_put(out, "e-[the input of the model has ");
        eq_text_number(out, wanted);
        eq_text_put(out, " bytes]\r\n");
    } else if (core->model.head->arena_bytes + (uint64_t)rounded(bytes) + (bytes == wanted ? 0 : rounded(wanted)) >
               (core->config->arena_bytes & ~(EQ_ALIGN - 1))) {
        eq_text_refuse(out, "the model leaves no room in the arena for an input that waits");
    } else {
        dut->bytes = bytes;
        eq_text_put(out, "m-[Expecting ");
        eq_text_number(out, bytes);
        eq_text_put(out, " bytes]\r\n");
    }
}

static void print(struct eq_text *out)
{
    static const char digits[] = "0123456789abcdef";
    const struct eq_core *core = out->core;
    const uint8_t *data = kept(core);
    for (uint32_t i = 0; i < core->dut.have; i++) {
        uint8_t byte = data[i] ^ flip_of(core);
        eq_text_put(out, i % ROW_BYTES == 0 ? "m-buffer-" : "-");
        eq_text_char(out, digits[byte >> 4]);
        eq_text_char(out, digits[byte & 15]);
        if (i % ROW_BYTES == ROW_BYTES - 1 || i + 1 == core->dut.have) {
            eq_text_put(out, "\r\n");
        }
    }
}

/* All of the bytes of a command, or none. */
static void take_bytes(struct eq_text *out, struct eq_word word)
{
    struct eq_core *core = out->core;
    struct eq_dut *dut = &core->dut;
    uint8_t flip;
    for (uint32_t i = 0; i < word.bytes; i++) {
        if (eq_word_digit(word.at[i]) < 0) {
            eq_text_refuse(out, "db takes load N, print, or hexadecimal digits");
            return;
        }
    }
    if (word.bytes % 2 != 0) {
        eq_text_refuse(out, "the number of hexadecimal digits is odd");
        return;
    }
    if (dut->have == dut->bytes) {
        eq_text_refuse(out, "no bytes are expected; db load N comes first");
        return;
    }
    flip = flip_of(core);
    for (uint32_t i = 0; i < word.bytes && dut->have < dut->bytes; i += 2) {
        int byte = eq_word_digit(word.at[i]) << 4 | eq_word_digit(word.at[i + 1]);
        kept(core)[dut->have++] = (uint8_t)byte ^ flip;
    }
    if (dut->have == dut->bytes) {
        if (is_float(core, dut->bytes)) {
            quantize(core);
        }
        eq_text_put(out, "m-load-done\r\n");
    }
}

static void db(struct eq_text *out, struct eq_words *rest)
{
    struct eq_word word = eq_word_next(rest);
    if (word.bytes == 0) {
        eq_text_refuse(out, "db needs load N, print, or hexadecimal digits");
    } else if (eq_word_is(word, "load")) {
        load(out, eq_word_next(rest));
    } else if (eq_word_is(word, "print")) {
        print(out);
    } else {
        take_bytes(out, word);
    }
}

static void run(struct eq_core *core, uint32_t count)
{
    while (count-- > 0) {
        write_input(core);
        eq_begin(&core->model);
        while (eq_step(&core->model)) {
            eq_idle(core);
        }
        eq_dut_count(core);
    }
}

/* Nothing is written while it is measured; the times are told when both are known. */
static void measure(struct eq_text *out, uint32_t count, uint32_t warmup)
{
    struct eq_core *core = out->core;
    uint64_t from;
    eq_text_line(out, "m-warmup-start-", warmup);
    eq_text_flush(out);
    eq_model_reset(&core->model);
    run(core, warmup);
    eq_text_put(out, "m-warmup-done\r\n");
    eq_text_line(out, "m-infer-start-", count);
    eq_text_flush(out);
    hush(core, 1);
    pulse(core);
    eq_dut_count(core);
    from = core->dut.ticks;
    run(core, count);
    pulse(core);
    hush(core, 0);
    put_lap(out, from);
    put_lap(out, core->dut.ticks);
    put_clock(out);
    eq_text_put(out, "m-infer-done\r\n");
}

static void infer_loaded(struct eq_text *out, uint32_t count, uint32_t warmup)
{
    struct eq_core *core = out->core;
    if (!is_loaded(core)) {
        eq_text_refuse(out, "the input is not here; db load N and db HEX come first");
        return;
    }
    core->inference = (struct eq_inference){.slot = EQ_SLOTS}; /* whatever was under way is gone */
    measure(out, count, warmup);
    core->inference.done = 1;
    put_results(out);
}

static void infer(struct eq_text *out, struct eq_words *rest)
{
    struct eq_word first = eq_word_next(rest), second = eq_word_next(rest);
    uint32_t count = 1, warmup = WARMUP;
    if (first.bytes > 0 && (!eq_word_number(first, &count) || count == 0)) {
        eq_text_refuse(out, "infer needs the number of inferences, at least 1 and at most 1000000");
    } else if (second.bytes > 0 && !eq_word_number(second, &warmup)) {
        eq_text_refuse(out, "warm-up inferences must be 0 to 1000000");
    } else if (is_open(out)) {
        infer_loaded(out, count, warmup);
    }
}

static void say_results(struct eq_text *out, struct eq_words *rest)
{
    (void)rest;
    if (out->core->inference.done) {
        put_results(out);
    } else {
        eq_text_refuse(out, "there are no results; infer comes first");
    }
}

static void help(struct eq_text *out, struct eq_words *rest)
{
    (void)rest;
    eq_text_put(out, "edgeq, device under test of MLPerf Tiny; every command ends in a percent sign\r\n"
             "name | profile | timestamp | results\r\n"
             "db load N | db HEX | db print : an input\r\n"
             "infer [N [W]] : N inferences after W\r\n");
}

static const struct {
    const char *name;
    command *carry_out;
} commands[] = {
    {"name", say_name}, {"profile", say_profile}, {"timestamp", say_timestamp}, {"db", db},
    {"infer", infer},   {"results", say_results}, {"help", help},
};

static void obey(struct eq_core *core)
{
    struct eq_text out = {core, 0};
    struct eq_words rest = {core->rx.buffer, core->rx.buffer + core->dut.text};
    struct eq_word first = eq_word_next(&rest);
    uint32_t i = 0, count = sizeof commands / sizeof *commands;
    while (i < count && !eq_word_is(first, commands[i].name)) {
        i++;
    }
    if (core->dut.text > COMMAND_BYTES) {
        eq_text_refuse(&out, "a command has at most 80 characters");
    } else if (i < count) {
        commands[i].carry_out(&out, &rest);
    } else if (first.bytes > 0) {
        eq_text_put(&out, "e-[Unknown command: ");
        eq_text_foreign(&out, first.at, first.bytes);
        eq_text_put(&out, "]\r\n");
    }
    eq_text_put(&out, "m-ready\r\n");
    eq_text_flush(&out);
}

/* What follows a frame, a damaged one or noise is nothing until the line was silent: a frame's bytes may be any. */
void eq_dut_byte(struct eq_core *core, uint8_t byte)
{
    struct eq_dut *dut = &core->dut;
    int ends_line = byte == '\r' || byte == '\n';
    if (!eq_rx_between(&core->rx) || (!ends_line && (byte < ' ' || byte > '~'))) {
        dut->deaf = 1;
    }
    if (dut->deaf || ends_line) {
        dut->text = 0;
    } else if (byte == '%') {
        obey(core);
        dut->text = 0;
    } else if (dut->text <= COMMAND_BYTES) {
        core->rx.buffer[dut->text++] = byte;
    }
}

void eq_dut_quiet(struct eq_core *core)
{
    core->dut.deaf = 0;
}

void eq_dut_forget(struct eq_core *core)
{
    core->dut.bytes = core->dut.have = 0;
}

#endif
