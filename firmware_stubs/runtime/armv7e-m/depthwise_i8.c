#include "eq_check.h"
#include "eq_clamp.h"
#include "eq_rounding.h"
#include "eq_window.h"

/* Channels are computed in groups of four, as their weights lie, and groups in blocks. A window is a list of
 * offsets from its first tap, the same one for all that are inside of the picture; at a border a list is
 * made, in which taps outside lead to a row of zero points. Two taps are multiplied at once: two packed
 * words, one behind SXTB16, give each channel's values at both, and the weights lie in scratch as int16 in
 * the same order. */

/* Some groups, prepared for all pixels. */
struct block {
    const struct eq_conv_i8 *op;
    const struct eq_channel *channels;
    uint32_t first, count; /* of its channels */
    uint32_t taps;         /* of a window */
    int whole;             /* whether all groups are, and read channels that lie side by side */
    int fits;              /* whether they are, and eq_rounded suits all channels */
    uint32_t *offsets;     /* [taps] */
    uint32_t *border; /* [taps]: the offsets of a window at a border; if not whole, four values of each tap */
    int8_t *zeros;    /* a block of zero points */
    uint32_t *stream; /* per group 4 biases, weights, and 4 times multiplier, addend, shift */
};

/* Windows side by side: their first tap's first channel of the block, where the others lie, and how many they
 * are. */
struct view {
    const int8_t *corner;
    const uint32_t *offsets;
    uint32_t count;
};

struct four {
    int32_t a, b, c, d;
};

/* Of the next two taps. */
EQ_INLINE void two_taps(struct four *sums, const int8_t *corner, const uint32_t **offsets,
                        const uint32_t **stream)
{
    uint32_t first, second, low, high, ab, cd;
    eq_take(offsets, &first, &second);
    first = eq_word(corner + first);
    second = eq_word(corner + second);
    low = eq_lows(first, second);
    high = eq_highs(first, second);
    eq_take(stream, &ab, &cd);
    sums->a = eq_mac_both(eq_even(low), ab, sums->a);
    sums->b = eq_mac_both(eq_odd(low), cd, sums->b);
    eq_take(stream, &ab, &cd);
    sums->c = eq_mac_both(eq_even(high), ab, sums->c);
    sums->d = eq_mac_both(eq_odd(high), cd, sums->d);
}

EQ_INLINE void last_tap(struct four *sums, const int8_t *tap, const uint32_t **stream)
{
    const uint32_t word = eq_word(tap), even = eq_even(word), odd = eq_odd(word);
    uint32_t ac, bd;
    eq_take(stream, &ac, &bd);
    sums->a = eq_mac_low(even, ac, sums->a);
    sums->b = eq_mac_low(odd, bd, sums->b);
    sums->c = eq_mac_high(even, ac, sums->c);
    sums->d = eq_mac_high(odd, bd, sums->d);
}

