//! Activations of sums.

use core::arch::naked_asm;

use crate::kernels::words::Scaling;

/// Assembly of [`crate::kernels::bytes::activations`]: gives where it ends, or the first byte of a shift below 33.
///
/// Of activations there are four at a time, after the others. Of `round(acc · mantissa / 2^shift)` with ties up, only the
/// product's high half counts: half a unit is added, with twice the zero point, where one bit is left to shift.
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
        ".option push",
        ".option arch, +m", // see `three_places`
        "li a6, 256",
        ".macro activation element",
        "lw t0, 0(a0)",
        "lw t1, 16 * \\element(a1)",
        "lw t2, 16 * \\element + 4(a1)",
        "lw t3, 16 * \\element + 12(a1)",
        "add t0, t0, t1",
        "mulh t0, t0, t2",
        "addi t3, t3, -33",
        "bgez t3, 7f",
        "addi a0, a2, \\element",
        "ret",
        "7:",
        "sra t0, t0, t3",
        "add t0, t0, a5",
        "srai t0, t0, 1",
        "bltu t0, a6, 9f",
        "not t0, t0",
        "srai t0, t0, 31",
        "9:",
        "sb t0, \\element(a2)",
        "add a0, a0, a3",
        ".endm",
        "2:",
        "sub t0, a4, a2",
        "andi t0, t0, 3",
        "beqz t0, 4f",
        "activation 0",
        "addi a1, a1, 16",
        "addi a2, a2, 1",
        "j 2b",
        "3:",
        ".irp element, 0, 1, 2, 3",
        "activation \\element",
        ".endr",
        "addi a1, a1, 64",
        "addi a2, a2, 4",
        "4:",
        "bne a2, a4, 3b",
        ".purgem activation",
        "mv a0, a2",
        "ret",
        ".option pop",
    )
}
