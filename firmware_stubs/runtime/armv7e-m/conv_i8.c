#include "eq_check.h"
#include "eq_clamp.h"
#include "eq_rounding.h"
#include "eq_sum_i8.h"

#define CHUNK 32u /* channels whose results wait for the residual */

/* Two pixels are computed at a time. What they see, their patches, lies in scratch as int16: four values of
 * the first beside four of the second, as they come out of SXTB16: first's even, second's even, first's odd,
 * second's odd. */

/* Of an output pixel. */
struct place {
    const int8_t *picture; /* of this batch */
    uint32_t y, x;
};

static struct place behind(struct place at, const struct eq_window *win)
{
    if (++at.x == win->out_w) {
        at.x = 0;
        if (++at.y == win->out_h) {
            at.y = 0;
            at.picture += (uint32_t)win->in_h * win->in_w * win->in_c;
        }
    }
    return at;
}

static uint32_t *widen_two(uint32_t *pairs, const int8_t *first, const int8_t *second, uint32_t blocks)
{
    for (; blocks; blocks--, first += 4, second += 4) {
        const uint32_t a = eq_word(first), b = eq_word(second);
        eq_give(&pairs, eq_even(a), eq_even(b));
        eq_give(&pairs, eq_odd(a), eq_odd(b));
    }
    return pairs;
}

static void widen(uint32_t *pairs, const int8_t *from, uint32_t blocks)
{
    for (; blocks; blocks--, pairs += 4, from += 4) {
        const uint32_t word = eq_word(from);
        pairs[0] = eq_even(word);
        pairs[2] = eq_odd(word);
    }
}

EQ_INLINE int8_t *copy(int8_t *to, const int8_t *from, uint32_t count)
{
    uint32_t word;
    for (uint32_t words = count / 4; words; words--, to += 4, from += 4) {
        word = eq_word(from);
        memcpy(to, &word, 4);
    }
    if (count & 2) {
        memcpy(&word, from, 2);
        memcpy(to, &word, 2);
        to += 2, from += 2;
    }
    if (count & 1) {
        *to++ = *from;
    }
    return to;
}

/* `count` bytes of the four in `word`, which are the same. */
EQ_INLINE int8_t *fill(int8_t *to, uint32_t word, uint32_t count)
{
    for (uint32_t words = count / 4; words; words--, to += 4) {
        memcpy(to, &word, 4);
    }
    if (count & 2) {
        memcpy(to, &word, 2);
        to += 2;
    }
    if (count & 1) {
        *to++ = (int8_t)word;
    }
    return to;
}

/* How many columns of a window without holes lie before, in and behind the picture. */
struct span {
    uint32_t before, inside, behind;
};

static struct span span(const struct eq_window *win, uint32_t x)
{
    const uint32_t left = (int32_t)x < 0 ? 0 - x : 0, end = x + win->k_w;
    struct span span;
    span.before = left < win->k_w ? left : win->k_w;
    span.behind = (int32_t)end > win->in_w ? end - win->in_w : 0;
    span.behind = span.behind < win->k_w - span.before ? span.behind : win->k_w - span.before;
    span.inside = win->k_w - span.before - span.behind;
    return span;
}

/* A row of a window without holes. */
EQ_INLINE int8_t *gather_row(int8_t *patch, const int8_t *row, struct span of, uint32_t x, uint32_t in_c,
                             uint32_t zeros)
{
    patch = of.before ? fill(patch, zeros, of.before * in_c) : patch;
    patch = copy(patch, row + (x + of.before) * in_c, of.inside * in_c);
    return of.behind ? fill(patch, zeros, of.behind * in_c) : patch;
}

/* A pixel's patch, of `channels` from `first` on, row by row. */
static void gather(int8_t *patch, const struct eq_conv_i8 *op, struct place at, uint32_t first,
                   uint32_t channels)
{
    const struct eq_window *win = &op->win;
    const uint32_t in_c = win->in_c, zeros = eq_splat(op->in_zp), x = at.x * win->stride_w - win->pad_left;
    const int whole = win->groups == 1 && win->dil_w == 1;
    const struct span of = span(win, x);
    uint32_t y = at.y * win->stride_h - win->pad_top; /* wraps where it is above the picture */
    for (uint32_t rows = win->k_h; rows; rows--, y += win->dil_h) {
        const int8_t *row = at.picture + first + (y < win->in_h ? y * win->in_w * in_c : 0);
        if (y >= win->in_h) {
            patch = fill(patch, zeros, win->k_w * channels);
        } else if (whole) {
            patch = gather_row(patch, row, of, x, in_c, zeros);
        } else {
            for (uint32_t k = 0, column = x; k < win->k_w; k++, column += win->dil_w) {
                patch = column < win->in_w ? copy(patch, row + column * in_c, channels)
                                           : fill(patch, zeros, channels);
            }
        }
    }
}

