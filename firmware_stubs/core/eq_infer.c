/* One inference for the host: its input in pieces, straight into the arena; its output likewise. */
#include <string.h>

#include "eq_commands.h"
#include "eq_mlperf.h"

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

/* A byte, and how many there are from it to the end of its tensor. */
struct place {
    const uint8_t *at;
    uint32_t bytes; /* 0 behind the last one */
};

/* Where byte `off` lies of all inputs or of all outputs, which follow one another; returns how many they are together. */
static uint32_t find(const struct eq_model *model, int outputs, uint32_t off, struct place *place)
{
    uint32_t all = 0, size;
    const uint8_t *tensor;
    *place = (struct place){model->arena, 0};
    for (unsigned i = 0; (tensor = outputs ? eq_output(model, i, &size) : eq_input(model, i, &size)) != NULL; i++) {
        if (off - all < size) {
            *place = (struct place){tensor + (off - all), all + size - off};
        }
        all += size;
    }
    return all;
}

/* `off + bytes` is at most all of them. */
static void write_input(const struct eq_model *model, uint32_t off, const uint8_t *data, uint32_t bytes)
{
    while (bytes > 0) {
        struct place place;
        (void)find(model, 0, off, &place);
        place.bytes = place.bytes < bytes ? place.bytes : bytes;
        memcpy(model->arena + (place.at - model->arena), data, place.bytes); /* inputs lie there */
        off += place.bytes;
        data += place.bytes;
        bytes -= place.bytes;
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

/* The input is here. Somebody who looks at what the records give asks for them one by one. */
static void infer(struct eq_core *core)
{
    eq_begin(&core->model);
    core->inference.done = 1;
    if (core->inference.ops > 0) {
        while (eq_step(&core->model)) {
            eq_idle(core);
        }
        eq_watch_good(core, core->inference.slot);
    }
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

/* The map "raw" of a request: EQ_NOT_FOUND without it, EQ_INVALID where it is none. */
static int read_raw(const struct eq_item *body, struct eq_raw *raw)
{
    struct eq_item map, type, shape, extent;
    struct eq_items extents;
    int status = eq_cbor_find(body, "raw", &map);
    if (status != EQ_OK) {
        return status;
    }
    *raw = (struct eq_raw){0};
    if (eq_cbor_find(&map, "type", &type) != EQ_OK || eq_cbor_find(&map, "shape", &shape) != EQ_OK ||
        eq_cbor_major(&shape) != EQ_ARRAY || eq_cbor_open(&shape, &extents) != EQ_OK ||
        eq_cbor_find_uint(&map, "rate", UINT32_MAX, &raw->rate_hz) != EQ_OK) {
        return EQ_INVALID;
    }
    raw->dtype = eq_cbor_is(&type, "int16")     ? EQ_I16
                 : eq_cbor_is(&type, "uint8")   ? EQ_U8
                 : eq_cbor_is(&type, "float32") ? EQ_F32
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
    struct place place;
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
    next.ops = eq_cbor_find_uint(body, "look", 1, &next.ops) == EQ_OK ? 0 : UINT32_MAX;
    if (begins(core, body, off, &next)) {
        status = start(core, body, next, &raw);
        if (status != EQ_OK) {
            return status;
        }
    }
    if (total != (next.raw ? eq_frontend_bytes(&core->front) : find(&core->model, 0, 0, &place))) {
        return eq_refuse(core, EQ_INVALID, next.raw ? "the bytes are not as many as the shape says"
                                                    : "these are not whole samples, or more than one");
    }
    if (off == now->input && !now->done) {
        take_input(core, off, data, bytes, total);
    }
    eq_put_map(out, now->done ? 2 : 1);
    eq_put_key_uint(out, "off", now->input);
    if (now->done) {
        eq_put_key_uint(out, "out", find(&core->model, 1, 0, &place));
    }
    return EQ_OK;
}

/* Go on until `ops` records are carried out: somebody looks at what they leave in the arena. */
static int go_on(struct eq_core *core, uint32_t ops)
{
    struct eq_inference *now = &core->inference;
    if (!now->done || now->ops > ops) {
        return EQ_INVALID;
    }
    for (; now->ops < ops; now->ops++) {
        if (core->model.at == core->model.end) {
            return EQ_INVALID;
        }
        (void)eq_step(&core->model);
        eq_idle(core);
    }
    return EQ_OK;
}

int eq_output_piece(struct eq_core *core, const struct eq_item *body, struct eq_writer *out)
{
    const struct eq_model *model = &core->model;
    uint32_t off, ops, all = 0;
    struct place piece = {core->answer, 0};
    int looks = eq_cbor_find_uint(body, "ops", EQ_MAX_OPS, &ops);
    if (eq_cbor_find_uint(body, "off", UINT32_MAX, &off) != EQ_OK || looks == EQ_INVALID ||
        (looks == EQ_OK && go_on(core, ops) != EQ_OK)) {
        return EQ_INVALID;
    }
    if (looks == EQ_OK) {
        all = model->head->arena_bytes;
        off = off < all ? off : all;
        piece = (struct place){model->arena + off, all - off};
        (void)eq_cbor_find_uint(body, "most", all - off, &piece.bytes);
    } else if (core->inference.done) {
        all = find(model, 1, off, &piece);
    }
    eq_put_map(out, 2);
    eq_put_piece(core, out, all, piece.at, piece.bytes);
    return EQ_OK;
}
