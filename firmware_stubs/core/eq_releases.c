/* What is installed: group 64's `releases` and `member`, and group 1, the same for stock tools. */
#include <string.h>

#include "eq_commands.h"

#define ROOM_BYTES 64u /* of an answer, beside a piece */

int eq_is_release(const struct eq_core *core, uint32_t slot)
{
    const struct eq_record *now = &core->slots.now;
    return slot < EQ_SLOTS && now->slot[slot].n != 0 &&
           (now->state[slot] == EQ_SLOT_BAD || now->state[slot] >= EQ_SLOT_STAGED);
}

const struct eq_body *eq_slot_body(const struct eq_core *core, uint32_t slot)
{
    uint32_t bytes;
    const uint8_t *image = eq_slots_part(&core->slots, slot, EQ_IMAGE, &bytes);
    return bytes >= EQ_ENVELOPE_BYTES + sizeof(struct eq_body) ? (const void *)(image + EQ_ENVELOPE_BYTES) : NULL;
}

int eq_slot_of(struct eq_core *core, const struct eq_item *body, uint32_t *slot)
{
    uint32_t n;
    int status = eq_cbor_find_uint(body, "n", UINT32_MAX, &n);
    if (status == EQ_NOT_FOUND) {
        *slot = eq_slots_serving(&core->slots);
        return *slot < EQ_SLOTS
                   ? EQ_OK
                   : eq_refuse(core, EQ_STATE, "no release is active on this device; deploy one first");
    }
    *slot = eq_slots_with_number(&core->slots, n);
    if (status == EQ_OK && !eq_is_release(core, *slot)) {
        return eq_refuse(core, EQ_NOT_FOUND, "there is no such release");
    }
    return status;
}

uint32_t eq_slot_named(const struct eq_core *core, const uint8_t *digest)
{
    const struct eq_slots *slots = &core->slots;
    uint32_t slot = eq_slots_with_release(slots, digest), arrived = eq_slots_in_state(slots, EQ_SLOT_ARRIVED);
    if (slot == EQ_SLOTS && arrived < EQ_SLOTS &&
        memcmp(eq_slots_digest(slots, arrived), digest, EQ_SHA256_BYTES) == 0) {
        slot = arrived;
    }
    return slot;
}

const char *eq_state_name(unsigned state)
{
    switch (state) {
    case EQ_SLOT_STAGED:
        return "staged";
    case EQ_SLOT_CONFIRMED:
        return "confirmed";
    case EQ_SLOT_TRIAL:
        return "trial";
    default:
        return "bad";
    }
}

/* The model's name, of which only what is surely text is said. */
static void put_name(const struct eq_core *core, uint32_t slot, struct eq_writer *out)
{
    const struct eq_body *body = eq_slot_body(core, slot);
    char name[sizeof body->name + 1];
    uint32_t i = 0;
    while (body != NULL && i < sizeof body->name && body->name[i] != 0) {
        name[i] = (char)(body->name[i] >= ' ' && body->name[i] <= '~' ? body->name[i] : '?');
        i++;
    }
    eq_put_string(out, EQ_TEXT, name, i);
}

static void put_number(const struct eq_core *core, const char *key, uint32_t slot, struct eq_writer *out)
{
    eq_put_text(out, key);
    if (slot < EQ_SLOTS) {
        eq_put_uint(out, core->slots.now.slot[slot].n);
    } else {
        eq_put_null(out);
    }
}

/* The slots, that of the older release first. */
static uint32_t in_order(const struct eq_core *core, uint32_t i)
{
    const struct eq_slot *slot = core->slots.now.slot;
    return slot[0].n > slot[1].n ? 1 - i : i;
}

int eq_releases(struct eq_core *core, const struct eq_item *body, struct eq_writer *out)
{
    const struct eq_slots *slots = &core->slots;
    uint32_t trial = eq_slots_in_state(slots, EQ_SLOT_TRIAL);
    (void)body;
    eq_put_map(out, trial < EQ_SLOTS ? 5 : 4);
    eq_put_text(out, "releases");
    eq_put_array(out, (uint32_t)(eq_is_release(core, 0) + eq_is_release(core, 1)));
    for (uint32_t i = 0; i < EQ_SLOTS; i++) {
        uint32_t slot = in_order(core, i);
        if (eq_is_release(core, slot)) {
            unsigned why = slots->now.state[slot] == EQ_SLOT_BAD ? slots->now.why[slot] : EQ_WHY_NONE;
            eq_put_map(out, why != EQ_WHY_NONE ? 5 : 4);
            put_number(core, "n", slot, out);
            eq_put_key_bytes(out, "sha", eq_slots_digest(slots, slot), EQ_SHA256_BYTES);
            eq_put_key_text(out, "state", eq_state_name(slots->now.state[slot]));
            eq_put_text(out, "name");
            put_name(core, slot, out);
            if (why != EQ_WHY_NONE) {
                eq_put_key_text(out, "why", eq_why_text(why));
            }
        }
    }
    put_number(core, "current", slots->now.current, out);
    put_number(core, "previous", eq_slots_previous(slots), out);
    put_number(core, "trial", trial, out);
    if (trial < EQ_SLOTS) {
        eq_put_watch(core, trial, out);
    }
    return EQ_OK;
}

/* Where a member lies; NULL where the release has none. */
static const uint8_t *find_member(const struct eq_core *core, uint32_t slot, int manifest, uint32_t *bytes)
{
    const struct eq_body *body = eq_slot_body(core, slot);
    uint32_t image;
    const uint8_t *at = eq_slots_part(&core->slots, slot, manifest ? EQ_MANIFEST : EQ_IMAGE, &image);
    if (manifest) {
        *bytes = image;
        return image > 0 ? at : NULL;
    }
    if (body == NULL || body->interface > image - EQ_ENVELOPE_BYTES ||
        body->interface_bytes > image - EQ_ENVELOPE_BYTES - body->interface) {
        return NULL;
    }
    *bytes = body->interface_bytes;
    return at + EQ_ENVELOPE_BYTES + body->interface;
}

void eq_put_piece(const struct eq_core *core, struct eq_writer *out, uint32_t all, const uint8_t *data, uint32_t bytes)
{
    uint32_t most = core->buf_size - ROOM_BYTES;
    eq_put_key_uint(out, "len", all);
    eq_put_key_bytes(out, "data", data, bytes < most ? bytes : most);
}

int eq_member(struct eq_core *core, const struct eq_item *body, struct eq_writer *out)
{
    struct eq_item name;
    const uint8_t *data;
    uint32_t off, slot, bytes;
    int manifest, status = eq_slot_of(core, body, &slot);
    if (status != EQ_OK) {
        return status;
    }
    if (eq_cbor_find(body, "name", &name) != EQ_OK || eq_cbor_find_uint(body, "off", UINT32_MAX, &off) != EQ_OK) {
        return EQ_INVALID;
    }
    manifest = eq_cbor_is(&name, "manifest.json");
    data = manifest || eq_cbor_is(&name, "interface.json") ? find_member(core, slot, manifest, &bytes) : NULL;
    if (data == NULL) {
        return eq_refuse(core, EQ_NOT_FOUND, "the release has no such member");
    }
    off = off < bytes ? off : bytes;
    eq_put_map(out, 3);
    put_number(core, "n", slot, out);
    eq_put_piece(core, out, bytes, data + off, bytes - off);
    return EQ_OK;
}
