/* The input of a benchmark's inference: it waits in the arena, behind what the model that serves takes. */
#include <string.h>

#include "eq_mlperf_inner.h"

#ifdef EQ_MLPERF

#define ROW_BYTES 8u

/* The model that serves is open; else what was wrong is told. */
int eq_dut_open(struct eq_text *out)
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

int eq_dut_named(const struct eq_core *core, const char *name)
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
int eq_dut_is_float(const struct eq_core *core, uint32_t bytes)
{
    return core->model.head->inputs == 1 && eq_input_info(&core->model, 0)->dtype == EQ_I8 &&
           bytes == 4 * input_bytes(core);
}

/* The input as it came, at the end of the arena. */
uint8_t *eq_dut_kept(const struct eq_core *core)
{
    return core->config->arena + (core->config->arena_bytes & ~(EQ_ALIGN - 1)) - rounded(core->dut.bytes);
}

/* The same as the model takes it. */
static uint8_t *ready(const struct eq_core *core)
{
    return eq_dut_is_float(core, core->dut.bytes) ? eq_dut_kept(core) - rounded(input_bytes(core)) : eq_dut_kept(core);
}

/* Pixels come as 0 .. 255, and an int8 model of the benchmark takes them less 128. */
static uint8_t flip_of(const struct eq_core *core)
{
    return eq_input_info(&core->model, 0)->dtype == EQ_I8 && (eq_dut_named(core, "ic01") || eq_dut_named(core, "vww01")) ? 0x80u
                                                                                                                 : 0u;
}

static void quantize(struct eq_core *core)
{
    const struct eq_tensor *tensor = eq_input_info(&core->model, 0);
    const uint8_t *from = eq_dut_kept(core);
    uint8_t *to = ready(core);
    for (uint32_t i = 0; i < tensor->bytes; i++) {
        float value = eq_dut_float_at(from, i) / tensor->scale + (float)tensor->zero_point;
        value = value > -128.0f ? value : -128.0f; /* also what is no number */
        value = value < 127.0f ? value : 127.0f;
        to[i] = (uint8_t)(int8_t)(value + (value < 0 ? -0.5f : 0.5f));
    }
}

/* An input may be overwritten by the inference, so it is written before each. */
void eq_dut_write_input(struct eq_core *core)
{
    const uint8_t *from = ready(core);
    uint32_t bytes;
    uint8_t *tensor;
    for (unsigned i = 0; (tensor = eq_input(&core->model, i, &bytes)) != NULL; i++) {
        memcpy(tensor, from, bytes);
        from += bytes;
    }
}

int eq_dut_loaded(const struct eq_core *core)
{
    return core->dut.bytes > 0 && core->dut.have == core->dut.bytes;
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
    if (!eq_dut_open(out)) {
        return;
    }
    dut->bytes = dut->have = 0;
    wanted = input_bytes(core);
    if (bytes != wanted && !eq_dut_is_float(core, bytes)) {
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
    const uint8_t *data = eq_dut_kept(core);
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
        eq_dut_kept(core)[dut->have++] = (uint8_t)byte ^ flip;
    }
    if (dut->have == dut->bytes) {
        if (eq_dut_is_float(core, dut->bytes)) {
            quantize(core);
        }
        eq_text_put(out, "m-load-done\r\n");
    }
}

void eq_dut_db(struct eq_text *out, struct eq_words *rest)
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

#endif
