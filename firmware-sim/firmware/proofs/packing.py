"""Proves, for all values at once, that sums which share words come out as they went in.

Each theorem says of which function it is, and is checked by an SMT solver on bit vectors: its premises can be met, and with
them it has no counterexample. Sums are proven step by step: what holds before a product is added holds after it. Bounds are
those of the Rust; with a bound that is too large by one the solver must find a counterexample, or the proof proves nothing.
"""

import sys
import time

import machine
import source
import words
from words import any_bits, check, choose, constant, every, largest

MAX_TRIPLE_SUM = source.constant("kernels/bytes.rs", "MAX_TRIPLE_SUM")
CHUNK_LIMIT = source.constant("format.rs", "CHUNK_LIMIT")
MAX_ACCUMULATOR = source.constant("format.rs", "MAX_ACCUMULATOR")
MAX_ACTIVATION = source.constant("format/check.rs", "MAX_ACTIVATION")

FAILED = []


def theorem(name, function, premises, claim, broken=None):
    """Proves a claim. `broken` is the same with a bound that is too large: numbers to show, premises and claim."""
    began = time.monotonic()
    if check(premises) is None:
        result = "FAILED: its premises cannot be met"
    elif (solver := check(premises, claim)) is not None:
        result = "FAILED: it has a counterexample"
    else:
        result = "proven"
    lines = []
    if broken:
        why, shown, premises, claim = broken
        solver = check(premises, claim)
        if solver is None:
            result = "FAILED: a bound that is too large is not found out"
        else:
            found = ", ".join(f"{name} = {words.value(solver, bits)}" for name, bits in shown.items())
            lines.append(f"          {why}: found out by {found}")
    if result != "proven":
        FAILED.append(name)
    print(f"{result:9} {name}: {function} ({time.monotonic() - began:.1f} s)")
    print("\n".join(lines), end="\n" if lines else "")
    sys.stdout.flush()


def lemma(name, values, claim):
    """Proves a claim about products for each value of a byte by itself, since solvers multiply by numbers that they know best."""
    began = time.monotonic()
    wrong = [value for value in values if check([], claim(constant(value))) is not None]
    if wrong:
        FAILED.append(name)
    result = f"FAILED for {wrong[0]}" if wrong else "proven"
    print(f"{result:9} {name} ({time.monotonic() - began:.1f} s)")
    sys.stdout.flush()


def weight(name):
    """A weight as it lies in the file, with its sign."""
    return any_bits(name, 8).signed()


def activation(name):
    return any_bits(name, 8).unsigned()


def sums_stay_within(name, function, limit, most):
    """If the magnitudes of weights are at most `limit` together, no sum of products of bytes is above `most`, in whatever order
    they are added: `sum_` is one so far, and at most `reach` in size, 255 times the magnitudes so far; one more is added."""
    sum_, reach, product, more = (any_bits(name, 32) for name in ("sum", "reach", "product", "more"))

    def premises(limit):
        return [
            every(reach.at_least(0), reach.at_most(MAX_ACTIVATION * limit), sum_.at_most(reach), sum_.at_least(-reach)),
            # by the lemma, of one weight
            every(more.at_least(0), more.at_most(MAX_ACTIVATION * 128), product.at_most(more), product.at_least(-more)),
            (reach + more).at_most(MAX_ACTIVATION * limit),
        ]

    after = sum_ + product
    claim = every(after.at_most(reach + more), after.at_least(-(reach + more)), after.within(most))
    shown = {"sum": sum_, "product": product}
    theorem(name, function, premises(limit), claim, ("magnitudes of one more", shown, premises(limit + 1), claim))


# Three sums in two words: Cortex-M0+, M3 and RV32, and the portable kernels.

source.holds(
    "kernels/bytes.rs",
    """
pub const fn triple([a0, a1, a2]: [u8; 3]) -> Triple {
    a0 as u32 | (a2 as u32) << 11 | (a1 as u32) << 21
}""",
)
source.holds(
    "kernels/bytes.rs",
    """
pub const fn split([first, second]: [u32; 2]) -> [i32; 3] {
    let s0 = (first << 11).cast_signed() >> 11;
    let d = first.wrapping_sub(s0.cast_unsigned());
    let s2 = (second << 11).wrapping_sub(d).cast_signed() >> 11;
    let s1 = second.wrapping_sub(s2.cast_unsigned()).cast_signed() >> 10;
    [s0, s1, s2]
}""",
)
source.holds(
    "kernels/bytes/portable.rs",
    """
            if *triple == 0 {
                continue;
            }
            let [first, second] = [triple & !(0xff << 11), triple >> 11];
            for (weight, [sum1, sum2]) in weights.iter().zip(&mut packed) {
                let weight = i32::from(*weight).cast_unsigned();
                *sum1 = sum1.wrapping_add(weight.wrapping_mul(first));
                *sum2 = sum2.wrapping_add(weight.wrapping_mul(second));
            }""",
)
source.holds("format/check.rs", "if is_packed && part.1 > (CHUNK_LIMIT - 1) / MAX_ACTIVATION { return Ok(u32::MAX); }")


