#include "eq_sha512.h"

#include <string.h>

#include "eq_bytes.h"

static uint64_t turn(uint64_t x, unsigned by)
{
    return x >> by | x << (64 - by);
}

static uint64_t be64(const uint8_t *from)
{
    return (uint64_t)eq_be32(from) << 32 | eq_be32(from + 4);
}

/* The next word of the schedule, in place of the one 16 before it. */
static uint64_t extend(uint64_t word[16], unsigned i)
{
    uint64_t a = word[(i + 1) & 15], b = word[(i + 14) & 15];
    uint64_t s0 = turn(a, 1) ^ turn(a, 8) ^ a >> 7;
    uint64_t s1 = turn(b, 19) ^ turn(b, 61) ^ b >> 6;
    return word[i & 15] += s0 + word[(i + 9) & 15] + s1;
}

static void digest_block(uint64_t state[8], const uint8_t *block)
{
    static const uint64_t k[80] = {
        0x428a2f98d728ae22u, 0x7137449123ef65cdu, 0xb5c0fbcfec4d3b2fu, 0xe9b5dba58189dbbcu,
        0x3956c25bf348b538u, 0x59f111f1b605d019u, 0x923f82a4af194f9bu, 0xab1c5ed5da6d8118u,
        0xd807aa98a3030242u, 0x12835b0145706fbeu, 0x243185be4ee4b28cu, 0x550c7dc3d5ffb4e2u,
        0x72be5d74f27b896fu, 0x80deb1fe3b1696b1u, 0x9bdc06a725c71235u, 0xc19bf174cf692694u,
        0xe49b69c19ef14ad2u, 0xefbe4786384f25e3u, 0x0fc19dc68b8cd5b5u, 0x240ca1cc77ac9c65u,
        0x2de92c6f592b0275u, 0x4a7484aa6ea6e483u, 0x5cb0a9dcbd41fbd4u, 0x76f988da831153b5u,
        0x983e5152ee66dfabu, 0xa831c66d2db43210u, 0xb00327c898fb213fu, 0xbf597fc7beef0ee4u,
        0xc6e00bf33da88fc2u, 0xd5a79147930aa725u, 0x06ca6351e003826fu, 0x142929670a0e6e70u,
        0x27b70a8546d22ffcu, 0x2e1b21385c26c926u, 0x4d2c6dfc5ac42aedu, 0x53380d139d95b3dfu,
        0x650a73548baf63deu, 0x766a0abb3c77b2a8u, 0x81c2c92e47edaee6u, 0x92722c851482353bu,
        0xa2bfe8a14cf10364u, 0xa81a664bbc423001u, 0xc24b8b70d0f89791u, 0xc76c51a30654be30u,
        0xd192e819d6ef5218u, 0xd69906245565a910u, 0xf40e35855771202au, 0x106aa07032bbd1b8u,
        0x19a4c116b8d2d0c8u, 0x1e376c085141ab53u, 0x2748774cdf8eeb99u, 0x34b0bcb5e19b48a8u,
        0x391c0cb3c5c95a63u, 0x4ed8aa4ae3418acbu, 0x5b9cca4f7763e373u, 0x682e6ff3d6b2b8a3u,
        0x748f82ee5defb2fcu, 0x78a5636f43172f60u, 0x84c87814a1f0ab72u, 0x8cc702081a6439ecu,
        0x90befffa23631e28u, 0xa4506cebde82bde9u, 0xbef9a3f7b2c67915u, 0xc67178f2e372532bu,
        0xca273eceea26619cu, 0xd186b8c721c0c207u, 0xeada7dd6cde0eb1eu, 0xf57d4f7fee6ed178u,
        0x06f067aa72176fbau, 0x0a637dc5a2c898a6u, 0x113f9804bef90daeu, 0x1b710b35131c471bu,
        0x28db77f523047d84u, 0x32caab7b40c72493u, 0x3c9ebe0a15c9bebcu, 0x431d67c49c100d4cu,
        0x4cc5d4becb3e42b6u, 0x597f299cfc657e2au, 0x5fcb6fab3ad6faecu, 0x6c44198c4a475817u};
    uint64_t s[8], word[16];
    memcpy(s, state, sizeof s);
    for (unsigned i = 0; i < 80; i++) {
        /* The eight variables turn, not their contents. */
        uint64_t a = s[(0 - i) & 7], b = s[(1 - i) & 7], c = s[(2 - i) & 7];
        uint64_t e = s[(4 - i) & 7], f = s[(5 - i) & 7], g = s[(6 - i) & 7];
        uint64_t *d = &s[(3 - i) & 7], *h = &s[(7 - i) & 7];
        uint64_t w = i < 16 ? (word[i] = be64(block + 8 * i)) : extend(word, i);
        *h += (turn(e, 14) ^ turn(e, 18) ^ turn(e, 41)) + ((e & f) ^ (~e & g)) + k[i] + w;
        *d += *h;
        *h += (turn(a, 28) ^ turn(a, 34) ^ turn(a, 39)) + ((a & b) ^ (a & c) ^ (b & c));
    }
    for (unsigned i = 0; i < 8; i++) {
        state[i] += s[i];
    }
}

void eq_sha512_begin(struct eq_sha512 *sha)
{
    static const uint64_t first[8] = {
        0x6a09e667f3bcc908u, 0xbb67ae8584caa73bu, 0x3c6ef372fe94f82bu, 0xa54ff53a5f1d36f1u,
        0x510e527fade682d1u, 0x9b05688c2b3e6c1fu, 0x1f83d9abfb41bd6bu, 0x5be0cd19137e2179u};
    memcpy(sha->state, first, sizeof first);
    sha->bytes = 0;
}

void eq_sha512_add(struct eq_sha512 *sha, const void *data, size_t bytes)
{
    const uint8_t *from = data;
    while (bytes > 0) {
        size_t have = sha->bytes & 127u, take = 128 - have < bytes ? 128 - have : bytes;
        memcpy(sha->block + have, from, take);
        if (have + take == 128) {
            digest_block(sha->state, sha->block);
        }
        sha->bytes += (uint32_t)take;
        from += take;
        bytes -= take;
    }
}

void eq_sha512_end(struct eq_sha512 *sha, uint8_t digest[EQ_SHA512_BYTES])
{
    uint8_t length[16] = {0}, padding = 0x80;
    eq_put_be32(length + 12, sha->bytes * 8);
    for (; padding == 0x80 || (sha->bytes & 127u) != 128 - sizeof length; padding = 0) {
        eq_sha512_add(sha, &padding, 1);
    }
    eq_sha512_add(sha, length, sizeof length);
    for (unsigned i = 0; i < 8; i++) {
        eq_put_be32(digest + 8 * i, (uint32_t)(sha->state[i] >> 32));
        eq_put_be32(digest + 8 * i + 4, (uint32_t)sha->state[i]);
    }
}
