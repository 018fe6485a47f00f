//! ARMv6-M: sixteen registers, of which only the first eight multiply, load and shift.
//!
//! Whole loops are written out, as in [`dsp`](crate::kernels): the upper registers hold accumulators, to which they
//! can add, and the compiler does not use them so. The register budget:
//!
//! ```text
//!             three places                     one place                  depthwise
//! r0, r1      next weights, triple             next weights of two blocks next weights; first place of the map
//! r2, r3      first and second word            next input, input          second and third place
//! r4, r5      weights of a block, product      weights, product           activation, weight
//! r6, r7      accumulators: of output 3        accumulators: the last two next offset, map
//! r8 .. r12,  accumulators: 3 × two words      accumulators: 6            accumulators: 3 × 2
//! lr
//! ```
//!
//! Weights of a block come in one load: the lowest byte is extended, then the others are shifted down.
#![allow(unsafe_code)]

use core::arch::naked_asm;

use super::{Block, Triple};

mod activations;
mod depthwise;
pub(super) use activations::activations_of;
pub(super) use depthwise::depthwise_places;

/// Assembly of [`super::three_places`].
///
/// Of triples there are eight at a time, after the others. It adds to the sums, new or not.
///
/// # Safety
///
/// See [`super::assembly`].
#[unsafe(naked)]
pub(super) unsafe extern "C" fn three_places_blocks(
    weights: *const Block,
    stride_bytes: usize,
    patch: *const Triple,
    patch_end: *const Triple,
    sums: *mut [[i32; 3]; 4],
    sums_end: *mut [[i32; 3]; 4],
    _new: usize,
) {
    naked_asm!(
        "push {{r4-r7, lr}}",
        "mov r4, r8",
        "mov r5, r9",
        "mov r6, r10",
        "mov r7, r11",
        "subs r1, r1, r3",
        "adds r1, r1, r2", // from the end of a block's weights to the next
        "push {{r1-r7}}", // from `skipped` on, then the upper registers
        "movs r4, #0xff",
        "lsls r4, r4, #11", // the place of the first word's gap
        "subs r5, r3, r2",
        "movs r6, #28",
        "ands r5, r6", // the length modulo eight words
        "adds r5, r5, r2",
        "push {{r4, r5}}", // `gap`, `eights`
        // of the weight in r5, which it writes over; the one in the other register stays
        ".macro product word, accumulator",
        "muls r5, \\word, r5",
        "add \\accumulator, r5",
        ".endm",
        ".macro products element",
        "ldr r2, [r1, #4 * \\element]",
        "lsrs r3, r2, #11",
        "bne 8f",
        "cmp r2, #0",
        "beq 9f",
        "8:",
        "ldr r5, [sp, #{gap}]",
        "bics r2, r5",
        "ldr r4, [r0, #4 * \\element]",
        "sxtb r5, r4",
        "product r2, r8",
        "sxtb r5, r4",
        "product r3, r9",
        "asrs r4, r4, #8",
        "sxtb r5, r4",
        "product r2, r10",
        "sxtb r5, r4",
        "product r3, r11",
        "asrs r4, r4, #8",
        "sxtb r5, r4",
        "product r2, r12",
        "sxtb r5, r4",
        "product r3, lr",
        "asrs r4, r4, #8",
        "mov r5, r4",
        "product r2, r6",
        "muls r4, r3, r4",
        "add r7, r4",
        "9:",
        ".endm",
        "2:",
        "movs r6, #0",
        "movs r7, #0",
        ".irp accumulator, r8, r9, r10, r11, r12, lr",
        "mov \\accumulator, r6",
        ".endr",
        "ldr r1, [sp, #{patch}]",
        "3:",
        "ldr r5, [sp, #{eights}]",
        "cmp r1, r5",
        "beq 4f",
        "products 0",
        "adds r0, r0, #4",
        "adds r1, r1, #4",
        "b 3b",
        "4:",
        "ldr r5, [sp, #{patch_end}]",
        "cmp r1, r5",
        "bne 5f",
        "b 6f",
        "5:",
        ".irp element, 0, 1, 2, 3, 4, 5, 6, 7",
        "products \\element",
        ".endr",
        "adds r0, r0, #32",
        "adds r1, r1, #32",
        "b 4b",
        "6:",
        // [`super::split`], for one output after the other: here of r6 and r7
        ".macro split",
        "lsls r2, r6, #11",
        "asrs r2, r2, #11",
        "subs r6, r6, r2",
        "lsls r3, r7, #11",
        "subs r3, r3, r6",
        "asrs r3, r3, #11",
        "subs r7, r7, r3",
        "asrs r7, r7, #10",
        "ldm r1!, {{r4-r6}}",
        "subs r1, r1, #12",
        "adds r4, r4, r2",
        "adds r5, r5, r7",
        "adds r6, r6, r3",
        "stm r1!, {{r4-r6}}",
        ".endm",
        "ldr r1, [sp, #{sums}]",
        "adds r1, r1, #36", // the last output first, since its accumulators are there
        "split",
        "subs r1, r1, #48",
        "mov r6, r8",
        "mov r7, r9",
        "split",
        "mov r6, r10",
        "mov r7, r11",
        "split",
        "mov r6, r12",
        "mov r7, lr",
        "split",
        "adds r1, r1, #12",
        "str r1, [sp, #{sums}]",
        "ldr r2, [sp, #{skipped}]",
        "adds r0, r0, r2",
        "ldr r2, [sp, #{sums_end}]",
        "cmp r1, r2",
        "beq 7f",
        "b 2b",
        "7:",
        ".purgem product",
        ".purgem products",
        ".purgem split",
        "add sp, sp, #20",
        "pop {{r4-r7}}",
        "mov r8, r4",
        "mov r9, r5",
        "mov r10, r6",
        "mov r11, r7",
        "pop {{r4-r7, pc}}",
        gap = const 0,
        eights = const 4,
        skipped = const 8,
        patch = const 12,
        patch_end = const 16,
        sums = const 56,
        sums_end = const 60,
    )
}

