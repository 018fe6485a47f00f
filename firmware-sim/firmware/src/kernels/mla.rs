//! ARMv7-M without the DSP extension: a product of 32 bits an instruction, but loads that extend bytes and halves
//! for nothing.
//!
//! Written out for the same reason as `dsp`, which says how. The low inputs of all pairs come first, then the high
//! ones: so the weights need two registers, not four.
#![allow(unsafe_code)]

use core::arch::naked_asm;

use super::{Patch, WindowSums};
use crate::format::words::{CONV1_WORDS, CONV2_WORDS, Word};
use crate::geometry::{MAPS1, MAPS2};

pub use super::portable::dense;

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

/// Sums in r4 to r11. A half word in r12, its low byte in lr; of the window first the upper, then the lower two
/// inputs in r2 and r3.
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
        ".irp half, 0, 2",
        // where the upper pairs of each word lie: five columns of rows 0 and 2, every second of row 4
        ".irp place, 0, 4, 8, 12, 16, 48, 52, 56, 60, 64, 96, 104, 112",
        "ldrh r2, [r1, #\\place + \\half]",
        "ldrh r3, [r1, #\\place + \\half + 4]",
        "ldrsh r12, [r0]",
        "ldrsb lr, [r0], #4",
        "mla r4, r12, r2, r4",
        "mla r5, lr, r2, r5",
        "mla r6, r12, r3, r6",
        "mla r7, lr, r3, r7",
        "ldrh r2, [r1, #\\place + \\half + 24]",
        "ldrh r3, [r1, #\\place + \\half + 28]",
        "mla r8, r12, r2, r8",
        "mla r9, lr, r2, r9",
        "mla r10, r12, r3, r10",
        "mla r11, lr, r3, r11",
        ".endr",
        "sub r0, r0, #{words_len} - 2", // from the high halves of the first word
        ".endr",
        "add r0, r0, #{words_len} - 4",
        "ldrd r12, lr, [sp]",
        "stm r12!, {{r4-r11}}",
        "str r12, [sp]",
        "cmp r12, lr",
        "bne 2b",
        "pop {{r2-r11, pc}}",
        sums_len = const size_of::<[WindowSums; MAPS1 / 2]>(),
        words_len = const size_of::<[Word; CONV1_WORDS]>(),
    )
}

/// Registers as in [`conv1_tiles`]. Down a column, the lower inputs of a word are the upper ones of the next.
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
        ".irp half, 0, 2",
        ".irp column, 0, 4, 8, 12, 16",
        "ldrh r2, [r1, #\\column + \\half]",
        "ldrh r3, [r1, #\\column + \\half + 4]",
        ".irp row, 24, 48, 72, 96, 120",
        "ldrsh r12, [r0]",
        "ldrsb lr, [r0], #4",
        "mla r4, r12, r2, r4",
        "mla r5, lr, r2, r5",
        "mla r6, r12, r3, r6",
        "mla r7, lr, r3, r7",
        "ldrh r2, [r1, #\\row + \\column + \\half]",
        "ldrh r3, [r1, #\\row + \\column + \\half + 4]",
        "mla r8, r12, r2, r8",
        "mla r9, lr, r2, r9",
        "mla r10, r12, r3, r10",
        "mla r11, lr, r3, r11",
        ".endr",
        ".endr",
        "sub r0, r0, #{words_len} - 2", // from the high halves of the first word
        ".endr",
        "add r0, r0, #{words_len} - 4",
        "ldrd r12, lr, [sp]",
        "stm r12!, {{r4-r11}}",
        "str r12, [sp]",
        "cmp r12, lr",
        "bne 2b",
        "pop {{r2-r11, pc}}",
        sums_len = const size_of::<[WindowSums; MAPS2 / 2]>(),
        words_len = const size_of::<[Word; CONV2_WORDS]>(),
    )
}
