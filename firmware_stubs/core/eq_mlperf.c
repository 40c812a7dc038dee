/* Commands of MLPerf Tiny's benchmark: https://github.com/mlcommons/tiny, benchmark/api. They run whatever serves, change
 * no flash, and keep nothing in buffers of their own: a command arrives in the receiver's buffer, which is free between
 * frames, answers are made where those of frames are, and an input waits in the arena behind what the model takes. */
#include "eq_mlperf.h"

#ifdef EQ_MLPERF

#include <string.h>

#include "eq_commands.h"

#define COMMAND_BYTES 80u /* of the longest one, as the benchmark has it */
#define WARMUP 10u        /* inferences before those that are measured, unless `infer` says how many */
#define PULSES_PER_SECOND 100000u /* that fit, each of the length of the trigger's: 10 us */
#define NUMBER_BYTES 20u
#define ROW_BYTES 8u

struct text {
    struct eq_core *core;
    uint32_t bytes; /* in core->answer */
};

struct word {
    const uint8_t *at;
    uint32_t bytes;
};

struct words {
    const uint8_t *at, *end;
};

typedef void command(struct text *out, struct words *rest);

/* Writing */

static void flush(struct text *out)
{
    const struct eq_config *config = out->core->config;
    if (out->bytes > 0) {
        config->write(config->context, out->core->answer, out->bytes);
        eq_idle(out->core); /* an input of 27 KB is 90 KB of text, which a slow line needs seconds for */
    }
    out->bytes = 0;
}

static void put_char(struct text *out, char character)
{
    if (out->bytes == out->core->buf_size) {
        flush(out);
    }
    out->core->answer[out->bytes++] = (uint8_t)character;
}

static void put(struct text *out, const char *text)
{
    while (*text != 0) {
        put_char(out, *text++);
    }
}

/* Characters that are not ours: none of them ends the brackets that they stand in. */
static void put_foreign(struct text *out, const uint8_t *text, uint32_t bytes)
{
    for (uint32_t i = 0; i < bytes && text[i] != 0; i++) {
        put_char(out, text[i] < ' ' || text[i] > '~' || text[i] == ']' ? '_' : (char)text[i]);
    }
}

/* The quotient; a division that needs no library. */
static uint64_t divide(uint64_t value, uint32_t by, uint32_t *rest)
{
    uint64_t left = 0;
    for (unsigned bit = 0; bit < 64; bit++) {
        left = left << 1 | value >> 63;
        value <<= 1;
        if (left >= by) {
            left -= by;
            value |= 1;
        }
    }
    *rest = (uint32_t)left;
    return value;
}

static void put_number(struct text *out, uint64_t number)
{
    char digits[NUMBER_BYTES];
    uint32_t count = 0, digit;
    do {
        number = divide(number, 10, &digit);
        digits[count++] = (char)('0' + digit);
    } while (number > 0);
    while (count > 0) {
        put_char(out, digits[--count]);
    }
}

static void put_line(struct text *out, const char *name, uint64_t number)
{
    put(out, name);
    put_number(out, number);
    put(out, "\r\n");
}

/* With three digits behind the point, which is what the benchmark compares. */
static void put_value(struct text *out, float value)
{
    uint32_t whole, thousandths;
    if (value < 0) {
        put_char(out, '-');
        value = -value;
    }
    if (!(value < 4294967040.0f)) {
        put(out, value > 0 ? "inf" : "nan");
        return;
    }
    whole = (uint32_t)value;
    thousandths = (uint32_t)((value - (float)whole) * 1000.0f + 0.5f);
    put_number(out, (uint64_t)whole + (thousandths == 1000));
    put_char(out, '.');
    put_char(out, (char)('0' + thousandths / 100 % 10));
    put_char(out, (char)('0' + thousandths / 10 % 10));
    put_char(out, (char)('0' + thousandths % 10));
}

static void refuse(struct text *out, const char *why)
{
    put(out, "e-[");
    put(out, why);
    put(out, "]\r\n");
}

/* Reading */

static struct word next_word(struct words *rest)
{
    struct word word = {NULL, 0};
    while (rest->at < rest->end && *rest->at == ' ') {
        rest->at++;
    }
    word.at = rest->at;
    while (rest->at < rest->end && *rest->at != ' ') {
        rest->at++;
        word.bytes++;
    }
    return word;
}

static int is(struct word word, const char *name)
{
    uint32_t i = 0;
    while (i < word.bytes && name[i] != 0 && (uint8_t)name[i] == word.at[i]) {
        i++;
    }
    return i == word.bytes && name[i] == 0;
}

