#include "eq_ed25519.h"

#include <string.h>

#include "edgeq/eq_status.h"
#include "eq_sha512.h"

#define WORDS 8u
#define ORDER_BITS 253u

/* A number below 2^256, its lowest word first. As an element of the field it stands for its rest by p = 2^255 - 19, and
 * 2^256 for 38. */
struct number {
    uint32_t word[WORDS];
};

/* x = X / Z, y = Y / Z, T = X Y / Z. */
struct point {
    struct number x, y, z, t;
};

static const struct number zero, one = {{1}};
static const struct number edwards_d = {{0x135978a3u, 0x75eb4dcau, 0x4141d8abu, 0x00700a4du, 0x7779e898u, 0x8cc74079u, 0x2b6ffe73u, 0x52036ceeu}};
static const struct number root_of_minus_1 = {{0x4a0ea0b0u, 0xc4ee1b27u, 0xad2fe478u, 0x2f431806u, 0x3dfbd7a7u, 0x2b4d0099u, 0x4fc1df0bu, 0x2b832480u}};
static const struct number order = {{0x5cf5d3edu, 0x5812631au, 0xa2f79cd6u, 0x14def9deu, 0x00000000u, 0x00000000u, 0x00000000u, 0x10000000u}};
static const struct point base = {
    {{0x8f25d51au, 0xc9562d60u, 0x9525a7b2u, 0x692cc760u, 0xfdd6dc5cu, 0xc0a4e231u, 0xcd6e53feu, 0x216936d3u}},
    {{0x66666658u, 0x66666666u, 0x66666666u, 0x66666666u, 0x66666666u, 0x66666666u, 0x66666666u, 0x66666666u}},
    {{1}},
    {{0xa5b7dda3u, 0x6dde8ab3u, 0x775152f5u, 0x20f09f80u, 0x64abe37du, 0x66ea4e8eu, 0xd78b7665u, 0x67875f0fu}}};

/* Numbers */

