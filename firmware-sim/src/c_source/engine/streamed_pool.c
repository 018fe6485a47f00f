/*
 * Adds a row to the sums [column][channel] of windows that do not overlap, and hands their means on after a window's
 * last: so the rows of a window need not be held. A step is a row of a window.
 */
static void streamed_pool_row(struct model *model, const struct pool *pool, int32_t *sums, uint32_t step)
{
    const uint32_t y = step / pool->rows;
    const uint32_t v = step % pool->rows;
    const uint32_t channels = pool->output->channels;

    for (uint32_t x = 0; x < pool->output->width; x++) {
        for (uint32_t channel = 0; channel < channels; channel++) {
            int32_t *const sum = &sums[x * channels + channel];

            *sum = (v == 0 ? 0 : *sum) + window_sum(model, pool, y * pool->down + v, x, channel);
        }
    }
    if (v + 1 == pool->rows) {
        const struct target target = begin_row(model, pool->output, &pool->scaling, y);

        for (uint32_t x = 0; x < pool->output->width; x++) {
            put(&target, x, 0, channels, sums + x * channels);
        }
    }
}
