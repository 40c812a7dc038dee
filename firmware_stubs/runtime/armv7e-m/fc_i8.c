#include "eq_check.h"
#include "eq_clamp.h"
#include "eq_rounding.h"

/* Sums of four channels: a and b of the packed pair at `weights`, c and d of the one behind it. */
struct four {
    int32_t a, b, c, d;
};

EQ_INLINE void step(struct four *sums, const uint32_t **near, const uint32_t **far, uint32_t word)
{
    const uint32_t even = eq_even(word), odd = eq_odd(word);
    uint32_t first, second;
    eq_take(near, &first, &second);
    sums->a = eq_mac_both(eq_even(first), even, sums->a);
    sums->b = eq_mac_both(eq_odd(first), even, sums->b);
    sums->a = eq_mac_both(eq_even(second), odd, sums->a);
    sums->b = eq_mac_both(eq_odd(second), odd, sums->b);
    eq_take(far, &first, &second);
    sums->c = eq_mac_both(eq_even(first), even, sums->c);
    sums->d = eq_mac_both(eq_odd(first), even, sums->d);
    sums->c = eq_mac_both(eq_even(second), odd, sums->c);
    sums->d = eq_mac_both(eq_odd(second), odd, sums->d);
}

EQ_INLINE uint32_t last_word(const int8_t *in, uint32_t count)
{
    uint32_t word = 0;
    for (uint32_t i = 0; i < count; i++) {
        word |= (uint32_t)(uint8_t)in[i] << (8 * i);
    }
    return word;
}

EQ_INLINE struct four multiply(const uint32_t *near, const uint32_t *far, const int8_t *in, uint32_t count)
{
    struct four sums = {0, 0, 0, 0};
    for (; count > 7; count -= 8, in += 8) {
        step(&sums, &near, &far, eq_word(in));
        step(&sums, &near, &far, eq_word(in + 4));
    }
    if (count > 3) {
        step(&sums, &near, &far, eq_word(in));
        count -= 4, in += 4;
    }
    if (count) {
        step(&sums, &near, &far, last_word(in, count));
    }
    return sums;
}

EQ_INLINE int8_t finish(int32_t sum, const struct eq_channel *channel, int32_t zp)
{
    const struct eq_rounding rounding = eq_rounding_of(&channel->scale, zp);
    const int32_t all = (int32_t)((uint32_t)sum + (uint32_t)channel->bias);
    return eq_rounding_fits(&channel->scale) ? eq_rounded(all, &rounding)
                                             : eq_rounded_any(all, &channel->scale, zp);
}

/* `count` channels of one row. */
EQ_APART void give(const uint32_t *weights, uint32_t pair_words, const int8_t *in, uint32_t in_c,
                   const struct eq_channel *channels, uint32_t count, int32_t zp, int8_t *out)
{
    for (;; count -= 4, weights += 2 * pair_words, channels += 4, out += 4) {
        /* Behind the last pair there may be none: then it is taken twice. */
        const struct four sums = multiply(weights, weights + (count > 2 ? pair_words : 0), in, in_c);
        out[0] = finish(sums.a, channels, zp);
        if (count > 1) {
            out[1] = finish(sums.b, channels + 1, zp);
        }
        if (count > 2) {
            out[2] = finish(sums.c, channels + 2, zp);
        }
        if (count > 3) {
            out[3] = finish(sums.d, channels + 3, zp);
        }
        if (count <= 4) {
            return;
        }
    }
}

static void run(const struct eq_model *model, const void *record)
{
    const struct eq_fc_i8 *op = record;
    const int8_t *in = eq_at(model, op->in);
    int8_t *out = eq_in_arena(model, op->out);
    for (uint32_t row = 0; row < op->rows; row++, in += op->in_c, out += op->out_c) {
        give(eq_at(model, op->weights), (op->in_c + 3) / 4 * 2, in, op->in_c, eq_at(model, op->channels),
             op->out_c, op->out_zp, out);
        eq_clamp_i8(out, op->out_c, op->act_min, op->act_max);
    }
}

const struct eq_kernel eq_fc_i8 = {sizeof(struct eq_fc_i8), eq_check_fc, run};
