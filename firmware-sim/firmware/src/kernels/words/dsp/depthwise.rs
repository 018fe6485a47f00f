//! A depthwise layer: each product is an instruction of its own, since two taps of a channel never lie side by side.
#![expect(clippy::too_many_lines, reason = "a kernel in one piece")]

use core::arch::naked_asm;
use core::ptr;

use super::super::{ChannelWeights, Depthwise, Offsets, Scaling};
use super::rows;

/// What the kernel takes, and where it is.
#[repr(C)]
struct Job {
    weights: *const ChannelWeights,
    offsets: *const u32,
    /// Of the next four channels in the first column.
    pixels: *const u8,
    /// Where their activations go.
    bytes: *mut u8,
    /// Bytes from a column to the next.
    across: usize,
    /// The same of activations.
    step: usize,
    columns: usize,
    /// One, and twice the zero point.
    rounding: u32,
    offsets_end: *const u32,
    /// Of the next four channels.
    scalings: *const [Scaling; 4],
    /// The next sums, or null if there are none.
    sums: *const [i32; 4],
    /// Bytes from the weights of four channels to the next.
    stride: usize,
    /// Fours of channels that are left.
    left: usize,
}

/// See [`super::super::activate_depthwise`].
#[inline(never)] // its job is on the stack for the kernel alone
pub fn activate_depthwise(
    fours: &Depthwise<'_>,
    sums: &[[i32; 4]],
    scalings: &[[Scaling; 4]],
    zero: u8,
    bytes: &mut [u8],
    step: usize,
) -> usize {
    let &Depthwise { weights, stride, pixels, taps, columns, across } = fours;
    let Offsets { offsets, reach } = taps;
    let Some(last) = columns.checked_sub(1) else { return 0 };
    // of the last column
    let past = across.saturating_mul(last).saturating_add(reach as usize);
    let inside = pixels.len().saturating_sub(past) / 4;
    let room = bytes.len().saturating_sub(step.saturating_mul(last)) / 4;
    let all = rows(weights.len(), stride, offsets.len()).min(scalings.len()).min(inside).min(room);
    let all = if sums.is_empty() { all } else { all.min(sums.len()) };
    if all == 0 || offsets.is_empty() {
        return 0;
    }
    let taps = offsets.as_ptr_range();
    let mut job = Job {
        weights: weights.as_ptr(),
        offsets: taps.start,
        pixels: pixels.as_ptr(),
        bytes: bytes.as_mut_ptr(),
        across,
        step,
        columns,
        rounding: 1 + 2 * u32::from(zero),
        offsets_end: taps.end,
        scalings: scalings.as_ptr(),
        sums: if sums.is_empty() { ptr::null() } else { sums.as_ptr() },
        stride: stride.wrapping_mul(size_of::<ChannelWeights>()),
        left: all,
    };
    // SAFETY: of `all` fours, not none, the weights, sums if any and scalings are there; and of all columns, which are
    // not none, the pixels at each offset, of which there are some, and the activations.
    all - unsafe { four_channels(&raw mut job) }
}