/// Assembly of [`super::one_place`].
///
/// Two blocks at a time, then one that is left. Of inputs there are two at a time, after one if their number is odd.
///
/// # Safety
///
/// See [`super::assembly`].
#[unsafe(naked)]
pub(super) unsafe extern "C" fn one_place_blocks(
    weights: *const Block,
    stride_bytes: usize,
    patch: *const u8,
    patch_end: *const u8,
    sums: *mut [i32; 4],
    sums_end: *mut [i32; 4],
) {
    naked_asm!(
        "push {{r4-r7, lr}}",
        "mov r4, r8",
        "mov r5, r9",
        "mov r6, r10",
        "mov r7, r11",
        "push {{r0-r7}}", // from `weights` on, then the upper registers
        ".macro products weights, input, sum0, sum1, sum2, sum3",
        "ldr r4, [\\weights, #4 * \\input]",
        ".irp sum, \\sum0, \\sum1, \\sum2",
        "sxtb r5, r4",
        "muls r5, r3, r5",
        "add \\sum, r5",
        "asrs r4, r4, #8",
        ".endr",
        "muls r4, r3, r4",
        "add \\sum3, r4",
        ".endm",
        ".macro two_blocks input",
        "ldrb r3, [r2, #\\input]",
        "cmp r3, #0",
        "beq 9f",
        "products r0, \\input, r8, r9, r10, r11",
        "products r1, \\input, r12, lr, r6, r7",
        "9:",
        ".endm",
        "2:",
        "ldr r3, [sp, #{sums}]",
        "ldr r4, [sp, #{sums_end}]",
        "subs r4, r4, r3",
        "bne 1f",
        "b 8f",
        "1:",
        "ldm r3!, {{r0, r1, r6, r7}}",
        "mov r8, r0",
        "mov r9, r1",
        "mov r10, r6",
        "mov r11, r7",
        "ldr r0, [sp, #{weights}]",
        "ldr r2, [sp, #{patch}]",
        "cmp r4, #{one_block}",
        "bne 1f",
        "b 7f",
        "1:",
        "ldm r3!, {{r1, r5, r6, r7}}",
        "mov r12, r1",
        "mov lr, r5",
        "ldr r1, [sp, #{stride_bytes}]",
        "adds r1, r0, r1",
        "ldr r5, [sp, #{patch_end}]",
        "subs r5, r5, r2",
        "lsrs r5, r5, #1",
        "bcc 4f",
        "two_blocks 0",
        "adds r0, r0, #4",
        "adds r1, r1, #4",
        "adds r2, r2, #1",
        "ldr r5, [sp, #{patch_end}]",
        "cmp r2, r5",
        "beq 6f",
        "4:",
        "two_blocks 0",
        "two_blocks 1",
        "adds r0, r0, #8",
        "adds r1, r1, #8",
        "adds r2, r2, #2",
        "ldr r5, [sp, #{patch_end}]",
        "cmp r2, r5",
        "bne 4b",
        "6:",
        "ldr r3, [sp, #{sums}]",
        "mov r0, r8",
        "mov r1, r9",
        "mov r2, r10",
        "mov r4, r11",
        "stm r3!, {{r0, r1, r2, r4}}",
        "mov r0, r12",
        "mov r1, lr",
        "stm r3!, {{r0, r1, r6, r7}}",
        "str r3, [sp, #{sums}]",
        "ldr r0, [sp, #{weights}]",
        "ldr r1, [sp, #{stride_bytes}]",
        "adds r0, r0, r1",
        "adds r0, r0, r1",
        "str r0, [sp, #{weights}]",
        "b 2b",
        // one block
        "7:",
        "ldrb r3, [r2]",
        "cmp r3, #0",
        "beq 9f",
        "products r0, 0, r8, r9, r6, r7",
        "9:",
        "adds r0, r0, #4",
        "adds r2, r2, #1",
        "ldr r5, [sp, #{patch_end}]",
        "cmp r2, r5",
        "bne 7b",
        "ldr r3, [sp, #{sums}]",
        "mov r0, r8",
        "mov r1, r9",
        "stm r3!, {{r0, r1, r6, r7}}",
        "8:",
        ".purgem products",
        ".purgem two_blocks",
        "add sp, sp, #16",
        "pop {{r4-r7}}",
        "mov r8, r4",
        "mov r9, r5",
        "mov r10, r6",
        "mov r11, r7",
        "pop {{r4-r7, pc}}",
        one_block = const size_of::<[i32; 4]>(),
        weights = const 0,
        stride_bytes = const 4,
        patch = const 8,
        patch_end = const 12,
        sums = const 52,
        sums_end = const 56,
    )
}
