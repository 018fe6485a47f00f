//! ARMv7-M: multiplies and adds in an instruction, and loads extend bytes for nothing.
//!
//! Whole loops are written out, as in [`dsp`](crate::kernels): left to the compiler, accumulators are spilled. The
//! register budget:
//!
//! ```text
//!            three places                     one place               depthwise
//! r0, r1     next weight, triple              next weights            next weight, activation
//! r2, r3     two triples or their words       next input, input       bytes to next place, activation
//! r4 .. r9   accumulators: 4 × two words      accumulators: 2 × 4     accumulators: 3 × 2
//! r10, r11     (the last output's)              (the last two)        map, end of offsets
//! r12        second word                      weight                  weight
//! lr         weight                           end of inputs           next offset
//! ```
//!
//! What is needed once a block lies on the stack: of 14 words, which `push` lays there, the last ten are registers to
//! put back. So the arguments r0 to r3 are `[sp]` to `[sp, #12]`, the others `[sp, #56]` on, and `[sp, #48]` is free.
#![allow(unsafe_code)]

use core::arch::naked_asm;

use super::{Block, Triple};

mod activations;
mod depthwise;
mod strip;
pub(super) use activations::activations_of;
pub(super) use depthwise::depthwise_places;
pub(super) use strip::strip_places;

/// Assembly of [`super::three_places`].
///
/// `[sp, #48]` is where the triples begin of which there are eight at a time, after the others.
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
    new: usize,
) {
    naked_asm!(
        "push {{r0-r12, lr}}",
        "sub r12, r3, r2",
        "sub r1, r1, r12", // from the end of a block's weights to the next
        "str r1, [sp, #4]",
        "and r12, r12, #28", // the length modulo eight words
        "add r12, r12, r2",
        "str r12, [sp, #48]",
        ".macro products triple, element",
        "cbz \\triple, 9f",
        "lsr r12, \\triple, #11",
        "bic \\triple, \\triple, #0x7f800",
        "ldrsb lr, [r0, #4 * (\\element)]",
        "mla r4, lr, \\triple, r4",
        "mla r5, lr, r12, r5",
        "ldrsb lr, [r0, #4 * (\\element) + 1]",
        "mla r6, lr, \\triple, r6",
        "mla r7, lr, r12, r7",
        "ldrsb lr, [r0, #4 * (\\element) + 2]",
        "mla r8, lr, \\triple, r8",
        "mla r9, lr, r12, r9",
        "ldrsb lr, [r0, #4 * (\\element) + 3]",
        "mla r10, lr, \\triple, r10",
        "mla r11, lr, r12, r11",
        "9:",
        ".endm",
        "2:",
        ".irp accumulator, r4, r5, r6, r7, r8, r9, r10, r11",
        "mov \\accumulator, #0",
        ".endr",
        "ldr r1, [sp, #8]",
        "ldr r3, [sp, #48]",
        "cmp r1, r3",
        "beq 4f",
        "3:",
        "ldr r2, [r1], #4",
        "products r2, 0",
        "add r0, r0, #4",
        "cmp r1, r3",
        "bne 3b",
        "4:",
        "ldr r2, [sp, #12]",
        "cmp r1, r2",
        "beq 6f",
        "5:",
        ".irp element, 0, 2, 4, 6",
        "ldrd r2, r3, [r1], #8",
        "products r2, \\element",
        "products r3, \\element+1",
        ".endr",
        "add r0, r0, #32",
        "ldr r2, [sp, #12]",
        "cmp r1, r2",
        "bne 5b",
        "6:",
        ".purgem products",
        "ldr r1, [sp, #56]",
        "ldr r2, [sp, #64]",
        "cmp r2, #0",
        "bne 7f",
        // [`super::split`], for one output after the other
        ".macro add_sums first, second",
        "ldm r1, {{r2, r3, r12}}",
        "sbfx lr, \\first, #0, #21",
        "add r2, r2, lr",
        "sub \\first, \\first, lr",
        "rsb \\first, \\first, \\second, lsl #11",
        "sub \\second, \\second, \\first, asr #11",
        "add r3, r3, \\second, asr #10",
        "add r12, r12, \\first, asr #11",
        "stm r1!, {{r2, r3, r12}}",
        ".endm",
        "add_sums r4, r5",
        "add_sums r6, r7",
        "add_sums r8, r9",
        "add_sums r10, r11",
        ".purgem add_sums",
        "b 8f",
        // the same where nothing is there
        "7:",
        ".macro write_sums first, second",
        "sbfx r2, \\first, #0, #21",
        "sub \\first, \\first, r2",
        "rsb \\first, \\first, \\second, lsl #11",
        "sub \\second, \\second, \\first, asr #11",
        "asr r3, \\second, #10",
        "asr r12, \\first, #11",
        "stm r1!, {{r2, r3, r12}}",
        ".endm",
        "write_sums r4, r5",
        "write_sums r6, r7",
        "write_sums r8, r9",
        "write_sums r10, r11",
        ".purgem write_sums",
        "8:",
        "ldr r2, [sp, #4]",
        "add r0, r0, r2",
        "ldr r2, [sp, #60]",
        "str r1, [sp, #56]",
        "cmp r1, r2",
        "bne 2b",
        "pop {{r0-r12, pc}}",
    )
}

