/* Sum of one channel over one row of a window, that of output column x; 0 of a row that lies in the padding. */
static int32_t window_sum(const struct model *model, const struct pool *pool, uint32_t row, uint32_t x,
                          uint32_t channel)
{
    const struct value *input = pool->input;
    int32_t sum = 0;

    if (row >= input->height) {
        return 0;
    }
    const uint8_t *const bytes = row_of(model, input, row) + channel;

    for (uint32_t u = 0; u < pool->columns; u++) {
        const uint32_t column = x * pool->across + u - pool->left; /* wraps left of the value: no column either */

        if (column < input->width) {
            sum += bytes[column * input->channels] - input->zero;
        }
    }
    return sum;
}