/* Both patches in one go, where they lie side by side inside the picture; 0 where they do not. */
static int gather_inside(uint32_t *pairs, const struct eq_window *win, struct place at)
{
    const uint32_t y = at.y * win->stride_h - win->pad_top, x = at.x * win->stride_w - win->pad_left;
    const uint32_t in_c = win->in_c, row_bytes = win->in_w * in_c, blocks = win->k_w * in_c / 4;
    const int8_t *row = at.picture + y * row_bytes + x * in_c;
    if (y >= win->in_h || y + (win->k_h - 1u) * win->dil_h >= win->in_h || x >= win->in_w ||
        x + win->stride_w + win->k_w > win->in_w || at.x + 1 >= win->out_w) {
        return 0;
    }
    for (uint32_t rows = win->k_h; rows; rows--, row += win->dil_h * row_bytes) {
        pairs = widen_two(pairs, row, row + win->stride_w * in_c, blocks);
    }
    return 1;
}

/* Sums of channels a and b at the first and the second pixel. */
struct tile {
    int32_t a0, a1, b0, b1;
};

/* Four taps. */
EQ_INLINE void step(struct tile *tile, const uint32_t **weights, const uint32_t **pairs)
{
    uint32_t even, odd, first, second, a, b;
    eq_take(weights, &even, &odd);
    eq_take(pairs, &first, &second);
    a = eq_even(even), b = eq_odd(even);
    tile->a0 = eq_mac_both(a, first, tile->a0);
    tile->a1 = eq_mac_both(a, second, tile->a1);
    tile->b0 = eq_mac_both(b, first, tile->b0);
    tile->b1 = eq_mac_both(b, second, tile->b1);
    eq_take(pairs, &first, &second);
    a = eq_even(odd), b = eq_odd(odd);
    tile->a0 = eq_mac_both(a, first, tile->a0);
    tile->a1 = eq_mac_both(a, second, tile->a1);
    tile->b0 = eq_mac_both(b, first, tile->b0);
    tile->b1 = eq_mac_both(b, second, tile->b1);
}

/* One channel's two results. `to_first` may be `to_second`: the first pixel counts. */
EQ_INLINE void finish(int32_t first, int32_t second, const struct eq_channel *channel, int32_t zp,
                      int8_t *to_first, int8_t *to_second)
{
    const struct eq_rounding rounding = eq_rounding_of(&channel->scale, zp);
    if (eq_rounding_fits(&channel->scale)) {
        *to_second = eq_rounded(second, &rounding);
        *to_first = eq_rounded(first, &rounding);
    } else {
        *to_second = eq_rounded_any(second, &channel->scale, zp);
        *to_first = eq_rounded_any(first, &channel->scale, zp);
    }
}

/* `count` channels of two pixels; behind an odd last one lies a channel of zeros. */
EQ_APART void multiply(const uint32_t *weights, const uint32_t *pairs, uint32_t blocks,
                       const struct eq_channel *channels, uint32_t count, int32_t zp, int8_t *to_first,
                       int8_t *to_second)
{
    const ptrdiff_t apart = to_second - to_first;
    const struct eq_channel *end = channels + count;
    int8_t *to = to_first;
    eq_settle();
    while (channels != end) {
        const int32_t a = channels[0].bias, b = channels[end - channels > 1].bias;
        struct tile tile = {a, a, b, b};
        const uint32_t *from = pairs;
        for (uint32_t twos = blocks / 2; twos; twos--) {
            step(&tile, &weights, &from);
            step(&tile, &weights, &from);
        }
        if (blocks % 2) {
            step(&tile, &weights, &from);
        }
        finish(tile.a0, tile.a1, channels++, zp, to, to + apart);
        to++;
        if (channels != end) {
            finish(tile.b0, tile.b1, channels++, zp, to, to + apart);
            to++;
        }
    }
}

