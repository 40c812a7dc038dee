#include "eq_log.h"

#include <string.h>

#include "eq_crc.h"
#include "eq_sectors.h"

#define RECORD_BYTES ((uint32_t)sizeof(struct eq_record))
#define CRC_BYTES ((uint32_t)offsetof(struct eq_record, crc))
#define TRIES 3

typedef char eq_record_is_192_bytes[sizeof(struct eq_record) == 192 ? 1 : -1];

/* A record begins with a unit of its own. */
static uint32_t stride(const struct eq_flash *flash)
{
    return (RECORD_BYTES + flash->write_bytes - 1) / flash->write_bytes * flash->write_bytes;
}

static int is_possible(const struct eq_flash *flash)
{
    return eq_flash_is_possible(flash) && flash->log_bytes >= 2 * stride(flash);
}

static int is_valid(const struct eq_record *record)
{
    return record->crc == eq_crc32(0, record, CRC_BYTES) && record->state[0] <= EQ_SLOT_TRIAL &&
           record->state[1] <= EQ_SLOT_TRIAL && record->current <= EQ_SLOTS;
}

int eq_log_open(struct eq_log *log, const struct eq_flash *flash, struct eq_record *newest)
{
    struct eq_record record;
    *log = (struct eq_log){.flash = flash, .newest = 1, .sector = 1, .at = flash->log_bytes};
    *newest = (struct eq_record){.next = 1, .current = EQ_SLOTS};
    if (!is_possible(flash)) {
        return EQ_INVALID;
    }
    for (uint32_t sector = 0; sector < 2; sector++) {
        for (uint32_t at = 0; at + stride(flash) <= flash->log_bytes; at += stride(flash)) {
            if (eq_flash_read(flash, flash->log[sector] + at, &record, RECORD_BYTES) == 0 && is_valid(&record) &&
                record.sequence > newest->sequence) {
                *newest = record;
                log->newest = log->sector = sector;
            }
        }
    }
    return EQ_OK;
}

/* Room for one record, where the newest one does not lie if need be. */
static int make_room(struct eq_log *log)
{
    const struct eq_flash *flash = log->flash;
    uint32_t other = 1 - log->newest;
    if (log->at + stride(flash) <= flash->log_bytes) {
        return EQ_OK;
    }
    if (flash->erase(flash->context, flash->log[other], flash->log_bytes) != 0) {
        return EQ_IO;
    }
    log->sector = other;
    log->at = 0;
    return EQ_OK;
}

/* What the flash holds decides, not what the driver says of it. */
static int is_written(const struct eq_log *log, const struct eq_record *record)
{
    struct eq_record found;
    return eq_flash_read(log->flash, log->flash->log[log->sector] + log->at, &found, RECORD_BYTES) == 0 &&
           memcmp(&found, record, RECORD_BYTES) == 0;
}

int eq_log_append(struct eq_log *log, struct eq_record *record)
{
    const struct eq_flash *flash = log->flash;
    uint8_t units[EQ_UNIT_MOST];
    record->sequence++;
    record->crc = eq_crc32(0, record, CRC_BYTES);
    memset(units, 0xff, sizeof units);
    memcpy(units, record, RECORD_BYTES);
    for (int tries = 0; tries < TRIES; tries++) {
        int written;
        if (make_room(log) != EQ_OK) {
            return EQ_IO;
        }
        (void)flash->write(flash->context, flash->log[log->sector] + log->at, units, stride(flash));
        written = is_written(log, record);
        log->at += stride(flash);
        if (written) {
            log->newest = log->sector;
            return EQ_OK;
        }
    }
    return EQ_IO;
}
