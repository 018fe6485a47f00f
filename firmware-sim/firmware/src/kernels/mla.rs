//! ARMv7-M without the DSP extension: a product of 32 bits an instruction, but loads that extend bytes and halves
//! for nothing.
//!
//! Written out for the same reason as `dsp`, with the same tile and register budget; but r2 and r3 hold single inputs,
//! and r12 and lr a half word and its low byte. The low inputs of all pairs come first, then the high ones, in a second
//! pass over the words: so the weights need two registers, not four, and eight are left for accumulators.
#![allow(unsafe_code)]

use core::arch::naked_asm;

use super::{Patch, WindowAccumulators};
use crate::format::words::{CONV1_WORDS, CONV2_WORDS, Word};
use crate::geometry::{MAPS1, MAPS2};

pub use super::portable::dense;

/// See [`super::conv1`].
pub fn conv1(
    weights: &[[Word; CONV1_WORDS]; MAPS1 / 2],
    patch: &Patch,
    accumulators: &mut [WindowAccumulators; MAPS1 / 2],
) {
    // SAFETY: it reads the whole of `weights` and `patch` and writes the whole of `accumulators`, no more; the
    // references vouch for these, and for the alignment of `patch` and `accumulators`. `weights` need none.
    unsafe { conv1_tiles(weights, patch, accumulators) }
}

/// See [`super::conv2`].
pub fn conv2(
    weights: &[[Word; CONV2_WORDS]; MAPS2 / 2],
    patch: &Patch,
    accumulators: &mut [WindowAccumulators; MAPS2 / 2],
) {
    // SAFETY: as in `conv1`; it also reads `accumulators`.
    unsafe { conv2_tiles(weights, patch, accumulators) }
}

/// Of each half word first the upper two places, then the lower two.
#[unsafe(naked)]
unsafe extern "C" fn conv1_tiles(
    weights: *const [[Word; CONV1_WORDS]; MAPS1 / 2],
    patch: *const Patch,
    accumulators: *mut [WindowAccumulators; MAPS1 / 2],
) {
    naked_asm!(
        "add r3, r2, #{accumulators_len}",
        "push {{r2-r11, lr}}", // [sp] is the next accumulators, [sp + 4] their end
        "2:",
        ".irp accumulator, r4, r5, r6, r7, r8, r9, r10, r11",
        "mov \\accumulator, #0",
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
        accumulators_len = const size_of::<[WindowAccumulators; MAPS1 / 2]>(),
        words_len = const size_of::<[Word; CONV1_WORDS]>(),
    )
}

/// Down a column, the lower inputs of a word are the upper ones of the next, as in `dsp`.
#[unsafe(naked)]
unsafe extern "C" fn conv2_tiles(
    weights: *const [[Word; CONV2_WORDS]; MAPS2 / 2],
    patch: *const Patch,
    accumulators: *mut [WindowAccumulators; MAPS2 / 2],
) {
    naked_asm!(
        "add r3, r2, #{accumulators_len}",
        "push {{r2-r11, lr}}", // [sp] is the next accumulators, [sp + 4] their end
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
        accumulators_len = const size_of::<[WindowAccumulators; MAPS2 / 2]>(),
        words_len = const size_of::<[Word; CONV2_WORDS]>(),
    )
}
