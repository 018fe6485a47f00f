/* The sum of two values of one shape, of which each counts a factor. */
struct add {
    const struct value *one;
    const struct value *other;
    const struct value *output;
    int32_t factor_of_one;
    int32_t factor_of_other;
    struct scaling scaling; /* one for all channels */
};

/* Row y of a sum. */
static void add_row(struct model *model, const struct add *add, uint32_t y)
{
    const uint32_t channels = add->output->channels;
    const uint8_t *one = row_of(model, add->one, y);
    const uint8_t *other = row_of(model, add->other, y);
    const struct target target = begin_row(model, add->output, &add->scaling, y);

    for (uint32_t x = 0; x < add->output->width; x++) {
        for (uint32_t channel = 0; channel < channels; channel++) {
            const int32_t sum = (*one++ - add->one->zero) * add->factor_of_one +
                                (*other++ - add->other->zero) * add->factor_of_other;

            put(&target, x, channel, 1, &sum);
        }
    }
}
