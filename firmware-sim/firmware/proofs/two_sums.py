"""Two sums in two words of one number: Cortex-M4, M7 and M33, and the portable kernels.

Sums are proven step by step: what holds before a product is added holds after it.
"""

import machine
import source
import words
from theorems import MAX_ACCUMULATOR, MAX_ACTIVATION, activation, lemma, sums_stay_within, theorem
from words import any_bits, every, largest

source.holds(
    "kernels.rs",
    """
pub const fn unpack_accumulators(&[whole, even]: &[u32; 2]) -> [i32; 2] {
    [even.cast_signed(), whole.wrapping_sub(even).cast_signed() >> 8]
}""",
)
source.holds(
    "kernels/words/portable.rs",
    """
fn multiply(word: Word, pair: Pair, [whole, even]: &mut [u32; 2]) {
    let (a, b) = (low(pair), high(pair));
    *whole = whole.wrapping_add_signed((low(word) * a).wrapping_add(high(word) * b));
    let [even_a, _, even_b, _] = word.to_le_bytes().map(|byte| i32::from(byte.cast_signed()));
    *even = even.wrapping_add_signed(even_a * a + even_b * b);
}""",
)
source.holds(
    "weights.rs",
    """
const fn odd(half: [u8; 2]) -> i16 {
    let even = half[0].cast_signed() as i32;
    // in 32 bits: 256 · 128 does not fit in 16
    ((i16::from_le_bytes(half) as i32 - even) >> 8) as i16
}""",
)
source.holds(
    "weights.rs",
    """
            Place::Half(at) | Place::Even(at) => half(at, &|_| weight.into()),
            Place::Odd(at) => half(at, &|even| even.wrapping_add(i16::from(weight) << 8))""",
)
source.holds(
    "engine/output.rs",
    """
    // 256 · the odd output's, which `unpack_accumulators` makes smaller
    let odds = [w0.wrapping_sub(e0), w1.wrapping_sub(e1), w2.wrapping_sub(e2), w3.wrapping_sub(e3)];
    [largest([e0, e1, e2, e3]), largest(odds) >> 8]""",
)
source.holds("engine/dense.rs", "*even = next(); *whole = (next() << 8).wrapping_add(*even);")
source.holds("kernels/words/dsp.rs", '"sxtb16 lr, r12", "smlad r4, r12, r2, r4", "smlad r5, lr, r2, r5"')
source.holds("kernels/grey.rs", '"sxtb16 lr, r12", "smlad r4, r12, r2, r4", "smlad r5, lr, r2, r5"')


def even_weight(half):
    return half.low(8).signed()


def odd_weight(half):
    return (half.signed() - even_weight(half)).arithmetic(8)


def unpack_accumulators(whole, even):
    return [even, (whole - even).arithmetic(8)]


def hold_two(whole, even, s_even, s_odd):
    """What the two words are of two sums, modulo 2^32."""
    return every(even.equals(s_even), whole.equals((s_odd << 8) + s_even))


def two_in_one():
    even, odd = any_bits("even", 8), any_bits("odd", 8)
    half = even.signed(16) + (odd.signed(16) << 8)

    def weights(most):
        claim = every(even_weight(half).equals(even.signed()), odd_weight(half).equals(odd.signed()))
        return [even.signed().within(most), odd.signed().within(most)], claim

    theorem(
        "two weights in 16 bits, read back",
        "weights.rs, Weights::set and odd",
        *weights(127),
        ("weights to -128", {"even": even, "odd": odd}, *weights(128)),
    )

    word, a, b = any_bits("word", 32), activation("a"), activation("b")
    pair = a | (b << 16)
    s_even, s_odd = any_bits("even sum", 32), any_bits("odd sum", 32)
    whole, evens = any_bits("whole", 32), any_bits("evens", 32)
    held = hold_two(whole, evens, s_even, s_odd)
    halves = [word.low(16), word.logical(16).low(16)]
    half = any_bits("half", 16)
    theorem(
        "two weights in 16 bits, any 16 bits",
        "weights.rs, odd",
        [],
        every(half.signed().equals((odd_weight(half) << 8) + even_weight(half)), odd_weight(half).within(128)),
    )

    def products_of_two(odd, even):
        return lambda x: (((odd << 8) + even) * x).equals(((odd * x) << 8) + even * x)

    def products_of_half(half):
        return products_of_two(odd_weight(half), even_weight(half))

    odd, even = any_bits("odd", 9).signed(), any_bits("even", 8).signed()
    lemma("two weights times a byte, (256 odd + even) x = 256 odd x + even x", range(256), products_of_two(odd, even))
    with words.products_unknown():
        after_even = s_even + even_weight(halves[0]) * a + even_weight(halves[1]) * b
        after_odd = s_odd + odd_weight(halves[0]) * a + odd_weight(halves[1]) * b
        premises = [held, products_of_half(halves[0])(a), products_of_half(halves[1])(b)]
        low, high = [half.signed() for half in halves]
        whole_after = whole + (low * a + high * b)
        evens_after = evens + (word.low(8).signed() * a + word.logical(16).low(8).signed() * b)
        theorem(
            "two sums, two products",
            "kernels/words/portable.rs, multiply",
            premises,
            hold_two(whole_after, evens_after, after_even, after_odd),
        )
        lines = ["sxtb16 lr, r12", "smlad r4, r12, r2, r4", "smlad r5, lr, r2, r5"]
        found = machine.run(lines, {"r12": word, "r2": pair, "r4": whole, "r5": evens})
        theorem(
            "two sums, two products on a Cortex-M4",
            "kernels/words/dsp.rs and kernels/grey.rs, sxtb16 and smlad",
            premises,
            hold_two(found["r4"], found["r5"], after_even, after_odd),
        )

    def decoded(bound):
        found = unpack_accumulators(whole, evens)
        return [held, s_odd.within(bound)], every(found[0].equals(s_even), found[1].equals(s_odd))

    theorem(
        "two sums, taken apart",
        "kernels.rs, unpack_accumulators",
        *decoded(MAX_ACCUMULATOR),
        ("a bound of one more", {"odd sum": s_odd}, *decoded(MAX_ACCUMULATOR + 1)),
    )
    sums_stay_within(
        "two sums, none is too large",
        "format/check.rs, Sums::bound",
        MAX_ACCUMULATOR // MAX_ACTIVATION,
        MAX_ACCUMULATOR,
    )

    tile = [[any_bits(f"{name} {place}", 32) for place in range(4)] for name in ("whole", "even", "even sum", "odd sum")]
    premises = [every(hold_two(*place), place[3].within(MAX_ACCUMULATOR)) for place in zip(*tile)]
    odds = [whole - even for whole, even, _, _ in zip(*tile)]
    theorem(
        "two sums, the largest of four",
        "engine/output.rs, max_pool",
        premises,
        every(
            largest(*tile[1]).equals(largest(*tile[2])),
            largest(*odds).arithmetic(8).equals(largest(*tile[3])),
        ),
    )
