/*
 * What board.c calls, by the library `lnq` instead of an emitted model.c: it runs the file model.q8 of the folder in which
 * it is compiled, which MODEL_ROWS, MODEL_ROW_BYTES, MODEL_OUTPUTS and MODEL_SCRATCH_WORDS describe. PARSE is the function
 * that parses it.
 */
#ifndef MODEL_H
#define MODEL_H

#include "lnq.h"

/* The model in flash. Words of weights are read in place, so it lies at a multiple of four. */
__asm__(".section .rodata.model_q8, \"a\"\n.balign 4\nmodel_q8: .incbin \"model.q8\"\nmodel_q8_end:\n.text\n");
extern const uint8_t model_q8[], model_q8_end[];

/* For board.c: that it calls model_parse, once. */
#define PARSES

struct model {
    struct lnq_model parsed;
    struct lnq_frame frame;
    uint32_t scratch[MODEL_SCRATCH_WORDS];
};

static int32_t model_parse(struct model *model)
{
    return PARSE(&model->parsed, model_q8, (size_t)(model_q8_end - model_q8));
}

static void model_start(struct model *model)
{
    (void)lnq_start(&model->frame, &model->parsed, model->scratch, MODEL_SCRATCH_WORDS);
}

static void model_push_row(struct model *model, const uint8_t *row)
{
    (void)lnq_push_row(&model->frame, row, MODEL_ROW_BYTES);
}

#ifdef HOLDS_OUTPUTS

static const int32_t *model_infer(struct model *model, const uint8_t *image)
{
    const int32_t *outputs = NULL;

    model_start(model);
    for (uint32_t y = 0; y < MODEL_ROWS; y++) {
        model_push_row(model, image + y * MODEL_ROW_BYTES);
    }
    (void)lnq_finish(&model->frame, &outputs, NULL);
    return outputs;
}

#else

static void take(void *context, size_t first, const int32_t *outputs, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        ((int32_t *)context)[first + i] = outputs[i];
    }
}

static int model_outputs(struct model *model, uint32_t first, uint32_t count, int32_t *outputs)
{
    return first == 0 && count == MODEL_OUTPUTS && lnq_finish_in_blocks(&model->frame, take, outputs) == LNQ_OK;
}

#endif
#endif
