/* Outputs whose weights lie side by side, so that a byte is read once for all of them. */
#define BLOCK 8u

/* What lies under a kernel: `count` lines, of each `run` bytes from `offset` on. A line that is NULL is all zeros. */
struct window {
    const uint8_t *const *lines;
    uint32_t count;
    uint32_t offset;
    uint32_t run;
#if EMIT_SIGNED
    int32_t zero; /* the byte that stands for 0 */
#endif
};

/*
 * Sums of the products of a window with the weights of eight outputs, [line][byte][output]. A fourth to a half of what
 * a ReLU gives is zero, and passed over.
 */
static void sum_eight(const struct window *window, const int8_t *weights, int32_t sums[BLOCK])
{
    int32_t sum0 = 0, sum1 = 0, sum2 = 0, sum3 = 0, sum4 = 0, sum5 = 0, sum6 = 0, sum7 = 0;

    for (uint32_t line = 0; line < window->count; line++) {
        const int8_t *const end = weights + BLOCK * window->run;

        if (window->lines[line] == NULL) {
            weights = end;
            continue;
        }
        const uint8_t *byte = window->lines[line] + window->offset;

        while (weights != end) {
            const int32_t value = *byte++ - window->zero;

            weights += BLOCK; /* first: behind it one register is enough */
            if (value != 0) {
                sum0 += value * weights[-8];
                sum1 += value * weights[-7];
                sum2 += value * weights[-6];
                sum3 += value * weights[-5];
                sum4 += value * weights[-4];
                sum5 += value * weights[-3];
                sum6 += value * weights[-2];
                sum7 += value * weights[-1];
            }
        }
    }
    sums[0] = sum0;
    sums[1] = sum1;
    sums[2] = sum2;
    sums[3] = sum3;
    sums[4] = sum4;
    sums[5] = sum5;
    sums[6] = sum6;
    sums[7] = sum7;
}
#if EMIT_REST

/* The same of fewer outputs, the last ones of a layer. */
static void sum_rest(const struct window *window, const int8_t *weights, uint32_t outputs, int32_t sums[BLOCK])
{
    for (uint32_t i = 0; i < outputs; i++) {
        sums[i] = 0;
    }
    for (uint32_t line = 0; line < window->count; line++) {
        const int8_t *const end = weights + outputs * window->run;

        if (window->lines[line] == NULL) {
            weights = end;
            continue;
        }
        for (const uint8_t *byte = window->lines[line] + window->offset; weights != end; weights += outputs) {
            const int32_t value = *byte++ - window->zero;

            for (uint32_t i = 0; value != 0 && i < outputs; i++) {
                sums[i] += value * weights[i];
            }
        }
    }
}
#endif

/* The same of any block of outputs. */
static void sum_products(const struct window *window, const int8_t *weights, uint32_t outputs, int32_t sums[BLOCK])
{
#if EMIT_REST
    if (outputs < BLOCK) {
        sum_rest(window, weights, outputs, sums);
    } else {
        sum_eight(window, weights, sums);
    }
#else
    (void)outputs; /* of all layers a multiple of eight */
    sum_eight(window, weights, sums);
#endif
}
