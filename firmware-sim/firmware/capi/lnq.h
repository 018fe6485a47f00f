/*
 * Runs small convolutional networks, quantised to 8 bits, on a microcontroller: see README.md beside this file.
 * Made by cbindgen of src/, so change it there.
 *
 * Of every function: a pointer is NULL, and it says so, or points to what its type and the length beside it say. Handles,
 * struct lnq_model and struct lnq_frame, are statics or begin with zeros; they and scratch are your memory, and there is no
 * heap. No function may be used for one frame by two threads at once.
 */

#ifndef LNQ_H
#define LNQ_H

#include <stddef.h>
#include <stdint.h>

// Words of a `struct lnq_model`.
#define LNQ_MODEL_WORDS 8

// Words of a `struct lnq_frame`.
#define LNQ_FRAME_WORDS 16

// Verdict: so confident as to be hardly ever wrong.
#define LNQ_SURE 0

// Verdict: the most likely class, but look again.
#define LNQ_UNSURE 1

// Verdict: none of the classes.
#define LNQ_NONE 2

// What a function gives: 0 or more if it did what was asked, below 0 if not: then `lnq_message` says why.
typedef int32_t lnq_status;

// A parsed model: refers to the file, of which it copies nothing, so that the file must stay where it is.
//
// Its memory is yours, such as a static; begin with zeros, of which each function knows that nothing was parsed.
// It may be copied.
struct lnq_model {
    // Of this library alone.
    size_t words[LNQ_MODEL_WORDS];
};

// What goes into a model and what comes out.
struct lnq_info {
    // Rows of an image.
    uint32_t rows;
    // Columns of an image.
    uint32_t columns;
    // Bytes of a pixel, one for each channel.
    uint32_t channels;
    // Bytes of a row, `[column][channel]`.
    uint32_t row_bytes;
    // The byte that stands for 0 in the input.
    uint32_t input_zero;
    // What a step of a byte stands for: the bits of a `float`. Of pixels it need not be known.
    uint32_t input_scale;
    // How many numbers come out.
    uint32_t outputs;
    // By what an output is multiplied to be as the model in float gives it: the bits of a `float`.
    uint32_t output_scale;
    // 1 if all outputs lie in scratch at the end, for `lnq_finish`; 0 if they are too many, for `lnq_finish_in_blocks`.
    uint32_t holds_outputs;
    // Layers.
    uint32_t layers;
    // Words of scratch.
    uint32_t scratch_words;
    // SHA-256 of the ONNX file that the model was made from.
    uint8_t identity[32];
};

// An image that is coming in, and how far its inference is.
//
// Its memory is yours, such as a static; begin with zeros, of which each function knows that nothing was begun.
// Do not copy it: every function refuses a copy.
struct lnq_frame {
    // Of this library alone.
    size_t words[LNQ_FRAME_WORDS];
};

// What takes outputs: `context` is yours, `first` is the number of the first of `count` outputs, counted from 0.
typedef void (*lnq_take)(void *context, size_t first, const int32_t *outputs, size_t count);

// What outputs mean. The limits of its verdict are those of the model in float.
struct lnq_answer {
    // The most likely class, counted from 0; of equals the first.
    uint32_t best;
    // `LNQ_SURE`, `LNQ_UNSURE` or `LNQ_NONE`: whether to act on it.
    uint32_t verdict;
    // 1 if the model in float surely gives the same class, be it right or wrong; else 0.
    uint32_t agrees;
    // By how much its output is above the next.
    uint32_t margin;
};

// It did what was asked.
#define LNQ_OK 0

// It did, or there was nothing to do, and the next row of the image is due: `lnq_push_row`.
#define LNQ_NEEDS_ROW 1

// All rows are there: `lnq_finish`, or `lnq_finish_in_blocks`.
#define LNQ_READY 2

// A pointer is NULL that may not be.
#define LNQ_NULL -1

// A pointer to a handle or to numbers lies at no multiple of their size.
#define LNQ_ALIGNMENT -2

// The model was not parsed: `lnq_parse`.
#define LNQ_NOT_PARSED -3

// The image was not begun, or is finished, or the handle was copied to elsewhere: `lnq_start`.
#define LNQ_NOT_STARTED -4

// The call interrupted another one for the same image.
#define LNQ_BUSY -5

// There is less scratch than `lnq_scratch_words` says.
#define LNQ_SCRATCH -6

