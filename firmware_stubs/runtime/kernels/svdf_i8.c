#include "eq_check.h"
#include "eq_dot.h"
#include "eq_requant.h"

/* The record with its places looked up. */
struct svdf {
    const struct eq_svdf_i8 *op;
    const int8_t *feature;
    const uint8_t *time;
    const int32_t *bias; /* NULL without */
};

static uint32_t state_size(const struct eq_svdf_i8 *op)
{
    return op->wide ? 2 : 1;
}

static int check(const struct eq_bounds *bounds, const void *record)
{
    const struct eq_svdf_i8 *op = record;
    const uint32_t states[EQ_MAX_RANK] = {op->batches, op->filters, op->memory, 1, 1, 1};
    uint32_t count = eq_check_count(states), size = state_size(op), units;
    int bad;
    if (count == 0 || op->rank == 0 || op->filters % op->rank != 0 || op->in_c == 0 ||
        op->in_c > EQ_MAX_DOT / 2) {
        return EQ_INVALID;
    }
    units = op->filters / op->rank;
    bad = eq_check_any(bounds, op->in, (uint64_t)op->batches * op->in_c, 1) |
          eq_check_arena(bounds, op->out, (uint64_t)op->batches * units, 1) |
          eq_check_const(bounds, op->feature, (uint64_t)op->filters * eq_row_bytes(op->in_c), 4) |
          eq_check_const(bounds, op->time, (uint64_t)op->filters * op->memory * size, size) |
          eq_check_arena(bounds, op->state, (uint64_t)count * size, size) | eq_check_that(op->wide <= 1) |
          eq_check_zp(op->in_zp) | eq_check_zp(op->state_zp) | eq_check_zp(op->out_zp) |
          eq_check_scale(&op->to_state, 0) | eq_check_scale(&op->to_out, 0);
    return op->bias == EQ_NONE ? bad : bad | eq_check_const(bounds, op->bias, (uint64_t)units * 4, 4);
}

static int32_t feature_of(const int8_t *w, const int8_t *in, uint32_t count, int32_t in_zp)
{
    int32_t sum = 0;
    for (uint32_t i = 0; i < count; i++) {
        sum += w[i] * (in[i] - in_zp);
    }
    return sum;
}

/* Forget the oldest value, remember `newest`, and weight all; the sum wraps. */
static uint32_t remember_i16(int16_t *memory, const int16_t *time, uint32_t count, int32_t newest,
                             int32_t zero_point)
{
    uint32_t sum = 0;
    for (uint32_t i = 0; i < count; i++) {
        memory[i] = i + 1 < count ? memory[i + 1] : (int16_t)eq_clamp(newest, INT16_MIN, INT16_MAX);
        sum += (uint32_t)time[i] * (uint32_t)(memory[i] - zero_point);
    }
    return sum;
}

static uint32_t remember_i8(int8_t *memory, const int8_t *time, uint32_t count, int32_t newest,
                            int32_t zero_point)
{
    uint32_t sum = 0;
    for (uint32_t i = 0; i < count; i++) {
        memory[i] = i + 1 < count ? memory[i + 1] : (int8_t)eq_clamp(newest, INT8_MIN, INT8_MAX);
        sum += (uint32_t)time[i] * (uint32_t)(memory[i] - zero_point);
    }
    return sum;
}

static uint32_t filter_out(const struct svdf *svdf, uint32_t filter, const int8_t *in, void *memory)
{
    const struct eq_svdf_i8 *op = svdf->op;
    const void *time = svdf->time + (size_t)filter * op->memory * state_size(op);
    int32_t feature =
        feature_of(svdf->feature + (size_t)filter * eq_row_bytes(op->in_c), in, op->in_c, op->in_zp);
    int32_t newest = eq_wrapping_add(eq_rescale(feature, &op->to_state), op->state_zp);
    return op->wide ? remember_i16(memory, time, op->memory, newest, op->state_zp)
                    : remember_i8(memory, time, op->memory, newest, op->state_zp);
}

static void batch_out(const struct svdf *svdf, const int8_t *in, uint8_t *state, int8_t *out)
{
    const struct eq_svdf_i8 *op = svdf->op;
    for (uint32_t filter = 0, unit = 0; filter < op->filters; unit++) {
        uint32_t sum = svdf->bias == NULL ? 0 : (uint32_t)svdf->bias[unit];
        for (uint32_t end = filter + op->rank; filter < end; filter++) {
            sum += filter_out(svdf, filter, in, state);
            state += (size_t)op->memory * state_size(op);
        }
        out[unit] = (int8_t)eq_requantize_to((int32_t)sum, &op->to_out, op->out_zp, INT8_MIN, INT8_MAX);
    }
}

static void run(const struct eq_model *model, const void *record)
{
    const struct eq_svdf_i8 *op = record;
    const int8_t *in = eq_at(model, op->in);
    uint8_t *state = eq_in_arena(model, op->state);
    int8_t *out = eq_in_arena(model, op->out);
    struct svdf svdf;
    svdf.op = op;
    svdf.feature = eq_at(model, op->feature);
    svdf.time = eq_at(model, op->time);
    svdf.bias = op->bias == EQ_NONE ? NULL : eq_at(model, op->bias);
    for (uint32_t batch = 0; batch < op->batches; batch++) {
        batch_out(&svdf, in, state, out);
        in += op->in_c;
        state += (size_t)op->filters * op->memory * state_size(op);
        out += op->filters / op->rank;
    }
}

const struct eq_kernel eq_svdf_i8 = {sizeof(struct eq_svdf_i8), check, run};
