/* The device's one persistent fact, what the slots hold and which one serves, as an append-only log.
 *
 * Every record holds the whole state, so each change is one write that either happened or did not, and the newest valid
 * record is the truth. Records fill one of two sectors; when it is full the other one, which has only older records, is
 * erased and used. Starting reads and never writes. What lies behind the newest record may have been cut short and yet read
 * as erased, so the first record after a start goes to the other sector.
 */
#ifndef EQ_LOG_H
#define EQ_LOG_H

#include <stddef.h>
#include <stdint.h>

#include "edgeq/eq_flash.h"
#include "edgeq/eq_status.h"

/* In order of worth: what is worth least makes room first. */
enum eq_slot_state {
    EQ_SLOT_EMPTY = 0,     /* nothing that counts */
    EQ_SLOT_BAD = 1,       /* a release that failed its trial, or whose bytes are damaged */
    EQ_SLOT_INCOMING = 2,  /* the image is arriving; or it is here and the manifest is arriving */
    EQ_SLOT_ARRIVED = 3,   /* the image, and the manifest where there is one, as they were promised */
    EQ_SLOT_STAGED = 4,    /* a release, not tried yet */
    EQ_SLOT_CONFIRMED = 5, /* it serves or has served */
    EQ_SLOT_TRIAL = 6      /* it serves, for now */
};

struct eq_blob {
    uint32_t bytes;     /* 0 where there is none */
    uint8_t sha256[32];
};

/* The image lies at the slot's start, the manifest in the first whole sector behind it. */
struct eq_slot {
    uint32_t n; /* the release's number; 0 before it is one */
    struct eq_blob image;
    struct eq_blob manifest;
};

/* Why a release is bad, as its record keeps it. Numbers are never redefined. */
enum eq_why {
    EQ_WHY_NONE = 0,
    EQ_WHY_DAMAGED = 1,   /* its bytes are not what was recorded */
    EQ_WHY_LOAD = 2,      /* it cannot be loaded */
    EQ_WHY_SELFTEST = 3,  /* its golden vectors do not match */
    EQ_WHY_RESTARTED = 4, /* the device restarted more often during its trial than it may */
    EQ_WHY_LATENCY = 5,   /* its inferences take longer than it may */
    EQ_WHY_REPORTED = 6,  /* an inference was reported as bad */
    EQ_WHY_ASKED = 7,     /* somebody went back during its trial */
    EQ_WHY_FLASH = 8,     /* the flash failed during its trial */
    EQ_WHY_SIGNATURE = 9  /* it is not signed as this device requires */
};

/* Little-endian, 192 bytes: whole units of up to 64 bytes, and within one of each larger unit. */
struct eq_record {
    uint32_t sequence;               /* one more than the record before */
    uint32_t next;                   /* number of the next release: it only grows */
    uint32_t security_version;       /* the highest that was confirmed: it only grows */
    uint8_t state[EQ_SLOTS];         /* enum eq_slot_state */
    uint8_t current;                 /* the slot that serves when there is no trial; EQ_SLOTS for none */
    uint8_t why[EQ_SLOTS];           /* enum eq_why of what is bad in a slot */
    uint8_t zero;
    uint16_t starts;                 /* restarts that the trial has seen, this one too */
    uint8_t reserved[16];            /* zero */
    struct eq_slot slot[EQ_SLOTS];
    uint32_t crc;                    /* CRC-32 of the 188 bytes before */
};

struct eq_log {
    const struct eq_flash *flash;
    uint32_t newest; /* 0 or 1: the sector with the newest record, never erased */
    uint32_t sector; /* the one that the next record goes to */
    uint32_t at;     /* and where in it */
};

/* Find the newest record; an empty state where there is none. EQ_INVALID for a geometry that cannot work. */
int eq_log_open(struct eq_log *log, const struct eq_flash *flash, struct eq_record *newest);

/* Make `record` the newest, with sequence and CRC set here. EQ_IO where the flash does not take it. */
int eq_log_append(struct eq_log *log, struct eq_record *record);

#endif
