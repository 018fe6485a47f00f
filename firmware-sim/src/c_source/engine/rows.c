/*
 * A value: what goes into a layer or comes out of one. It lies in model->rows row by row, each row as bytes
 * [column][channel] between its padding. A byte stands for the real number scale x (byte - zero).
 */
struct value {
    uint16_t channels;
    uint16_t height; /* rows */
    uint16_t width;  /* columns */
    uint8_t left;    /* columns of padding before a row's first */
    uint8_t right;   /* and after its last */
    uint8_t zero;    /* the byte that stands for 0: 0, or 128 where both signs pass */
#if EMIT_HELD_OUTPUTS
    /*
     * Where each row begins in model->rows. Rows that are never needed at once share a place. NULL of what the last
     * layer gives: that goes to model->outputs.
     */
#else
    /* Where each row begins in model->rows. Rows that are never needed at once share a place. */
#endif
    const row_place *places;
};

/* What makes bytes of sums: (sum + bias) x multiplier / 2^shift. */
struct scaling {
    uint8_t each; /* 1: every channel has its element; 0: all have the first */
    const int32_t *biases;
    const uint32_t *multipliers; /* 2^30 to 2^31 - 1 */
    const uint8_t *shifts;       /* 1 to 62 */
};

/* Where one row of what a layer gives goes. */
struct target {
    const struct scaling *scaling;
#if EMIT_HELD_OUTPUTS
    uint8_t *bytes;    /* the first column in model->rows; NULL of the last layer */
    int32_t *outputs;  /* of the last layer: this row of its first channel */
    uint32_t plane;    /* from one of its channels to the next */
#else
    uint8_t *bytes;    /* the first column in model->rows */
#endif
    uint32_t channels; /* bytes from a column to the next */
    uint8_t zero;
};

/* Row y of a value, which must be there: its first column, after the padding. */
static const uint8_t *row_of(const struct model *model, const struct value *value, uint32_t y)
{
    return model->rows + value->places[y] + (uint32_t)value->left * value->channels;
}

/* Sets a row's padding to the byte that stands for 0, and tells where the rest goes. */
static struct target begin_row(struct model *model, const struct value *value, const struct scaling *scaling,
                               uint32_t y)
{
    const uint32_t left = (uint32_t)value->left * value->channels;
    const uint32_t inside = (uint32_t)value->width * value->channels;
    const uint32_t right = (uint32_t)value->right * value->channels;
    struct target target = {.scaling = scaling, .channels = value->channels, .zero = value->zero};

#if EMIT_HELD_OUTPUTS
    if (value->places == NULL) {
        target.outputs = model->outputs + y * value->width;
        target.plane = (uint32_t)value->height * value->width;
        return target;
    }
#endif
    uint8_t *const row = model->rows + value->places[y];
    for (uint32_t i = 0; i < left; i++) {
        row[i] = value->zero;
    }
    for (uint32_t i = 0; i < right; i++) {
        row[left + inside + i] = value->zero;
    }
    target.bytes = row + left;
    return target;
}
