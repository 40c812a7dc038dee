#include "eq_sha256.h"

#include <string.h>

#include "eq_bytes.h"

static uint32_t turn(uint32_t x, unsigned by)
{
    return x >> by | x << (32 - by);
}

/* The next word of the schedule, in place of the one 16 before it. */
static uint32_t extend(uint32_t word[16], unsigned i)
{
    uint32_t a = word[(i + 1) & 15], b = word[(i + 14) & 15];
    uint32_t s0 = turn(a, 7) ^ turn(a, 18) ^ a >> 3;
    uint32_t s1 = turn(b, 17) ^ turn(b, 19) ^ b >> 10;
    return word[i & 15] += s0 + word[(i + 9) & 15] + s1;
}

static void digest_block(uint32_t state[8], const uint8_t *block)
{
    static const uint32_t k[64] = {
        0x428a2f98u, 0x71374491u, 0xb5c0fbcfu, 0xe9b5dba5u, 0x3956c25bu, 0x59f111f1u, 0x923f82a4u, 0xab1c5ed5u,
        0xd807aa98u, 0x12835b01u, 0x243185beu, 0x550c7dc3u, 0x72be5d74u, 0x80deb1feu, 0x9bdc06a7u, 0xc19bf174u,
        0xe49b69c1u, 0xefbe4786u, 0x0fc19dc6u, 0x240ca1ccu, 0x2de92c6fu, 0x4a7484aau, 0x5cb0a9dcu, 0x76f988dau,
        0x983e5152u, 0xa831c66du, 0xb00327c8u, 0xbf597fc7u, 0xc6e00bf3u, 0xd5a79147u, 0x06ca6351u, 0x14292967u,
        0x27b70a85u, 0x2e1b2138u, 0x4d2c6dfcu, 0x53380d13u, 0x650a7354u, 0x766a0abbu, 0x81c2c92eu, 0x92722c85u,
        0xa2bfe8a1u, 0xa81a664bu, 0xc24b8b70u, 0xc76c51a3u, 0xd192e819u, 0xd6990624u, 0xf40e3585u, 0x106aa070u,
        0x19a4c116u, 0x1e376c08u, 0x2748774cu, 0x34b0bcb5u, 0x391c0cb3u, 0x4ed8aa4au, 0x5b9cca4fu, 0x682e6ff3u,
        0x748f82eeu, 0x78a5636fu, 0x84c87814u, 0x8cc70208u, 0x90befffau, 0xa4506cebu, 0xbef9a3f7u, 0xc67178f2u};
    uint32_t s[8], word[16];
    memcpy(s, state, sizeof s);
    for (unsigned i = 0; i < 64; i++) {
        /* The eight variables turn, not their contents. */
        uint32_t a = s[(0 - i) & 7], b = s[(1 - i) & 7], c = s[(2 - i) & 7];
        uint32_t e = s[(4 - i) & 7], f = s[(5 - i) & 7], g = s[(6 - i) & 7];
        uint32_t *d = &s[(3 - i) & 7], *h = &s[(7 - i) & 7];
        uint32_t w = i < 16 ? (word[i] = eq_be32(block + 4 * i)) : extend(word, i);
        *h += (turn(e, 6) ^ turn(e, 11) ^ turn(e, 25)) + ((e & f) ^ (~e & g)) + k[i] + w;
        *d += *h;
        *h += (turn(a, 2) ^ turn(a, 13) ^ turn(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
    }
    for (unsigned i = 0; i < 8; i++) {
        state[i] += s[i];
    }
}

void eq_sha256_begin(struct eq_sha256 *sha)
{
    static const uint32_t first[8] = {0x6a09e667u, 0xbb67ae85u, 0x3c6ef372u, 0xa54ff53au,
                                      0x510e527fu, 0x9b05688cu, 0x1f83d9abu, 0x5be0cd19u};
    memcpy(sha->state, first, sizeof first);
    sha->bytes = 0;
}

void eq_sha256_add(struct eq_sha256 *sha, const void *data, size_t bytes)
{
    const uint8_t *from = data;
    while (bytes > 0) {
        size_t have = sha->bytes & 63u, take = 64 - have < bytes ? 64 - have : bytes;
        sha->bytes += take;
        if (take == 64) {
            digest_block(sha->state, from);
        } else {
            memcpy(sha->block + have, from, take);
            if (have + take == 64) {
                digest_block(sha->state, sha->block);
            }
        }
        from += take;
        bytes -= take;
    }
}

void eq_sha256_end(struct eq_sha256 *sha, uint8_t digest[EQ_SHA256_BYTES])
{
    uint64_t bits = sha->bytes * 8;
    uint8_t length[8], padding = 0x80;
    eq_put_be32(length, (uint32_t)(bits >> 32));
    eq_put_be32(length + 4, (uint32_t)bits);
    for (; padding == 0x80 || (sha->bytes & 63u) != 64 - sizeof length; padding = 0) {
        eq_sha256_add(sha, &padding, 1);
    }
    eq_sha256_add(sha, length, sizeof length);
    for (unsigned i = 0; i < 8; i++) {
        eq_put_be32(digest + 4 * i, sha->state[i]);
    }
}

void eq_sha256(const void *data, size_t bytes, uint8_t digest[EQ_SHA256_BYTES])
{
    struct eq_sha256 sha;
    eq_sha256_begin(&sha);
    eq_sha256_add(&sha, data, bytes);
    eq_sha256_end(&sha, digest);
}
