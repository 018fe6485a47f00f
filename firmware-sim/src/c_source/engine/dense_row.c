/* All that a dense layer gives. */
static void dense_row(struct model *model, const struct dense *dense)
{
    const struct target target = begin_row(model, dense->output, &dense->scaling, 0);

    for (uint32_t first = 0; first < dense->output->channels; first += BLOCK) {
        int32_t sums[BLOCK];
        const uint32_t count = dense_sums(model, dense, first, sums);

        put(&target, 0, first, count, sums);
    }
}
