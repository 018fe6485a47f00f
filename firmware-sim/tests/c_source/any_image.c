/* An inference of any image, for Frama-C's Eva: it knows nothing of the bytes. */
#include <stddef.h>

#include "model.h"

int main(void);

extern volatile uint8_t any_byte;

static struct model model;

int main(void)
{
    uint8_t row[MODEL_ROW_BYTES];

    model_start(&model);
    for (uint32_t y = 0; y < MODEL_ROWS; y++) {
        for (uint32_t i = 0; i < MODEL_ROW_BYTES; i++) {
            row[i] = any_byte;
        }
        (void)model_push_row(&model, row);
    }
#ifdef HOLDS_OUTPUTS
    const int32_t *const outputs = model_finish(&model);

#ifdef CLASSES
    return outputs == NULL || model_answer(outputs).agrees;
#else
    return outputs == NULL || outputs[MODEL_OUTPUTS - 1u] > 0;
#endif
#else
    int32_t outputs[MODEL_OUTPUTS];

    return model_outputs(&model, 0, MODEL_OUTPUTS, outputs);
#endif
}
