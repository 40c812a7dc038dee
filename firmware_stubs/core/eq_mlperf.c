/* Commands of MLPerf Tiny's benchmark: https://github.com/mlcommons/tiny, benchmark/api. They run whatever serves, change
 * no flash, and keep nothing in buffers of their own: a command arrives in the receiver's buffer, which is free between
 * frames, answers are made where those of frames are, and an input waits in the arena behind what the model takes. */
#include "eq_mlperf_inner.h"

#ifdef EQ_MLPERF

#define COMMAND_BYTES 80u /* of the longest one, as the benchmark has it */
#define WARMUP 10u        /* inferences before those that are measured, unless `infer` says how many */

typedef void command(struct eq_text *out, struct eq_words *rest);

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
    eq_dut_timestamp(out);
}

static void infer_loaded(struct eq_text *out, uint32_t count, uint32_t warmup)
{
    struct eq_core *core = out->core;
    if (!eq_dut_loaded(core)) {
        eq_text_refuse(out, "the input is not here; db load N and db HEX come first");
        return;
    }
    core->inference = (struct eq_inference){.slot = EQ_SLOTS, .ops = UINT32_MAX}; /* whatever was under way is gone */
    eq_dut_measure(out, count, warmup);
    core->inference.done = 1;
    eq_dut_put_results(out);
}

static void infer(struct eq_text *out, struct eq_words *rest)
{
    struct eq_word first = eq_word_next(rest), second = eq_word_next(rest);
    uint32_t count = 1, warmup = WARMUP;
    if (first.bytes > 0 && (!eq_word_number(first, &count) || count == 0)) {
        eq_text_refuse(out, "infer needs the number of inferences, at least 1 and at most 1000000");
    } else if (second.bytes > 0 && !eq_word_number(second, &warmup)) {
        eq_text_refuse(out, "warm-up inferences must be 0 to 1000000");
    } else if (eq_dut_open(out)) {
        infer_loaded(out, count, warmup);
    }
}

static void say_results(struct eq_text *out, struct eq_words *rest)
{
    (void)rest;
    if (out->core->inference.done) {
        eq_dut_put_results(out);
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
    {"name", say_name}, {"profile", say_profile}, {"timestamp", say_timestamp}, {"db", eq_dut_db},
    {"infer", infer},   {"results", say_results}, {"help", help},
};

static void obey(struct eq_core *core)
{
    struct eq_text out = {core, 0};
    struct eq_words rest = {core->rx.buffer, core->rx.buffer + core->dut.text};
    struct eq_word first = eq_word_next(&rest);
    uint32_t i = 0, count = sizeof commands / sizeof *commands;
    eq_trigger(core, 1); /* its falling edges are the benchmark's from now on */
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
