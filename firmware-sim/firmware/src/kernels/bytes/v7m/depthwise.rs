//! Depthwise convolution.

use core::arch::naked_asm;

use crate::kernels::bytes::Block;

/// Assembly of [`crate::kernels::bytes::depthwise`].
///
/// Two channels at three places at a time, twice for each block; then four channels at one place.
///
/// From the weights of two channels to those of the next it is now two bytes and now the rest of a block: `step` on
/// the stack is one of them, `both_steps` their sum.
///
/// # Safety
///
/// See [`crate::kernels::bytes::assembly`].
#[unsafe(naked)]
pub(in super::super) unsafe extern "C" fn depthwise_places(
    weights: *const Block,
    stride_bytes: usize,
    map: *const u8,
    offsets: *const u16,
    offsets_end: *const u16,
    sums: *mut [i32; 4],
    place_bytes: usize,
    place_sums_bytes: usize,
    places: usize,
) {
    naked_asm!(
        "push {{r0-r12, lr}}",
        "sub sp, sp, #8",
        // a pass over all blocks: at three places while there are as many
        "1:",
        "ldr r10, [sp, #{map}]",
        "ldr r0, [sp, #{weights}]",
        "ldrd r11, r12, [sp, #{offsets_end}]", // and the sums
        "ldrd r2, r3, [sp, #{place_bytes}]", // and the place's sums
        "add r4, r12, r3",
        "str r4, [sp, #{sums_end}]",
        "ldr r4, [sp, #{places}]",
        "ldr lr, [sp, #{offsets}]",
        "ldr r5, [sp, #{stride_bytes}]",
        "sub r6, r11, lr",
        "lsl r6, r6, #1", // bytes of a block's weights
        "subs r4, r4, #3",
        "blo 4f",
        "str r4, [sp, #{places}]",
        "sub r5, r5, r6, lsl #1",
        "rsb r6, r6, #2",
        "str r5, [sp, #{both_steps}]",
        "str r6, [sp, #{step}]",
        "2:",
        "ldrd r4, r5, [r12]",
        "add r12, r12, r3",
        "ldrd r6, r7, [r12]",
        "add r12, r12, r3",
        "ldrd r8, r9, [r12]",
        "ldr lr, [sp, #{offsets}]",
        "3:",
        "ldrh r1, [lr], #2",
        "add r1, r1, r10",
        ".macro product next_weight, first, second, third",
        "ldrsb r12, [r0], #\\next_weight",
        "ldrb r3, [r1, r2, lsl #1]",
        "mla \\third, r12, r3, \\third",
        "ldrb r3, [r1, r2]",
        "mla \\second, r12, r3, \\second",
        "ldrb r3, [r1], #1",
        "mla \\first, r12, r3, \\first",
        ".endm",
        "product 1, r4, r6, r8",
        "product 3, r5, r7, r9",
        ".purgem product",
        "cmp lr, r11",
        "bne 3b",
        "ldr r12, [sp, #{sums}]",
        "ldr r3, [sp, #{place_sums_bytes}]",
        "add r1, r12, r3",
        "strd r6, r7, [r1]",
        "add r1, r1, r3",
        "strd r8, r9, [r1]",
        "strd r4, r5, [r12], #8",
        "str r12, [sp, #{sums}]",
        "ldrd r4, r5, [sp, #{step}]", // and both steps
        "add r0, r0, r4",
        "sub r4, r5, r4",
        "str r4, [sp, #{step}]",
        "add r10, r10, #2",
        "ldr r1, [sp, #{sums_end}]",
        "cmp r12, r1",
        "bne 2b",
        "ldr r10, [sp, #{map}]",
        "add r2, r2, r2, lsl #1",
        "add r10, r10, r2",
        "str r10, [sp, #{map}]",
        "add r12, r12, r3, lsl #1",
        "str r12, [sp, #{sums}]",
        "b 1b",
        // the same at one place while there is one
        "4:",
        "adds r4, r4, #3",
        "beq 6f",
        "sub r4, r4, #1",
        "str r4, [sp, #{places}]",
        "sub r8, r5, r6", // bytes of weights between blocks
        "mov r9, r12",
        "2:",
        "ldm r9, {{r4-r7}}",
        "ldr lr, [sp, #{offsets}]",
        "3:",
        "ldrh r1, [lr], #2",
        "add r1, r1, r10",
        ".irp sum, r4, r5, r6, r7",
        "ldrsb r12, [r0], #1",
        "ldrb r3, [r1], #1",
        "mla \\sum, r12, r3, \\sum",
        ".endr",
        "cmp lr, r11",
        "bne 3b",
        "stm r9!, {{r4-r7}}",
        "add r10, r10, #4",
        "add r0, r0, r8",
        "ldr r1, [sp, #{sums_end}]",
        "cmp r9, r1",
        "bne 2b",
        "str r9, [sp, #{sums}]",
        "ldr r10, [sp, #{map}]",
        "add r10, r10, r2",
        "str r10, [sp, #{map}]",
        "b 1b",
        "6:",
        "add sp, sp, #8",
        "pop {{r0-r12, pc}}",
        step = const 0,
        both_steps = const 4,
        weights = const 8,
        stride_bytes = const 12,
        map = const 16,
        offsets = const 20,
        sums_end = const 56,
        offsets_end = const 64,
        sums = const 68,
        place_bytes = const 72,
        place_sums_bytes = const 76,
        places = const 80,
    )
}