static void load(struct number *r, const uint8_t bytes[4 * WORDS])
{
    for (unsigned i = 0; i < WORDS; i++, bytes += 4) {
        r->word[i] = (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
    }
}

/* r = a - b, and 1 where b was larger: then r is 2^256 too large. */
static uint32_t subtract(struct number *r, const struct number *a, const struct number *b)
{
    uint32_t borrow = 0;
    for (unsigned i = 0; i < WORDS; i++) {
        uint64_t word = (uint64_t)a->word[i] - b->word[i] - borrow;
        r->word[i] = (uint32_t)word;
        borrow = (uint32_t)(word >> 63);
    }
    return borrow;
}

static unsigned bit_of(const struct number *a, unsigned bit)
{
    return a->word[bit / 32] >> bit % 32 & 1u;
}

/* r += by, and what is carried out of it. */
static uint32_t increase(struct number *r, uint32_t by)
{
    uint64_t word = by;
    for (unsigned i = 0; word != 0 && i < WORDS; i++) {
        word += r->word[i];
        r->word[i] = (uint32_t)word;
        word >>= 32;
    }
    return (uint32_t)word;
}

/* Its highest bit, which is 0 from then on. */
static unsigned cut(struct number *r)
{
    unsigned bit = bit_of(r, 255);
    r->word[WORDS - 1] &= 0x7fffffffu;
    return bit;
}

/* The field */

/* Bring in what was carried out: `carry` is at most 38, so that the second time there is room. */
static void fold(struct number *r, uint32_t carry)
{
    (void)increase(r, 38 * increase(r, 38 * carry));
}

static void add(struct number *r, const struct number *a, const struct number *b)
{
    uint64_t word = 0;
    for (unsigned i = 0; i < WORDS; i++) {
        word += (uint64_t)a->word[i] + b->word[i];
        r->word[i] = (uint32_t)word;
        word >>= 32;
    }
    fold(r, (uint32_t)word);
}

/* A borrowed 2^256 is 38 too much; where that borrows again it is so once more, and then there is room. */
static void sub(struct number *r, const struct number *a, const struct number *b)
{
    static const struct number surplus = {{38}};
    uint32_t borrow = subtract(r, a, b);
    while (borrow) {
        borrow = subtract(r, r, &surplus);
    }
}

static void mul(struct number *r, const struct number *a, const struct number *b)
{
    uint32_t product[2 * WORDS] = {0};
    uint64_t word = 0;
    for (unsigned i = 0; i < WORDS; i++) {
        uint32_t carry = 0;
        for (unsigned j = 0; j < WORDS; j++) {
            word = (uint64_t)a->word[i] * b->word[j] + product[i + j] + carry;
            product[i + j] = (uint32_t)word;
            carry = (uint32_t)(word >> 32);
        }
        product[i + WORDS] = carry;
    }
    word = 0;
    for (unsigned i = 0; i < WORDS; i++) {
        word += (uint64_t)product[i + WORDS] * 38 + product[i];
        r->word[i] = (uint32_t)word;
        word >>= 32;
    }
    fold(r, (uint32_t)word);
}

static void square(struct number *r, unsigned times)
{
    while (times-- > 0) {
        mul(r, r, r);
    }
}

/* The rest by p itself: 2^255 stands for 19, so p + x for x. */
static void settle(struct number *r)
{
    struct number more;
    (void)increase(r, 19 * cut(r)); /* at most 2^255 + 18 */
    more = *r;
    (void)increase(&more, 19);
    if (cut(&more)) {
        *r = more;
    }
}

static int is_zero(const struct number *a)
{
    struct number rest = *a;
    settle(&rest);
    return memcmp(&rest, &zero, sizeof rest) == 0;
}

/* a^(2^252 - 3), for roots and inverses: a^(2^n - 1) with n doubled, or doubled and one more, up to 250. */
static void power(struct number *r, const struct number *a)
{
    struct number half;
    *r = *a;
    for (unsigned n = 1, bit = 7; bit-- > 0;) {
        half = *r;
        square(r, n);
        mul(r, r, &half);
        n *= 2;
        if (250u >> bit & 1u) {
            square(r, 1);
            mul(r, r, a);
            n++;
        }
    }
    square(r, 2);
    mul(r, r, a);
}

/* Points of -x^2 + y^2 = 1 + d x^2 y^2 (Hisil, Wong, Carter, Dawson 2008). */

/* Behind both formulas: X = E F, Y = G H, Z = F G, T = E H. */
static void join(struct point *r, const struct number *e, const struct number *f, const struct number *g,
                 const struct number *h)
{
    mul(&r->x, e, f);
    mul(&r->y, g, h);
    mul(&r->z, f, g);
    mul(&r->t, e, h);
}

/* r += q; it holds for any two points. */
static void add_point(struct point *r, const struct point *q)
{
    struct number a, b, c, d;
    sub(&a, &r->y, &r->x);
    sub(&b, &q->y, &q->x);
    mul(&a, &a, &b);
    add(&b, &r->y, &r->x);
    add(&c, &q->y, &q->x);
    mul(&b, &b, &c);
    mul(&c, &r->t, &q->t);
    mul(&c, &c, &edwards_d);
    add(&c, &c, &c);
    mul(&d, &r->z, &q->z);
    add(&d, &d, &d);
    sub(&r->x, &b, &a); /* E, F, G and H where X, Y, Z and T are to be */
    add(&r->t, &b, &a);
    sub(&a, &d, &c);
    add(&b, &d, &c);
    c = r->x;
    d = r->t;
    join(r, &c, &a, &b, &d);
}

static void double_point(struct point *r)
{
    struct number e, f, g, h;
    add(&e, &r->x, &r->y);
    square(&e, 1);
    mul(&f, &r->x, &r->x);
    mul(&g, &r->y, &r->y);
    add(&h, &f, &g);
    sub(&e, &h, &e);
    sub(&g, &f, &g);
    mul(&f, &r->z, &r->z);
    add(&f, &f, &f);
    add(&f, &f, &g);
    join(r, &e, &f, &g, &h);
}

/* The negative of the point that a key is, from y and the lowest bit of x. */
static int load_negative(struct point *r, const uint8_t key[EQ_ED25519_KEY_BYTES])
{
    struct number u, v, w, check;
    unsigned odd;
    load(&r->y, key);
    odd = cut(&r->y);
    r->z = one;
    w = r->y;
    settle(&w);
    if (memcmp(&w, &r->y, sizeof w) != 0) {
        return EQ_SIGNATURE;
    }
    mul(&u, &r->y, &r->y); /* x^2 = u / v */
    mul(&v, &u, &edwards_d);
    sub(&u, &u, &one);
    add(&v, &v, &one);
    mul(&w, &v, &v); /* x = u v^3 (u v^7)^((p - 5) / 8), or that times the root of -1 */
    mul(&w, &w, &v);
    mul(&r->t, &w, &w);
    mul(&r->t, &r->t, &v);
    mul(&r->t, &r->t, &u);
    power(&r->x, &r->t);
    mul(&r->x, &r->x, &w);
    mul(&r->x, &r->x, &u);
    mul(&w, &r->x, &r->x);
    mul(&w, &w, &v);
    sub(&check, &w, &u);
    if (!is_zero(&check)) {
        add(&check, &w, &u);
        if (!is_zero(&check)) {
            return EQ_SIGNATURE;
        }
        mul(&r->x, &r->x, &root_of_minus_1);
    }
    settle(&r->x);
    if (is_zero(&r->x) && odd) {
        return EQ_SIGNATURE;
    }
    if (bit_of(&r->x, 0) == odd) {
        sub(&r->x, &zero, &r->x);
    }
    mul(&r->t, &r->x, &r->y);
    return EQ_OK;
}

static int is_of_small_order(const struct point *a)
{
    struct point four = *a;
    double_point(&four);
    double_point(&four);
    return is_zero(&four.x); /* four times it is neutral, or of order 2 */
}

/* Whether a point is encoded so. */
static int is_encoded(const struct point *a, const uint8_t bytes[EQ_ED25519_KEY_BYTES])
{
    struct number inverse, x, y, said;
    power(&inverse, &a->z); /* Z^(p - 2) = (Z^((p - 5) / 8))^8 Z^3 */
    square(&inverse, 3);
    mul(&x, &a->z, &a->z);
    mul(&x, &x, &a->z);
    mul(&inverse, &inverse, &x);
    mul(&x, &a->x, &inverse);
    mul(&y, &a->y, &inverse);
    settle(&x);
    settle(&y);
    y.word[WORDS - 1] |= x.word[0] << 31;
    load(&said, bytes);
    return memcmp(&y, &said, sizeof y) == 0;
}

/* r = a P + b Q, both at once from the highest bit on. */
static void combine(struct point *r, const struct number *a, const struct point *p, const struct number *b,
                    const struct point *q)
{
    struct point both = *p;
    add_point(&both, q);
    memset(r, 0, sizeof *r);
    r->y = r->z = one;
    for (unsigned bit = ORDER_BITS; bit-- > 0;) {
        unsigned in_a = bit_of(a, bit), in_b = bit_of(b, bit);
        double_point(r);
        if (in_a || in_b) {
            add_point(r, !in_b ? p : !in_a ? q : &both);
        }
    }
}

/* The rest of 512 bits by the group's order, bit by bit. */
static void reduce(struct number *r, const uint8_t digest[EQ_SHA512_BYTES])
{
    struct number rest;
    *r = zero;
    for (unsigned bit = 8 * EQ_SHA512_BYTES; bit-- > 0;) {
        add(r, r, r); /* below 2^254: nothing is carried */
        r->word[0] |= (uint32_t)digest[bit / 8] >> bit % 8 & 1u;
        if (!subtract(&rest, r, &order)) {
            *r = rest;
        }
    }
}

static void hash(struct number *r, const uint8_t *signature, const uint8_t *key, const void *message, uint32_t bytes)
{
    struct eq_sha512 sha;
    uint8_t digest[EQ_SHA512_BYTES];
    eq_sha512_begin(&sha);
    eq_sha512_add(&sha, signature, EQ_ED25519_BYTES / 2);
    eq_sha512_add(&sha, key, EQ_ED25519_KEY_BYTES);
    eq_sha512_add(&sha, message, bytes);
    eq_sha512_end(&sha, digest);
    reduce(r, digest);
}

int eq_ed25519_check(const uint8_t key[EQ_ED25519_KEY_BYTES], const uint8_t signature[EQ_ED25519_BYTES],
                     const void *message, uint32_t bytes)
{
    struct number s, h;
    struct point minus_a, r;
    load(&s, signature + EQ_ED25519_BYTES / 2);
    if (!subtract(&h, &s, &order) || load_negative(&minus_a, key) != EQ_OK || is_of_small_order(&minus_a)) {
        return EQ_SIGNATURE;
    }
    hash(&h, signature, key, message, bytes);
    combine(&r, &s, &base, &h, &minus_a);
    return is_encoded(&r, signature) ? EQ_OK : EQ_SIGNATURE;
}
