#include "eq_cbor.h"

#define INDEFINITE 31u
#define BREAK 0xffu

/* The first bytes of an item. */
struct head {
    unsigned major;
    unsigned info;
    uint64_t value;      /* a number, a length or a count; 0 where it is indefinite */
    const uint8_t *next; /* the byte behind */
};

/* A container that is being walked through. */
struct level {
    uint32_t left;  /* items to come; of an indefinite container: until the same again */
    uint8_t again;  /* 0; 1 for an indefinite array; 2 for an indefinite map */
    uint8_t is_map; /* keys and values in turn: a key where `left` is even */
};

static int read_head(const uint8_t *at, const uint8_t *end, struct head *head)
{
    unsigned size;
    if (at == end) {
        return EQ_INVALID;
    }
    head->major = *at >> 5;
    head->info = *at & 31u;
    head->value = head->info < 24 ? head->info : 0;
    head->next = ++at;
    if (head->info < 24 || head->info == INDEFINITE) {
        return EQ_OK;
    }
    size = 1u << (head->info - 24);
    if (head->info > 27 || (size_t)(end - at) < size) {
        return EQ_INVALID;
    }
    for (unsigned i = 0; i < size; i++) {
        head->value = head->value << 8 | at[i];
    }
    head->next = at + size;
    return EQ_OK;
}

/* The chunks of a string of indefinite length, behind its head. */
static int skip_chunks(unsigned major, const uint8_t **at, const uint8_t *end)
{
    struct head head;
    while (*at != end && **at != BREAK) {
        if (read_head(*at, end, &head) != EQ_OK || head.major != major || head.info == INDEFINITE ||
            head.value > (uint64_t)(end - head.next)) {
            return EQ_INVALID;
        }
        *at = head.next + head.value;
    }
    if (*at == end) {
        return EQ_INVALID;
    }
    ++*at;
    return EQ_OK;
}

/* What belongs to an item behind its head, but not what is in a container. */
static int skip_content(const struct head *head, const uint8_t **at, const uint8_t *end)
{
    switch (head->major) {
    case EQ_UINT:
    case EQ_NEGATIVE:
        return head->info == INDEFINITE ? EQ_INVALID : EQ_OK;
    case EQ_BYTES:
    case EQ_TEXT:
        if (head->info == INDEFINITE) {
            return skip_chunks(head->major, at, end);
        }
        if (head->value > (uint64_t)(end - *at)) {
            return EQ_INVALID;
        }
        *at += head->value;
        return EQ_OK;
    case EQ_ARRAY:
    case EQ_MAP:
        return head->value > (uint64_t)(end - *at) ? EQ_INVALID : EQ_OK;
    case EQ_SIMPLE:
        return (head->info >= 20 && head->info <= 22) || (head->info >= 25 && head->info <= 27) ? EQ_OK : EQ_INVALID;
    default: /* tags */
        return EQ_INVALID;
    }
}

static int is_key(const struct head *head)
{
    return head->major == EQ_UINT || head->major == EQ_NEGATIVE || head->major == EQ_TEXT;
}

/* One item ended: so did every container of which it was the last. */
static unsigned count(struct level *level, unsigned depth)
{
    while (depth > 0 && --level[depth - 1].left == 0) {
        if (level[depth - 1].again) {
            level[depth - 1].left = level[depth - 1].again;
            return depth;
        }
        depth--;
    }
    return depth;
}

static int enter(struct level *level, unsigned *depth, const struct head *head)
{
    struct level *inner = &level[*depth];
    uint32_t per = head->major == EQ_MAP ? 2 : 1;
    if (*depth == EQ_CBOR_DEPTH) {
        return EQ_INVALID;
    }
    inner->is_map = per == 2;
    inner->again = (uint8_t)(head->info == INDEFINITE ? per : 0);
    inner->left = inner->again ? per : (uint32_t)head->value * per;
    ++*depth;
    return EQ_OK;
}