/* The record with its places looked up. */
struct conv {
    const struct eq_conv_i8 *op;
    const struct eq_channel *channels;
    uint32_t in_c, out_c, blocks; /* of a group */
    uint32_t *pairs;              /* both patches as int16 */
    int8_t *patch;                /* one as it lies */
    struct eq_adder adder;        /* of the residual */
};

static void see(const struct conv *conv, struct place at, struct place next, uint32_t group)
{
    const struct eq_window *win = &conv->op->win;
    const int by_words = win->in_c % 4 == 0 && win->groups == 1 && (win->dil_w == 1 || win->k_w == 1);
    if (!by_words || !gather_inside(conv->pairs, win, at)) {
        gather(conv->patch, conv->op, at, group * conv->in_c, conv->in_c);
        widen(conv->pairs, conv->patch, conv->blocks);
        gather(conv->patch, conv->op, next, group * conv->in_c, conv->in_c);
        widen(conv->pairs + 1, conv->patch, conv->blocks);
    }
}

/* A group's channels of two pixels; `apart` is from the first pixel's results to the second's. */
static void give(const struct conv *conv, const uint32_t *weights, uint32_t group, int8_t *out,
                 uint32_t apart)
{
    const struct eq_channel *channels = conv->channels + group * conv->out_c;
    multiply(weights, conv->pairs, conv->blocks, channels, conv->out_c, conv->op->out_zp, out, out + apart);
}

static void join(const struct conv *conv, int8_t *results, const int8_t *residual, int8_t *out,
                 uint32_t count)
{
    eq_clamp_i8(results, count, conv->op->act_min, conv->op->act_max);
    eq_add(&conv->adder, results, residual, out, count);
}

/* The same with what is added to them, which may be where they go. */
static void give_sums(const struct conv *conv, const uint32_t *weights, uint32_t group,
                      const int8_t *residual, int8_t *out, uint32_t apart)
{
    const struct eq_conv_i8 *op = conv->op;
    const struct eq_channel *channels = conv->channels + group * conv->out_c;
    int8_t results[2][CHUNK];
    for (uint32_t from = 0; from < conv->out_c; from += CHUNK, weights += CHUNK * conv->blocks) {
        const uint32_t left = conv->out_c - from, count = left < CHUNK ? left : CHUNK;
        multiply(weights, conv->pairs, conv->blocks, channels + from, count, op->out_zp, results[0],
                 results[1]);
        join(conv, results[0], residual + from, out + from, count);
        if (apart) {
            join(conv, results[1], residual + apart + from, out + apart + from, count);
        }
    }
}

static void run(const struct eq_model *model, const void *record)
{
    const struct eq_conv_i8 *op = record;
    const struct eq_window *win = &op->win;
    const int8_t *residual = op->residual == EQ_NONE ? NULL : eq_at(model, op->residual);
    int8_t *out = eq_in_arena(model, op->out);
    struct place at = {eq_at(model, op->in), 0, 0};
    struct conv conv;
    conv.op = op;
    conv.channels = eq_at(model, op->channels);
    conv.in_c = (uint32_t)win->in_c / win->groups;
    conv.out_c = (uint32_t)win->out_c / win->groups;
    conv.blocks = ((uint32_t)win->k_h * win->k_w * conv.in_c + 3) / 4;
    conv.pairs = eq_in_arena(model, op->scratch);
    conv.adder = eq_adder_of(&op->sum);
    conv.patch = (int8_t *)(conv.pairs + conv.blocks * 4);
    for (uint32_t left = (uint32_t)win->batches * win->out_h * win->out_w; left;) {
        const uint32_t count = left > 1 ? 2 : 1, apart = (count - 1) * win->out_c;
        const struct place next = count > 1 ? behind(at, win) : at;
        const uint32_t *weights = eq_at(model, op->weights);
        for (uint32_t group = 0; group < win->groups; group++) {
            see(&conv, at, next, group);
            if (residual) {
                give_sums(&conv, weights, group, residual + group * conv.out_c, out + group * conv.out_c,
                          apart);
            } else {
                give(&conv, weights, group, out + group * conv.out_c, apart);
            }
            weights += (conv.out_c + 1) / 2 * conv.blocks * 2;
        }
        if (residual) {
            residual += count * win->out_c;
        } else {
            eq_clamp_i8(out, count * win->out_c, op->act_min, op->act_max);
        }
        out += count * win->out_c;
        left -= count;
        at = behind(next, win);
    }
}

const struct eq_kernel eq_conv_i8 = {sizeof(struct eq_conv_i8), eq_check_conv, run};