EQ_INLINE struct four sums_of(const int8_t *corner, const uint32_t *offsets, uint32_t taps,
                              const uint32_t **stream)
{
    struct four sums;
    uint32_t a, b, c, d;
    eq_take(stream, &a, &b);
    eq_take(stream, &c, &d);
    sums.a = (int32_t)a, sums.b = (int32_t)b, sums.c = (int32_t)c, sums.d = (int32_t)d;
    for (uint32_t fours = taps / 4; fours; fours--) {
        two_taps(&sums, corner, &offsets, stream);
        two_taps(&sums, corner, &offsets, stream);
    }
    if (taps & 2) {
        two_taps(&sums, corner, &offsets, stream);
    }
    if (taps & 1) {
        last_tap(&sums, corner + *offsets, stream);
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
EQ_INLINE void give_pixel(const struct block *block, const int8_t *corner, const uint32_t *offsets,
                          int8_t *out)
{
    const uint32_t *stream = block->stream;
    const uint32_t taps = block->taps;
    for (const int8_t *end = out + block->count; out != end; out += EQ_LANES, corner += EQ_LANES) {
        const struct four sums = sums_of(corner, offsets, taps, &stream);
        out[0] = finish(sums.a, &stream);
        out[1] = finish(sums.b, &stream);
        out[2] = finish(sums.c, &stream);
        out[3] = finish(sums.d, &stream);
    }
}

/* The same for every scale, and for a last group that is not whole. */
static void give_any_pixel(const struct block *block, const int8_t *corner, const uint32_t *offsets,
                           int8_t *out)
{
    const uint32_t *stream = block->stream;
    const struct eq_channel *channels = block->channels + block->first;
    for (uint32_t at = 0; at < block->count; at += EQ_LANES, stream += 3 * EQ_LANES) {
        const struct four sums = sums_of(corner + at, offsets, block->taps, &stream);
        const int32_t sum[EQ_LANES] = {sums.a, sums.b, sums.c, sums.d};
        for (uint32_t i = 0; i < EQ_LANES && at + i < block->count; i++) {
            out[at + i] = eq_rounded_any(sum[i], &channels[at + i].scale, block->op->out_zp);
        }
    }
}

EQ_APART void give(const struct block *block, struct view view, int8_t *out)
{
    const struct eq_window *win = &block->op->win;
    const uint32_t in_step = (uint32_t)win->stride_w * win->in_c, out_step = win->out_c;
    for (; view.count; view.count--, view.corner += in_step, out += out_step) {
        if (block->fits) {
            give_pixel(block, view.corner, view.offsets, out);
        } else {
            give_any_pixel(block, view.corner, view.offsets, out);
        }
    }
}

/* The offsets of a window at a border, at column x and row y: both wrap where they are outside of the
 * picture. */
EQ_APART void look(const struct block *block, const int8_t *corner, uint32_t y, uint32_t x)
{
    const struct eq_window *win = &block->op->win;
    const uint32_t in_w = win->in_w, in_h = win->in_h, dil_h = win->dil_h, dil_w = win->dil_w;
    const uint32_t zeros = (uint32_t)block->zeros - (uint32_t)corner, *offsets = block->offsets;
    uint32_t *to = block->border;
    for (uint32_t rows = win->k_h; rows; rows--, y += dil_h) {
        const uint32_t inside = y < in_h ? in_w : 0;
        uint32_t column = x;
        for (uint32_t columns = win->k_w; columns; columns--, column += dil_w) {
            const uint32_t offset = *offsets++;
            *to++ = column < inside ? offset : zeros;
        }
    }
    eq_settle();
}

/* Values of a group's channels at the taps, which do not lie side by side or of which some do not exist. */
static void gather(const struct block *block, const int8_t *picture, uint32_t y, uint32_t x)
{
    const struct eq_window *win = &block->op->win;
    const uint32_t multiplier = (uint32_t)win->out_c / win->in_c;
    int8_t *to = (int8_t *)block->border;
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

static void list_offsets(const struct block *block)
{
    const struct eq_window *win = &block->op->win;
    for (uint32_t tap = 0; tap < block->taps; tap++) {
        const uint32_t row = tap / win->k_w * win->dil_h, column = tap % win->k_w * win->dil_w;
        block->offsets[tap] = block->whole ? (row * win->in_w + column) * win->in_c : tap * EQ_LANES;
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
    list_offsets(block);
}

/* How many first taps along one side have all others inside, from the picture's edge on. */
static uint32_t places(uint32_t in, uint32_t k, uint32_t dil)
{
    const uint32_t reach = (k - 1) * dil + 1;
    return in < reach ? 0 : in - reach + 1;
}

/* As many windows as are inside of the picture, or else one, of the `left` last ones of a row of the output.
 */
static struct view view_of(const struct block *block, const int8_t *picture, uint32_t y, uint32_t x,
                           uint32_t left)
{
    const struct eq_window *win = &block->op->win;
    const uint32_t columns = places(win->in_w, win->k_w, win->dil_w);
    struct view view = {picture + block->first, block->offsets, 1};
    view.corner += (y * win->in_w + x) * win->in_c;
    if (!block->whole) {
        gather(block, picture, y, x);
        view.corner = (const int8_t *)block->border;
    } else if (y < places(win->in_h, win->k_h, win->dil_h) && x < columns) {
        view.count = least(left, (columns - 1 - x) / win->stride_w + 1);
    } else {
        look(block, view.corner, y, x);
        view.offsets = block->border;
    }
    return view;
}

/* A block's channels of the whole output. */
static void rows(const struct block *block, const int8_t *picture, int8_t *out)
{
    const struct eq_window *win = &block->op->win;
    out += block->first;
    for (uint32_t n = 0; n < win->batches; n++, picture += (uint32_t)win->in_h * win->in_w * win->in_c) {
        for (uint32_t row = 0; row < win->out_h; row++) {
            for (uint32_t column = 0; column < win->out_w;) {
                const uint32_t y = row * win->stride_h - win->pad_top,
                               x = column * win->stride_w - win->pad_left;
                const struct view view = view_of(block, picture, y, x, win->out_w - column);
                give(block, view, out);
                column += view.count;
                out += view.count * win->out_c;
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
    block.offsets = eq_in_arena(model, op->scratch);
    block.border = block.offsets + block.taps;
    block.zeros = (int8_t *)(block.border + block.taps);
    block.stream = (uint32_t *)(void *)(block.zeros + EQ_LANES * EQ_BLOCK_GROUPS);
    memset(block.zeros, op->in_zp, EQ_LANES * EQ_BLOCK_GROUPS);
    for (uint32_t first = 0; first < win->out_c; first += block.count) {
        prepare(&block, weights, first);
        rows(&block, eq_at(model, op->in), eq_in_arena(model, op->out));
    }
    eq_clamp_i8(eq_in_arena(model, op->out), eq_pixels(win) * win->out_c, op->act_min, op->act_max);
}

const struct eq_kernel eq_depthwise_i8 = {sizeof(struct eq_conv_i8), eq_check_depthwise, run};
