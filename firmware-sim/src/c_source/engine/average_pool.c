/* Row y of the mean of each window. */
static void average_pool_row(struct model *model, const struct pool *pool, uint32_t y)
{
    const struct target target = begin_row(model, pool->output, &pool->scaling, y);

    for (uint32_t x = 0; x < pool->output->width; x++) {
        for (uint32_t channel = 0; channel < pool->output->channels; channel++) {
            int32_t sum = 0;

            for (uint32_t v = 0; v < pool->rows; v++) {
                /* above the value the row wraps, and is no row either */
                sum += window_sum(model, pool, y * pool->down + v - pool->top, x, channel);
            }
            put(&target, x, channel, 1, &sum);
        }
    }
}
