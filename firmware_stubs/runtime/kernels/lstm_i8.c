#include <string.h>

#include "eq_check.h"
#include "eq_dot.h"
#include "eq_requant.h"
#include "eq_sigmoid.h"

enum { INPUT, FORGET, CELL, OUTPUT, GATES };

#define CELL_BITS 12 /* of the gates' Q3.12 */

static int check_gate(const struct eq_bounds *bounds, const struct eq_lstm_i8 *op,
                      const struct eq_lstm_gate *gate)
{
    uint64_t units = op->units;
    return eq_check_const(bounds, gate->weights, units * eq_row_bytes(op->in_c), 4) |
           eq_check_const(bounds, gate->bias, units * 4, 4) |
           eq_check_const(bounds, gate->recurrent, units * eq_row_bytes(op->units), 4) |
           eq_check_const(bounds, gate->recurrent_bias, units * 4, 4) | eq_check_scale(&gate->scale, 0) |
           eq_check_scale(&gate->recurrent_scale, 0);
}

static int check(const struct eq_bounds *bounds, const void *record)
{
    const struct eq_lstm_i8 *op = record;
    const uint32_t inputs[EQ_MAX_RANK] = {op->batches, op->steps, op->in_c, 1, 1, 1};
    const uint32_t outputs[EQ_MAX_RANK] = {op->batches, op->steps, op->units, 1, 1, 1};
    uint32_t in = eq_check_count(inputs), out = eq_check_count(outputs);
    uint64_t states = (uint64_t)op->batches * op->units;
    int bad = eq_check_that(in > 0 && out > 0 && op->in_c <= EQ_MAX_DOT && op->units <= EQ_MAX_DOT) |
              eq_check_that(op->time_major <= 1 && op->cell_clip >= 0 && op->cell_clip <= INT16_MAX) |
              eq_check_that(op->cell_power >= -27 && op->cell_power <= 0) | eq_check_zp(op->hidden_zp) |
              eq_check_any(bounds, op->in, in, 1) | eq_check_arena(bounds, op->out, out, 1) |
              eq_check_arena(bounds, op->hidden, states, 1) |
              eq_check_arena(bounds, op->cell, states * 2, 2) |
              eq_check_apart(op->out, out, op->hidden, states) | eq_check_scale(&op->forget, 0) |
              eq_check_scale(&op->input, 0) | eq_check_scale(&op->to_hidden, 0);
    for (unsigned i = 0; i < GATES; i++) {
        bad |= check_gate(bounds, op, &op->gates[i]);
    }
    return bad;
}

static int32_t to_i16(int32_t x)
{
    return eq_clamp(x, INT16_MIN, INT16_MAX);
}

static int32_t product(int32_t a, int32_t b, const struct eq_scale *scale)
{
    return to_i16(eq_rescale(a * b, scale));
}

/* One unit of a matrix with a vector, in Q3.12. */
static int32_t affine(const int8_t *weights, const int32_t *bias, const int8_t *in, uint32_t count,
                      uint32_t unit, const struct eq_scale *scale)
{
    int32_t sum = eq_dot(weights + (size_t)unit * eq_row_bytes(count), in, count);
    return to_i16(eq_rescale(eq_wrapping_add(sum, bias[unit]), scale));
}

/* What a gate's sigmoid or tanh is taken of. */
static int32_t gate_in(const struct eq_model *model, const struct eq_lstm_i8 *op, unsigned index,
                       uint32_t unit, const int8_t *in, const int8_t *hidden)
{
    const struct eq_lstm_gate *gate = &op->gates[index];
    return to_i16(
        affine(eq_at(model, gate->weights), eq_at(model, gate->bias), in, op->in_c, unit, &gate->scale) +
        affine(eq_at(model, gate->recurrent), eq_at(model, gate->recurrent_bias), hidden, op->units, unit,
               &gate->recurrent_scale));
}

static int32_t tanh_of_cell(int32_t cell, int32_t power)
{
    int32_t right = -power - CELL_BITS;
    return eq_tanh_of_third(right <= 0 ? cell * (3 << -right) : (cell * 3 + (1 << (right - 1))) >> right);
}

/* One step of one batch. Its output is the next hidden state; the old one is needed until the last unit. */
static void step(const struct eq_model *model, const struct eq_lstm_i8 *op, const int8_t *in, int8_t *hidden,
                 int16_t *cell, int8_t *out)
{
    int32_t clip = op->cell_clip > 0 ? op->cell_clip : -INT16_MIN;
    for (uint32_t unit = 0; unit < op->units; unit++) {
        int32_t forget = eq_sigmoid(gate_in(model, op, FORGET, unit, in, hidden));
        int32_t input = eq_sigmoid(gate_in(model, op, INPUT, unit, in, hidden));
        int32_t update = eq_tanh_of_third(3 * gate_in(model, op, CELL, unit, in, hidden));
        int32_t output = eq_sigmoid(gate_in(model, op, OUTPUT, unit, in, hidden));
        int32_t next = product(forget, cell[unit], &op->forget) + product(input, update, &op->input);
        cell[unit] = (int16_t)eq_clamp(to_i16(next), -clip, clip);
        out[unit] = (int8_t)eq_requantize_to(output * tanh_of_cell(cell[unit], op->cell_power),
                                             &op->to_hidden, op->hidden_zp, INT8_MIN, INT8_MAX);
    }
    memcpy(hidden, out, op->units);
}

static void run(const struct eq_model *model, const void *record)
{
    const struct eq_lstm_i8 *op = record;
    const int8_t *in = eq_at(model, op->in);
    int8_t *out = eq_in_arena(model, op->out), *hidden = eq_in_arena(model, op->hidden);
    int16_t *cell = eq_in_arena(model, op->cell);
    for (uint32_t time = 0; time < op->steps; time++) {
        for (uint32_t batch = 0; batch < op->batches; batch++) {
            size_t at =
                op->time_major ? (size_t)time * op->batches + batch : (size_t)batch * op->steps + time;
            size_t state = (size_t)batch * op->units;
            step(model, op, in + at * op->in_c, hidden + state, cell + state, out + at * op->units);
        }
    }
}

const struct eq_kernel eq_lstm_i8 = {sizeof(struct eq_lstm_i8), check, run};
