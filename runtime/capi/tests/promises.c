/*
 * What the header promises, misuse too: promises BAKED-MODEL PICTURE PIXELS, where PIXELS has images of 784 bytes. Ends with
 * 1 at the first that does not hold.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lenet_runtime.h"

#define IMAGE 784u
#define CLASSES 10u

static void check(int holds, const char *what, int line)
{
    if (!holds) {
        fprintf(stderr, "line %d: %s does not hold; the last error is: %s\n", line, what, lnr_last_error());
        exit(1);
    }
}

#define CHECK(condition) check(condition, #condition, __LINE__)
#define SAYS(text) CHECK(strstr(lnr_last_error(), text) != NULL)

/* The content of a file, of the heap, so that a byte read beyond it is seen. */
static uint8_t *content(const char *path, size_t *length)
{
    FILE *file = fopen(path, "rb");
    uint8_t *bytes;

    CHECK(file != NULL);
    CHECK(fseek(file, 0, SEEK_END) == 0);
    *length = (size_t)ftell(file);
    rewind(file);
    bytes = malloc(*length);
    CHECK(bytes != NULL);
    CHECK(fread(bytes, 1, *length, file) == *length);
    fclose(file);
    return bytes;
}

static void open_and_refuse(const char *baked)
{
    struct lnr_model *model, *none = (struct lnr_model *)&model;
    size_t length;
    uint8_t *bytes = content(baked, &length);

    CHECK(*lnr_last_error() == 0);
    CHECK(lnr_open(baked, &model) == LNR_OK);
    lnr_free(model);
    CHECK(lnr_open_bytes(bytes, length, &model) == LNR_OK);
    lnr_free(model);
    lnr_free(NULL);

    CHECK(lnr_open("no/such.baked", &none) == LNR_FILE && none == NULL);
    SAYS("cannot read no/such.baked: ");
    bytes[length / 2] ^= 1;
    CHECK(lnr_open_bytes(bytes, length, &none) == LNR_INVALID && none == NULL);
    CHECK(lnr_open_bytes(bytes, length / 2, &none) == LNR_INVALID);
    CHECK(lnr_open_bytes(NULL, 0, &none) == LNR_INVALID);
    CHECK(lnr_open_bytes(NULL, 1, &none) == LNR_ARGUMENT);
    SAYS("content is NULL");
    CHECK(lnr_open_bytes(bytes, SIZE_MAX, &none) == LNR_ARGUMENT);
    CHECK(lnr_open(NULL, &none) == LNR_ARGUMENT);
    SAYS("path is NULL");
    CHECK(lnr_open(baked, NULL) == LNR_ARGUMENT);
    SAYS("model is NULL");
    CHECK(lnr_open_embedded(NULL) == LNR_ARGUMENT);
    free(bytes);
}

static void read_and_refuse(const struct lnr_model *model, const char *picture)
{
    struct lnr_answer of_file, of_bytes;
    float probabilities[CLASSES], sum = 0;
    size_t length;
    uint8_t *bytes = content(picture, &length);

    CHECK(lnr_read(model, picture, &of_file, probabilities, CLASSES) == LNR_OK);
    CHECK(lnr_read_bytes(model, bytes, length, &of_bytes, NULL, 0) == LNR_OK);
    CHECK(of_file.best == of_bytes.best && of_file.confidence == of_bytes.confidence);
    CHECK(strcmp(of_file.name, lnr_class_name(model, of_file.best)) == 0);
    CHECK(of_file.confidence == probabilities[of_file.best]);
    for (unsigned i = 0; i < CLASSES; i++) {
        sum += probabilities[i];
    }
    CHECK(fabsf(sum - 1) < 1e-5f); /* ten roundings */

    CHECK(lnr_read(model, "no/such.png", &of_file, NULL, 0) == LNR_FILE);
    SAYS("no/such.png");
    CHECK(lnr_read_bytes(model, bytes, length / 2, &of_file, NULL, 0) == LNR_INVALID);
    CHECK(lnr_read_bytes(model, (const uint8_t *)"no picture", 10, &of_file, NULL, 0) == LNR_INVALID);
    SAYS("not a PNG, JPEG, GIF, BMP, WebP or PNM picture");
    CHECK(lnr_read(model, picture, &of_file, probabilities, CLASSES - 1) == LNR_ARGUMENT);
    SAYS("probabilities has room for 9 numbers, expected 10");
    CHECK(lnr_read(model, picture, NULL, NULL, 0) == LNR_ARGUMENT);
    CHECK(lnr_read(NULL, picture, &of_file, NULL, 0) == LNR_ARGUMENT);
    free(bytes);
}

static void predict_and_refuse(const struct lnr_model *model, const char *path)
{
    struct lnr_info info;
    size_t length, count;
    uint8_t *pixels = content(path, &length);
    float *scores;

    CHECK(lnr_info(model, &info) == LNR_OK);
    CHECK(info.channels == 1 && info.rows == 28 && info.columns == 28 && info.classes == CLASSES);
    CHECK(lnr_info(model, NULL) == LNR_ARGUMENT && lnr_info(NULL, &info) == LNR_ARGUMENT);
    CHECK(lnr_class_name(model, CLASSES) == NULL && lnr_class_name(NULL, 0) == NULL);

    count = length / IMAGE;
    scores = malloc(count * CLASSES * sizeof *scores);
    CHECK(scores != NULL);
    CHECK(lnr_scores(model, pixels, length, count, scores, count * CLASSES) == LNR_OK);
    for (size_t i = 0; i < count; i++) {
        struct lnr_answer answer;
        unsigned best = 0;

        for (unsigned k = 1; k < CLASSES; k++) {
            best = scores[i * CLASSES + k] > scores[i * CLASSES + best] ? k : best;
        }
        CHECK(lnr_predict(model, pixels + i * IMAGE, IMAGE, &answer, NULL, 0) == LNR_OK);
        CHECK(answer.best == best && answer.confidence > 0 && answer.confidence <= 1);
        CHECK((answer.reason == NULL) == (answer.verdict != LNR_NONE));
    }
    CHECK(lnr_scores(model, NULL, 0, 0, scores, 0) == LNR_OK);
    CHECK(lnr_scores(model, pixels, length, count + 1, scores, count * CLASSES) == LNR_ARGUMENT);
    CHECK(lnr_scores(model, pixels, length, SIZE_MAX, scores, count * CLASSES) == LNR_ARGUMENT);
    CHECK(lnr_scores(model, pixels, length, count, scores, 1) == LNR_ARGUMENT);
    CHECK(lnr_scores(model, pixels, length, count, NULL, count * CLASSES) == LNR_ARGUMENT);
    CHECK(lnr_predict(model, pixels, IMAGE - 1, &(struct lnr_answer){0}, NULL, 0) == LNR_ARGUMENT);
    SAYS("783 bytes of pixels, expected 1 times 1x28x28");
    free(scores);
    free(pixels);
}

int main(int count, char **arguments)
{
    struct lnr_model *model;

    CHECK(count == 4);
    open_and_refuse(arguments[1]);
    CHECK(lnr_open_embedded(&model) == LNR_OK);
    read_and_refuse(model, arguments[2]);
    predict_and_refuse(model, arguments[3]);
    lnr_free(model);
    return 0;
}