/// Assembly of [`super::one_place`].
///
/// Two blocks at a time, then one that is left. `[sp, #48]` is where the inputs begin of which there are four at a
/// time, after the others.
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
        "push {{r0-r12, lr}}",
        "sub r12, r3, r2",
        "and r12, r12, #3",
        "add r12, r12, r2",
        "str r12, [sp, #48]",
        ".macro product weights, input, output, sum",
        "ldrsb r12, [\\weights, #4 * \\input + \\output]",
        "mla \\sum, r12, r3, \\sum",
        ".endm",
        ".macro one_block input",
        "ldrb r3, [r2, #\\input]",
        "cbz r3, 9f",
        "product r0, \\input, 0, r4",
        "product r0, \\input, 1, r5",
        "product r0, \\input, 2, r6",
        "product r0, \\input, 3, r7",
        "9:",
        ".endm",
        ".macro two_blocks input",
        "ldrb r3, [r2, #\\input]",
        "cbz r3, 9f",
        "product r0, \\input, 0, r4",
        "product r0, \\input, 1, r5",
        "product r0, \\input, 2, r6",
        "product r0, \\input, 3, r7",
        "product r1, \\input, 0, r8",
        "product r1, \\input, 1, r9",
        "product r1, \\input, 2, r10",
        "product r1, \\input, 3, r11",
        "9:",
        ".endm",
        ".macro inputs blocks",
        "ldr lr, [sp, #48]",
        "cmp r2, lr",
        "beq 4f",
        "3:",
        "\\blocks 0",
        "add r0, #4",
        "add r1, #4",
        "add r2, #1",
        "cmp r2, lr",
        "bne 3b",
        "4:",
        "ldr lr, [sp, #12]",
        "cmp r2, lr",
        "beq 6f",
        "5:",
        "\\blocks 0",
        "\\blocks 1",
        "\\blocks 2",
        "\\blocks 3",
        "add r0, #16",
        "add r1, #16",
        "add r2, #4",
        "cmp r2, lr",
        "bne 5b",
        "6:",
        ".endm",
        "2:",
        "ldrd r12, r3, [sp, #56]", // the sums and their end
        "subs r3, r3, r12",
        "beq 8f",
        "ldrd r0, r1, [sp]",
        "add r1, r0, r1",
        "ldr r2, [sp, #8]",
        "cmp r3, #16",
        "beq 7f",
        "ldm r12, {{r4-r11}}",
        "inputs two_blocks",
        "ldrd r0, r1, [sp]",
        "add r0, r0, r1, lsl #1",
        "str r0, [sp]",
        "ldr r12, [sp, #56]",
        "stm r12!, {{r4-r11}}",
        "str r12, [sp, #56]",
        "b 2b",
        "7:",
        "ldm r12, {{r4-r7}}",
        "inputs one_block",
        "ldr r12, [sp, #56]",
        "stm r12, {{r4-r7}}",
        "8:",
        ".purgem product",
        ".purgem one_block",
        ".purgem two_blocks",
        ".purgem inputs",
        "pop {{r0-r12, pc}}",
    )
}
