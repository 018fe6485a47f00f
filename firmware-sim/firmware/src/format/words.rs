//! How weights lie in the file: four in a word, so that the kernels need not take all of them apart.
//!
//! A word belongs to two inputs `a`, `b` and two outputs, an even and the odd one after it. Each of its
//! halves is one number of 16 bits, `256 · odd + even`. With the inputs as a pair of 16 bits too, one dual
//! multiplication of whole halves sums `256 · odd + even`, and one of their low bytes sums `even`; half the
//! difference's work, a shift by eight, gives `odd`. So the odd weights are never unpacked, see
//! [`crate::kernels`].

use crate::geometry::{KERNEL, TAPS};

/// Weights of two inputs to two outputs, as they lie in the file.
pub type Word = [u8; 4];

/// Words of a pair of outputs of the first convolution: its 25 taps by two, the last one alone.
pub const CONV1_WORDS: usize = TAPS.div_ceil(2);
/// Words of a pair of outputs and a pair of input maps of the second convolution.
pub const CONV2_WORDS: usize = TAPS;
/// Pairs of outputs that a dense layer sums at once.
pub const BLOCK: usize = 5;

/// Weights `[input][output]`, each −127 to 127, as a word.
#[must_use]
pub const fn pack([a, b]: [[i8; 2]; 2]) -> Word {
    let [a0, a1] = half(a);
    let [b0, b1] = half(b);
    [a0, a1, b0, b1]
}

const fn half([even, odd]: [i8; 2]) -> [u8; 2] {
    (odd as i16 * 256).wrapping_add(even as i16).to_le_bytes()
}

/// The weights `[input][output]` of a word: even outputs −128 to 127, odd ones −128 to 128.
#[must_use]
pub const fn unpack([a0, a1, b0, b1]: Word) -> [[i16; 2]; 2] {
    [apart([a0, a1]), apart([b0, b1])]
}

const fn apart(half: [u8; 2]) -> [i16; 2] {
    let even = half[0].cast_signed() as i16;
    // in 32 bits: 256 · 128 does not fit in 16
    [even, ((i16::from_le_bytes(half) as i32 - even as i32) >> 8) as i16]
}

/// The taps, `[row][column]`, that a word of the first convolution weighs: columns of two rows, then what is
/// left of the last row.
#[must_use]
pub const fn conv1_inputs(word: usize) -> [Option<usize>; 2] {
    let (rows, column) = (word / KERNEL * 2, word % KERNEL);
    if rows < KERNEL - 1 {
        let tap = rows * KERNEL + column;
        [Some(tap), Some(tap + KERNEL)]
    } else {
        let tap = rows * KERNEL + column * 2;
        [Some(tap), if tap + 1 < TAPS { Some(tap + 1) } else { None }]
    }
}

/// The inputs, `[map][row][column]`, that a word of the second convolution weighs: one place of two maps,
/// column by column.
#[must_use]
pub const fn conv2_inputs(pair: usize, word: usize) -> [Option<usize>; 2] {
    let tap = word % KERNEL * KERNEL + word / KERNEL;
    [Some(2 * pair * TAPS + tap), Some((2 * pair + 1) * TAPS + tap)]
}

/// The inputs that a word of a dense layer weighs: neighbours.
#[must_use]
pub const fn dense_inputs(pair: usize) -> [Option<usize>; 2] {
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
        let sorted = |inputs: &mut dyn Iterator<Item = [Option<usize>; 2]>| {
            let mut inputs: Vec<usize> = inputs.flatten().flatten().collect();
            inputs.sort_unstable();
            inputs
        };
        let conv1 = sorted(&mut (0..CONV1_WORDS).map(conv1_inputs));
        assert_eq!(conv1, (0..TAPS).collect::<Vec<_>>());
        let conv2 = sorted(
            &mut (0..10)
                .flat_map(|pair| (0..CONV2_WORDS).map(move |word| conv2_inputs(pair, word))),
        );
        assert_eq!(conv2, (0..FAN_IN2).collect::<Vec<_>>());
    }
}
