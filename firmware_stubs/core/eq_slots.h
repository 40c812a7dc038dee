/* Two slots: an image and its manifest arrive in the one that does not serve, become a release, are tried and confirmed.
 *
 * Whatever happens in between, the power included, what served before still serves, and what was acknowledged with
 * EQ_OK is still there. Data is written first and recorded last, and nothing that a record vouches for is ever erased.
 */
#ifndef EQ_SLOTS_H
#define EQ_SLOTS_H

#include "eq_log.h"
#include "eq_sha256.h"

/* What arrives: an image takes a slot of its own, a manifest joins the image that arrived before. */
enum eq_part { EQ_IMAGE, EQ_MANIFEST };

struct eq_slots {
    const struct eq_flash *flash;
    struct eq_log log;
    struct eq_record now;  /* what is so; read it freely */
    uint32_t off;          /* bytes of the incoming blob that are here */
    uint8_t tail[EQ_UNIT_MOST]; /* the last of them, which do not fill a write unit yet */
    int unclean;           /* the sector that `off` begins may hold something and is to be erased */
    void (*busy)(const void *); /* called between the pieces of long work, with `busy_context`; NULL for nothing */
    const void *busy_context;
};

/* Start: a damaged release is bad; an incoming blob goes on near where it stopped. A trial is as it was: nothing of it may
 * run before `eq_slots_resume`. */
int eq_slots_open(struct eq_slots *slots, const struct eq_flash *flash);

/* A trial goes on after a restart, which is counted in flash before anything of it runs. EQ_NOT_FOUND without a trial. It
 * is bad, and what served before serves, where it has seen more than `starts` restarts (EQ_STATE), where it is damaged
 * (EQ_DIGEST), or where the flash does not take the count (EQ_IO). */
int eq_slots_resume(struct eq_slots *slots, uint32_t starts);

/* Slots by what they are; EQ_SLOTS for none. */
uint32_t eq_slots_in_state(const struct eq_slots *slots, enum eq_slot_state state);
uint32_t eq_slots_serving(const struct eq_slots *slots);
uint32_t eq_slots_previous(const struct eq_slots *slots);
uint32_t eq_slots_inbox(const struct eq_slots *slots); /* where blobs arrive */
uint32_t eq_slots_with_number(const struct eq_slots *slots, uint32_t n);
uint32_t eq_slots_with_release(const struct eq_slots *slots, const uint8_t *sha256); /* by its digest */

/* What names a release: the digest of its manifest, or of the image where it has none. */
const uint8_t *eq_slots_digest(const struct eq_slots *slots, uint32_t slot);

/* Where the image or the manifest of a slot lies; `bytes` 0 where there is none, or none that can be. */
const uint8_t *eq_slots_part(const struct eq_slots *slots, uint32_t slot, enum eq_part part, uint32_t *bytes);

/* Whether a slot has the whole blob. */
int eq_slots_has(const struct eq_slots *slots, uint32_t slot, const uint8_t *sha256);

/* Bytes from the wanted offset on that are taken without an erase. */
uint32_t eq_slots_room(const struct eq_slots *slots);

/* The offset that is wanted next of a blob that the inbox has not. */
uint32_t eq_slots_wanted(const struct eq_slots *slots, const uint8_t *sha256);

/* Whether it is this blob that is arriving. */
int eq_slots_is_arriving(const struct eq_slots *slots, enum eq_part part, const struct eq_blob *blob);

/* Take a piece of a blob if it begins where it is wanted, and say where the next one is wanted: at `blob->bytes` when it
 * is whole. The first piece of another blob drops what was incoming; of an image, all that the inbox held. EQ_NO_SPACE
 * where it does not fit, EQ_STATE during a trial or for a manifest without an image, EQ_DIGEST where the whole is not
 * what was promised: it is wanted again from 0. */
int eq_slots_receive(struct eq_slots *slots, enum eq_part part, const struct eq_blob *blob, uint32_t off,
                     const uint8_t *data, uint32_t bytes, uint32_t *wanted);

/* Hash a part again, `most` bytes from `at` on: 1 while there is more, then EQ_OK, or EQ_DIGEST where it is not what was
 * recorded or cannot be read. The caller keeps `sha` and `at`, which is 0 at first. */
int eq_slots_hash(const struct eq_slots *slots, uint32_t slot, enum eq_part part, struct eq_sha256 *sha, uint32_t *at,
                  uint32_t most);

/* All of a slot. */
int eq_slots_check(const struct eq_slots *slots, uint32_t slot);

/* A release that is found bad, because its bytes are damaged, no longer counts, as `eq_slots_open` would find; the
 * previous one serves instead. */
int eq_slots_condemn(struct eq_slots *slots, uint32_t slot, enum eq_why why);

/* The same of one that may not run here, and until the next change in memory only. */
void eq_slots_disown(struct eq_slots *slots, uint32_t slot);

/* What arrived becomes a release with the next number; one that is a release stays the same one. */
int eq_slots_stage(struct eq_slots *slots, uint32_t slot);

/* A staged release, or the previous one, serves on trial. */
int eq_slots_try(struct eq_slots *slots, uint32_t slot);

/* The trial's end: it serves from now on, and nothing of a lower security version may; or what served before does.
 * EQ_STATE without a trial. */
int eq_slots_confirm(struct eq_slots *slots, uint32_t security_version);
int eq_slots_revert(struct eq_slots *slots, enum eq_why why);

/* Erase the sector at `at` of a slot that does not serve, and move `at` to the next one: 1 while there is one. With the
 * first sector its release is gone, also where it was the previous one. EQ_STATE for the slot that serves or during a
 * trial; EQ_IO where flash failed: then, as after a power cut, the same again from 0. */
int eq_slots_erase(struct eq_slots *slots, uint32_t slot, uint32_t *at);

/* Back to the previous release. EQ_STATE without one, EQ_DIGEST where it is damaged. */
int eq_slots_rollback(struct eq_slots *slots);

#endif
