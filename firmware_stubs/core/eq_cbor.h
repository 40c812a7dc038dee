/* The subset of CBOR (RFC 8949) that messages are made of: PROTOCOL.md section 1.
 *
 * Reading: a message is checked once, as a whole; after that items are looked up where they lie, nothing is copied.
 * Beyond the check it is not verified that text is UTF-8, and that a key occurs once only where it is looked up.
 */
#ifndef EQ_CBOR_H
#define EQ_CBOR_H

#include <stddef.h>
#include <stdint.h>

#include "edgeq/eq_status.h"

#define EQ_CBOR_DEPTH 16u

enum eq_major {
    EQ_UINT = 0,
    EQ_NEGATIVE = 1,
    EQ_BYTES = 2,
    EQ_TEXT = 3,
    EQ_ARRAY = 4,
    EQ_MAP = 5,
    EQ_SIMPLE = 7 /* false, true, null and floats */
};

/* One item of a checked message. */
struct eq_item {
    const uint8_t *at;  /* its first byte */
    const uint8_t *end; /* of the message */
};

/* What is in an array, or the keys and values of a map in turn. */
struct eq_items {
    struct eq_item next;
    uint64_t left; /* UINT64_MAX where a break ends them */
};

/* Whether these bytes are exactly one well-formed item of the subset; the only function for bytes not checked yet. */
int eq_cbor_check(const void *data, size_t bytes, struct eq_item *item);

enum eq_major eq_cbor_major(const struct eq_item *item);

/* The value of a key of a map. EQ_NOT_FOUND without the key, EQ_INVALID where it occurs twice or this is no map. */
int eq_cbor_find(const struct eq_item *map, const char *key, struct eq_item *value);

/* Enter an array or a map. */
int eq_cbor_open(const struct eq_item *container, struct eq_items *items);

/* The next one into `item`: 1, or 0 at the end. */
int eq_cbor_next(struct eq_items *items, struct eq_item *item);

/* An unsigned integer up to `most`. */
int eq_cbor_uint(const struct eq_item *item, uint32_t most, uint32_t *value);

/* A byte string or a text (EQ_BYTES or EQ_TEXT) of definite length, where it lies. */
int eq_cbor_string(const struct eq_item *item, enum eq_major major, const uint8_t **data, uint32_t *bytes);

/* Whether this is that text. */
int eq_cbor_is(const struct eq_item *item, const char *name);

/* `eq_cbor_find` and one of the above. */
int eq_cbor_find_uint(const struct eq_item *map, const char *key, uint32_t most, uint32_t *value);
int eq_cbor_find_string(const struct eq_item *map, const char *key, enum eq_major major, const uint8_t **data,
                        uint32_t *bytes);

/* Writing, with definite lengths and shortest heads. What does not fit is left out and `full` set. */
struct eq_writer {
    uint8_t *at;  /* where the next byte goes */
    uint8_t *end; /* of the buffer */
    int full;     /* something did not fit */
};

void eq_put_head(struct eq_writer *out, enum eq_major major, uint64_t value);
void eq_put_bool(struct eq_writer *out, int value);
void eq_put_null(struct eq_writer *out);
void eq_put_bytes(struct eq_writer *out, const void *data, uint32_t bytes);
void eq_put_text(struct eq_writer *out, const char *text);

/* Either of them: EQ_BYTES or EQ_TEXT. */
void eq_put_string(struct eq_writer *out, enum eq_major major, const void *data, uint32_t bytes);

/* A key of a map, and its value. */
void eq_put_key_uint(struct eq_writer *out, const char *key, uint32_t value);
void eq_put_key_long(struct eq_writer *out, const char *key, uint64_t value);
void eq_put_key_bool(struct eq_writer *out, const char *key, int value);
void eq_put_key_text(struct eq_writer *out, const char *key, const char *text);
void eq_put_key_bytes(struct eq_writer *out, const char *key, const void *data, uint32_t bytes);

/* The digits of a number, at most 10, to `to`; how many. For texts that are put together. */
uint32_t eq_put_decimal(char *to, uint32_t value);

static inline void eq_put_uint(struct eq_writer *out, uint64_t value)
{
    eq_put_head(out, EQ_UINT, value);
}

static inline void eq_put_array(struct eq_writer *out, uint32_t items)
{
    eq_put_head(out, EQ_ARRAY, items);
}

static inline void eq_put_map(struct eq_writer *out, uint32_t pairs)
{
    eq_put_head(out, EQ_MAP, pairs);
}

#endif
