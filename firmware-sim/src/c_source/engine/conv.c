/* A convolution over all channels. */
struct conv {
    const struct value *input;
    const struct value *output;
    uint8_t kernel_rows;
    uint8_t kernel_columns;
    uint8_t down;   /* from a window to the next, in rows */
    uint8_t across; /* the same in columns */
    uint8_t top;    /* rows of padding above */
    uint8_t left;   /* columns of padding to the left */
#if EMIT_POOLED
    uint8_t pool;   /* side and stride of the max-pooling of its sums; 1 is none */
#endif
    const int8_t *weights; /* [block of eight outputs][kernel row][kernel column][input channel][output] */
    struct scaling scaling;
};

/* Row y of what a convolution gives. */
static void conv_row(struct model *model, const struct conv *conv, uint32_t y)
{
    const struct value *input = conv->input;
    const uint32_t outputs = conv->output->channels;
    const uint32_t across = (uint32_t)conv->across * input->channels;
    const struct target target = begin_row(model, conv->output, &conv->scaling, y);
    const uint8_t *lines[MAX_LINES];
    struct window window = {
        .lines = lines,
        .count = conv->kernel_rows,
        .run = (uint32_t)conv->kernel_columns * input->channels,
#if EMIT_SIGNED
        .zero = input->zero,
#endif
    };
    const uint32_t taps = window.count * window.run;

#if EMIT_POOLED
    find_lines(model, input, y * conv->pool * conv->down, conv->top, conv->left,
               conv->kernel_rows + (conv->pool - 1u) * conv->down, lines);
#else
    find_lines(model, input, y * conv->down, conv->top, conv->left, conv->kernel_rows, lines);
#endif
    for (uint32_t x = 0; x < conv->output->width; x++) {
        for (uint32_t first = 0; first < outputs; first += BLOCK) {
            const int8_t *const weights = conv->weights + first * taps;
            const uint32_t count = outputs - first < BLOCK ? outputs - first : BLOCK;
            int32_t sums[BLOCK];

#if EMIT_POOLED
            /* of the corners of a pooling window the largest sum, which gives the largest byte */
            for (uint32_t corner = 0; corner < (uint32_t)conv->pool * conv->pool; corner++) {
                int32_t here[BLOCK];

                window.lines = lines + corner / conv->pool * conv->down;
                window.offset = (x * conv->pool + corner % conv->pool) * across;
                sum_products(&window, weights, count, here);
                for (uint32_t i = 0; i < count; i++) {
                    sums[i] = corner == 0 || here[i] > sums[i] ? here[i] : sums[i];
                }
            }
#else
            window.offset = x * across;
            sum_products(&window, weights, count, sums);
#endif
            put(&target, x, first, count, sums);
        }
    }
}
