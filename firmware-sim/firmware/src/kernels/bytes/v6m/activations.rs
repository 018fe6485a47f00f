//! Activations of sums.

use core::arch::naked_asm;

use crate::kernels::words::Scaling;

/// Assembly of [`crate::kernels::bytes::activations`]: gives where it ends, or the first byte of a shift below 33.
///
/// Of activations there are four at a time, after the others. Of `round(acc · mantissa / 2^shift)` with ties up, only the
/// product's high half counts: half a unit is added, with twice the zero point, where one bit is left to shift.
///
/// The high half is made of four products of 16 bits: with `acc = 2¹⁶ · a + b` and `mantissa = 2¹⁶ · m + n`, of which `b`
/// is signed and `n` is not, it is `a · m + ((b · m + a · n + (b · n >> 16)) >> 16)`. No sum in it leaves 32 bits: `b · m`
/// is below 2³⁰ in size, `a · n` below 2²⁹, and `b · n >> 16` below 2¹⁵.
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
        "push {{r4-r7, lr}}",
        "mov r4, r8",
        "mov r5, r9",
        "mov r6, r10",
        "push {{r4-r6}}",
        "mov r8, r3",
        "ldr r4, [sp, #32]",
        "mov r9, r4", // the end
        "ldr r4, [sp, #36]",
        "mov r10, r4", // the rounding
        ".macro activation element",
        "ldr r3, [r0]",
        "add r0, r8",
        "ldr r4, [r1, #16 * \\element]",
        "adds r3, r3, r4",
        "sxth r4, r3",
        "subs r3, r3, r4",
        "asrs r3, r3, #16",
        "ldrh r5, [r1, #16 * \\element + 4]",
        "ldrh r6, [r1, #16 * \\element + 6]",
        "movs r7, r4",
        "muls r7, r5, r7",
        "asrs r7, r7, #16",
        "muls r4, r6, r4",
        "adds r4, r4, r7",
        "muls r5, r3, r5",
        "adds r4, r4, r5",
        "asrs r4, r4, #16",
        "muls r3, r6, r3",
        "adds r3, r3, r4",
        "ldr r4, [r1, #16 * \\element + 12]",
        "subs r4, r4, #33",
        "bhs 7f",
        "adds r2, r2, #\\element",
        "b 8f",
        "7:",
        "asrs r3, r3, r4",
        "add r3, r10",
        "asrs r3, r3, #1",
        "lsrs r4, r3, #8",
        "beq 9f",
        "mvns r3, r3",
        "asrs r3, r3, #31",
        "9:",
        "strb r3, [r2, #\\element]",
        ".endm",
        "2:",
        "mov r3, r9",
        "subs r3, r3, r2",
        "lsls r3, r3, #30",
        "bne 5f",
        "b 4f",
        "5:",
        "activation 0",
        "adds r1, r1, #16",
        "adds r2, r2, #1",
        "b 2b",
        "3:",
        ".irp element, 0, 1, 2, 3",
        "activation \\element",
        ".endr",
        "adds r1, r1, #64",
        "adds r2, r2, #4",
        "4:",
        "cmp r2, r9",
        "beq 8f",
        "b 3b",
        "8:",
        ".purgem activation",
        "movs r0, r2",
        "pop {{r4-r6}}",
        "mov r8, r4",
        "mov r9, r5",
        "mov r10, r6",
        "pop {{r4-r7, pc}}",
    )
}
