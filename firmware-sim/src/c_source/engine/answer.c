/* 2^-exponent, both times 2^16, by a polynomial that is right to four digits. */
static uint32_t negative_power_of_two(uint64_t exponent)
{
    const uint32_t fraction = (uint32_t)(exponent & 0xffffu);
    const uint64_t whole = exponent >> 16;
    /* for a fraction f of 0 to 1: 2^-f = 1 - 0.69165 f + 0.23125 f^2 - 0.0396 f^3 */
    const uint32_t cubic = (uint32_t)(((uint64_t)fraction * 2595u) >> 16);
    const uint32_t square = (uint32_t)(((uint64_t)fraction * (15155u - cubic)) >> 16);
    const uint32_t linear = (uint32_t)(((uint64_t)fraction * (45328u - square)) >> 16);

    return whole > 31 ? 0 : (65536u - linear) >> whole;
}

struct model_answer model_answer(const int32_t *outputs)
{
    struct model_answer answer = {0, MODEL_NONE, 0, 0};
    uint32_t best = 0;
    uint32_t sum = 0; /* of the odds against the best class, times 2^16 */
    uint32_t margin = UINT32_MAX;

    for (uint32_t other = 1; other < MODEL_OUTPUTS; other++) {
        best = outputs[other] > outputs[best] ? other : best;
    }
    for (uint32_t other = 0; other < MODEL_OUTPUTS; other++) {
        if (other != best) {
            const uint32_t below = (uint32_t)outputs[best] - (uint32_t)outputs[other];
            const uint32_t odds = negative_power_of_two(((uint64_t)below * odds_rate) >> 16);

            margin = below < margin ? below : margin;
            sum = odds > UINT32_MAX - sum ? UINT32_MAX : sum + odds;
        }
    }
    answer.best = (uint16_t)best;
    answer.margin = margin;
    answer.agrees = margin >= agreement_margin;
    if (best + 1 == rejected_class) {
        answer.verdict = MODEL_NONE;
    } else if (sum <= sure_odds) {
        answer.verdict = MODEL_SURE;
    } else if (sum <= unsure_odds) {
        answer.verdict = MODEL_UNSURE;
    }
    return answer;
}
