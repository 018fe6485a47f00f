int model_outputs(struct model *model, uint32_t first, uint32_t count, int32_t *outputs)
{
    while (model_step(model)) {
    }
    if (model->done < STEPS || first > MODEL_OUTPUTS || count > MODEL_OUTPUTS - first) {
        return 0;
    }
    for (uint32_t done = 0; done < count;) {
        const uint32_t before = (first + done) % BLOCK; /* of the block, that were not asked for */
        int32_t sums[BLOCK];

        (void)dense_sums(model, &last_layer, first + done - before, sums);
        for (uint32_t i = before; i < BLOCK && done < count; i++, done++) {
            outputs[done] = sums[i] + last_layer.scaling.biases[first + done];
        }
    }
    return 1;
}
