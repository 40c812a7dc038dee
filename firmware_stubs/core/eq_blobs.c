/* What arrives: an image, judged by its envelope before anything is erased, and the manifest that names it. */
#include <string.h>

#include "eq_commands.h"

static int is_for(const struct eq_envelope *envelope, const char *target)
{
    uint32_t i = 0;
    while (i < sizeof envelope->target && target[i] != 0 && envelope->target[i] == target[i]) {
        i++;
    }
    return envelope->target[0] == 0 || i == sizeof envelope->target || (target[i] == 0 && envelope->target[i] == 0);
}

/* Whether an image that begins like this can run here. */
int eq_judge(struct eq_core *core, const struct eq_envelope *envelope, uint32_t bytes)
{
    if (envelope->magic != EQ_MAGIC || envelope->image_bytes != bytes) {
        return eq_refuse(core, EQ_INVALID, "this is not a whole image");
    }
    if (envelope->plan_abi != EQ_PLAN_ABI && envelope->plan_abi != EQ_PLAN_ABI_FRONTEND) {
        return eq_refuse(core, EQ_NEWER, "the image has another plan ABI than this firmware");
    }
    if (envelope->packing != EQ_PACKING_PORTABLE || !is_for(envelope, core->config->board->target)) {
        return eq_refuse(core, EQ_MISMATCH, "the image is for another board");
    }
    if (envelope->arena_bytes > core->config->arena_bytes) {
        return eq_refuse(core, EQ_NO_SPACE, "the model needs a larger arena than this board has");
    }
    if (envelope->security_version < core->slots.now.security_version) {
        return eq_refuse(core, EQ_STATE, "a later security version was confirmed on this device");
    }
    return eq_judge_signature(core, envelope);
}

static int receive(struct eq_core *core, enum eq_part part, const struct eq_blob *blob, uint32_t off,
                   const uint8_t *data, uint32_t bytes, uint32_t *wanted)
{
    uint32_t inbox = eq_slots_inbox(&core->slots);
    int status;
    if (core->loaded < EQ_SLOTS && core->loaded == inbox) {
        eq_unload(core); /* what it executes from is erased */
    }
    core->is_signed &= ~(1u << inbox);
    status = eq_slots_receive(&core->slots, part, blob, off, data, bytes, wanted);
    if (status == EQ_DIGEST) {
        return eq_refuse(core, status, "what arrived is not what was promised");
    }
    if (status == EQ_STATE) {
        return eq_refuse(core, status, "a manifest follows its image, and nothing arrives during a trial");
    }
    if (status == EQ_NO_SPACE) {
        return eq_refuse(core, status, "it does not fit into a slot");
    }
    return status == EQ_IO ? eq_refuse(core, status, "the flash failed") : status;
}

static int is_image(const uint8_t *data, uint32_t bytes)
{
    static const uint8_t magic[] = {'E', 'Q', 'I', '1'};
    return bytes >= sizeof magic && memcmp(data, magic, sizeof magic) == 0;
}

/* The envelope, in pieces if the line is bad; then the image's first bytes are written. */
static int hold(struct eq_core *core, const struct eq_blob *blob, uint32_t off, const uint8_t *data, uint32_t bytes,
                uint32_t *wanted)
{
    uint32_t taken;
    int status;
    if (off == 0) {
        core->held = *blob;
        core->held_bytes = 0;
    }
    if (core->held.bytes == 0 || memcmp(&core->held, blob, sizeof *blob) != 0 || off != core->held_bytes) {
        *wanted = memcmp(&core->held, blob, sizeof *blob) == 0 ? core->held_bytes : 0;
        return EQ_OK;
    }
    taken = bytes < EQ_ENVELOPE_BYTES - off ? bytes : EQ_ENVELOPE_BYTES - off;
    memcpy(core->space.bytes + off, data, taken);
    core->held_bytes = *wanted = off + taken;
    if (core->held_bytes < EQ_ENVELOPE_BYTES) {
        return EQ_OK;
    }
    core->held.bytes = 0;
    status = eq_judge(core, &core->space.envelope, blob->bytes);
    if (status == EQ_OK) {
        status = receive(core, EQ_IMAGE, blob, 0, core->space.bytes, EQ_ENVELOPE_BYTES, wanted);
    }
    if (status == EQ_OK && bytes > taken && *wanted == EQ_ENVELOPE_BYTES) {
        status = receive(core, EQ_IMAGE, blob, *wanted, data + taken, bytes - taken, wanted);
    }
    return status;
}