def triple(a0, a1, a2):
    return a0 | (a2 << 11) | (a1 << 21)


def split(first, second):
    s0 = (first << 11).arithmetic(11)
    d = first - s0
    s2 = ((second << 11) - d).arithmetic(11)
    s1 = (second - s2).arithmetic(10)
    return [s0, s1, s2]


def hold_three(first, second, s0, s1, s2):
    """What the two words are of three sums, modulo 2^32."""
    return every(first.equals(s0 + (s1 << 21)), second.equals(s2 + (s1 << 10)))


def one_product():
    x = activation("x")

    def claim(w):
        reach = w.magnitude() * MAX_ACTIVATION
        return every((w * x).at_most(reach), (w * x).at_least(-reach))

    lemma("a product is at most 255 times the weight's magnitude", range(-128, 128), claim)


def three_in_two():
    a = [activation(f"a{place}") for place in range(3)]
    s = [any_bits(f"s{place}", 32) for place in range(3)]
    first, second, w = any_bits("first", 32), any_bits("second", 32), weight("w")
    held = hold_three(first, second, *s)
    after = [sum_ + w * activation_ for sum_, activation_ in zip(s, a)]

    packed = triple(*a)
    words_of = [packed & ~constant(0xFF << 11), packed.logical(11)]
    theorem(
        "three activations in a word, made two",
        "kernels/bytes.rs, triple, and kernels/bytes/portable.rs, three_places",
        [],
        every(words_of[0].equals(a[0] + (a[1] << 21)), words_of[1].equals(a[2] + (a[1] << 10))),
    )
    theorem(
        "three sums, a triple of zero passed over",
        "kernels/bytes/portable.rs, three_places",
        [held, packed.equals(0)],
        hold_three(first, second, *after),
    )
    lemma("a weight times two bytes in a word, w (x + 2^21 y) = w x + 2^21 w y", range(-128, 128), products_of(a[0], a[1], 21))
    lemma("a weight times two bytes in a word, w (x + 2^10 y) = w x + 2^10 w y", range(-128, 128), products_of(a[2], a[1], 10))
    with words.products_unknown():
        after = [sum_ + w * activation_ for sum_, activation_ in zip(s, a)]
        held = every(held, products_of(a[0], a[1], 21)(w), products_of(a[2], a[1], 10)(w))
        theorem(
            "three sums, a product",
            "kernels/bytes/portable.rs, three_places",
            [held],
            hold_three(first + w * words_of[0], second + w * words_of[1], *after),
        )
        three_products_in_assembly(packed, a, (first, second), s, w)

    def decoded(bound, found):
        return [held, *(sum_.within(bound) for sum_ in s)], every(*(f.equals(sum_) for f, sum_ in zip(found, s)))

    shown = {"s0": s[0], "s1": s[1], "s2": s[2]}
    theorem(
        "three sums, taken apart",
        "kernels/bytes.rs, split",
        *decoded(MAX_TRIPLE_SUM, split(first, second)),
        ("a bound of one more", shown, *decoded(MAX_TRIPLE_SUM + 1, split(first, second))),
    )
    sums_stay_within(
        "three sums, none is too large",
        "format/check.rs, Sums::bound",
        (CHUNK_LIMIT - 1) // MAX_ACTIVATION,
        MAX_TRIPLE_SUM,
    )

    # the assembly, as it stands in the sources
    path = "kernels/bytes/rv32.rs"
    found = machine.run(source.macro(path, "split"), {"\\first": first, "\\second": second})
    theorem(
        "three sums, taken apart on RV32",
        f"{path}, three_places_blocks",
        *decoded(MAX_TRIPLE_SUM, [found["a4"], found["\\second"], found["a5"]]),
    )

    path = "kernels/bytes/v6m.rs"
    source.holds(path, '"movs r4, #0xff", "lsls r4, r4, #11", // the place of the first word\'s gap')
    sums = {register: any_bits(f"sum {register}", 32) for register in ("r4", "r5", "r6")}
    found = machine.run(source.macro(path, "split"), {"r6": first, "r7": second, "r1": constant(0)}, sums)
    added = [(sums["r4"], "r4", s[0]), (sums["r5"], "r5", s[1]), (sums["r6"], "r6", s[2])]
    premises, _ = decoded(MAX_TRIPLE_SUM, s)
    theorem(
        "three sums, taken apart on a Cortex-M0+",
        f"{path}, three_places_blocks",
        premises,
        every(*(found[register].equals(before + sum_) for before, register, sum_ in added)),
    )

    path = "kernels/bytes/v7m.rs"
    found = machine.run(source.macro(path, "write_sums"), {"\\first": first, "\\second": second})
    theorem(
        "three sums, taken apart on a Cortex-M3",
        f"{path}, three_places_blocks",
        *decoded(MAX_TRIPLE_SUM, [found["r2"], found["r3"], found["r12"]]),
    )
    sums = {register: any_bits(f"sum {register}", 32) for register in ("r2", "r3", "r12")}
    found = machine.run(source.macro(path, "add_sums"), {"\\first": first, "\\second": second}, sums)
    added = [(sums["r2"], "r2", s[0]), (sums["r3"], "r3", s[1]), (sums["r12"], "r12", s[2])]
    theorem(
        "three sums, taken apart and added on a Cortex-M3",
        f"{path}, three_places_blocks",
        premises,
        every(*(found[register].equals(before + sum_) for before, register, sum_ in added)),
    )


