"""The requantisation, of any accumulator and any multiplier."""

import source
from theorems import MAX_ACTIVATION, activation, theorem
from words import any_bits, choose, constant

source.holds(
    "multiplier.rs",
    """
        let places = (self.shift as u32).wrapping_sub(33);
        let rounded = if places < 30 {
            // The low half has no part in the rounding but to be cut off: half the work in 32 bits.
            let high = ((acc as i64 * self.mantissa as i64) >> 32) as i32;
            ((high >> places) + 1 + 2 * zero as i32) >> 1
        } else {
            self.rounded(acc) + zero as i32
        };
        if rounded < 0 { 0 } else if rounded > 255 { 255 } else { rounded as u8 }""",
)
source.holds(
    "multiplier.rs",
    """
        let rounded = (acc as i64 * self.mantissa as i64 + (1 << (self.shift - 1))) >> self.shift;
        if rounded < -256 { -256 } else if rounded > 255 { 255 } else { rounded as i32 }""",
)


def clamp(value, low=0, high=255):
    return choose(value.at_most(low - 1), constant(low, value.width), choose(value.at_least(high), constant(high, value.width), value))


def requantisation():
    product, shift, zero = any_bits("product", 64), any_bits("shift", 8), activation("zero")
    # |accumulator| is at most 2^31, a mantissa below 2^31
    sizes = [product.within(1 << 62), zero.within(MAX_ACTIVATION)]
    wide, wide_shift = product.signed(128), shift.unsigned(128)
    half = constant(1, 128) << (wide_shift - 1)
    definition = clamp((wide + half).arithmetic(wide_shift) + zero.unsigned(128))

    def fast(places):
        high = product.arithmetic(32).low(32)
        return clamp((high.arithmetic(places) + 1 + (zero << 1)).arithmetic(1))

    def with_shifts(first, last):
        return [*sizes, shift.unsigned().at_least(first), shift.unsigned().at_most(last)]

    places = shift.unsigned() - 33
    claim = definition.equals(fast(places).unsigned(128))
    theorem(
        "requantised by the high half, shifts from 33 to 62",
        "multiplier.rs, requantize_around",
        with_shifts(33, 62),
        claim,
        ("a shift of 32", {"shift": shift, "product": product}, with_shifts(32, 62), claim),
    )
    slow_shift = shift.unsigned(64)
    rounded = (product + (constant(1, 64) << (slow_shift - 1))).arithmetic(slow_shift)
    slow = clamp(clamp(rounded, -256).low(32) + zero)
    theorem(
        "requantised in 64 bits, any shift",
        "multiplier.rs, rounded",
        with_shifts(1, 62),
        definition.equals(slow.unsigned(128)),
    )
