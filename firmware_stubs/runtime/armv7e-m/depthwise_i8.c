#include "eq_check.h"
#include "eq_clamp.h"
#include "eq_rounding.h"
#include "eq_window.h"

/* Channels are computed in groups of four, as their weights lie, and groups in blocks. Where the taps of a
 * window lie is looked up once per pixel and block; what is outside of the picture is read from a row of zero
 * points. Two taps are multiplied at once: two packed words, one behind SXTB16, give each channel's values at
 * both, and the weights lie in scratch as int16 in the same order. */

/* Some groups, prepared for all pixels. */
struct block {
    const struct eq_conv_i8 *op;
    const struct eq_channel *channels;
    uint32_t first, count; /* of its channels */
    uint32_t taps;         /* of a window */
    int whole;             /* whether all groups are, and read channels that lie side by side */
    int fits;              /* whether they are, and eq_rounded suits all channels */
    uint32_t *places;      /* [taps]: the address of each tap's first channel */
    uint32_t *gathered;    /* [taps]: four values each, of a group that is not whole */
    int8_t *zeros;         /* a block of zero points */
    uint32_t *stream;      /* per group 4 biases, weights, and 4 times multiplier, addend, shift */
};

struct four {
    int32_t a, b, c, d;
};

/* Of the next two taps; `at` is the group's place behind the first channel of the block. */
EQ_INLINE void two_taps(struct four *sums, const uint32_t **places, const uint32_t **stream, uint32_t at)
{
    uint32_t first, second, low, high, ab, cd;
    eq_take(places, &first, &second);
    first = eq_word((const int8_t *)first + at);
    second = eq_word((const int8_t *)second + at);
    low = eq_lows(first, second);
    high = eq_highs(first, second);
    eq_take(stream, &ab, &cd);
    sums->a = eq_mac_both(eq_even(low), ab, sums->a);
    sums->b = eq_mac_both(eq_odd(low), cd, sums->b);
    eq_take(stream, &ab, &cd);
    sums->c = eq_mac_both(eq_even(high), ab, sums->c);
    sums->d = eq_mac_both(eq_odd(high), cd, sums->d);
}

EQ_INLINE void last_tap(struct four *sums, const uint32_t *place, const uint32_t **stream, uint32_t at)
{
    const uint32_t word = eq_word((const int8_t *)*place + at), even = eq_even(word), odd = eq_odd(word);
    uint32_t ac, bd;
    eq_take(stream, &ac, &bd);
    sums->a = eq_mac_low(even, ac, sums->a);
    sums->b = eq_mac_low(odd, bd, sums->b);
    sums->c = eq_mac_high(even, ac, sums->c);
    sums->d = eq_mac_high(odd, bd, sums->d);
}

EQ_INLINE struct four sums_of(const struct block *block, const uint32_t **stream, uint32_t at)
{
    const uint32_t *places = block->places;
    struct four sums;
    uint32_t a, b, c, d;
    eq_take(stream, &a, &b);
    eq_take(stream, &c, &d);
    sums.a = (int32_t)a, sums.b = (int32_t)b, sums.c = (int32_t)c, sums.d = (int32_t)d;
    for (uint32_t twos = block->taps / 2; twos; twos--) {
        two_taps(&sums, &places, stream, at);
    }
    if (block->taps % 2) {
        last_tap(&sums, places, stream, at);
    }
    return sums;
}

EQ_INLINE int8_t finish(int32_t sum, const uint32_t **stream)
{
    struct eq_rounding rounding;
    uint32_t mult, add;
    eq_take(stream, &mult, &add);
    rounding.mult = (int32_t)mult;
    rounding.add = (int32_t)add;
    rounding.shift = (int32_t)*(*stream)++;
    return eq_rounded(sum, &rounding);
}

/* All channels of a block at one pixel. */
EQ_APART void give(const struct block *block, int8_t *out)
{
    const uint32_t *stream = block->stream;
    for (uint32_t at = 0; at < block->count; at += EQ_LANES, out += EQ_LANES) {
        const struct four sums = sums_of(block, &stream, at);
        out[0] = finish(sums.a, &stream);
        out[1] = finish(sums.b, &stream);
        out[2] = finish(sums.c, &stream);
        out[3] = finish(sums.d, &stream);
    }
}

/* The same for every scale, and for a last group that is not whole. */
EQ_APART void give_any(const struct block *block, int8_t *out)
{
    const uint32_t *stream = block->stream;
    const struct eq_channel *channels = block->channels + block->first;
    for (uint32_t at = 0; at < block->count; at += EQ_LANES, stream += 3 * EQ_LANES) {
        const struct four sums = sums_of(block, &stream, at);
        const int32_t sum[EQ_LANES] = {sums.a, sums.b, sums.c, sums.d};
        for (uint32_t i = 0; i < EQ_LANES && at + i < block->count; i++) {
            out[at + i] = eq_rounded_any(sum[i], &channels[at + i].scale, block->op->out_zp);
        }
    }
}

/* Where the taps of the window at column x and row y lie; both wrap where they are outside of the picture. */
EQ_APART void look(const struct block *block, const int8_t *picture, uint32_t y, uint32_t x)
{
    const struct eq_window *win = &block->op->win;
    const uint32_t in_c = win->in_c, in_w = win->in_w, dil_w = win->dil_w, zeros = (uint32_t)block->zeros;
    uint32_t *to = block->places;
    for (uint32_t rows = win->k_h; rows; rows--, y += win->dil_h) {
        const uint32_t row = (uint32_t)(picture + block->first) + y * in_w * in_c,
                       inside = y < win->in_h ? in_w : 0;
        uint32_t column = x;
        for (uint32_t columns = win->k_w; columns; columns--, column += dil_w) {
            *to++ = column < inside ? row + column * in_c : zeros;
        }
    }
    eq_settle();
}

