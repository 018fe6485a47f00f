/* Row y of the largest of each window, of what lies inside the value. */
static void max_pool_row(struct model *model, const struct pool *pool, uint32_t y)
{
    const struct value *input = pool->input;
    const uint32_t channels = input->channels;
    const struct target target = begin_row(model, pool->output, NULL, y);

    for (uint32_t x = 0; x < pool->output->width; x++) {
        uint8_t *const largest = target.bytes + x * channels;

        /* no byte is smaller, and every window has something inside */
        for (uint32_t channel = 0; channel < channels; channel++) {
            largest[channel] = 0;
        }
        for (uint32_t v = 0; v < pool->rows; v++) {
            const uint32_t row = y * pool->down + v - pool->top; /* wraps above the value: no row either */

            if (row >= input->height) {
                continue;
            }
            for (uint32_t u = 0; u < pool->columns; u++) {
                const uint32_t column = x * pool->across + u - pool->left;

                if (column >= input->width) {
                    continue;
                }
                const uint8_t *const bytes = row_of(model, input, row) + column * channels;
                for (uint32_t channel = 0; channel < channels; channel++) {
                    largest[channel] = bytes[channel] > largest[channel] ? bytes[channel] : largest[channel];
                }
            }
        }
    }
}