def products_of(x, y, places):
    """Of two bytes in a word, their products with a weight lie as they do."""
    return lambda w: (w * (x + (y << places))).equals(w * x + ((w * y) << places))


def three_products_in_assembly(packed, a, before, s, w):
    """The products of a triple, as they stand in the sources of the three cores."""
    first, second = before
    after = [sum_ + w * activation_ for sum_, activation_ in zip(s, a)]
    path = "kernels/bytes/rv32.rs"
    source.holds(path, '"li a3, ~0x7f800"')
    held = every(hold_three(first, second, *s), products_of(a[0], a[1], 21)(w), products_of(a[2], a[1], 10)(w))
    found = machine.run(
        [*source.macro(path, "words"), *source.macro(path, "products")],
        {"a3": constant(~0x7F800), "\\first": first, "\\second": second},
        {"4 * \\element(a2)": packed, "\\weight(\\weights)": w},
    )
    theorem(
        "three sums, a product on RV32",
        f"{path}, three_places_blocks",
        [held],
        hold_three(found["\\first"], found["\\second"], *after),
    )
    pairs = [("r4", "r5"), ("r6", "r7"), ("r8", "r9"), ("r10", "r11")]
    loads = [f"[r0, #4 * (\\element){f' + {output}' if output else ''}]" for output in range(4)]
    four_products("kernels/bytes/v7m.rs", "a Cortex-M3", pairs, a, {"\\triple": packed}, lambda ws, _: dict(zip(loads, ws)))
    pairs = [("r8", "r9"), ("r10", "r11"), ("r12", "lr"), ("r6", "r7")]
    path = "kernels/bytes/v6m.rs"
    source.holds(path, '"movs r4, #0xff", "lsls r4, r4, #11", // the place of the first word\'s gap')
    memory = {"[r1, #4 * \\element]": packed, "[sp, #{gap}]": constant(0xFF << 11)}
    four_products(path, "a Cortex-M0+", pairs, a, {}, lambda _, block: memory | {"[r0, #4 * \\element]": block})


def four_products(path, core, pairs, a, registers, memory):
    """The products of a triple with the weights of four outputs, which lie in a word: each output's first and second word is a
    pair of registers."""
    block = any_bits("weights", 32)
    weights = [block.logical(8 * output).low(8).signed() for output in range(4)]
    lines = []
    for line in source.macro(path, "products"):
        name, _, rest = line.partition(" ")
        if name == "product":
            word, accumulator = [part.strip() for part in rest.split(",")]
            named = source.macro(path, "product")
            lines += [it.replace("\\word", word).replace("\\accumulator", accumulator) for it in named]
        else:
            lines.append(line)
    before = {register: any_bits(register, 32) for pair in pairs for register in pair}
    after = machine.run(lines, before | registers, memory(weights, block))
    premises, claims = [], []
    for w, (first, second) in zip(weights, pairs):
        s = [any_bits(f"s{place} of {first}", 32) for place in range(3)]
        premises.append(hold_three(before[first], before[second], *s))
        premises += [products_of(a[0], a[1], 21)(w), products_of(a[2], a[1], 10)(w)]
        sums = [sum_ + w * activation_ for sum_, activation_ in zip(s, a)]
        claims.append(hold_three(after[first], after[second], *sums))
    theorem(f"three sums, products on {core}", f"{path}, three_places_blocks", premises, every(*claims))


# Two sums in two words of one number: Cortex-M4, M7 and M33, and the portable kernels.

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


# The requantisation, of any accumulator and any multiplier.

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
    law = clamp((wide + half).arithmetic(wide_shift) + zero.unsigned(128))

    def fast(places):
        high = product.arithmetic(32).low(32)
        return clamp((high.arithmetic(places) + 1 + (zero << 1)).arithmetic(1))

    def with_shifts(first, last):
        return [*sizes, shift.unsigned().at_least(first), shift.unsigned().at_most(last)]

    places = shift.unsigned() - 33
    claim = law.equals(fast(places).unsigned(128))
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
        law.equals(slow.unsigned(128)),
    )


def main():
    print(
        f"bounds    {MAX_TRIPLE_SUM} of three sums in two words, {MAX_ACCUMULATOR} of two in one number, bytes to {MAX_ACTIVATION}: "
        "as in the sources"
    )
    one_product()
    three_in_two()
    two_in_one()
    requantisation()
    if FAILED:
        raise SystemExit(f"error: {len(FAILED)} of the theorems are not proven: {'; '.join(FAILED)}")


if __name__ == "__main__":
    main()
