//! Safe scalar code for any target, and what `dsp` is tested against.

use super::{BlockSums, Pair, Patch, WindowSums};
use crate::format::words::{BLOCK, CONV1_WORDS, CONV2_WORDS, Word};
use crate::geometry::{KERNEL, MAPS1, MAPS2, WINDOW};

/// See [`super::conv1`].
pub fn conv1(
    weights: &[[Word; CONV1_WORDS]; MAPS1 / 2],
    patch: &Patch,
    sums: &mut [WindowSums; MAPS1 / 2],
) {
    for (words, sums) in weights.iter().zip(sums) {
        *sums = [0; 8];
        let (two_rows, last_row) = words.as_chunks::<KERNEL>();
        for (words, rows) in two_rows.iter().zip(patch.as_chunks().0) {
            for (column, word) in words.iter().enumerate() {
                add(*word, rows, column, sums);
            }
        }
        let [.., above, below] = *patch;
        for (pair, word) in last_row.iter().enumerate() {
            add(*word, &[above, below], 2 * pair, sums);
        }
    }
}

/// See [`super::conv2`].
pub fn conv2(
    weights: &[[Word; CONV2_WORDS]; MAPS2 / 2],
    patch: &Patch,
    sums: &mut [WindowSums; MAPS2 / 2],
) {
    for (words, sums) in weights.iter().zip(sums) {
        for (column, words) in words.as_chunks::<KERNEL>().0.iter().enumerate() {
            for (row, word) in words.iter().enumerate() {
                add(*word, &[patch[row], patch[row + 1]], column, sums);
            }
        }
    }
}

/// See [`super::dense`].
#[must_use]
pub fn dense<const IN: usize>(weights: &[[Word; BLOCK]; IN], pairs: &[Pair; IN]) -> BlockSums {
    let mut sums = [0; 2 * BLOCK];
    for (words, &pair) in weights.iter().zip(pairs) {
        // most features are zero, most of these beside another one
        if pair != 0 {
            for (word, sums) in words.iter().zip(sums.as_chunks_mut().0) {
                multiply(*word, pair, sums);
            }
        }
    }
    sums
}

/// Adds a word's products with the four places of a window whose left column is `column`.
fn add(word: Word, [above, below]: &[[Pair; WINDOW]; 2], column: usize, sums: &mut WindowSums) {
    let places = [above[column], above[column + 1], below[column], below[column + 1]];
    for (pair, sums) in places.into_iter().zip(sums.as_chunks_mut().0) {
        multiply(word, pair, sums);
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
