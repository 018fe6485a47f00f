/* A convolution of each channel by itself, into `multiplier` output channels. */
struct depthwise {
    const struct value *input;
    const struct value *output;
    uint8_t kernel_rows;
    uint8_t kernel_columns;
    uint8_t down;   /* from a window to the next, in rows */
    uint8_t across; /* the same in columns */
    uint8_t top;    /* rows of padding above */
    uint8_t left;   /* columns of padding to the left */
#if EMIT_MULTIPLIER
    uint16_t multiplier;
#endif
    const int8_t *weights; /* [kernel row][kernel column][output] */
    struct scaling scaling;
};
#if EMIT_FOURS

/* Sums of four neighbouring outputs that begin at `offset` in each line; their weights lie there in `weights`. */
static void sum_four(const struct depthwise *depthwise, const uint8_t *const *lines, uint32_t offset,
                     const int8_t *weights, int32_t sums[4])
{
    const struct value *input = depthwise->input;
    int32_t sum0 = 0, sum1 = 0, sum2 = 0, sum3 = 0;

    for (uint32_t line = 0; line < depthwise->kernel_rows; line++) {
        if (lines[line] == NULL) {
            weights += (uint32_t)depthwise->kernel_columns * input->channels;
            continue;
        }
        const uint8_t *bytes = lines[line] + offset;

        for (uint32_t column = 0; column < depthwise->kernel_columns; column++) {
            sum0 += weights[0] * (bytes[0] - input->zero);
            sum1 += weights[1] * (bytes[1] - input->zero);
            sum2 += weights[2] * (bytes[2] - input->zero);
            sum3 += weights[3] * (bytes[3] - input->zero);
            weights += input->channels;
            bytes += input->channels;
        }
    }
    sums[0] = sum0;
    sums[1] = sum1;
    sums[2] = sum2;
    sums[3] = sum3;
}
#endif
#if EMIT_ONES

/* Sum of one output, number `output`, whose channel begins at `offset` in each line. */
static int32_t sum_one(const struct depthwise *depthwise, const uint8_t *const *lines, uint32_t offset, uint32_t output)
{
    const struct value *input = depthwise->input;
    const int8_t *weight = depthwise->weights + output;
    int32_t sum = 0;

    for (uint32_t line = 0; line < depthwise->kernel_rows; line++) {
        for (uint32_t column = 0; column < depthwise->kernel_columns; column++) {
            if (lines[line] != NULL) {
                sum += *weight * (lines[line][offset + column * input->channels] - input->zero);
            }
            weight += depthwise->output->channels;
        }
    }
    return sum;
}
#endif

/* Row y of what a depthwise convolution gives. */
static void depthwise_row(struct model *model, const struct depthwise *depthwise, uint32_t y)
{
    const struct value *input = depthwise->input;
    const uint32_t outputs = depthwise->output->channels;
    const struct target target = begin_row(model, depthwise->output, &depthwise->scaling, y);
    const uint8_t *lines[MAX_LINES];

    find_lines(model, input, y * depthwise->down, depthwise->top, depthwise->left, depthwise->kernel_rows, lines);
    for (uint32_t x = 0; x < depthwise->output->width; x++) {
        const uint32_t offset = x * depthwise->across * input->channels;
        uint32_t first = 0;

#if EMIT_FOURS
#if EMIT_MULTIPLIER
        for (; depthwise->multiplier == 1 && first + 4 <= outputs; first += 4) {
#else
        for (; first + 4 <= outputs; first += 4) {
#endif
            int32_t sums[4];

            sum_four(depthwise, lines, offset + first, depthwise->weights + first, sums);
            put(&target, x, first, 4, sums);
        }
#endif
#if EMIT_ONES
        for (; first < outputs; first++) {
#if EMIT_MULTIPLIER
            const int32_t sum = sum_one(depthwise, lines, offset + first / depthwise->multiplier, first);
#else
            const int32_t sum = sum_one(depthwise, lines, offset + first, first);
#endif

            put(&target, x, first, 1, &sum);
        }
#endif
    }
}
