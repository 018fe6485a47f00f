/*
 * sum x multiplier / 2^shift, rounded once to the nearest whole number, halves upward; plus zero; limited to 0..255.
 * The magnitude of a sum is below 2^24, so nothing overflows. With a zero of 0 this is the ReLU too.
 */
static uint8_t requantize(int32_t sum, uint32_t multiplier, uint32_t shift, uint32_t zero)
{
#if EMIT_SIGNED
    const int is_negative = sum < 0;

    if (is_negative && zero == 0) {
        return 0;
    }
    const uint32_t magnitude = is_negative ? 0u - (uint32_t)sum : (uint32_t)sum;
    /* below zero a half goes up, toward zero: so it counts as a little less */
    const uint64_t product = (uint64_t)magnitude * multiplier - (is_negative ? 1u : 0u);
#else
    if (sum < 0) {
        return 0;
    }
    const uint64_t product = (uint64_t)(uint32_t)sum * multiplier;
#endif
#if EMIT_ANY_SHIFT
    const uint64_t rounded = ((product >> (shift - 1)) + 1) >> 1;
#else
    /* all shifts of this model are at least 33 */
    const uint32_t rounded = (((uint32_t)(product >> 32) >> (shift - 33)) + 1) >> 1;
#endif

#if EMIT_SIGNED
    if (is_negative) {
        return rounded > zero ? 0 : (uint8_t)(zero - rounded);
    }
#endif
    return rounded > 255 - zero ? 255 : (uint8_t)(zero + rounded);
}

/* Hands on the sums of `count` channels from `first` on, at one column. */
static void put(const struct target *target, uint32_t column, uint32_t first, uint32_t count, const int32_t *sums)
{
    const uint32_t each = target->scaling->each;
    const uint32_t zero = target->zero;
    const uint32_t element = first * each;
    const int32_t *biases = target->scaling->biases + element;
#if EMIT_HELD_OUTPUTS

    if (target->bytes == NULL) {
        for (uint32_t i = 0; i < count; i++) {
            target->outputs[(first + i) * target->plane + column] = sums[i] + *biases;
            biases += each;
        }
        return;
    }
#endif
    const uint32_t *multipliers = target->scaling->multipliers + element;
    const uint8_t *shifts = target->scaling->shifts + element;
    uint8_t *const bytes = target->bytes + column * target->channels + first;

    for (uint32_t i = 0; i < count; i++) {
        bytes[i] = requantize(sums[i] + *biases, *multipliers, *shifts, zero);
        biases += each;
        multipliers += each;
        shifts += each;
    }
}
