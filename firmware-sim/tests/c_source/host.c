/*
 * Reads images from standard input and writes to standard output what model.c gives for each: MODEL_OUTPUTS numbers of
 * 32 bits as this machine has them, and of a classifier its class, verdict, agreement and margin.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model.h"

#define IMAGE_BYTES ((size_t)MODEL_ROWS * MODEL_ROW_BYTES)

static struct model model;
static uint8_t image[IMAGE_BYTES];

static void check(int holds, const char *what)
{
    if (!holds) {
        fprintf(stderr, "%s\n", what);
        exit(1);
    }
}

static void give(const void *numbers, size_t bytes)
{
    check(fwrite(numbers, 1, bytes, stdout) == bytes, "standard output is closed");
}

int main(void)
{
    int32_t outputs[MODEL_OUTPUTS];

    check(sizeof model == MODEL_BYTES, "the memory is not as stated");
    while (fread(image, 1, IMAGE_BYTES, stdin) == IMAGE_BYTES) {
        memset(&model, 0xa5, sizeof model); /* what it held does not matter */
        model_start(&model);
        for (uint32_t y = 0; y < MODEL_ROWS; y++) {
            /* of the heap, so that a byte read beyond the row is seen */
            uint8_t *const row = malloc(MODEL_ROW_BYTES);

            check(row != NULL, "no memory");
            memcpy(row, image + y * MODEL_ROW_BYTES, MODEL_ROW_BYTES);
#ifdef HOLDS_OUTPUTS
            check(model_finish(&model) == NULL, "outputs before the last row");
#else
            check(!model_outputs(&model, 0, 1, outputs), "outputs before the last row");
#endif
            check(model_push_row(&model, row) == MODEL_ROWS - 1 - y, "rows to come");
            free(row);
        }
        check(model_push_row(&model, image) == 0, "a row after the last");
#ifdef HOLDS_OUTPUTS
        memcpy(outputs, model_finish(&model), sizeof outputs);
        check(memcmp(outputs, model_infer(&model, image), sizeof outputs) == 0, "model_infer gives others");
#else
        check(!model_outputs(&model, MODEL_OUTPUTS, 1, outputs), "outputs that there are not");
        check(!model_outputs(&model, 1, UINT32_MAX, outputs), "more than there are");
        for (uint32_t first = 0; first < MODEL_OUTPUTS; first += 13) {
            const uint32_t left = MODEL_OUTPUTS - first;

            check(model_outputs(&model, first, left < 13 ? left : 13, outputs + first), "outputs");
        }
#endif
        give(outputs, sizeof outputs);
#ifdef CLASSES
        const struct model_answer answer = model_answer(outputs);
        const int32_t numbers[] = {answer.best, (int32_t)answer.verdict, answer.agrees, (int32_t)answer.margin};

        give(numbers, sizeof numbers);
#endif
    }
    return 0;
}