/* Whether the word is a number, at most EQ_MOST_RUNS. */
static int is_number(struct word word, uint32_t *number)
{
    *number = 0;
    for (uint32_t i = 0; i < word.bytes; i++) {
        if (word.at[i] < '0' || word.at[i] > '9') {
            return 0;
        }
        *number = *number * 10 + (word.at[i] - '0');
        if (*number > EQ_MOST_RUNS) {
            return 0;
        }
    }
    return word.bytes > 0;
}

/* The value of a hexadecimal digit, or -1. */
static int digit_of(uint8_t byte)
{
    uint8_t lower = byte | 0x20u;
    return byte >= '0' && byte <= '9' ? byte - '0' : lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/* The model and its input */

/* The model that serves is open; else what was wrong is told. */
static int is_open(struct text *out)
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
        refuse(out, core->why);
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

static void put_lap(struct text *out, uint64_t ticks)
{
    uint32_t hz = out->core->config->ticks_hz, rest, none;
    uint64_t seconds = divide(ticks, hz, &rest);
    put_line(out, "m-lap-us-", seconds * 1000000u + divide((uint64_t)rest * 1000000u, hz, &none));
}

static void put_clock(struct text *out)
{
    if (eq_counts(out->core)) {
        put(out, "m-[m-lap-us counts the instructions of an emulator, which are no time]\r\n");
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

static void put_outputs(struct text *out)
{
    const struct eq_model *model = &out->core->model;
    const uint8_t *data;
    uint32_t bytes;
    for (unsigned i = 0; (data = eq_output(model, i, &bytes)) != NULL; i++) {
        const struct eq_tensor *tensor = eq_output_info(model, i);
        for (uint32_t j = 0; j < values_of(tensor); j++) {
            if (i + j > 0) {
                put_char(out, ',');
            }
            put_value(out, value_at(tensor, data, j));
        }
    }
}

static void put_results(struct text *out)
{
    put(out, "m-results-[");
    if (has_score(out->core)) {
        put_value(out, score(out->core));
    } else {
        put_outputs(out);
    }
    put(out, "]\r\n");
}

/* Commands */

static void say_name(struct text *out, struct words *rest)
{
    const struct eq_board *board = out->core->config->board;
    (void)rest;
    put(out, "m-name-dut-[edgeq ");
    put(out, board->board);
    if (board->emulator != NULL) {
        put(out, ", emulated by ");
        put(out, board->emulator);
    }
    put(out, "]\r\n");
}

static void say_profile(struct text *out, struct words *rest)
{
    uint32_t slot = eq_slots_serving(&out->core->slots);
    const struct eq_body *body = slot < EQ_SLOTS ? eq_slot_body(out->core, slot) : NULL;
    (void)rest;
    put(out, "m-profile-[ULPMark for tinyML Firmware V0.0.1]\r\n");
    if (body == NULL) {
        refuse(out, "no release is active on this device; deploy one first");
        return;
    }
    put(out, "m-model-[");
    put_foreign(out, (const uint8_t *)body->name, sizeof body->name);
    put(out, "]\r\n");
}

static void say_timestamp(struct text *out, struct words *rest)
{
    (void)rest;
    pulse(out->core);
    eq_dut_count(out->core);
    put_lap(out, out->core->dut.ticks);
    put_clock(out);
}

static void load(struct text *out, struct word word)
{
    struct eq_core *core = out->core;
    struct eq_dut *dut = &core->dut;
    uint32_t bytes, wanted;
    if (!is_number(word, &bytes) || bytes == 0) {
        refuse(out, "db load needs the number of bytes, at least 1 and at most 1000000");
        return;
    }
    if (!is_open(out)) {
        return;
    }
    dut->bytes = dut->have = 0;
    wanted = input_bytes(core);
    if (bytes != wanted && !is_float(core, bytes)) {
        put(out, "e-[the input of the model has ");
        put_number(out, wanted);
        put(out, " bytes]\r\n");
    } else if (core->model.head->arena_bytes + (uint64_t)rounded(bytes) + (bytes == wanted ? 0 : rounded(wanted)) >
               (core->config->arena_bytes & ~(EQ_ALIGN - 1))) {
        refuse(out, "the model leaves no room in the arena for an input that waits");
    } else {
        dut->bytes = bytes;
        put(out, "m-[Expecting ");
        put_number(out, bytes);
        put(out, " bytes]\r\n");
    }
}

static void print(struct text *out)
{
    static const char digits[] = "0123456789abcdef";
    const struct eq_core *core = out->core;
    const uint8_t *data = kept(core);
    for (uint32_t i = 0; i < core->dut.have; i++) {
        uint8_t byte = data[i] ^ flip_of(core);
        put(out, i % ROW_BYTES == 0 ? "m-buffer-" : "-");
        put_char(out, digits[byte >> 4]);
        put_char(out, digits[byte & 15]);
        if (i % ROW_BYTES == ROW_BYTES - 1 || i + 1 == core->dut.have) {
            put(out, "\r\n");
        }
    }
}

/* All of the bytes of a command, or none. */
static void take_bytes(struct text *out, struct word word)
{
    struct eq_core *core = out->core;
    struct eq_dut *dut = &core->dut;
    uint8_t flip;
    for (uint32_t i = 0; i < word.bytes; i++) {
        if (digit_of(word.at[i]) < 0) {
            refuse(out, "db takes load N, print, or hexadecimal digits");
            return;
        }
    }
    if (word.bytes % 2 != 0) {
        refuse(out, "the number of hexadecimal digits is odd");
        return;
    }
    if (dut->have == dut->bytes) {
        refuse(out, "no bytes are expected; db load N comes first");
        return;
    }
    flip = flip_of(core);
    for (uint32_t i = 0; i < word.bytes && dut->have < dut->bytes; i += 2) {
        int byte = digit_of(word.at[i]) << 4 | digit_of(word.at[i + 1]);
        kept(core)[dut->have++] = (uint8_t)byte ^ flip;
    }
    if (dut->have == dut->bytes) {
        if (is_float(core, dut->bytes)) {
            quantize(core);
        }
        put(out, "m-load-done\r\n");
    }
}

static void db(struct text *out, struct words *rest)
{
    struct word word = next_word(rest);
    if (word.bytes == 0) {
        refuse(out, "db needs load N, print, or hexadecimal digits");
    } else if (is(word, "load")) {
        load(out, next_word(rest));
    } else if (is(word, "print")) {
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
static void measure(struct text *out, uint32_t count, uint32_t warmup)
{
    struct eq_core *core = out->core;
    uint64_t from;
    put_line(out, "m-warmup-start-", warmup);
    flush(out);
    eq_model_reset(&core->model);
    run(core, warmup);
    put(out, "m-warmup-done\r\n");
    put_line(out, "m-infer-start-", count);
    flush(out);
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
    put(out, "m-infer-done\r\n");
}

static void infer_loaded(struct text *out, uint32_t count, uint32_t warmup)
{
    struct eq_core *core = out->core;
    if (!is_loaded(core)) {
        refuse(out, "the input is not here; db load N and db HEX come first");
        return;
    }
    core->inference = (struct eq_inference){.slot = EQ_SLOTS}; /* whatever was under way is gone */
    measure(out, count, warmup);
    core->inference.done = 1;
    put_results(out);
}

static void infer(struct text *out, struct words *rest)
{
    struct word first = next_word(rest), second = next_word(rest);
    uint32_t count = 1, warmup = WARMUP;
    if (first.bytes > 0 && (!is_number(first, &count) || count == 0)) {
        refuse(out, "infer needs the number of inferences, at least 1 and at most 1000000");
    } else if (second.bytes > 0 && !is_number(second, &warmup)) {
        refuse(out, "warm-up inferences must be 0 to 1000000");
    } else if (is_open(out)) {
        infer_loaded(out, count, warmup);
    }
}

static void say_results(struct text *out, struct words *rest)
{
    (void)rest;
    if (out->core->inference.done) {
        put_results(out);
    } else {
        refuse(out, "there are no results; infer comes first");
    }
}

static void help(struct text *out, struct words *rest)
{
    (void)rest;
    put(out, "edgeq, device under test of MLPerf Tiny; every command ends in a percent sign\r\n"
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
    struct text out = {core, 0};
    struct words rest = {core->rx.buffer, core->rx.buffer + core->dut.text};
    struct word first = next_word(&rest);
    uint32_t i = 0, count = sizeof commands / sizeof *commands;
    while (i < count && !is(first, commands[i].name)) {
        i++;
    }
    if (core->dut.text > COMMAND_BYTES) {
        refuse(&out, "a command has at most 80 characters");
    } else if (i < count) {
        commands[i].carry_out(&out, &rest);
    } else if (first.bytes > 0) {
        put(&out, "e-[Unknown command: ");
        put_foreign(&out, first.at, first.bytes);
        put(&out, "]\r\n");
    }
    put(&out, "m-ready\r\n");
    flush(&out);
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
