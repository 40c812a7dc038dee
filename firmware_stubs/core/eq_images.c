/* Group 1: the releases as stock tools know images. The keys are the standard's and no others. */
#include <string.h>

#include "eq_commands.h"

/* "n.0.0" */
static void put_version(struct eq_writer *out, uint32_t n)
{
    char text[16];
    uint32_t bytes = eq_put_decimal(text, n);
    memcpy(text + bytes, ".0.0", 4);
    eq_put_text(out, "version");
    eq_put_string(out, EQ_TEXT, text, bytes + 4);
}

static void put_image(const struct eq_core *core, uint32_t slot, struct eq_writer *out)
{
    unsigned state = core->slots.now.state[slot];
    int pending = core->job.state == EQ_JOB_RUNNING && core->job.kind == EQ_JOB_ADOPT && core->job.slot == slot;
    int active = slot == eq_slots_serving(&core->slots), confirmed = state == EQ_SLOT_CONFIRMED;
    eq_put_map(out, 9);
    eq_put_key_uint(out, "image", 0);
    eq_put_key_uint(out, "slot", slot);
    put_version(out, core->slots.now.slot[slot].n);
    eq_put_key_bytes(out, "hash", eq_slots_digest(&core->slots, slot), EQ_SHA256_BYTES);
    eq_put_key_bool(out, "bootable", state != EQ_SLOT_BAD);
    eq_put_key_bool(out, "pending", pending);
    eq_put_key_bool(out, "confirmed", confirmed);
    eq_put_key_bool(out, "active", active);
    eq_put_key_bool(out, "permanent", active && confirmed);
}

static int is_listed(const struct eq_core *core, uint32_t slot)
{
    return eq_is_release(core, slot) || core->slots.now.state[slot] == EQ_SLOT_ARRIVED;
}

int eq_image_state(struct eq_core *core, const struct eq_item *body, struct eq_writer *out)
{
    (void)body;
    eq_put_map(out, 1);
    eq_put_text(out, "images");
    eq_put_array(out, (uint32_t)(is_listed(core, 0) + is_listed(core, 1)));
    for (uint32_t slot = 0; slot < EQ_SLOTS; slot++) {
        if (is_listed(core, slot)) {
            put_image(core, slot, out);
        }
    }
    return EQ_OK;
}

/* "test" and "confirm" are one: the device tries the image and confirms it by itself. */
int eq_image_adopt(struct eq_core *core, const struct eq_item *body, struct eq_writer *out)
{
    const uint8_t *digest;
    uint32_t slot;
    int status;
    if (eq_digest_of(body, "hash", &digest) != EQ_OK) {
        return EQ_INVALID;
    }
    slot = eq_slot_named(core, digest);
    if (slot == EQ_SLOTS) {
        return EQ_NOT_FOUND;
    }
    status = slot == eq_slots_serving(&core->slots) ? EQ_OK : eq_job_begin(core, EQ_JOB_ADOPT, slot);
    return status == EQ_OK ? eq_image_state(core, body, out) : status;
}

/* What is uploaded: as the first chunk says, later ones name nothing but their offset. */
static int blob_of(const struct eq_core *core, const struct eq_item *body, uint32_t off, struct eq_blob *blob)
{
    uint32_t slot = eq_slots_in_state(&core->slots, EQ_SLOT_INCOMING);
    const uint8_t *digest;
    if (off != 0) {
        *blob = core->held.bytes != 0 ? core->held : slot < EQ_SLOTS ? core->slots.now.slot[slot].image : core->held;
        return blob->bytes != 0 ? EQ_OK : EQ_NOT_FOUND;
    }
    if (eq_digest_of(body, "sha", &digest) != EQ_OK ||
        eq_cbor_find_uint(body, "len", UINT32_MAX, &blob->bytes) != EQ_OK) {
        return EQ_INVALID;
    }
    memcpy(blob->sha256, digest, EQ_SHA256_BYTES);
    return EQ_OK;
}

int eq_image_upload(struct eq_core *core, const struct eq_item *body, struct eq_writer *out)
{
    struct eq_blob blob;
    uint32_t off, bytes, wanted = 0;
    const uint8_t *data;
    int status;
    if (eq_cbor_find_uint(body, "off", UINT32_MAX, &off) != EQ_OK ||
        eq_cbor_find_string(body, "data", EQ_BYTES, &data, &bytes) != EQ_OK) {
        return EQ_INVALID;
    }
    status = blob_of(core, body, off, &blob);
    if (status == EQ_OK) {
        status = eq_take(core, &blob, off, data, bytes, &wanted);
    }
    eq_put_map(out, 1);
    eq_put_key_uint(out, "off", wanted);
    return status == EQ_NOT_FOUND ? EQ_OK : status;
}

/* Without a slot, the one that does not serve: it is the one where blobs arrive. */
int eq_image_erase(struct eq_core *core, const struct eq_item *body, struct eq_writer *out)
{
    uint32_t slot, at = 0;
    int status = eq_cbor_find_uint(body, "slot", EQ_SLOTS - 1, &slot);
    if (status == EQ_NOT_FOUND) {
        slot = eq_slots_inbox(&core->slots);
        status = EQ_OK;
    }
    if (status == EQ_OK) {
        status = eq_free(core);
    }
    if (status == EQ_OK && slot == core->loaded) {
        eq_unload(core); /* it executes from there, also where the erase fails half-way */
    }
    while (status >= EQ_OK && (status = eq_slots_erase(&core->slots, slot, &at)) > 0) {
        eq_idle(core);
    }
    if (status == EQ_OK) {
        core->held.bytes = 0; /* nor is there the beginning of an upload */
    }
    eq_put_map(out, 0);
    return status;
}
