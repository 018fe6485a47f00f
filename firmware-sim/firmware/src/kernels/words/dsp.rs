//! ARM's DSP extension, which Cortex-M4, M7 and M33 have: two products of 16 bits an instruction.
//!
//! Whole loops are written out since each uses all fourteen registers. Functions follow the AAPCS: arguments in r0 to
//! r3, more of them on the stack, and r4 to r11 and lr are put back. Bytes may lie anywhere, so four of them are loaded
//! from any address, which these cores do unless told to trap (`CCR.UNALIGN_TRP`).
//!
//! ```text
//!            windows                           fours                      dense                       depthwise
//! r0         next word                         next words                 words                       next weights
//! r1         next pairs                        next pairs                 next four inputs            next offset
//! r2, r3     pairs of two places               pairs of two places        a word, a pair              pixels, sums of four channels
//! r4 .. r7   sums: [whole, even] × 2           sums of a pair of outputs  sums: [whole, even] × 2     sums: four channels
//! r8 .. r11  sums: [whole, even] × 2           of the next pair           sums: [whole, even] × 2     three offsets or pixels, weights
//! r12, lr    a word, its low bytes extended    two words                  four inputs, a word         weights, activations
//! ```
#![allow(unsafe_code)]

mod dense;
mod depthwise;
mod fours;
mod gather;
mod pool;
mod strips;

use core::arch::naked_asm;
use core::ops::Range;

pub use dense::dense;
pub use depthwise::activate_depthwise;
pub use fours::{activate_fours, activate_row, add_fours};
pub use gather::{gather_places, gather_window};
pub use pool::{activate_pairs, pool};
pub use strips::activate_strips;

pub use super::portable::depthwise;
use super::{Pair, Tile, WindowPatch, Word};

/// See [`super::window5`].
pub fn window5(words: &[Word], stride: usize, patches: &[WindowPatch<6>], sums: &mut [Tile]) {
    let pairs = before(patches.as_flattened().as_flattened());
    // SAFETY: for each patch it reads 25 words; `patches` are what it reads from 8 bytes after the pairs on.
    unsafe { add_rows(window5_rows, words, stride, 25 * patches.len(), pairs, sums) }
}

/// See [`super::window3`].
pub fn window3(words: &[Word], stride: usize, patches: &[WindowPatch<4>], sums: &mut [Tile]) {
    let pairs = before(patches.as_flattened().as_flattened());
    // SAFETY: for each patch it reads 9 words; `patches` are what it reads from 8 bytes after the pairs on.
    unsafe { add_rows(window3_rows, words, stride, 9 * patches.len(), pairs, sums) }
}

/// Eight bytes before the first pair, and before the end of the last: so the last two pairs of a patch lie as far from
/// where r1 is as the next patch does, and the load of these can move it there.
fn before(pairs: &[Pair]) -> Range<*const Pair> {
    let Range { start, end } = pairs.as_ptr_range();
    start.wrapping_byte_sub(8)..end.wrapping_byte_sub(8)
}

/// Takes words, the pairs, sums and their end, the bytes from the end of a row of words to the next row, which may be
/// negative, and the end of the pairs.
type RowsKernel =
    unsafe extern "C" fn(*const Word, *const Pair, *mut Tile, *mut Tile, usize, *const Pair);

/// Adds to the sums of which all words are there.
///
/// # Safety
///
/// For each of its sums the kernel reads all pairs, which must be there, and `len` words.
#[inline(never)] // one for both kernels
unsafe fn add_rows(
    kernel: RowsKernel,
    words: &[Word],
    stride: usize,
    len: usize,
    pairs: Range<*const Pair>,
    sums: &mut [Tile],
) {
    let rows = rows(words.len(), stride, len);
    let Some(sums) = sums.get_mut(..rows.min(sums.len())) else { return };
    if len == 0 || sums.is_empty() {
        return;
    }
    let gap = stride.wrapping_sub(len).wrapping_mul(size_of::<Word>());
    let sums = sums.as_mut_ptr_range();
    // SAFETY: `sums`, which are not empty, are at most `rows`, so that `len` words are there for each; it reads and
    // writes the whole of `sums`. The caller vouches for the pairs, of which there are some since `len` is not zero.
    unsafe { kernel(words.as_ptr(), pairs.start, sums.start, sums.end, gap, pairs.end) }
}

