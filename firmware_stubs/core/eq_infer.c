/* One inference for the host: its input in pieces, straight into the arena; its output likewise. */
#include <string.h>

#include "eq_commands.h"
#include "eq_mlperf.h"

#define ROOM_BYTES 64u /* of an answer, beside the piece of an output */

void eq_unload(struct eq_core *core)
{
    core->loaded = EQ_SLOTS;
    core->inference = (struct eq_inference){.slot = EQ_SLOTS};
    eq_dut_forget(core);
}

int eq_load(struct eq_core *core, uint32_t slot)
{
    const struct eq_config *config = core->config;
    uint32_t bytes;
    const uint8_t *image = eq_slots_part(&core->slots, slot, EQ_IMAGE, &bytes);
    int status;
    if (core->loaded == slot) {
        return EQ_OK;
    }
    eq_unload(core);
    if (!(core->is_signed >> slot & 1u) && (status = eq_signed_slot(core, slot)) != EQ_OK) {
        return status;
    }
    status = eq_model_open(&core->model, image, bytes, config->arena, config->arena_bytes);
    if (status == EQ_OK) {
        status = eq_frontend_open(&core->front, &core->model);
        status = status == EQ_NOT_FOUND ? EQ_OK : status;
    }
    switch (status) {
    case EQ_OK:
        core->loaded = slot;
        return EQ_OK;
    case EQ_UNSUPPORTED:
        return eq_refuse(core, status, "the model needs a kernel, or its front end a step, that this firmware was built without");
    case EQ_NO_SPACE:
        return eq_refuse(core, status, "the model needs a larger arena than this board has");
    default:
        return eq_refuse(core, EQ_RUNTIME, "the image cannot be loaded: it is damaged or of another version");
    }
}

static uint32_t input_bytes(const struct eq_model *model)
{
    uint32_t total = 0, bytes;
    for (unsigned i = 0; eq_input(model, i, &bytes) != NULL; i++) {
        total += bytes;
    }
    return total;
}

static uint32_t output_bytes(const struct eq_model *model)
{
    uint32_t total = 0, bytes;
    for (unsigned i = 0; eq_output(model, i, &bytes) != NULL; i++) {
        total += bytes;
    }
    return total;
}

/* The part of `bytes` bytes from `off` on that falls into a tensor of `size` bytes which begins at `start`: where it
 * begins in the former and in the latter, and how long it is. */
struct overlap {
    uint32_t in_piece, in_tensor, bytes;
};

static struct overlap overlap(uint32_t off, uint32_t bytes, uint32_t start, uint32_t size)
{
    uint32_t from = off > start ? off : start;
    uint32_t to = off + bytes < start + size ? off + bytes : start + size;
    return from < to ? (struct overlap){from - off, from - start, to - from} : (struct overlap){0, 0, 0};
}

/* `off + bytes` is at most `input_bytes`. */
static void write_input(const struct eq_model *model, uint32_t off, const uint8_t *data, uint32_t bytes)
{
    uint32_t start = 0, size;
    uint8_t *tensor;
    for (unsigned i = 0; (tensor = eq_input(model, i, &size)) != NULL; i++) {
        struct overlap both = overlap(off, bytes, start, size);
        memcpy(tensor + both.in_tensor, data + both.in_piece, both.bytes);
        start += size;
    }
}

static void read_output(const struct eq_model *model, uint32_t off, uint8_t *data, uint32_t bytes)
{
    uint32_t start = 0, size;
    const uint8_t *tensor;
    for (unsigned i = 0; (tensor = eq_output(model, i, &size)) != NULL; i++) {
        struct overlap both = overlap(off, bytes, start, size);
        memcpy(data + both.in_piece, tensor + both.in_tensor, both.bytes);
        start += size;
    }
}

/* Whether this chunk begins another inference than the present one. */
static int begins(const struct eq_core *core, const struct eq_item *body, uint32_t off, const struct eq_inference *next)
{
    const struct eq_inference *now = &core->inference;
    uint32_t run;
    int has_run = eq_cbor_find_uint(body, "run", UINT32_MAX, &run) == EQ_OK;
    return core->loaded != next->slot || now->slot != next->slot || now->raw != next->raw ||
           (has_run ? now->run != run : off == 0);
}

static void infer(struct eq_core *core)
{
    eq_begin(&core->model);
    while (eq_step(&core->model)) {
        eq_idle(core);
    }
    core->inference.done = 1;
    eq_watch_good(core, core->inference.slot);
}

void eq_feed(struct eq_core *core, const uint8_t *data, uint32_t bytes, int last)
{
    while (bytes > 0) {
        uint32_t taken = eq_frontend_feed(&core->front, data, bytes);
        data += taken;
        bytes -= taken;
        eq_idle(core);
    }
    while (last && eq_frontend_step(&core->front)) {
        eq_idle(core);
    }
}

static int is_text(const uint8_t *text, uint32_t bytes, const char *name)
{
    uint32_t i = 0;
    while (i < bytes && name[i] != 0 && (uint8_t)name[i] == text[i]) {
        i++;
    }
    return i == bytes && name[i] == 0;
}

