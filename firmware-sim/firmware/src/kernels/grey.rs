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
use super::words::{Offsets, Tile, Word};
use crate::loops::keep_rolled;

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

/// Lays out the pixels of a window, and tells whether any is not zero.
///
/// `rows` says where the window's rows begin in `pixels`. Nothing is done unless all of these are there.
#[must_use]
pub fn gather(pixels: &[u8], rows: Offsets<'_>, patch: &mut Patch) -> bool {
    let Some(rows) = rows.within(pixels.len(), SIDE) else { return false };
    #[cfg(not(kernels = "dsp"))]
    return gather_portably(pixels, rows, patch);
    // SAFETY: it reads `SIDE` bytes from each of `rows`, which is inside, and writes the whole of `patch`.
    #[cfg(kernels = "dsp")]
    unsafe {
        gather_rows(pixels.as_ptr(), rows, patch) != 0
    }
}

/// Safe code for any target.
pub fn gather_portably(pixels: &[u8], rows: &[u32; SIDE], patch: &mut Patch) -> bool {
    let rows = rows.map(|offset| {
        let row = pixels.get(offset as usize..).and_then(|pixels| pixels.first_chunk());
        row.map_or([0; SIDE], |row| row.map(Pair::from))
    });
    let [stacked @ .., last, last_below] = patch;
    for (cells, rows) in stacked.iter_mut().zip(rows.windows(2)) {
        let [above, below] = rows else { continue };
        for ((cell, above), below) in cells.iter_mut().zip(above).zip(below) {
            *cell = above | below << 16;
        }
    }
    let [.., row, below] = rows;
    for ([p0, p1, p2, p3, p4, p5], cells) in [(row, last), (below, last_below)] {
        *cells = [p0 | p1 << 16, p1 | p2 << 16, p2 | p3 << 16, p3 | p4 << 16, p4, p5];
    }
    rows != [[0; SIDE]; SIDE]
}

/// Sets the pixels of a row of the window: for rows above and below the map, for which others were gathered.
pub fn fill_row(patch: &mut Patch, row: usize, pixel: u8) {
    let pixel = Pair::from(pixel);
    let [stacked @ .., last, last_below] = patch;
    for (number, cells) in stacked.iter_mut().enumerate() {
        let half = match row.checked_sub(number) {
            Some(0) => 0,
            Some(1) => 16,
            _ => continue,
        };
        for cell in cells {
            *cell = *cell & !(0xffff << half) | pixel << half;
            keep_rolled();
        }
    }
    let last = if row + 1 == SIDE { last_below } else { last };
    if row + 2 >= SIDE {
        *last = [pixel | pixel << 16; SIDE];
        *last.last_chunk_mut().unwrap_or(&mut [0; 2]) = [pixel; 2];
    }
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

/// Row by row: pixels with those above them, which stay in registers; then those of the last two rows side by side.
///
/// ```text
/// r0       pixels, then whether any is not zero     r4, r5, r6     pixels 0 and 2, 1 and 3, 4 and 5 of a row
/// r1, r2   next offset, next cells                  r7, r8, r9     of the other of two rows
/// r12      pixels                                   r3, r10, r11   cells
/// ```
#[cfg(kernels = "dsp")]
#[unsafe(naked)]
unsafe extern "C" fn gather_rows(
    pixels: *const u8,
    rows: *const [u32; SIDE],
    patch: *mut Patch,
) -> u32 {
    core::arch::naked_asm!(
        dsp_core!(),
        "push {{r4-r11, lr}}",
        "mov r12, r0",
        "mov r0, #0",
        ".macro load even, odd, last",
        "ldr r3, [r1], #4",
        "add r3, r3, r12",
        "ldrh \\last, [r3, #4]",
        "ldr r3, [r3]",
        "orr r0, r0, r3",
        "orr r0, r0, \\last",
        "orr \\last, \\last, \\last, lsl #8",
        "uxtb16 \\last, \\last",
        "uxtb16 \\even, r3",
        "uxtb16 \\odd, r3, ror #8",
        ".endm",
        ".macro stack even, odd, last, even_below, odd_below, last_below",
        "load \\even_below, \\odd_below, \\last_below",
        "pkhbt r3, \\even, \\even_below, lsl #16",
        "pkhbt r10, \\odd, \\odd_below, lsl #16",
        "pkhtb r11, \\even_below, \\even, asr #16",
        "pkhtb lr, \\odd_below, \\odd, asr #16",
        "stm r2!, {{r3, r10, r11, lr}}",
        "pkhbt r3, \\last, \\last_below, lsl #16",
        "pkhtb r10, \\last_below, \\last, asr #16",
        "stm r2!, {{r3, r10}}",
        ".endm",
        ".macro neighbours even, odd, last",
        "pkhbt r3, \\even, \\odd, lsl #16",
        "pkhbt r10, \\odd, \\even", // with the upper half of the even ones
        "pkhtb r11, \\odd, \\even, asr #16",
        "lsr lr, \\odd, #16",
        "pkhbt lr, lr, \\last, lsl #16",
        "stm r2!, {{r3, r10, r11, lr}}",
        "uxth r3, \\last",
        "lsr r10, \\last, #16",
        "stm r2!, {{r3, r10}}",
        ".endm",
        "load r4, r5, r6",
        "stack r4, r5, r6, r7, r8, r9",
        "stack r7, r8, r9, r4, r5, r6",
        "stack r4, r5, r6, r7, r8, r9",
        "stack r7, r8, r9, r4, r5, r6",
        "neighbours r4, r5, r6",
        "load r4, r5, r6",
        "neighbours r4, r5, r6",
        ".purgem load",
        ".purgem stack",
        ".purgem neighbours",
        "pop {{r4-r11, pc}}",
    )
}