/// How many rows of `len` there are in so many words, from a `stride` to the next; without a stride the same words serve
/// any number.
fn rows(words: usize, stride: usize, len: usize) -> usize {
    let Some(spare) = words.checked_sub(len) else { return 0 };
    spare.checked_div(stride).map_or(usize::MAX, |more| more.saturating_add(1))
}

/// Lays out the stack and begins the first row, at label 4. Then on the stack:
///
/// ```text
/// 0    first pairs        r1 of each row
/// 4    gap
/// 8    end of sums
/// 12   next sums
/// 16   r4 .. r11, lr
/// 52   gap as it came     free
/// 56   end of pairs
/// ```
macro_rules! begin_rows {
    () => {
        "push {{r4-r11, lr}}
         mov r12, r2
         ldr r2, [sp, #36]
         push {{r1, r2, r3, r12}}"
    };
}

/// Ends a loop over pairs that begins at label 2, and a row that begins at label 4; returns after the last row.
macro_rules! end_rows {
    () => {
        "ldr r12, [sp, #56]
         cmp r1, r12
         bne 2b
         ldm sp, {{r1, r2, r3, r12}}
         add r0, r0, r2
         stm r12!, {{r4-r11}}
         str r12, [sp, #12]
         cmp r12, r3
         bne 4b
         add sp, sp, #16
         pop {{r4-r11, pc}}"
    };
}

/// Column by column, as the words lie: down a column, the lower places of a word are the upper ones of the next,
/// and their pairs stay in r2 and r3. So six loads of pairs serve five words.
#[unsafe(naked)]
unsafe extern "C" fn window5_rows(
    words: *const Word,
    pairs: *const Pair,
    sums: *mut Tile,
    sums_end: *mut Tile,
    gap: usize,
    pairs_end: *const Pair,
) {
    naked_asm!(
        dsp_core!(),
        begin_rows!(),
        "4:",
        "ldm r12, {{r4-r11}}",
        "2:",
        ".irp column, 8, 12, 16, 20, 24",
        "ldrd r2, r3, [r1, #\\column]",
        ".irp row, 24, 48, 72, 96, 120",
        "ldr r12, [r0], #4",
        "sxtb16 lr, r12",
        "smlad r4, r12, r2, r4",
        "smlad r5, lr, r2, r5",
        "smlad r6, r12, r3, r6",
        "smlad r7, lr, r3, r7",
        ".if \\row + \\column == 144",
        "ldrd r2, r3, [r1, #144]!", // on to the next patch
        ".else",
        "ldrd r2, r3, [r1, #\\row + \\column]",
        ".endif",
        "smlad r8, r12, r2, r8",
        "smlad r9, lr, r2, r9",
        "smlad r10, r12, r3, r10",
        "smlad r11, lr, r3, r11",
        ".endr",
        ".endr",
        end_rows!(),
    )
}

/// As [`window5_rows`]: four loads of pairs serve three words.
#[unsafe(naked)]
unsafe extern "C" fn window3_rows(
    words: *const Word,
    pairs: *const Pair,
    sums: *mut Tile,
    sums_end: *mut Tile,
    gap: usize,
    pairs_end: *const Pair,
) {
    naked_asm!(
        dsp_core!(),
        begin_rows!(),
        "4:",
        "ldm r12, {{r4-r11}}",
        "2:",
        ".irp column, 8, 12, 16",
        "ldrd r2, r3, [r1, #\\column]",
        ".irp row, 16, 32, 48",
        "ldr r12, [r0], #4",
        "sxtb16 lr, r12",
        "smlad r4, r12, r2, r4",
        "smlad r5, lr, r2, r5",
        "smlad r6, r12, r3, r6",
        "smlad r7, lr, r3, r7",
        ".if \\row + \\column == 64",
        "ldrd r2, r3, [r1, #64]!", // on to the next patch
        ".else",
        "ldrd r2, r3, [r1, #\\row + \\column]",
        ".endif",
        "smlad r8, r12, r2, r8",
        "smlad r9, lr, r2, r9",
        "smlad r10, r12, r3, r10",
        "smlad r11, lr, r3, r11",
        ".endr",
        ".endr",
        end_rows!(),
    )
}
