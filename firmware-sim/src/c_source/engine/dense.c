/* A dense layer: every output takes every byte of the input, whose rows lie one after another. */
struct dense {
    const struct value *input;
    const struct value *output;
    const int8_t *weights; /* [block of eight outputs][row][column][channel][output] */
    struct scaling scaling;
};

/* Sums of some outputs from number `first` on, a multiple of eight; without their biases. Gives how many they are. */
static uint32_t dense_sums(const struct model *model, const struct dense *dense, uint32_t first, int32_t sums[BLOCK])
{
    const struct value *input = dense->input;
    const uint32_t outputs = dense->output->channels - first;
    const uint32_t count = outputs < BLOCK ? outputs : BLOCK;
    const uint8_t *const line = row_of(model, input, 0);
    const struct window window = {
        .lines = &line,
        .count = 1,
        .run = (uint32_t)input->height * input->width * input->channels,
#if EMIT_SIGNED
        .zero = input->zero,
#endif
    };

    sum_products(&window, dense->weights + first * window.run, count, sums);
    return count;
}
