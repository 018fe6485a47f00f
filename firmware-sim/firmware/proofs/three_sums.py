"""Three sums in two words: Cortex-M0+, M3 and RV32, and the portable kernels.

Sums are proven step by step: what holds before a product is added holds after it.
"""

import machine
import source
import words
from theorems import CHUNK_LIMIT, MAX_ACTIVATION, MAX_TRIPLE_SUM, activation, lemma, sums_stay_within, theorem, weight
from words import any_bits, constant, every

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
