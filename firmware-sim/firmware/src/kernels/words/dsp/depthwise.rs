//! A depthwise layer: each product is an instruction of its own, since two taps of a channel never lie side by side.

use core::arch::naked_asm;
use core::ops::Range;

use super::super::{ChannelWeights, Offsets};
use super::rows;

/// See [`super::super::depthwise`].
pub fn depthwise(
    weights: &[ChannelWeights],
    stride: usize,
    pixels: &[u8],
    taps: Offsets<'_>,
    sums: &mut [[i32; 4]],
) {
    let Offsets { offsets, reach } = taps;
    let len = offsets.len();
    let inside = pixels.len().saturating_sub(reach as usize) / 4;
    let rows = rows(weights.len(), stride, len).min(inside);
    let Some(sums) = sums.get_mut(..rows.min(sums.len())) else { return };
    if sums.is_empty() || len == 0 {
        return;
    }
    let sums = sums.as_mut_ptr_range();
    let (weights, pixels) = (weights.as_ptr(), pixels.as_ptr());
    // SAFETY: for each of `sums` it reads all offsets, as many weights, and four bytes at each offset, of groups of
    // channels that lie side by side: `rows` are all that are there. It reads and writes the whole of `sums`. None is
    // empty.
    unsafe {
        if len == 9 && stride == 9 {
            depthwise_9(weights, offsets.as_ptr(), pixels, sums.start, sums.end);
        } else {
            let threes = offsets.as_chunks::<3>().0.as_ptr_range().end.cast();
            let Range { start, end } = offsets.as_ptr_range();
            let gap = stride.wrapping_sub(len).wrapping_mul(size_of::<ChannelWeights>());
            depthwise_any(weights, start, pixels, sums.start, sums.end, threes, end, gap);
        }
    }
}

/// Adds the products of a tap, whose offset is in the register.
macro_rules! tap {
    ($offset:literal) => {
        concat!(
            "ldr ",
            $offset,
            ", [r2, ",
            $offset,
            "]\n",
            "ldrd r11, r12, [r0], #8\n",
            "uxtb16 lr, ",
            $offset,
            "\n",
            "uxtb16 ",
            $offset,
            ", ",
            $offset,
            ", ror #8\n",
            "smlabb r4, lr, r11, r4\n",
            "smlabb r5, ",
            $offset,
            ", r12, r5\n",
            "smlatt r6, lr, r11, r6\n",
            "smlatt r7, ",
            $offset,
            ", r12, r7",
        )
    };
}

/// Nine taps, and no gap between the weights: a kernel of 3×3, all of it inside.
#[unsafe(naked)]
unsafe extern "C" fn depthwise_9(
    weights: *const ChannelWeights,
    offsets: *const u32,
    pixels: *const u8,
    sums: *mut [i32; 4],
    sums_end: *mut [i32; 4],
) {
    naked_asm!(
        dsp_core!(),
        "push {{r4-r11, lr}}",
        "4:",
        "ldm r3, {{r4-r7}}",
        ".rept 3",
        "ldm r1!, {{r8-r10}}",
        tap!("r8"),
        tap!("r9"),
        tap!("r10"),
        ".endr",
        "stm r3!, {{r4-r7}}",
        "sub r1, r1, #36",
        "add r2, r2, #4",
        "ldr lr, [sp, #36]", // the end of sums
        "cmp r3, lr",
        "bne 4b",
        "pop {{r4-r11, pc}}",
    )
}

/// Any number of taps but zero: three at once, then one by one. `gap` is the bytes between weights, or less than zero.
#[unsafe(naked)]
unsafe extern "C" fn depthwise_any(
    weights: *const ChannelWeights,
    offsets: *const u32,
    pixels: *const u8,
    sums: *mut [i32; 4],
    sums_end: *mut [i32; 4],
    threes_end: *const u32,
    offsets_end: *const u32,
    gap: usize,
) {
    naked_asm!(
        dsp_core!(),
        // [sp] is the first offset, [sp + 40] the end of sums, then of threes, of offsets, and the gap
        "push {{r1, r4-r11, lr}}",
        "4:",
        "ldm r3, {{r4-r7}}",
        "ldr lr, [sp, #44]",
        "cmp r1, lr",
        "beq 3f",
        "2:",
        "ldm r1!, {{r8-r10}}",
        tap!("r8"),
        tap!("r9"),
        tap!("r10"),
        "ldr lr, [sp, #44]",
        "cmp r1, lr",
        "bne 2b",
        "3:",
        "ldr lr, [sp, #48]",
        "cmp r1, lr",
        "beq 5f",
        "ldr r8, [r1], #4",
        tap!("r8"),
        "b 3b",
        "5:",
        "stm r3!, {{r4-r7}}",
        "ldr r1, [sp]",
        "ldr lr, [sp, #52]",
        "add r0, r0, lr",
        "add r2, r2, #4",
        "ldr lr, [sp, #40]",
        "cmp r3, lr",
        "bne 4b",
        "pop {{r1, r4-r11, pc}}",
    )
}
