//! ARM's DSP extension, which Cortex-M4, M7 and M33 have: two products of 16 bits an instruction.
//!
//! Whole loops are written out since each uses all fourteen registers; left to the compiler, single
//! instructions cost two loads and stores of spilled registers each. Functions follow the AAPCS: arguments in
//! r0 to r3, and r4 to r11 and lr are put back.
//!
//! The register budget, of the convolutions and of the dense layer:
//!
//! ```text
//!            convolution: 2 outputs × 4 places      dense: 10 outputs
//! r0         next word                              words, ten rows of five at a time
//! r1         patch                                  pairs, ten at a time
//! r2, r3     pairs of two neighbouring places       a word, its pair
//! r4 .. r11  accumulators: [whole, even] × 4        accumulators: [whole, even] × 4
//! r12, lr    a word, its low bytes extended         accumulators: [whole, even]
//! [sp]       where accumulators go                  where accumulators go
//! [sp, #4]   where they end                         where the pairs end
//! ```
//!
//! What is needed once a tile lies on the stack, since no register is left for it. A dense layer holds one place but
//! ten outputs, so its word cannot stay beside its low bytes: `sxtb16` writes over it.
#![allow(unsafe_code)]

use core::arch::naked_asm;

use super::{BlockAccumulators, Pair, Patch, WindowAccumulators};
use crate::format::words::{BLOCK, CONV1_WORDS, CONV2_WORDS, Word};
use crate::geometry::{MAPS1, MAPS2};

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

/// See [`super::dense`].
#[must_use]
pub fn dense<const IN: usize>(
    weights: &[[Word; BLOCK]; IN],
    pairs: &[Pair; IN],
) -> BlockAccumulators {
    const { assert!(IN > 0 && IN.is_multiple_of(10), "ten pairs are taken at once") }
    let mut accumulators = [0; 2 * BLOCK];
    // SAFETY: from `pairs` to its end it reads each pair, and five words of `weights`, which has as many rows
    // of them; it writes the whole of `accumulators`.
    unsafe {
        let pairs = pairs.as_ptr_range();
        dense_block(weights.as_ptr().cast(), pairs.start, &raw mut accumulators, pairs.end);
    }
    accumulators
}

/// Of each word first the upper two places, then the lower two.
#[unsafe(naked)]
unsafe extern "C" fn conv1_tiles(
    weights: *const [[Word; CONV1_WORDS]; MAPS1 / 2],
    patch: *const Patch,
    accumulators: *mut [WindowAccumulators; MAPS1 / 2],
) {
    naked_asm!(
        dsp_core!(),
        "add r3, r2, #{accumulators_len}",
        "push {{r2-r11, lr}}", // [sp] is the next accumulators, [sp + 4] their end
        "2:",
        ".irp accumulator, r4, r5, r6, r7, r8, r9, r10, r11",
        "mov \\accumulator, #0",
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
        accumulators_len = const size_of::<[WindowAccumulators; MAPS1 / 2]>(),
    )
}

/// Column by column, as the words lie: down a column, the lower places of a word are the upper ones of the next,
/// and their pairs stay in r2 and r3. So six loads of pairs serve five words.
#[unsafe(naked)]
unsafe extern "C" fn conv2_tiles(
    weights: *const [[Word; CONV2_WORDS]; MAPS2 / 2],
    patch: *const Patch,
    accumulators: *mut [WindowAccumulators; MAPS2 / 2],
) {
    naked_asm!(
        dsp_core!(),
        "add r3, r2, #{accumulators_len}",
        "push {{r2-r11, lr}}", // [sp] is the next accumulators, [sp + 4] their end
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
        accumulators_len = const size_of::<[WindowAccumulators; MAPS2 / 2]>(),
    )
}

/// A pair of zeros is passed over: after ReLU most pairs are, and a branch costs less than five words.
#[unsafe(naked)]
unsafe extern "C" fn dense_block(
    weights: *const Word,
    pairs: *const Pair,
    accumulators: *mut BlockAccumulators,
    end: *const Pair,
) {
    naked_asm!(
        dsp_core!(),
        "push {{r2-r11, lr}}", // [sp] is accumulators, [sp + 4] the end of the pairs
        ".irp accumulator, r4, r5, r6, r7, r8, r9, r10, r11, r12, lr",
        "mov \\accumulator, #0",
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
