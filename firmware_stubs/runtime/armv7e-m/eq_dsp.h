/* Armv7E-M instructions that C has no word for. */
#ifndef EQ_DSP_H
#define EQ_DSP_H

#include <stdint.h>
#include <string.h>

/* Inner loops stand on these: inlined at -Os too. */
#define EQ_INLINE static inline __attribute__((always_inline))
#define EQ_APART static __attribute__((noinline)) /* keeps its registers to itself */

/* Four bytes from anywhere: Armv7E-M loads unaligned words. */
EQ_INLINE uint32_t eq_word(const void *from)
{
    uint32_t word;
    memcpy(&word, from, sizeof word);
    return word;
}

/* Two words from a multiple of 4, and on to the next ones. Volatile, and so in order with eq_settle. */
EQ_INLINE void eq_take(const uint32_t **from, uint32_t *a, uint32_t *b)
{
    __asm__ volatile("ldrd %0, %1, [%2], #8" : "=&r"(*a), "=&r"(*b), "+r"(*from));
}

/* Two words to a multiple of 4, and on to the next ones. */
EQ_INLINE void eq_give(uint32_t **to, uint32_t a, uint32_t b)
{
    __asm__ volatile("strd %1, %2, [%0], #8" : "+r"(*to) : "r"(a), "r"(b) : "memory");
}

/* What was written before is in memory for the eq_take behind it. */
EQ_INLINE void eq_settle(void)
{
    __asm__ volatile("" ::: "memory");
}

/* Bytes 0 and 2 of a word, sign-extended to two int16. */
EQ_INLINE uint32_t eq_even(uint32_t word)
{
    uint32_t pair;
    __asm__("sxtb16 %0, %1" : "=r"(pair) : "r"(word));
    return pair;
}

/* Bytes 1 and 3. */
EQ_INLINE uint32_t eq_odd(uint32_t word)
{
    uint32_t pair;
    __asm__("sxtb16 %0, %1, ror #8" : "=r"(pair) : "r"(word));
    return pair;
}

/* The low halves of two words. */
EQ_INLINE uint32_t eq_lows(uint32_t a, uint32_t b)
{
    uint32_t pair;
    __asm__("pkhbt %0, %1, %2, lsl #16" : "=r"(pair) : "r"(a), "r"(b));
    return pair;
}

/* The high halves. */
EQ_INLINE uint32_t eq_highs(uint32_t a, uint32_t b)
{
    uint32_t pair;
    __asm__("pkhtb %0, %1, %2, asr #16" : "=r"(pair) : "r"(b), "r"(a));
    return pair;
}

/* sum + a.low * b.low + a.high * b.high */
EQ_INLINE int32_t eq_mac_both(uint32_t a, uint32_t b, int32_t sum)
{
    __asm__("smlad %0, %1, %2, %0" : "+r"(sum) : "r"(a), "r"(b));
    return sum;
}

/* sum + a.low * b.low */
EQ_INLINE int32_t eq_mac_low(uint32_t a, uint32_t b, int32_t sum)
{
    __asm__("smlabb %0, %1, %2, %0" : "+r"(sum) : "r"(a), "r"(b));
    return sum;
}

/* sum + a.high * b.high */
EQ_INLINE int32_t eq_mac_high(uint32_t a, uint32_t b, int32_t sum)
{
    __asm__("smlatt %0, %1, %2, %0" : "+r"(sum) : "r"(a), "r"(b));
    return sum;
}

EQ_INLINE int32_t eq_add_saturated(int32_t a, int32_t b)
{
    int32_t sum;
    __asm__("qadd %0, %1, %2" : "=r"(sum) : "r"(a), "r"(b));
    return sum;
}

/* (a * b + 2^31) >> 32 */
EQ_INLINE int32_t eq_mul_rounded(int32_t a, int32_t b)
{
    int32_t product;
    __asm__("smmulr %0, %1, %2" : "=r"(product) : "r"(a), "r"(b));
    return product;
}

EQ_INLINE int8_t eq_saturated(int32_t value)
{
    int8_t result;
    __asm__("ssat %0, #8, %1" : "=r"(result) : "r"(value));
    return result;
}

/* Per byte, the value or the limit that it passes. */
EQ_INLINE uint32_t eq_limited(uint32_t bytes, uint32_t low, uint32_t high)
{
    uint32_t unused;
    __asm__("ssub8 %1, %0, %2\n\tsel %0, %0, %2\n\tssub8 %1, %3, %0\n\tsel %0, %0, %3"
            : "+&r"(bytes), "=&r"(unused)
            : "r"(low), "r"(high)
            : "cc");
    return bytes;
}

EQ_INLINE uint32_t eq_splat(int32_t value)
{
    return 0x01010101u * (uint8_t)value;
}

#endif
