/* Records on rows of values, and what makes these of pixels and numbers: what they must be. */
#include "eq_fe_check.h"

#define MOST_MULT ((int64_t)1 << 38)
#define MOST_ADD ((int64_t)1 << 61)

static int affine(struct eq_fe_check *check, const struct eq_fe_affine *op)
{
    uint64_t bytes = (uint64_t)op->count * 4;
    return (op->count == 1 || op->count == check->width) && op->shift <= EQ_FE_MOST_SHIFT &&
           eq_fe_is_constant(check, op->mult, bytes, 4) && eq_fe_is_constant(check, op->add, bytes, 4);
}

static int limit(struct eq_fe_check *check, const struct eq_fe_limit *op)
{
    (void)check;
    return op->low <= op->high;
}

/* Whether a sum of products with the `count` numbers at `row` stays within 63 bits. */
static int is_light(const int32_t *row, uint32_t count)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < count; i++) {
        int64_t value = row[i];
        sum += (uint64_t)(value < 0 ? -value : value);
    }
    return sum <= (uint64_t)1 << 31;
}

static int matrix(struct eq_fe_check *check, const struct eq_fe_matrix *op)
{
    uint32_t width = check->width;
    const int32_t *table;
    if (op->shift > EQ_FE_MOST_SHIFT || !eq_fe_fits(check, op->out, 4) || (uint64_t)op->out * 4 > check->head->work_bytes ||
        !eq_fe_is_constant(check, op->table, (uint64_t)op->out * width * 4, 4)) {
        return 0;
    }
    table = eq_fe_constant(check, op->table);
    for (uint32_t i = 0; i < op->out; i++) {
        if (!is_light(table + (size_t)i * width, width)) {
            return 0;
        }
    }
    check->width = op->out;
    return 1;
}

/* A picture goes on until its rows are full, so that each of them must fill one. */
static int stack(struct eq_fe_check *check, const struct eq_fe_stack *op)
{
    uint64_t wide = (uint64_t)op->frames * check->width, bytes = wide * 4;
    int first = !check->stack;
    check->stack = 1;
    check->width = (uint32_t)wide;
    return first && check->head->input != EQ_FE_IMAGE && op->frames >= 1 && op->step >= 1 && eq_fe_fits(check, wide, 4) &&
           eq_check_arena(check->bounds, op->kept, bytes, 4) == EQ_OK &&
           eq_check_apart(op->kept, bytes, check->head->values, check->head->values_bytes) == EQ_OK;
}

static int quantize(struct eq_fe_check *check, const struct eq_fe_quantize *op)
{
    uint32_t size = op->dtype == EQ_I16 ? 2 : 1;
    return (op->dtype == EQ_I8 || op->dtype == EQ_U8 || op->dtype == EQ_I16) && op->dtype == check->input->dtype &&
           op->shift <= EQ_FE_MOST_SHIFT && (uint64_t)check->head->rows * check->width * size == check->input->bytes;
}

static int picture(struct eq_fe_check *check, const struct eq_fe_picture *op)
{
    uint64_t width = (uint64_t)op->width * op->channels;
    int sides = op->height >= 1 && op->width >= 1 && op->width <= EQ_FE_MOST_SIDE && op->height <= EQ_FE_MOST_SIDE &&
                op->crop_height <= EQ_FE_MOST_SIDE && op->crop_width <= EQ_FE_MOST_SIDE &&
                op->resized_height <= EQ_FE_MOST_SIDE && op->resized_width <= EQ_FE_MOST_SIDE;
    int channels = op->channels == 1 ? op->colour == EQ_FE_AS_IS || op->colour == EQ_FE_GRAY
                                     : op->channels == 3 && op->colour <= EQ_FE_BGR;
    int inside = op->fit == EQ_FE_UNSIZED || (op->resized_height >= op->height && op->resized_width >= op->width);
    check->width = (uint32_t)width;
    return sides && channels && inside && op->fit <= EQ_FE_CONTAIN && op->nearest <= 1 &&
           (op->crop_height == 0) == (op->crop_width == 0) && eq_fe_fits(check, width, 4) &&
           width * 8 <= check->head->work_bytes && check->head->rows == op->height;
}

