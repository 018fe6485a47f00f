//! Depthwise convolution of three columns, of a stride of one.

use core::arch::naked_asm;

use crate::kernels::bytes::{Block, STRIP};

/// Assembly of [`crate::kernels::bytes::strip`].
///
/// One channel at up to five places at a time, row by row: `r2`, `r3` and `lr` are one, three and five steps from a place
/// to the next, so that each of seven columns is loaded by one instruction. From the last column to the first, each is
/// multiplied with the weights of up to three places. A row begins with the last column that there is, and computes
/// nonsense for the places that there are not.
///
/// ```text
/// r0  weights    r1  row    r4 .. r8  sums    r9 .. r11  weights of the row    r12  activation
/// ```
///
/// # Safety
///
/// See [`crate::kernels::bytes::assembly`].
#[unsafe(naked)]
pub(in super::super) unsafe extern "C" fn strip_places(
    weights: *const Block,
    first_row: *const u8,
    place_bytes: usize,
    places: usize,
    sums: *mut [[i32; STRIP]; 4],
    sums_end: *mut [[i32; STRIP]; 4],
    stride_bytes: usize,
    rows: usize,
    to_second: usize,
    to_last: usize,
) {
    naked_asm!(
        "push {{r0-r12, lr}}",
        "sub sp, sp, #8",
        // where each of three rows begins in the code, and how long it is there
        "adr.w r12, 12f",
        "adr.w lr, 13f",
        "sub lr, lr, r12",
        "adr.w r7, 25f",
        "subs r3, r3, #5",
        "beq 2f",
        "adr.w r7, 24f",
        "adds r3, r3, #1",
        "beq 2f",
        "adr.w r7, 23f",
        "adds r3, r3, #1",
        "beq 2f",
        "adr.w r7, 22f",
        "adds r3, r3, #1",
        "beq 2f",
        "adr.w r7, 21f",
        "2:",
        "orr r7, r7, #1", // an address of Thumb code
        "str r7, [sp, #{column}]",
        "add r7, r7, lr",
        "str r7, [sp, #{column} + 4]",
        "add r7, r7, lr",
        "str r7, [sp, #{column} + 8]",
        "ldr r4, [sp, #{rows}]",
        "rsb r5, r4, #3",
        "mla r12, r5, lr, r12",
        "orr r12, r12, #1",
        "str r12, [sp, #{row}]",
        // back from the last row to the next channel of the first one, and of weights
        "ldrd r6, r7, [sp, #{to_second}]",
        "add r6, r6, r7",
        "rsb r6, r6, #1",
        "add r4, r4, r4, lsl #1",
        "lsl r4, r4, #2",
        "rsb r4, r4, #1",
        "strd r6, r4, [sp, #{back}]",
        "ldr r5, [sp, #{stride_bytes}]",
        "sub r5, r5, #4",
        "str r5, [sp, #{stride_bytes}]",
        "ldr r5, [sp, #{sums}]",
        "add r5, r5, #{block}",
        "str r5, [sp, #{block_end}]",
        "add r3, r2, r2, lsl #1",
        "add lr, r2, r2, lsl #2",
        "1:",
        ".irp sum, r4, r5, r6, r7, r8",
        "mov \\sum, #0",
        ".endr",
        "ldr pc, [sp, #{row}]",
        ".macro row column",
        "ldrsb r9, [r0], #4",
        "ldrsb r10, [r0], #4",
        "ldrsb r11, [r0], #4",
        "ldr pc, [sp, #\\column]",
        "25:",
        "ldrb r12, [r1, r3, lsl #1]",
        "mla r8, r11, r12, r8",
        "24:",
        "ldrb r12, [r1, lr]",
        "mla r8, r10, r12, r8",
        "mla r7, r11, r12, r7",
        "23:",
        "ldrb r12, [r1, r2, lsl #2]",
        "mla r8, r9, r12, r8",
        "mla r7, r10, r12, r7",
        "mla r6, r11, r12, r6",
        "22:",
        "ldrb r12, [r1, r3]",
        "mla r7, r9, r12, r7",
        "mla r6, r10, r12, r6",
        "mla r5, r11, r12, r5",
        "21:",
        "ldrb r12, [r1, r2, lsl #1]",
        "mla r6, r9, r12, r6",
        "mla r5, r10, r12, r5",
        "mla r4, r11, r12, r4",
        "ldrb r12, [r1, r2]",
        "mla r5, r9, r12, r5",
        "mla r4, r10, r12, r4",
        "ldrb r12, [r1]",
        "mla r4, r9, r12, r4",
        ".endm",
        "12:",
        "row {column}",
        "ldr r12, [sp, #{to_second}]",
        "add r1, r1, r12",
        "13:",
        "row {column}+4",
        "ldr r12, [sp, #{to_second} + 4]",
        "add r1, r1, r12",
        "row {column}+8",
        ".purgem row",
        "ldr r12, [sp, #{sums}]",
        "stm r12!, {{r4-r8}}",
        "str r12, [sp, #{sums}]",
        "ldrd r4, r5, [sp, #{back}]",
        "add r1, r1, r4",
        "add r0, r0, r5",
        "ldr r4, [sp, #{block_end}]",
        "cmp r12, r4",
        "bne 1b",
        "add r4, r4, #{block}",
        "str r4, [sp, #{block_end}]",
        "ldrd r4, r5, [sp, #{sums_end}]", // and the stride
        "add r0, r0, r5",
        "cmp r12, r4",
        "bne 1b",
        "add sp, sp, #8",
        "pop {{r0-r12, pc}}",
        back = const 0, // two
        column = const 8, // three
        row = const 20,
        block_end = const 56,
        sums = const 64,
        sums_end = const 68,
        stride_bytes = const 72,
        rows = const 76,
        to_second = const 80, // and to the last
        block = const size_of::<[[i32; STRIP]; 4]>(),
    )
}
