//! How weights lie in the file: four in a word, so that the kernels need not unpack all of them.
//!
//! A word belongs to two inputs `a`, `b` and two outputs, an even and the odd one after it. Each of its
//! halves is one number of 16 bits, `256 · odd + even`:
//!
//! ```text
//! bits    31       24 23       16 15        8 7         0
//! word   │  256 · odd(b) + even(b) │ 256 · odd(a) + even(a) │
//! bytes  │  high(b)  │   even(b)   │  high(a)  │  even(a)   │
//! pair   │            b            │            a           │
//!
//! halves of the word × pair         256 · (odd(a) · a + odd(b) · b) + even(a) · a + even(b) · b
//! even bytes of the word × pair                                       even(a) · a + even(b) · b
//! ```
//!
//! Both are one instruction where a processor multiplies halves in pairs. The difference of their sums, shifted by
//! eight, is the odd output's sum. So the odd weights are never unpacked, see [`crate::kernels`]. The high byte is not
//! the odd weight itself: it is one less where `even` is below 0.
//!
//! # Which word weighs which input
//!
//! The first convolution has one input map, so a word weighs two elements of the kernel: one and the one below it, two
//! rows at a time; in the last row neighbours, and its last element alone.
//!
//! ```text
//! column    0    1    2    3    4
//! row 0    0a   1a   2a   3a   4a        number of the word, a or b its half
//! row 1    0b   1b   2b   3b   4b
//! row 2    5a   6a   7a   8a   9a
//! row 3    5b   6b   7b   8b   9b
//! row 4   10a  10b  11a  11b  12a        12b weighs nothing: zero
//! ```
//!
//! In the second convolution a word weighs one element in two maps: `a` in one of an even number, `b` in the next. The
//! words go down the columns: what one needs for the lower outputs of a pooling window, the next needs for the upper.
//!
//! ```text
//! row 0     0    5   10   15   20
//! row 1     1    6   11   16   21
//! row 2     2    7   12   17   22
//! row 3     3    8   13   18   23
//! row 4     4    9   14   19   24
//! ```
//!
//! In a dense layer `a` and `b` are neighbours. The words of ten outputs lie side by side, so that a pair of zeros
//! is passed over with one branch:
//!
//! ```text
//! outputs        0, 1    2, 3    4, 5    6, 7    8, 9
//! inputs 0, 1      0       1       2       3       4
//! inputs 2, 3      5       6       7       8       9
//!   ...
//! ```

use crate::geometry::{KERNEL, KERNEL_ELEMENTS};

/// Weights of two inputs to two outputs, as they lie in the file.
pub type Word = [u8; 4];

/// The inputs that the halves of a word weigh, counted within an output's inputs; a half may weigh none.
pub type Inputs = [Option<usize>; 2];

/// Words of a pair of outputs of the first convolution: its 25 kernel elements by two, the last one alone.
pub const CONV1_WORDS: usize = KERNEL_ELEMENTS.div_ceil(2);
/// Words of a pair of outputs and a pair of input maps of the second convolution.
pub const CONV2_WORDS: usize = KERNEL_ELEMENTS;
/// Pairs of outputs that a dense layer sums at once.
pub const BLOCK: usize = 5;

/// Weights `[input][output]`, each −127 to 127, as a word.
#[must_use]
pub const fn pack([a, b]: [[i8; 2]; 2]) -> Word {
    let [a0, a1] = pack_half(a);
    let [b0, b1] = pack_half(b);
    [a0, a1, b0, b1]
}

const fn pack_half([even, odd]: [i8; 2]) -> [u8; 2] {
    (odd as i16 * 256).wrapping_add(even as i16).to_le_bytes()
}

/// The weights `[input][output]` of a word: even outputs −128 to 127, odd ones −128 to 128.
#[must_use]
pub const fn unpack([a0, a1, b0, b1]: Word) -> [[i16; 2]; 2] {
    [unpack_half([a0, a1]), unpack_half([b0, b1])]
}

const fn unpack_half(half: [u8; 2]) -> [i16; 2] {
    let even = half[0].cast_signed() as i16;
    // in 32 bits: 256 · 128 does not fit in 16
    [even, ((i16::from_le_bytes(half) as i32 - even as i32) >> 8) as i16]
}

/// The kernel elements, `[row][column]`, that a word of the first convolution weighs: columns of two rows, then
/// what is left of the last row.
#[must_use]
pub const fn conv1_inputs(word: usize) -> Inputs {
    let (rows, column) = (word / KERNEL * 2, word % KERNEL);
    if rows < KERNEL - 1 {
        let element = rows * KERNEL + column;
        [Some(element), Some(element + KERNEL)]
    } else {
        let element = rows * KERNEL + column * 2;
        [Some(element), if element + 1 < KERNEL_ELEMENTS { Some(element + 1) } else { None }]
    }
}

/// The inputs, `[map][row][column]`, that a word of the second convolution weighs: one place of two maps,
/// column by column.
#[must_use]
pub const fn conv2_inputs(pair: usize, word: usize) -> Inputs {
    let element = word % KERNEL * KERNEL + word / KERNEL;
    [Some(2 * pair * KERNEL_ELEMENTS + element), Some((2 * pair + 1) * KERNEL_ELEMENTS + element)]
}

/// The inputs that a word of a dense layer weighs: neighbours.
#[must_use]
pub const fn dense_inputs(pair: usize) -> Inputs {
    [Some(2 * pair), Some(2 * pair + 1)]
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;
    use crate::geometry::FAN_IN2;

    #[test]
    fn what_is_packed_comes_out_again() {
        for even in -127..=127 {
            for odd in -127..=127 {
                let weights = [[even, odd], [odd, even]];
                assert_eq!(unpack(pack(weights)), weights.map(|input| input.map(i16::from)));
            }
        }
    }

    #[test]
    fn every_input_is_weighed_once() {
        let sorted = |inputs: &mut dyn Iterator<Item = Inputs>| {
            let mut inputs: Vec<usize> = inputs.flatten().flatten().collect();
            inputs.sort_unstable();
            inputs
        };
        let conv1 = sorted(&mut (0..CONV1_WORDS).map(conv1_inputs));
        assert_eq!(conv1, (0..KERNEL_ELEMENTS).collect::<Vec<_>>());
        let conv2 = sorted(
            &mut (0..10)
                .flat_map(|pair| (0..CONV2_WORDS).map(move |word| conv2_inputs(pair, word))),
        );
        assert_eq!(conv2, (0..FAN_IN2).collect::<Vec<_>>());
    }
}
