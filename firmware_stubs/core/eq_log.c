#include "eq_log.h"

#include <string.h>

#include "eq_crc.h"

#define RECORD_BYTES ((uint32_t)sizeof(struct eq_record))
#define CRC_BYTES ((uint32_t)offsetof(struct eq_record, crc))
#define TRIES 3

typedef char eq_record_is_192_bytes[sizeof(struct eq_record) == 192 ? 1 : -1];

static int is_possible(const struct eq_flash *flash)
{
    uint32_t unit = flash->write_bytes;
    int whole = unit > 0 && unit <= 32 && (unit & (unit - 1)) == 0 && flash->sector_bytes > 0 &&
                flash->sector_bytes % unit == 0 && flash->slot_bytes % flash->sector_bytes == 0 &&
                flash->slot_bytes > 0 && flash->log_bytes >= 2 * RECORD_BYTES;
    return whole && (uintptr_t)(flash->base + flash->slot[0]) % 16 == 0 &&
           (uintptr_t)(flash->base + flash->slot[1]) % 16 == 0;
}

static const uint8_t *place(const struct eq_log *log, uint32_t sector, uint32_t at)
{
    return log->flash->base + log->flash->log[sector] + at;
}

static int is_valid(const struct eq_record *record)
{
    return record->crc == eq_crc32(0, record, CRC_BYTES) && record->state[0] <= EQ_SLOT_TRIAL &&
           record->state[1] <= EQ_SLOT_TRIAL && record->current <= EQ_SLOTS;
}

static int is_blank(const uint8_t *bytes, uint32_t count)
{
    while (count > 0 && *bytes == 0xff) {
        bytes++;
        count--;
    }
    return count == 0;
}

/* Behind the last place of the sector in use that anything was ever written to. */
static uint32_t first_free(const struct eq_log *log)
{
    uint32_t at = log->flash->log_bytes / RECORD_BYTES * RECORD_BYTES;
    while (at > 0 && is_blank(place(log, log->sector, at - RECORD_BYTES), RECORD_BYTES)) {
        at -= RECORD_BYTES;
    }
    return at;
}

int eq_log_open(struct eq_log *log, const struct eq_flash *flash, struct eq_record *newest)
{
    struct eq_record record;
    *log = (struct eq_log){.flash = flash};
    *newest = (struct eq_record){.next = 1, .current = EQ_SLOTS};
    if (!is_possible(flash)) {
        return EQ_INVALID;
    }
    for (uint32_t sector = 0; sector < 2; sector++) {
        for (uint32_t at = 0; at + RECORD_BYTES <= flash->log_bytes; at += RECORD_BYTES) {
            memcpy(&record, place(log, sector, at), RECORD_BYTES);
            if (is_valid(&record) && record.sequence > newest->sequence) {
                *newest = record;
                log->newest = log->sector = sector;
            }
        }
    }
    log->at = first_free(log);
    return EQ_OK;
}

/* Room for one record, where the newest one does not lie if need be. */
static int make_room(struct eq_log *log)
{
    const struct eq_flash *flash = log->flash;
    uint32_t other = 1 - log->newest;
    if (log->at + RECORD_BYTES <= flash->log_bytes) {
        return EQ_OK;
    }
    if (flash->erase(flash->context, flash->log[other], flash->log_bytes) != 0) {
        return EQ_IO;
    }
    log->sector = other;
    log->at = 0;
    return EQ_OK;
}

int eq_log_append(struct eq_log *log, struct eq_record *record)
{
    const struct eq_flash *flash = log->flash;
    record->sequence++;
    record->crc = eq_crc32(0, record, CRC_BYTES);
    for (int tries = 0; tries < TRIES; tries++) {
        const uint8_t *to;
        if (make_room(log) != EQ_OK) {
            return EQ_IO;
        }
        to = place(log, log->sector, log->at);
        /* What the flash holds decides, not what the driver says of it. */
        (void)flash->write(flash->context, flash->log[log->sector] + log->at, record, RECORD_BYTES);
        log->at += RECORD_BYTES;
        if (memcmp(to, record, RECORD_BYTES) == 0) {
            log->newest = log->sector;
            return EQ_OK;
        }
    }
    return EQ_IO;
}