static int lookup(struct eq_fe_check *check, const struct eq_fe_lookup *op)
{
    uint32_t size = op->dtype == EQ_I16 ? 2 : 1;
    return (op->dtype == EQ_I8 || op->dtype == EQ_U8 || op->dtype == EQ_I16) && op->dtype == check->input->dtype &&
           op->channels >= 1 && op->channels <= 4 &&
           eq_fe_is_constant(check, op->table, (uint64_t)op->channels * 256 * size, size) &&
           (uint64_t)check->head->rows * check->width * size == check->input->bytes;
}

static int features(struct eq_fe_check *check, const struct eq_fe_features *op)
{
    check->width = op->width;
    return op->axes <= EQ_FE_ROWS_OF && eq_fe_fits(check, op->width, 4);
}

static int is_column(const struct eq_fe_column *column, int32_t low, int32_t high)
{
    int64_t mult = eq_fe_wide(column->mult), add = eq_fe_wide(column->add);
    return mult >= -MOST_MULT && mult <= MOST_MULT && add >= -MOST_ADD && add <= MOST_ADD &&
           column->exponent >= -EQ_FE_MOST_EXPONENT && column->exponent <= EQ_FE_MOST_EXPONENT && column->low >= low &&
           column->low <= column->high && column->high <= high;
}

static int convert(struct eq_fe_check *check, const struct eq_fe_convert *op)
{
    uint32_t wide = op->dtype == EQ_I16;
    int32_t low = op->dtype == EQ_U8 ? 0 : wide ? INT16_MIN : INT8_MIN;
    int32_t high = low + (wide ? UINT16_MAX : UINT8_MAX);
    if ((op->dtype != EQ_I8 && op->dtype != EQ_U8 && op->dtype != EQ_I16) || op->dtype != check->input->dtype ||
        check->head->input != EQ_FE_NUMBERS || (op->count != 1 && op->count != check->width) ||
        (uint64_t)check->head->rows * check->width * (wide ? 2 : 1) != check->input->bytes ||
        !eq_fe_is_constant(check, op->columns, (uint64_t)op->count * sizeof(struct eq_fe_column), 4)) {
        return 0;
    }
    for (uint32_t i = 0; i < op->count; i++) {
        if (!is_column((const struct eq_fe_column *)eq_fe_constant(check, op->columns) + i, low, high)) {
            return 0;
        }
    }
    return 1;
}

EQ_FE_RULE(affine, struct eq_fe_affine)
EQ_FE_RULE(limit, struct eq_fe_limit)
EQ_FE_RULE(matrix, struct eq_fe_matrix)
EQ_FE_RULE(stack, struct eq_fe_stack)
EQ_FE_RULE(quantize, struct eq_fe_quantize)
EQ_FE_RULE(picture, struct eq_fe_picture)
EQ_FE_RULE(lookup, struct eq_fe_lookup)
EQ_FE_RULE(features, struct eq_fe_features)
EQ_FE_RULE(convert, struct eq_fe_convert)

static const struct eq_fe_rule rules[] = {
    [EQ_FE_AFFINE] = {VALUES, VALUES, sizeof(struct eq_fe_affine), affine_holds},
    [EQ_FE_LIMIT] = {VALUES, VALUES, sizeof(struct eq_fe_limit), limit_holds},
    [EQ_FE_MATRIX] = {VALUES, VALUES, sizeof(struct eq_fe_matrix), matrix_holds},
    [EQ_FE_STACK] = {VALUES, VALUES, sizeof(struct eq_fe_stack), stack_holds},
    [EQ_FE_QUANTIZE] = {VALUES, DONE, sizeof(struct eq_fe_quantize), quantize_holds},
    [EQ_FE_LOOKUP] = {VALUES, DONE, sizeof(struct eq_fe_lookup), lookup_holds},
    [EQ_FE_PICTURE] = {PIXELS, VALUES, sizeof(struct eq_fe_picture), picture_holds},
    [EQ_FE_FEATURES] = {WORDS, VALUES, sizeof(struct eq_fe_features), features_holds},
    [EQ_FE_CONVERT] = {VALUES, DONE, sizeof(struct eq_fe_convert), convert_holds},
};

int eq_fe_check_row(struct eq_fe_check *check, const struct eq_op *op)
{
    return eq_fe_check_by(rules, sizeof rules / sizeof *rules, check, op);
}