/* The map "raw" of a request: EQ_NOT_FOUND without it, EQ_INVALID where it is none. */
static int read_raw(const struct eq_item *body, struct eq_raw *raw)
{
    struct eq_item map, shape, extent;
    struct eq_items extents;
    const uint8_t *type;
    uint32_t bytes;
    int status = eq_cbor_find(body, "raw", &map);
    if (status != EQ_OK) {
        return status;
    }
    *raw = (struct eq_raw){0};
    if (eq_cbor_find_string(&map, "type", EQ_TEXT, &type, &bytes) != EQ_OK ||
        eq_cbor_find(&map, "shape", &shape) != EQ_OK || eq_cbor_major(&shape) != EQ_ARRAY ||
        eq_cbor_open(&shape, &extents) != EQ_OK ||
        eq_cbor_find_uint(&map, "rate", UINT32_MAX, &raw->rate_hz) != EQ_OK) {
        return EQ_INVALID;
    }
    raw->dtype = is_text(type, bytes, "int16")     ? EQ_I16
                 : is_text(type, bytes, "uint8")   ? EQ_U8
                 : is_text(type, bytes, "float32") ? EQ_F32
                                                   : 0u;
    while (eq_cbor_next(&extents, &extent)) {
        uint32_t value;
        if (eq_cbor_uint(&extent, UINT32_MAX, &value) != EQ_OK) {
            return EQ_INVALID;
        }
        if (raw->rank < sizeof raw->dims / sizeof *raw->dims) {
            raw->dims[raw->rank] = value;
        }
        raw->rank++;
    }
    return EQ_OK;
}

/* Begin an inference with the model's own input, or with a raw one. */
static int start(struct eq_core *core, const struct eq_item *body, struct eq_inference next, const struct eq_raw *raw)
{
    int status = eq_load(core, next.slot);
    core->inference.slot = EQ_SLOTS; /* whatever was there is gone */
    if (status != EQ_OK) {
        return status;
    }
    if (next.raw) {
        if (core->front.head == NULL) {
            return eq_refuse(core, EQ_UNSUPPORTED, "the release does not preprocess on the device: it takes the model's own input");
        }
        status = eq_frontend_begin(&core->front, raw, &core->why);
        if (status != EQ_OK) {
            return status;
        }
    }
    (void)eq_cbor_find_uint(body, "run", UINT32_MAX, &next.run);
    core->inference = next;
    return EQ_OK;
}

static void take_input(struct eq_core *core, uint32_t off, const uint8_t *data, uint32_t bytes, uint32_t total)
{
    struct eq_inference *now = &core->inference;
    now->input += bytes;
    if (now->raw) {
        eq_feed(core, data, bytes, now->input == total);
    } else {
        write_input(&core->model, off, data, bytes);
    }
    if (now->input == total) {
        infer(core);
    }
}

int eq_invoke_chunk(struct eq_core *core, const struct eq_item *body, struct eq_writer *out)
{
    struct eq_inference *now = &core->inference, next = {0};
    struct eq_raw raw;
    uint32_t off, total, bytes;
    const uint8_t *data;
    int status = eq_slot_of(core, body, &next.slot), is_raw;
    if (status != EQ_OK || (status = eq_free(core)) != EQ_OK) {
        return status;
    }
    is_raw = read_raw(body, &raw);
    if (is_raw == EQ_INVALID || eq_cbor_find_uint(body, "off", UINT32_MAX, &off) != EQ_OK ||
        eq_cbor_find_uint(body, "len", UINT32_MAX, &total) != EQ_OK ||
        eq_cbor_find_string(body, "data", EQ_BYTES, &data, &bytes) != EQ_OK || off > total || bytes > total - off) {
        return EQ_INVALID;
    }
    next.raw = is_raw == EQ_OK;
    if (begins(core, body, off, &next)) {
        status = start(core, body, next, &raw);
        if (status != EQ_OK) {
            return status;
        }
    }
    if (total != (next.raw ? eq_frontend_bytes(&core->front) : input_bytes(&core->model))) {
        return eq_refuse(core, EQ_INVALID, next.raw ? "the bytes are not as many as the shape says"
                                                    : "these are not whole samples, or more than one");
    }
    if (off == now->input && !now->done) {
        take_input(core, off, data, bytes, total);
    }
    eq_put_map(out, now->done ? 2 : 1);
    eq_put_key_uint(out, "off", now->input);
    if (now->done) {
        eq_put_key_uint(out, "out", output_bytes(&core->model));
    }
    return EQ_OK;
}

int eq_output_piece(struct eq_core *core, const struct eq_item *body, struct eq_writer *out)
{
    uint32_t off, bytes, most = core->buf_size - ROOM_BYTES;
    uint32_t total = core->inference.done ? output_bytes(&core->model) : 0;
    uint8_t *to;
    if (eq_cbor_find_uint(body, "off", UINT32_MAX, &off) != EQ_OK) {
        return EQ_INVALID;
    }
    off = off < total ? off : total;
    bytes = total - off < most ? total - off : most;
    eq_put_map(out, 2);
    eq_put_key_uint(out, "len", total);
    eq_put_text(out, "data");
    to = eq_put_space(out, bytes);
    if (to != NULL && bytes > 0) {
        read_output(&core->model, off, to, bytes);
    }
    return EQ_OK;
}
