void model_start(struct model *model)
{
    model->done = 0;
    for (uint32_t value = 0; value <= MODEL_LAYERS; value++) {
        model->steps[value] = 0;
    }
}

int model_step(struct model *model)
{
    if (model->done == STEPS || order[model->done] == 0) {
        return 0;
    }
    compute(model, order[model->done]);
    model->steps[order[model->done]]++;
    model->done++;
    return 1;
}

uint32_t model_push_row(struct model *model, const uint8_t *row)
{
    while (model_step(model)) {
    }
    if (model->done < STEPS) {
        const struct target target = begin_row(model, &image, NULL, model->steps[0]);

        for (uint32_t i = 0; i < MODEL_ROW_BYTES; i++) {
            target.bytes[i] = row[i];
        }
        model->steps[0]++;
        model->done++;
    }
    return (uint32_t)MODEL_ROWS - model->steps[0];
}
