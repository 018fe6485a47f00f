//! The layout *Words* for pictures of one channel: a 5×5 convolution over a 2×2 pooling window, stride 1.
//!
//! One channel has no other to pair with, so two elements of the kernel are paired: one and the one below it, two rows
//! at a time; in the last row neighbours, and its last element alone.
//!
//! ```text
//! column    0    1    2    3    4
//! row 0    0a   1a   2a   3a   4a        number of the word, a or b its half
//! row 1    0b   1b   2b   3b   4b
//! row 2    5a   6a   7a   8a   9a
//! row 3    5b   6b   7b   8b   9b
//! row 4   10a  10b  11a  11b  12a        12b weighs nothing: zero
//! ```
#![cfg_attr(kernels = "dsp", allow(unsafe_code))]

use super::Pair;
use super::words::{Tile, Word, pairs};

/// Side of the kernel.
const KERNEL: usize = 5;
/// Words of a pair of outputs.
const WORDS: usize = (KERNEL * KERNEL).div_ceil(2);
/// Side of the square of pixels that a window needs.
pub const SIDE: usize = KERNEL + 1;

/// The pairs that a window needs.
///
/// Rows 0 to 3 hold pixels and the ones below them, `(row, column)` and `(row + 1, column)`. Rows 4 and 5 hold what is
/// left of the kernel's last row: in columns 0 to 3 pixels and the ones to their right, in columns 4 and 5 pixels and
/// zero.
pub type Patch = [[Pair; SIDE]; SIDE];

/// Lays out the pixels of a window, and tells whether any is not zero; `row` gives the one that begins at an offset.
#[inline(always)] // once in a program
pub fn gather<'a>(
    offsets: &[u32; SIDE],
    row: impl Fn(usize, u32) -> Option<&'a [u8; SIDE]>,
    patch: &mut Patch,
) -> bool {
    let (mut any, mut above) = (0, Row::default());
    let [stacked @ .., last, last_below] = patch;
    let mut stacked = stacked.iter_mut();
    for (line, &offset) in offsets.iter().enumerate() {
        let Some(&pixels) = row(line, offset) else { return false };
        let below = Row::of(pixels);
        any |= below.even | below.odd | below.last;
        if line > 0 && let Some(cells) = stacked.next() {
            *cells = above.stacked(below);
        }
        match SIDE - line {
            2 => *last = below.interleaved(),
            1 => *last_below = below.interleaved(),
            _ => {}
        }
        above = below;
    }
    any != 0
}

/// Pixels of a row: 0 and 2, 1 and 3, 4 and 5.
#[derive(Clone, Copy, Default)]
struct Row {
    even: Pair,
    odd: Pair,
    last: Pair,
}

impl Row {
    fn of([first @ .., p4, p5]: [u8; SIDE]) -> Self {
        let [even, odd] = pairs(first);
        Self { even, odd, last: Pair::from(p4) | Pair::from(p5) << 16 }
    }

    /// Pixels with the ones below them.
    const fn stacked(self, below: Self) -> [Pair; SIDE] {
        let [p0, p2] = [low_low(self.even, below.even), high_high(self.even, below.even)];
        let [p1, p3] = [low_low(self.odd, below.odd), high_high(self.odd, below.odd)];
        let [p4, p5] = [low_low(self.last, below.last), high_high(self.last, below.last)];
        [p0, p1, p2, p3, p4, p5]
    }

    /// Pixels with the ones to their right, but the last two with zero: they meet the kernel's last element, which has
    /// no partner.
    const fn interleaved(self) -> [Pair; SIDE] {
        let Self { even, odd, last } = self;
        let p12 = odd & 0xffff | even & 0xffff_0000;
        [low_low(even, odd), p12, high_high(even, odd), odd >> 16 | last << 16, last & 0xffff, last >> 16]
    }
}

const fn low_low(a: Pair, b: Pair) -> Pair {
    a & 0xffff | b << 16
}

const fn high_high(a: Pair, b: Pair) -> Pair {
    a >> 16 | b & 0xffff_0000
}