int eq_take(struct eq_core *core, const struct eq_blob *blob, uint32_t off, const uint8_t *data, uint32_t bytes,
            uint32_t *wanted)
{
    const struct eq_slots *slots = &core->slots;
    uint32_t inbox = eq_slots_inbox(slots);
    if (eq_free(core) != EQ_OK) {
        return EQ_BUSY;
    }
    if (blob->bytes == 0 || bytes > blob->bytes || off > blob->bytes - bytes) {
        return EQ_INVALID;
    }
    if (inbox < EQ_SLOTS && eq_slots_has(slots, inbox, blob->sha256)) {
        *wanted = blob->bytes;
        return EQ_OK;
    }
    if (eq_slots_is_arriving(slots, EQ_IMAGE, blob) && slots->off > 0) { /* at 0 the envelope is judged again */
        return receive(core, EQ_IMAGE, blob, off, data, bytes, wanted);
    }
    if (eq_slots_is_arriving(slots, EQ_MANIFEST, blob) || (off == 0 && !is_image(data, bytes))) {
        return receive(core, EQ_MANIFEST, blob, off, data, bytes, wanted);
    }
    return hold(core, blob, off, data, bytes, wanted);
}

int eq_digest_of(const struct eq_item *body, const char *key, const uint8_t **digest)
{
    uint32_t bytes;
    int status = eq_cbor_find_string(body, key, EQ_BYTES, digest, &bytes);
    return status != EQ_OK || bytes == EQ_SHA256_BYTES ? status : EQ_INVALID;
}

/* Bytes of a blob from the wanted offset on that come without an erase, during which the line is not heard. */
static uint32_t room_for(const struct eq_core *core, const struct eq_blob *blob)
{
    const struct eq_slots *slots = &core->slots;
    return eq_slots_is_arriving(slots, EQ_IMAGE, blob) || eq_slots_is_arriving(slots, EQ_MANIFEST, blob)
               ? eq_slots_room(slots)
               : 0;
}

int eq_blob_put(struct eq_core *core, const struct eq_item *body, struct eq_writer *out)
{
    struct eq_blob blob;
    const uint8_t *digest, *data;
    uint32_t off, bytes, wanted = 0;
    int status;
    if (eq_digest_of(body, "sha", &digest) != EQ_OK ||
        eq_cbor_find_uint(body, "off", UINT32_MAX, &off) != EQ_OK ||
        eq_cbor_find_uint(body, "len", UINT32_MAX, &blob.bytes) != EQ_OK ||
        eq_cbor_find_string(body, "data", EQ_BYTES, &data, &bytes) != EQ_OK) {
        return EQ_INVALID;
    }
    memcpy(blob.sha256, digest, sizeof blob.sha256);
    status = eq_take(core, &blob, off, data, bytes, &wanted);
    eq_put_map(out, core->config->flash->erase_ms != 0 ? 2 : 1);
    eq_put_key_uint(out, "off", wanted);
    if (core->config->flash->erase_ms != 0) {
        eq_put_key_uint(out, "room", room_for(core, &blob));
    }
    return status;
}

/* The next digest of a list; 0 at the end. */
static int next_digest(struct eq_items *list, const uint8_t **digest)
{
    struct eq_item item;
    uint32_t bytes;
    return eq_cbor_next(list, &item) && eq_cbor_string(&item, EQ_BYTES, digest, &bytes) == EQ_OK &&
           bytes == EQ_SHA256_BYTES;
}

/* Only the slot where blobs arrive counts: what serves has no need of them. */
int eq_blob_have(struct eq_core *core, const struct eq_item *body, struct eq_writer *out)
{
    const struct eq_slots *slots = &core->slots;
    struct eq_item shas;
    struct eq_items list, again;
    const uint8_t *digest;
    uint32_t slot, missing = 0;
    if (eq_cbor_find(body, "sha", &shas) != EQ_OK || eq_cbor_major(&shas) != EQ_ARRAY ||
        eq_cbor_open(&shas, &list) != EQ_OK) {
        return EQ_INVALID;
    }
    again = list;
    slot = eq_slots_inbox(slots);
    while (next_digest(&list, &digest)) {
        missing += slot == EQ_SLOTS || !eq_slots_has(slots, slot, digest);
    }
    eq_put_map(out, 1);
    eq_put_text(out, "missing");
    eq_put_array(out, missing);
    while (next_digest(&again, &digest)) {
        if (slot == EQ_SLOTS || !eq_slots_has(slots, slot, digest)) {
            eq_put_map(out, 2);
            eq_put_key_bytes(out, "sha", digest, EQ_SHA256_BYTES);
            eq_put_key_uint(out, "off", eq_slots_wanted(slots, digest));
        }
    }
    return EQ_OK;
}