/// Takes nine taps at once, and begins in the middle if they are no multiple of nine.
///
/// Gives how many fours are left: more than none, if a shift is below 33, as with [`super::fours`].
///
/// Column by column, for the same four channels. On the stack:
///
/// ```text
/// 0    biases             48   weights, offsets     56   next pixels        60   next activations
/// 16   four mantissas, each with its shift          64   across, step, columns left, rounding, end of offsets
/// 84   where to begin     88   job
/// ```
#[unsafe(naked)]
unsafe extern "C" fn four_channels(job: *mut Job) -> usize {
    naked_asm!(
        dsp_core!(),
        "push {{r0, r4-r11, lr}}",
        "sub sp, sp, #88",
        // where to begin: 3f - ((taps - 1) % 9 + 1) · bytes of a tap's code, an address of Thumb code
        "ldr r1, [r0, #4]",
        "ldr r2, [r0, #32]",
        "sub r2, r2, r1",
        "lsr r2, r2, #2",
        "1:",
        "cmp r2, #9",
        "itt hi",
        "subhi r2, r2, #9",
        "bhi 1b",
        "adr.w r3, 2f",
        "adr.w r4, 3f",
        "sub r3, r4, r3",
        "movs r5, #9",
        "udiv r3, r3, r5",
        "mls r2, r2, r3, r4",
        "orr r2, r2, #1",
        "str r2, [sp, #84]",
        "4:",
        "ldr r12, [r0, #36]",
        "ldm r12!, {{r1-r4}}",
        "ldm r12!, {{r5-r8}}",
        "subs r4, r4, #33",
        "it hs",
        "subshs r8, r8, #33",
        "blo 9f",
        "str r1, [sp]",
        "strd r2, r4, [sp, #16]",
        "str r5, [sp, #4]",
        "strd r6, r8, [sp, #24]",
        "ldm r12!, {{r1-r4}}",
        "ldm r12!, {{r5-r8}}",
        "subs r4, r4, #33",
        "it hs",
        "subshs r8, r8, #33",
        "blo 9f",
        "str r1, [sp, #8]",
        "strd r2, r4, [sp, #32]",
        "str r5, [sp, #12]",
        "strd r6, r8, [sp, #40]",
        "str r12, [r0, #36]",
        "ldr r12, [r0, #40]",
        "cmp r12, #0",
        "beq 1f",
        "ldm sp, {{r1-r4}}",
        "ldm r12!, {{r5-r8}}",
        "add r1, r1, r5",
        "add r2, r2, r6",
        "add r3, r3, r7",
        "add r4, r4, r8",
        "stm sp, {{r1-r4}}",
        "str r12, [r0, #40]",
        "1:",
        "ldm r0, {{r1-r9}}",
        "add r12, sp, #48",
        "stm r12, {{r1-r9}}",
        "ldr r12, [r0, #44]",
        "add r1, r1, r12",
        "add r3, r3, #4",
        "add r4, r4, #4",
        "stm r0, {{r1-r4}}",
        "5:",
        "ldm sp, {{r4-r7}}",
        "ldrd r0, r1, [sp, #48]",
        "ldr r2, [sp, #56]",
        "ldr pc, [sp, #84]",
        "2:",
        ".rept 9",
        "ldr r8, [r1], #4",
        "ldrd r11, r12, [r0], #8",
        "ldr r8, [r2, r8]",
        "uxtb16 lr, r8",
        "uxtb16 r8, r8, ror #8",
        "smlabb r4, lr, r11, r4",
        "smlabb r5, r8, r12, r5",
        "smlatt r6, lr, r11, r6",
        "smlatt r7, r8, r12, r7",
        ".endr",
        "3:",
        "ldrd r12, r8, [sp, #76]", // rounding, the end of the offsets
        "cmp r1, r8",
        "bne 2b",
        ".macro activate sum, at",
        "ldrd r8, r9, [sp, #\\at]",
        "smmul \\sum, \\sum, r8",
        "asr \\sum, \\sum, r9",
        "add \\sum, \\sum, r12",
        "usat \\sum, #8, \\sum, asr #1",
        ".endm",
        "activate r4, 16",
        "activate r5, 24",
        "activate r6, 32",
        "activate r7, 40",
        ".purgem activate",
        "orr r4, r4, r5, lsl #8",
        "orr r6, r6, r7, lsl #8",
        "orr r4, r4, r6, lsl #16",
        "add r12, sp, #60",
        "ldm r12, {{r0, r1, r3, r5}}", // next activations, across, step, columns left
        "str r4, [r0]",
        "add r0, r0, r3",
        "add r2, r2, r1",
        "strd r2, r0, [sp, #56]",
        "subs r5, r5, #1",
        "str r5, [sp, #72]",
        "bne 5b",
        "ldr r0, [sp, #88]",
        "ldr r1, [r0, #48]",
        "subs r1, r1, #1",
        "str r1, [r0, #48]",
        "bne 4b",
        "9:",
        "ldr r0, [r0, #48]",
        "add sp, sp, #92",
        "pop {{r4-r11, pc}}",
    )
}
