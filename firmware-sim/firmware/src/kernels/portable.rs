//! Safe code for any target, and what the others are tested against.

use super::{BlockAccumulators, Pair, Patch, WindowAccumulators};
use crate::format::words::{BLOCK, CONV1_WORDS, CONV2_WORDS, Word};
use crate::geometry::{KERNEL, MAPS1, MAPS2, WINDOW};

/// See [`super::conv1`].
#[inline(never)] // alone, it has all registers
pub fn conv1(
    weights: &[[Word; CONV1_WORDS]; MAPS1 / 2],
    patch: &Patch,
    accumulators: &mut [WindowAccumulators; MAPS1 / 2],
) {
    let [stacked @ .., last, last_below] = patch;
    for (words, accumulators) in weights.iter().zip(accumulators) {
        *accumulators = [0; 8];
        let (columns, rest) = words.as_chunks::<KERNEL>();
        for (words, [above, below]) in columns.iter().zip(stacked.as_chunks().0) {
            for ((word, above), below) in words.iter().zip(above.windows(2)).zip(below.windows(2)) {
                add(*word, above, below, accumulators);
            }
        }
        for ((word, above), below) in rest.iter().zip(last.chunks(2)).zip(last_below.chunks(2)) {
            add(*word, above, below, accumulators);
        }
    }
}

/// See [`super::conv2`].
#[inline(never)]
pub fn conv2(
    weights: &[[Word; CONV2_WORDS]; MAPS2 / 2],
    patch: &Patch,
    accumulators: &mut [WindowAccumulators; MAPS2 / 2],
) {
    for (words, accumulators) in weights.iter().zip(accumulators) {
        for (column, words) in words.as_chunks::<KERNEL>().0.iter().enumerate() {
            // every row from this column on, and a little of the next one
            let rows = || patch.as_flattened().get(column..).unwrap_or_default().chunks(WINDOW);
            for ((word, above), below) in words.iter().zip(rows()).zip(rows().skip(1)) {
                add(*word, above, below, accumulators);
            }
        }
    }
}

/// See [`super::dense`].
#[must_use]
pub fn dense<const IN: usize>(
    weights: &[[Word; BLOCK]; IN],
    pairs: &[Pair; IN],
) -> BlockAccumulators {
    let mut accumulators = [0; 2 * BLOCK];
    for (words, &pair) in weights.iter().zip(pairs) {
        // most features are zero, most of these beside another one
        if pair != 0 {
            for (word, accumulators) in words.iter().zip(accumulators.as_chunks_mut().0) {
                multiply(*word, pair, accumulators);
            }
        }
    }
    accumulators
}

/// Adds a word's products with the four places of a window, which its rows begin with.
fn add(word: Word, above: &[Pair], below: &[Pair], accumulators: &mut WindowAccumulators) {
    let (&[p0, p1, ..], &[p2, p3, ..]) = (above, below) else { return };
    for (pair, accumulators) in [p0, p1, p2, p3].into_iter().zip(accumulators.as_chunks_mut().0) {
        multiply(word, pair, accumulators);
    }
}

fn multiply([a_even, a_high, b_even, b_high]: Word, pair: Pair, [whole, even]: &mut [u32; 2]) {
    let (a, b) = ((pair & 0xffff).cast_signed(), (pair >> 16).cast_signed());
    let byte = |byte: u8| i32::from(byte.cast_signed());
    let half = |low, high| i32::from(i16::from_le_bytes([low, high]));
    let sum = half(a_even, a_high) * a + half(b_even, b_high) * b;
    *whole = whole.wrapping_add_signed(sum);
    *even = even.wrapping_add_signed(byte(a_even) * a + byte(b_even) * b);
}
