//! ARM's DSP extension, which Cortex-M4, M7 and M33 have: two products of 16 bits an instruction.
//!
//! Whole loops are written out since each uses all fourteen registers; left to the compiler, single
//! instructions cost two loads and stores of spilled registers each. Functions follow the AAPCS: arguments in
//! r0 to r3, and r4 to r11 and lr are put back.
#![allow(unsafe_code)]

use core::arch::naked_asm;

use super::{BlockSums, Pair, Patch, WindowSums};
use crate::format::words::{BLOCK, CONV1_WORDS, CONV2_WORDS, Word};
use crate::geometry::{MAPS1, MAPS2};

/// See [`super::conv1`].
pub fn conv1(
    weights: &[[Word; CONV1_WORDS]; MAPS1 / 2],
    patch: &Patch,
    sums: &mut [WindowSums; MAPS1 / 2],
) {
    // SAFETY: it reads the whole of `weights` and `patch` and writes the whole of `sums`, no more; the
    // references vouch for these, and for the alignment of `patch` and `sums`. `weights` need none.
    unsafe { conv1_tiles(weights, patch, sums) }
}

/// See [`super::conv2`].
pub fn conv2(
    weights: &[[Word; CONV2_WORDS]; MAPS2 / 2],
    patch: &Patch,
    sums: &mut [WindowSums; MAPS2 / 2],
) {
    // SAFETY: as in `conv1`; it also reads `sums`.
    unsafe { conv2_tiles(weights, patch, sums) }
}

/// See [`super::dense`].
#[must_use]
pub fn dense<const IN: usize>(weights: &[[Word; BLOCK]; IN], pairs: &[Pair; IN]) -> BlockSums {
    const { assert!(IN > 0 && IN.is_multiple_of(10), "ten pairs are taken at once") }
    let mut sums = [0; 2 * BLOCK];
    // SAFETY: from `pairs` to its end it reads each pair, and five words of `weights`, which has as many rows
    // of them; it writes the whole of `sums`.
    unsafe {
        let pairs = pairs.as_ptr_range();
        dense_block(weights.as_ptr().cast(), pairs.start, &raw mut sums, pairs.end);
    }
    sums
}

/// Sums in r4 to r11. A word in r12, its low bytes in lr; of the window first the upper, then the lower two
/// pairs in r2 and r3.
#[unsafe(naked)]
unsafe extern "C" fn conv1_tiles(
    weights: *const [[Word; CONV1_WORDS]; MAPS1 / 2],
    patch: *const Patch,
    sums: *mut [WindowSums; MAPS1 / 2],
) {
    naked_asm!(
        "add r3, r2, #{sums_len}",
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
        sums_len = const size_of::<[WindowSums; MAPS1 / 2]>(),
    )
}

/// Registers as in [`conv1_tiles`]. Down a column, the lower pairs of a word are the upper ones of the next.
#[unsafe(naked)]
unsafe extern "C" fn conv2_tiles(
    weights: *const [[Word; CONV2_WORDS]; MAPS2 / 2],
    patch: *const Patch,
    sums: *mut [WindowSums; MAPS2 / 2],
) {
    naked_asm!(
        "add r3, r2, #{sums_len}",
        "push {{r2-r11, lr}}", // [sp] is the next sums, [sp + 4] their end
        "2:",
        "ldr r12, [sp]",
        "ldm r12, {{r4-r11}}",
        ".irp column, 0, 4, 8, 12, 16",
        "ldrd r2, r3, [r1, #\\column]",
        ".irp row, 24, 48, 72, 96, 120",
        "ldr r12, [r0], #4",
        "sxtb16 lr, r12",
        "smlad r4, r12, r2, r4",
        "smlad r5, lr, r2, r5",
        "smlad r6, r12, r3, r6",
        "smlad r7, lr, r3, r7",
        "ldrd r2, r3, [r1, #\\row + \\column]",
        "smlad r8, r12, r2, r8",
        "smlad r9, lr, r2, r9",
        "smlad r10, r12, r3, r10",
        "smlad r11, lr, r3, r11",
        ".endr",
        ".endr",
        "ldrd r12, lr, [sp]",
        "stm r12!, {{r4-r11}}",
        "str r12, [sp]",
        "cmp r12, lr",
        "bne 2b",
        "pop {{r2-r11, pc}}",
        sums_len = const size_of::<[WindowSums; MAPS2 / 2]>(),
    )
}

/// Sums in r4 to r12 and lr, a word in r2, a pair in r3; a pair of zeros is passed over.
#[unsafe(naked)]
unsafe extern "C" fn dense_block(
    weights: *const Word,
    pairs: *const Pair,
    sums: *mut BlockSums,
    end: *const Pair,
) {
    naked_asm!(
        "push {{r2-r11, lr}}", // [sp] is sums, [sp + 4] the end of the pairs
        ".irp sum, r4, r5, r6, r7, r8, r9, r10, r11, r12, lr",
        "mov \\sum, #0",
        ".endr",
        "2:",
        ".irp pair, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9",
        "ldr r3, [r1, #4 * \\pair]",
        "cbz r3, 3f",
        "ldr r2, [r0, #20 * \\pair]",
        "smlad r4, r2, r3, r4",
        "sxtb16 r2, r2",
        "smlad r5, r2, r3, r5",
        "ldr r2, [r0, #20 * \\pair + 4]",
        "smlad r6, r2, r3, r6",
        "sxtb16 r2, r2",
        "smlad r7, r2, r3, r7",
        "ldr r2, [r0, #20 * \\pair + 8]",
        "smlad r8, r2, r3, r8",
        "sxtb16 r2, r2",
        "smlad r9, r2, r3, r9",
        "ldr r2, [r0, #20 * \\pair + 12]",
        "smlad r10, r2, r3, r10",
        "sxtb16 r2, r2",
        "smlad r11, r2, r3, r11",
        "ldr r2, [r0, #20 * \\pair + 16]",
        "smlad r12, r2, r3, r12",
        "sxtb16 r2, r2",
        "smlad lr, r2, r3, lr",
        "3:",
        ".endr",
        "add r0, r0, #200",
        "add r1, r1, #40",
        "ldr r2, [sp, #4]",
        "cmp r1, r2",
        "bne 2b",
        "ldr r2, [sp]",
        "stm r2, {{r4-r12, lr}}",
        "pop {{r2-r11, pc}}",
    )
}
