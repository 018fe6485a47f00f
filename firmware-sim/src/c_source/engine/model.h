/* Memory of one inference, MODEL_BYTES bytes: the caller's, such as a static. Its members are model.c's alone. */
struct model {
#if EMIT_HELD_OUTPUTS
    int32_t outputs[MODEL_OUTPUTS];
#endif
#if EMIT_STREAMED
    int32_t sums[MODEL_SUMS];          /* of means whose rows are not held */
#endif
    uint16_t done;                     /* steps of the inference so far */
    uint16_t steps[MODEL_LAYERS + 1u]; /* of these: rows of the image, then steps of each layer */
    uint8_t rows[MODEL_ROW_MEMORY];    /* rows of all values */
};

/* Begins an image; what the memory held does not matter. */
void model_start(struct model *model);

/*
 * Takes the next row of the image from the top, MODEL_ROW_BYTES bytes; before, it computes what the rows so far have
 * made possible. Gives how many rows are still to come; rows after the last are ignored.
 */
uint32_t model_push_row(struct model *model, const uint8_t *row);

/*
 * Computes one row of one layer, if one is due, and says whether it did. Not needed, since the others do all that is
 * due; it is for those who want to do something in between.
 */
int model_step(struct model *model);

#if EMIT_HELD_OUTPUTS
/*
 * The outputs, MODEL_OUTPUTS numbers [channel][row][column], once all rows were pushed; NULL before. They lie in
 * `model`, until the next image.
 */
const int32_t *model_finish(struct model *model);

/* All of it: the outputs for a whole image, MODEL_ROWS x MODEL_ROW_BYTES bytes. */
const int32_t *model_infer(struct model *model, const uint8_t *image);
#else
/*
 * Computes `count` outputs from number `first` on, once all rows were pushed: they are too many to be held. Says whether
 * it did: not if a row is missing, or there are no such outputs. May be asked again for others of the same image.
 */
int model_outputs(struct model *model, uint32_t first, uint32_t count, int32_t *outputs);
#endif
#if EMIT_CLASSES

/* Whether to act on an answer. The limits are those of the model in float. */
enum model_verdict {
    MODEL_SURE,   /* so confident as to be hardly ever wrong */
    MODEL_UNSURE, /* the most likely class, but look again */
    MODEL_NONE    /* none of the classes */
};

/* What outputs mean. */
struct model_answer {
    uint16_t best;              /* the most likely class, from 0; of equals the first */
    enum model_verdict verdict; /* whether to act on it */
    int agrees;                 /* whether the model in float surely gives the same class, be it right or wrong */
    uint32_t margin;            /* of its output over the next */
};

/* What MODEL_OUTPUTS outputs mean; not of NULL, which model_finish gives while rows are missing. */
struct model_answer model_answer(const int32_t *outputs);
#endif
