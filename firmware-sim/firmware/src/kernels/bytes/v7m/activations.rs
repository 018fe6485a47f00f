//! Activations of sums.

use core::arch::naked_asm;

use crate::kernels::words::Scaling;

/// Assembly of [`crate::kernels::bytes::activations`]: gives where it ends, or the first byte of a shift below 33.
///
/// Of activations there are four at a time, after the others. Of `round(acc · mantissa / 2^shift)` with ties up, only the
/// product's high half counts: half a unit is added, with twice the zero point, where one bit is left to shift, and the
/// last shift is that of `usat`.
///
/// # Safety
///
/// See [`crate::kernels::bytes::assembly`].
#[unsafe(naked)]
pub(in super::super) unsafe extern "C" fn activations_of(
    sums: *const i32,
    scalings: *const Scaling,
    bytes: *mut u8,
    step_bytes: usize,
    bytes_end: *const u8,
    rounding: u32,
) -> *const u8 {
    naked_asm!(
        "push {{r4-r10, lr}}",
        "ldrd r4, r5, [sp, #32]", // the end, the rounding
        ".macro activation element",
        "ldm r1!, {{r7-r10}}", // of which one is not needed
        "add r6, r6, r7",
        "smull r7, r6, r6, r8",
        "subs r10, r10, #33",
        "bhs 7f",
        "add r2, r2, #\\element",
        "b 8f",
        "7:",
        "asr r6, r6, r10",
        "add r6, r6, r5",
        "usat r6, #8, r6, asr #1",
        "strb r6, [r2, #\\element]",
        ".endm",
        "2:",
        "sub r6, r4, r2",
        "tst r6, #3",
        "beq 4f",
        "ldr r6, [r0]",
        "activation 0",
        "add r0, r0, r3",
        "add r2, r2, #1",
        "b 2b",
        "3:",
        "ldr r6, [r0]",
        "activation 0",
        "ldr r6, [r0, r3]",
        "activation 1",
        "ldr r6, [r0, r3, lsl #1]",
        "activation 2",
        "add r0, r0, r3, lsl #1",
        "ldr r6, [r0, r3]",
        "activation 3",
        "add r0, r0, r3, lsl #1",
        "add r2, r2, #4",
        "4:",
        "cmp r2, r4",
        "bne 3b",
        "8:",
        ".purgem activation",
        "mov r0, r2",
        "pop {{r4-r10, pc}}",
    )
}