/* Values of a group's channels at the taps, which do not lie side by side or of which some do not exist. */
static void gather(const struct block *block, const int8_t *picture, uint32_t y, uint32_t x)
{
    const struct eq_window *win = &block->op->win;
    const uint32_t multiplier = (uint32_t)win->out_c / win->in_c;
    int8_t *to = (int8_t *)block->gathered;
    for (uint32_t tap = 0; tap < block->taps; tap++, to += EQ_LANES) {
        const uint32_t row = y + tap / win->k_w * win->dil_h, column = x + tap % win->k_w * win->dil_w;
        const int inside = row < win->in_h && column < win->in_w;
        const int8_t *pixel = picture + (inside ? (row * win->in_w + column) * win->in_c : 0);
        for (uint32_t i = 0; i < block->count; i++) {
            to[i] = inside ? pixel[(block->first + i) / multiplier] : (int8_t)block->op->in_zp;
        }
    }
    eq_settle();
}

/* A group's part of the stream; channels behind the last one repeat it. */
static uint32_t *prepare_group(const struct block *block, uint32_t at, const int8_t *weights, uint32_t *to)
{
    const struct eq_channel *channels[EQ_LANES];
    uint32_t taps = block->taps;
    for (uint32_t i = 0; i < EQ_LANES; i++) {
        channels[i] = block->channels + block->first + at + (at + i < block->count ? i : 0);
        *to++ = (uint32_t)channels[i]->bias;
    }
    for (; taps > 1; taps -= 2, weights += 2 * EQ_LANES) {
        const uint32_t first = eq_word(weights), second = eq_word(weights + EQ_LANES);
        const uint32_t low = eq_lows(first, second), high = eq_highs(first, second);
        eq_give(&to, eq_even(low), eq_odd(low));
        eq_give(&to, eq_even(high), eq_odd(high));
    }
    if (taps) {
        eq_give(&to, eq_even(eq_word(weights)), eq_odd(eq_word(weights)));
    }
    for (uint32_t i = 0; i < EQ_LANES; i++) {
        const struct eq_rounding rounding = eq_rounding_of(&channels[i]->scale, block->op->out_zp);
        eq_give(&to, (uint32_t)rounding.mult, (uint32_t)rounding.add);
        *to++ = (uint32_t)rounding.shift;
    }
    return to;
}

static uint32_t least(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* The block from channel `first` on: whole groups of neighbours as many as scratch holds, or else one group.
 */
static void prepare(struct block *block, const int8_t *weights, uint32_t first)
{
    const uint32_t out_c = block->op->win.out_c, left = out_c - first, most = EQ_LANES * EQ_BLOCK_GROUPS;
    uint32_t *to = block->stream;
    block->first = first;
    block->whole = block->fits = out_c == block->op->win.in_c && left >= EQ_LANES;
    block->count = !block->whole ? least(left, EQ_LANES) : least(left & ~(EQ_LANES - 1), most);
    for (uint32_t at = 0; at < block->count; at += EQ_LANES) {
        to = prepare_group(block, at, weights + (first + at) * block->taps, to);
    }
    for (uint32_t i = 0; i < block->count; i++) {
        block->fits &= eq_rounding_fits(&block->channels[first + i].scale);
    }
    for (uint32_t tap = 0; tap < block->taps; tap++) {
        block->places[tap] = (uint32_t)(block->gathered + tap);
    }
}

/* A block's channels of the whole output. */
static void pixels(const struct block *block, const int8_t *picture, int8_t *out)
{
    const struct eq_window *win = &block->op->win;
    out += block->first;
    for (uint32_t n = 0; n < win->batches; n++, picture += (uint32_t)win->in_h * win->in_w * win->in_c) {
        for (uint32_t row = 0; row < win->out_h; row++) {
            for (uint32_t column = 0; column < win->out_w; column++, out += win->out_c) {
                const uint32_t y = row * win->stride_h - win->pad_top,
                               x = column * win->stride_w - win->pad_left;
                (block->whole ? look : gather)(block, picture, y, x);
                (block->fits ? give : give_any)(block, out);
            }
        }
    }
}

static void run(const struct eq_model *model, const void *record)
{
    const struct eq_conv_i8 *op = record;
    const struct eq_window *win = &op->win;
    const int8_t *weights = eq_at(model, op->weights);
    struct block block;
    block.op = op;
    block.channels = eq_at(model, op->channels);
    block.taps = (uint32_t)win->k_h * win->k_w;
    block.places = eq_in_arena(model, op->scratch);
    block.gathered = block.places + block.taps;
    block.zeros = (int8_t *)(block.gathered + block.taps);
    block.stream = (uint32_t *)(void *)(block.zeros + EQ_LANES * EQ_BLOCK_GROUPS);
    memset(block.zeros, op->in_zp, EQ_LANES * EQ_BLOCK_GROUPS);
    for (uint32_t first = 0; first < win->out_c; first += block.count) {
        prepare(&block, weights, first);
        pixels(&block, eq_at(model, op->in), eq_in_arena(model, op->out));
    }
    eq_clamp_i8(eq_in_arena(model, op->out), eq_pixels(win) * win->out_c, op->act_min, op->act_max);
}

const struct eq_kernel eq_depthwise_i8 = {sizeof(struct eq_conv_i8), eq_check_depthwise, run};
