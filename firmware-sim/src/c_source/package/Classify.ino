// @SEAL@
// Takes images over the serial line, row by row as a camera gives them, and prints what the model makes of each.
// An image is MODEL_ROWS rows of MODEL_ROW_BYTES bytes, [column][channel].

#include <model.h>

static struct model net;
static uint8_t row[MODEL_ROW_BYTES];

void setup()
{
    Serial.begin(115200);
}

void loop()
{
    model_start(&net);
    do {
        if (Serial.readBytes(row, sizeof row) != sizeof row) {
            return; // nothing came for a second: the next byte begins an image
        }
    } while (model_push_row(&net, row) > 0);

#if EMIT_CLASSES
    const struct model_answer answer = model_answer(model_finish(&net));

    Serial.print(answer.best);
    Serial.println(answer.verdict == MODEL_SURE ? " sure" : answer.verdict == MODEL_UNSURE ? " unsure" : " none");
#else
#if EMIT_HELD_OUTPUTS
    const int32_t *outputs = model_finish(&net);

    for (uint32_t number = 0; number < MODEL_OUTPUTS; number++) {
        Serial.println((long)outputs[number]);
    }
#else
    for (uint32_t number = 0; number < MODEL_OUTPUTS; number++) {
        int32_t output = 0;

        model_outputs(&net, number, 1, &output);
        Serial.println((long)output);
    }
#endif
#endif
}