/* From an item's first byte to the one behind it. */
static int skip(const uint8_t **at, const uint8_t *end)
{
    struct level level[EQ_CBOR_DEPTH];
    unsigned depth = 0;
    do {
        struct level *top = depth > 0 ? &level[depth - 1] : NULL;
        struct head head;
        if (read_head(*at, end, &head) != EQ_OK) {
            return EQ_INVALID;
        }
        if (**at == BREAK && top != NULL && top->again && top->left == top->again) {
            depth = count(level, depth - 1);
            ++*at;
            continue;
        }
        *at = head.next;
        if (skip_content(&head, at, end) != EQ_OK ||
            (top != NULL && top->is_map && top->left % 2 == 0 && !is_key(&head))) {
            return EQ_INVALID;
        }
        if ((head.major == EQ_ARRAY || head.major == EQ_MAP) && (head.info == INDEFINITE || head.value > 0)) {
            if (enter(level, &depth, &head) != EQ_OK) {
                return EQ_INVALID;
            }
            continue;
        }
        depth = count(level, depth);
    } while (depth > 0);
    return EQ_OK;
}

int eq_cbor_check(const void *data, size_t bytes, struct eq_item *item)
{
    const uint8_t *at = data;
    if (bytes == 0 || bytes >= INT32_MAX) {
        return EQ_INVALID;
    }
    item->at = at;
    item->end = at + bytes;
    return skip(&at, item->end) == EQ_OK && at == item->end ? EQ_OK : EQ_INVALID;
}

enum eq_major eq_cbor_major(const struct eq_item *item)
{
    return (enum eq_major)(*item->at >> 5);
}

int eq_cbor_open(const struct eq_item *container, struct eq_items *items)
{
    struct head head;
    if (read_head(container->at, container->end, &head) != EQ_OK || (head.major != EQ_ARRAY && head.major != EQ_MAP)) {
        return EQ_INVALID;
    }
    items->next.at = head.next;
    items->next.end = container->end;
    items->left = head.info == INDEFINITE ? UINT64_MAX : head.major == EQ_MAP ? 2 * head.value : head.value;
    return EQ_OK;
}

int eq_cbor_next(struct eq_items *items, struct eq_item *item)
{
    int at_break = items->left == UINT64_MAX && items->next.at != items->next.end && *items->next.at == BREAK;
    if (items->left == 0 || at_break) {
        return 0;
    }
    *item = items->next;
    if (items->left != UINT64_MAX) {
        items->left--;
    }
    return skip(&items->next.at, items->next.end) == EQ_OK;
}

int eq_cbor_is(const struct eq_item *item, const char *name)
{
    const uint8_t *text;
    uint32_t bytes, i = 0;
    if (eq_cbor_string(item, EQ_TEXT, &text, &bytes) != EQ_OK) {
        return 0;
    }
    while (i < bytes && name[i] != 0 && (uint8_t)name[i] == text[i]) {
        i++;
    }
    return i == bytes && name[i] == 0;
}

int eq_cbor_find(const struct eq_item *map, const char *key, struct eq_item *value)
{
    struct eq_items items;
    struct eq_item name, found;
    int status = EQ_NOT_FOUND;
    if (eq_cbor_major(map) != EQ_MAP || eq_cbor_open(map, &items) != EQ_OK) {
        return EQ_INVALID;
    }
    while (eq_cbor_next(&items, &name) && eq_cbor_next(&items, &found)) {
        if (eq_cbor_is(&name, key)) {
            if (status == EQ_OK) {
                return EQ_INVALID;
            }
            *value = found;
            status = EQ_OK;
        }
    }
    return status;
}

int eq_cbor_uint(const struct eq_item *item, uint32_t most, uint32_t *value)
{
    struct head head;
    if (read_head(item->at, item->end, &head) != EQ_OK || head.major != EQ_UINT || head.value > most) {
        return EQ_INVALID;
    }
    *value = (uint32_t)head.value;
    return EQ_OK;
}

int eq_cbor_string(const struct eq_item *item, enum eq_major major, const uint8_t **data, uint32_t *bytes)
{
    struct head head;
    if (read_head(item->at, item->end, &head) != EQ_OK || head.major != (unsigned)major || head.info == INDEFINITE) {
        return EQ_INVALID;
    }
    *data = head.next;
    *bytes = (uint32_t)head.value;
    return EQ_OK;
}

int eq_cbor_find_uint(const struct eq_item *map, const char *key, uint32_t most, uint32_t *value)
{
    struct eq_item item;
    int status = eq_cbor_find(map, key, &item);
    return status == EQ_OK ? eq_cbor_uint(&item, most, value) : status;
}

int eq_cbor_find_string(const struct eq_item *map, const char *key, enum eq_major major, const uint8_t **data,
                        uint32_t *bytes)
{
    struct eq_item item;
    int status = eq_cbor_find(map, key, &item);
    return status == EQ_OK ? eq_cbor_string(&item, major, data, bytes) : status;
}
