const int32_t *model_finish(struct model *model)
{
    while (model_step(model)) {
    }
    return model->done == STEPS ? model->outputs : NULL;
}

const int32_t *model_infer(struct model *model, const uint8_t *image_rows)
{
    model_start(model);
    while (model_push_row(model, image_rows) > 0) {
        image_rows += MODEL_ROW_BYTES;
    }
    return model_finish(model);
}
