/* The front end behind a pipe, for tests, under sanitizers: for each request an image, a raw input and the size of the
 * pieces that it is fed in; the answer is a status and the bytes of the model's input. All numbers are u32. */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "edgeq/eq_frontend.h"

enum { IMAGE, ARENA, DTYPE, RANK, HEIGHT, WIDTH, CHANNELS, RATE, BYTES, PIECE, FIELDS };

static void *given(uint32_t bytes)
{
    void *data = memalign(EQ_ALIGN, bytes + (bytes == 0));
    if (data == NULL || fread(data, 1, bytes, stdin) != bytes) {
        exit(1);
    }
    return data;
}

static void answer(int32_t status, const void *data, uint32_t bytes)
{
    (void)fwrite(&status, sizeof status, 1, stdout);
    (void)fwrite(&bytes, sizeof bytes, 1, stdout);
    (void)fwrite(data, 1, bytes, stdout);
    (void)fflush(stdout);
}

static void feed(struct eq_frontend *front, const uint8_t *data, uint32_t bytes, uint32_t piece)
{
    while (bytes > 0) {
        uint32_t size = bytes < piece ? bytes : piece, taken;
        uint8_t *exact = malloc(size);
        memcpy(exact, data, size);
        taken = eq_frontend_feed(front, exact, size);
        free(exact);
        data += taken;
        bytes -= taken;
    }
    while (eq_frontend_step(front)) {
    }
}

int main(void)
{
    uint32_t field[FIELDS];
    while (fread(field, sizeof field, 1, stdin) == 1) {
        uint8_t *image = given(field[IMAGE]), *raw = given(field[BYTES]);
        uint8_t *arena = memalign(EQ_ALIGN, field[ARENA] + 1);
        struct eq_raw kind = {field[DTYPE], field[RANK], {field[HEIGHT], field[WIDTH], field[CHANNELS]}, field[RATE]};
        struct eq_frontend front;
        struct eq_model model;
        const char *why = "";
        uint32_t bytes = 0;
        int status = eq_model_open(&model, image, field[IMAGE], arena, field[ARENA]);
        memset(arena, 0xa5, field[ARENA]);
        status = status == EQ_OK ? eq_frontend_open(&front, &model) : status;
        status = status == EQ_OK ? eq_frontend_begin(&front, &kind, &why) : status;
        if (status == EQ_OK && eq_frontend_bytes(&front) == field[BYTES]) {
            feed(&front, raw, field[BYTES], field[PIECE]);
            answer(status, eq_input(&model, 0, &bytes), model.head->inputs == 1 ? eq_input_info(&model, 0)->bytes : 0);
        } else {
            answer(status == EQ_OK ? EQ_MISMATCH : status, why, (uint32_t)strlen(why));
        }
        free(arena);
        free(raw);
        free(image);
    }
    return 0;
}