/// Sets the sums of all pairs of outputs; `words` is `[pair of outputs][word]`.
pub fn convolve(words: &[Word], patch: &Patch, sums: &mut [Tile]) {
    #[cfg(not(kernels = "dsp"))]
    portable(words, patch, sums);
    #[cfg(kernels = "dsp")]
    {
        let count = sums.len().min(words.len() / WORDS);
        let Some(sums) = sums.get_mut(..count) else { return };
        if !sums.is_empty() {
            let sums = sums.as_mut_ptr_range();
            // SAFETY: it reads as many words as there are for each of `sums`, which are not empty, and the whole of
            // `patch`, and writes the whole of `sums`.
            unsafe { convolve_tiles(words.as_ptr(), patch, sums.start, sums.end) }
        }
    }
}

/// Safe code for any target.
pub fn portable(words: &[Word], patch: &Patch, sums: &mut [Tile]) {
    let [stacked @ .., last, last_below] = patch;
    for (words, sums) in words.as_chunks::<WORDS>().0.iter().zip(sums) {
        *sums = [0; 8];
        let (columns, rest) = words.as_chunks::<KERNEL>();
        for (words, [above, below]) in columns.iter().zip(stacked.as_chunks().0) {
            for ((word, above), below) in words.iter().zip(above.windows(2)).zip(below.windows(2)) {
                add(*word, above, below, sums);
            }
        }
        for ((word, above), below) in rest.iter().zip(last.chunks(2)).zip(last_below.chunks(2)) {
            add(*word, above, below, sums);
        }
    }
}

/// Adds a word's products with the four places of a window, which its rows begin with.
fn add(word: Word, above: &[Pair], below: &[Pair], sums: &mut Tile) {
    let (&[p0, p1, ..], &[p2, p3, ..]) = (above, below) else { return };
    let half = |half: u32| i32::from(half as i16);
    for (pair, [whole, even]) in [p0, p1, p2, p3].into_iter().zip(sums.as_chunks_mut().0) {
        let (a, b) = (half(pair), half(pair >> 16));
        let products = half(word).wrapping_mul(a).wrapping_add(half(word >> 16).wrapping_mul(b));
        *whole = whole.wrapping_add_signed(products);
        let [even_a, _, even_b, _] = word.to_le_bytes().map(|byte| i32::from(byte.cast_signed()));
        *even = even.wrapping_add_signed(even_a * a + even_b * b);
    }
}

/// Of each word first the upper two places, then the lower two; registers as in `words::dsp`.
#[cfg(kernels = "dsp")]
#[unsafe(naked)]
unsafe extern "C" fn convolve_tiles(
    words: *const Word,
    patch: *const Patch,
    sums: *mut Tile,
    end: *mut Tile,
) {
    core::arch::naked_asm!(
        dsp_core!(),
        "push {{r2-r11, lr}}", // [sp] is the next sums, [sp + 4] their end
        "2:",
        ".irp sum, r4, r5, r6, r7, r8, r9, r10, r11",
        "mov \\sum, #0",
        ".endr",
        // where the upper pairs of each word lie: five columns of rows 0 and 2, every second of row 4
        ".irp place, 0, 4, 8, 12, 16, 48, 52, 56, 60, 64, 96, 104, 112",
        "ldr r12, [r0], #4",
        "ldrd r2, r3, [r1, #\\place]",
        "sxtb16 lr, r12",
        "smlad r4, r12, r2, r4",
        "smlad r5, lr, r2, r5",
        "smlad r6, r12, r3, r6",
        "smlad r7, lr, r3, r7",
        "ldrd r2, r3, [r1, #\\place + 24]",
        "smlad r8, r12, r2, r8",
        "smlad r9, lr, r2, r9",
        "smlad r10, r12, r3, r10",
        "smlad r11, lr, r3, r11",
        ".endr",
        "ldrd r12, lr, [sp]",
        "stm r12!, {{r4-r11}}",
        "str r12, [sp]",
        "cmp r12, lr",
        "bne 2b",
        "pop {{r2-r11, pc}}",
    )
}