// Memory for one thing lies within that of another.
#define LNQ_OVERLAP -7

// The row has another length than `lnq_info` says.
#define LNQ_ROW_LENGTH -8

// Rows of the image are missing.
#define LNQ_ROWS_MISSING -9

// The outputs are too many to be held: `lnq_finish_in_blocks`.
#define LNQ_NOT_HELD -10

// There are another number of outputs than `lnq_info` says.
#define LNQ_OUTPUTS -11

// The file is cut off, or too long.
#define LNQ_FILE_LENGTH -32

// The file is no `.q8` file.
#define LNQ_FILE_MAGIC -33

// The file is of another version than this library reads.
#define LNQ_FILE_VERSION -34

// The file was changed since it was made.
#define LNQ_FILE_CHECKSUM -35

// The file does not lie at a multiple of four.
#define LNQ_FILE_ALIGNMENT -36

// The file is laid out for another family of cores, or needs more than was linked by `LNQ_MODEL`.
#define LNQ_FILE_ROUTINES -37

// The file's numbers do not fit together; `firmware::Model::parse` says which.
#define LNQ_FILE_INVALID -38

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

// A sentence for a status, which is never freed and never NULL.
const char *lnq_message(lnq_status status);

// Checks the file of a model, a `.q8`, once, so that inference has nothing left to fail on. The file must lie at a
// multiple of four, and stay as it is for as long as the model is used.
//
// Gives `LNQ_OK`, or what is wrong with the file, whatever its bytes; then `model` holds none.
lnq_status lnq_parse(struct lnq_model *model, const uint8_t *file, size_t length);

// As `lnq_parse`, of a file that was checked on a computer, and is in flash beside the program: looks only whether all
// of it is there and undamaged, aligned, and for this core. A program that calls only this one is 7 KB smaller.
//
// Of a file that was made to mislead, what an inference gives may be wrong, or it may not end.
lnq_status lnq_parse_embedded(struct lnq_model *model, const uint8_t *file, size_t length);

// Words of scratch that an inference needs, of 32 bits; 0 of what is no model.
size_t lnq_scratch_words(const struct lnq_model *model);

// Says what goes into a model and what comes out.
lnq_status lnq_info(const struct lnq_model *model, struct lnq_info *info);

// Begins an image; what `scratch` holds does not matter, nor whether another image was begun and not finished.
//
// `words` are those of `scratch`, at least `lnq_scratch_words`. Until the image is finished, and its outputs read,
// nobody else may use these.
lnq_status lnq_start(struct lnq_frame *frame, const struct lnq_model *model, uint32_t *scratch, size_t words);

// Takes the next row of the image from the top, `[column][channel]`, `length` bytes, after computing what the rows before
// it have made possible. Rows after the last are ignored.
//
// Gives `LNQ_NEEDS_ROW`, or `LNQ_READY` after the last.
lnq_status lnq_push_row(struct lnq_frame *frame,
                        const uint8_t *row,
                        size_t length);

// Computes one row of one layer, if one is due. Not needed, since the others do all that is due; it is for those who do
// something in between, or measure.
//
// Gives `LNQ_OK` if it did, and writes the layer, counted from 0, to `layer`, unless that is NULL; `LNQ_NEEDS_ROW` or
// `LNQ_READY` if nothing was due.
lnq_status lnq_step(struct lnq_frame *frame, uint32_t *layer);

// Computes what is left and gives the outputs, scores of the classes or other numbers `[channel][row][column]`. They lie
// in the scratch that the image was begun with, until the next is begun.
//
// Writes where they are to `outputs`, and how many to `count`, unless that is NULL. The image is finished then. While
// rows are missing, it gives `LNQ_ROWS_MISSING`, and more may be pushed.
lnq_status lnq_finish(struct lnq_frame *frame,
                      const int32_t **outputs,
                      size_t *count);

// Gives the outputs of any model in order to `take`, some dozens at a time, as soon as they are computed; those that
// are held, all at once. `take` may not use the frame, and what it is given is there until it returns.
lnq_status lnq_finish_in_blocks(struct lnq_frame *frame, lnq_take take, void *context);

// Says what the outputs of a model mean, as `lnq_finish` gives them, or collected from `lnq_finish_in_blocks`.
lnq_status lnq_answer(const struct lnq_model *model, const int32_t *outputs, size_t count, struct lnq_answer *answer);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* LNQ_H */
