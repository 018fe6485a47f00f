/*
 * Says what is on pictures: with the model inside which handwritten digits, and whether one may rely on it; with a baked
 * model of yours whatever it tells apart. See README.md beside this file. Made by cbindgen of src/, so change it there.
 *
 * Of every function: a pointer is NULL, and it says so, or points to what its type and the length beside it say. Texts end
 * with a 0, and are UTF-8; paths are as the system has them. Any number of threads may use a model at a time, but for
 * lnr_free. No function ends otherwise than by returning.
 */

#ifndef LENET_RUNTIME_H
#define LENET_RUNTIME_H

#include <stddef.h>
#include <stdint.h>

// Verdict: so confident as to be hardly ever wrong.
#define LNR_SURE 0

// Verdict: the most likely class, but look again.
#define LNR_UNSURE 1

// Verdict: there is no answer.
#define LNR_NONE 2

// A model, ready to run.
struct lnr_model;

// What a function gives: `LNR_OK`, or below 0, and then `lnr_last_error` says why.
typedef int32_t lnr_status;

// What a model takes and gives.
struct lnr_info {
    // Bytes of a pixel, one for each channel.
    uint32_t channels;
    // Rows of an image.
    uint32_t rows;
    // Columns of an image.
    uint32_t columns;
    // Classes: how many scores and probabilities there are.
    uint32_t classes;
};

// What a model says of a picture. Its texts are there until the model is freed.
struct lnr_answer {
    // The most likely class, counted from 0; of equals the first.
    uint32_t best;
    // Its probability, 0 to 1.
    float confidence;
    // `LNR_SURE`, `LNR_UNSURE` or `LNR_NONE`: whether to rely on it.
    uint32_t verdict;
    // The name of the class.
    const char *name;
    // `sure`, `unsure` or `no digit`; of a model that does not read digits `no match`.
    const char *verdict_name;
    // Why there is no answer; NULL where there is one.
    const char *reason;
};

// It did what was asked.
#define LNR_OK 0

// What was given is not what the function takes: NULL, or of another length.
#define LNR_ARGUMENT -1

// The system does not give the file.
#define LNR_FILE -2

// What was read is no model, or no picture, or more than is read.
#define LNR_INVALID -3

// A mistake of this library.
#define LNR_PANIC -4

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

// Why the last call of this thread failed that did: a line, there until the next one fails. Empty if none has.
const char *lnr_last_error(void);

// Opens the model that is inside this library, the reader of handwritten digits. If it fails, `*model` is NULL.
lnr_status lnr_open_embedded(struct lnr_model **model);

// Opens a file that `runtime bake` wrote. If it fails, `*model` is NULL.
lnr_status lnr_open(const char *file, struct lnr_model **model);

// Opens a model that is in memory: the content of such a file, of which nothing is needed afterwards.
lnr_status lnr_open_bytes(const uint8_t *content, size_t length, struct lnr_model **model);

// Frees a model, which nobody may be using; of NULL nothing.
void lnr_free(struct lnr_model *model);

// Says what a model takes and gives.
lnr_status lnr_info(const struct lnr_model *model, struct lnr_info *info);

// The name of a class, counted from 0, which is there until the model is freed; NULL if there is none of this number.
const char *lnr_class_name(const struct lnr_model *model, uint32_t class_number);

// Says what is on a picture in a file: PNG, JPEG, GIF, BMP, WebP or PNM, of any size, which is prepared as the model says.
//
// `probabilities` takes one for each class, `count` of them, unless it is NULL.
lnr_status lnr_read(const struct lnr_model *model,
                    const char *file,
                    struct lnr_answer *found,
                    float *probabilities,
                    size_t count);

// As `lnr_read`, of a picture in memory: the content of such a file.
lnr_status lnr_read_bytes(const struct lnr_model *model,
                          const uint8_t *content,
                          size_t length,
                          struct lnr_answer *found,
                          float *probabilities,
                          size_t count);

// As `lnr_read`, of pixels as they go into the network: `[channel][row][column]`, `length` bytes; for the model inside 0 is
// background and 255 is ink, in MNIST's frame.
lnr_status lnr_predict(const struct lnr_model *model,
                       const uint8_t *pixels,
                       size_t length,
                       struct lnr_answer *found,
                       float *probabilities,
                       size_t count);

// The model's own scores of `images` images, which lie one after the other in `pixels`, `length` bytes in all.
//
// `scores` takes `count` of them, `[image][class]`. They go through the network together, which takes less time than one
// after another.
lnr_status lnr_scores(const struct lnr_model *model,
                      const uint8_t *pixels,
                      size_t length,
                      size_t images,
                      float *scores,
                      size_t count);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* LENET_RUNTIME_H */
