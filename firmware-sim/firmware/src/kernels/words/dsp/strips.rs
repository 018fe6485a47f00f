//! A depthwise layer of 3×3, of a stride of one: rows 0 and 1 of a column are paired, so that an instruction multiplies
//! two, and row 2 goes by itself.
#![expect(clippy::too_many_lines, reason = "a kernel in one piece")]

use core::arch::naked_asm;
use core::ptr;

use super::super::{Scaling, Strip, StripWeights};
use crate::kernels::bytes::STRIP;

/// What the kernel takes.
#[repr(C)]
struct Job {
    /// Where the kernel's rows begin, for the next channel.
    rows: [*const u8; 3],
    weights: *const StripWeights,
    scalings: *const Scaling,
    /// Where the activations go after the last channel, of the first place.
    bytes_end: *mut u8,
    /// Where those of the next channel go.
    bytes: *mut u8,
    /// One, and twice the zero point.
    rounding: u32,
    /// Bytes from a column to the next, of pixels and of activations.
    across: usize,
    places: usize,
    /// What counts of weights of rows 0 and 1, and of row 2.
    masks: [u32; 2],
    /// The next sums, or null if there are none.
    sums: *const i32,
}

/// See [`super::super::activate_strips`].
#[inline(never)] // its job is on the stack for the kernel alone
pub fn activate_strips(
    strip: &Strip<'_>,
    sums: &[i32],
    scalings: &[Scaling],
    zero: u8,
    bytes: &mut [u8],
) -> usize {
    let &Strip { weights, pixels, rows, are_inside, across, places } = strip;
    if !(1..=STRIP).contains(&places) {
        return 0;
    }
    let reach = rows.iter().fold(0, |reach, &row| reach.max(row)) as usize;
    let past = across.saturating_mul(places + 1).saturating_add(reach);
    let written = across.saturating_mul(places - 1);
    let mut all = weights.len().min(scalings.len()).min(pixels.len().saturating_sub(past));
    all = all.min(bytes.len().saturating_sub(written));
    if !sums.is_empty() {
        all = all.min(sums.len());
    }
    if all == 0 {
        return 0;
    }
    let [mask0, mask1, mask2] = are_inside.map(|is_inside| if is_inside { u32::MAX } else { 0 });
    let start = bytes.as_mut_ptr();
    let job = Job {
        rows: rows.map(|row| pixels.as_ptr().wrapping_add(row as usize)),
        weights: weights.as_ptr(),
        scalings: scalings.as_ptr(),
        bytes_end: start.wrapping_add(all),
        bytes: start,
        rounding: 1 + 2 * u32::from(zero),
        across,
        places,
        masks: [mask0 & 0xffff | mask1 << 16, mask2],
        sums: if sums.is_empty() { ptr::null() } else { sums.as_ptr() },
    };
    // SAFETY: of `all` channels, not none, the weights, scalings, and sums if any are there; of each row a byte for each
    // in two columns more than there are places, which are one to five, and a place for each activation.
    let end = unsafe { channels(&raw const job) };
    end.addr() - start.addr()
}

/// One channel at up to five places at a time. Columns are taken from the last to the first, and each is multiplied with
/// the weights of up to three places; it begins with the last column that there is, and computes nonsense for the places
/// that there are not. The first column is loaded last, and moves on to the next channel.
///
/// Gives where the activations of the next channel would go: before the end, if its shift is below 33, as with
/// [`super::fours`].
///
/// ```text
/// r0, r2, r9   weights of rows 0 and 1      r1, r11  rows                  r3, lr    one column, three
/// r10, r11     weights of row 2             r4 .. r8 sums                  r12, r10  activations
/// ```
///
/// On the stack lies the job up to the rounding, and then:
///
/// ```text
/// 32   where weights are ready         36   row 2 begins, 40   rows 0 and 1, 44   activations
/// 48   masks                           56   next sums
/// ```
#[unsafe(naked)]
unsafe extern "C" fn channels(job: *const Job) -> *mut u8 {
    naked_asm!(
        dsp_core!(),
        "push {{r4-r11, lr}}",
        "sub sp, sp, #60",
        "ldm r0!, {{r1-r12}}",
        "stm sp, {{r1-r8}}",
        "ldr r0, [r0]",
        "str r0, [sp, #56]",
        "strd r11, r12, [sp, #48]",
        "and r11, r11, r12",
        "mov r3, r9",
        "add lr, r9, r9, lsl #1",
        "adr.w r4, 4f",
        "adds r11, r11, #1",
        "it ne",
        "adrne.w r4, 3f",
        ".macro begin places, row2, rows, activations",
        "adr.w r5, \\row2",
        "adr.w r6, \\rows",
        "adr.w r7, \\activations",
        "cmp r10, #\\places",
        "bhs 2f",
        ".endm",
        "begin 5, 25f, 35f, 45f",
        "begin 4, 24f, 34f, 44f",
        "begin 3, 23f, 33f, 43f",
        "begin 2, 22f, 32f, 42f",
        "begin 1, 21f, 31f, 41f",
        ".purgem begin",
        "2:",
        // addresses of Thumb code
        ".irp address, r4, r5, r6, r7",
        "orr \\address, \\address, #1",
        ".endr",
        "add r8, sp, #32",
        "stm r8, {{r4-r7}}",
        "1:",
        "ldr r12, [sp, #12]",
        "ldm r12!, {{r0, r2, r9, r10, r11}}",
        "str r12, [sp, #12]",
        "ldr r4, [sp, #16]",
        "ldr r4, [r4]",
        "ldr pc, [sp, #32]",
        // of rows outside the map no weights count, but sums may
        "3:",
        "ldrd r5, r6, [sp, #48]",
        "and r0, r0, r5",
        "and r2, r2, r5",
        "and r9, r9, r5",
        "and r10, r10, r6",
        "and r11, r11, r6",
        "ldr r5, [sp, #56]",
        "cbz r5, 4f",
        "ldr r6, [r5], #4",
        "str r5, [sp, #56]",
        "add r4, r4, r6",
        "4:",
        "ldr r1, [sp, #8]",
        "ldr pc, [sp, #36]",
        "25:",
        "ldrb r12, [r1, lr, lsl #1]",
        "smlabb r8, r12, r11, r4", // the first product of a place: to the bias
        "24:",
        "add r12, r1, r3",
        "ldrb r12, [r12, r3, lsl #2]",
        "smlabt r8, r12, r10, r8",
        "smlabb r7, r12, r11, r4",
        "23:",
        "ldrb r12, [r1, r3, lsl #2]",
        "smlabb r8, r12, r10, r8",
        "smlabt r7, r12, r10, r7",
        "smlabb r6, r12, r11, r4",
        "22:",
        "ldrb r12, [r1, lr]",
        "smlabb r7, r12, r10, r7",
        "smlabt r6, r12, r10, r6",
        "smlabb r5, r12, r11, r4",
        "21:",
        "ldrb r12, [r1, r3, lsl #1]",
        "smlabb r6, r12, r10, r6",
        "smlabt r5, r12, r10, r5",
        "smlabb r4, r12, r11, r4",
        "ldrb r12, [r1, r3]",
        "smlabb r5, r12, r10, r5",
        "smlabt r4, r12, r10, r4",
        "ldrb r12, [r1], #1",
        "smlabb r4, r12, r10, r4",
        "str r1, [sp, #8]",
        "ldrd r1, r11, [sp]",
        "ldr pc, [sp, #40]",
        ".macro pair",
        "orr r12, r12, r10, lsl #16",
        ".endm",
        "35:",
        "ldrb r12, [r1, lr, lsl #1]",
        "ldrb r10, [r11, lr, lsl #1]",
        "pair",
        "smlad r8, r12, r9, r8",
        "34:",
        "add r12, r1, r3",
        "add r10, r11, r3",
        "ldrb r12, [r12, r3, lsl #2]",
        "ldrb r10, [r10, r3, lsl #2]",
        "pair",
        "smlad r8, r12, r2, r8",
        "smlad r7, r12, r9, r7",
        "33:",
        "ldrb r12, [r1, r3, lsl #2]",
        "ldrb r10, [r11, r3, lsl #2]",
        "pair",
        "smlad r8, r12, r0, r8",
        "smlad r7, r12, r2, r7",
        "smlad r6, r12, r9, r6",
        "32:",
        "ldrb r12, [r1, lr]",
        "ldrb r10, [r11, lr]",
        "pair",
        "smlad r7, r12, r0, r7",
        "smlad r6, r12, r2, r6",
        "smlad r5, r12, r9, r5",
        "31:",
        "ldrb r12, [r1, r3, lsl #1]",
        "ldrb r10, [r11, r3, lsl #1]",
        "pair",
        "smlad r6, r12, r0, r6",
        "smlad r5, r12, r2, r5",
        "smlad r4, r12, r9, r4",
        "ldrb r12, [r1, r3]",
        "ldrb r10, [r11, r3]",
        "pair",
        "smlad r5, r12, r0, r5",
        "smlad r4, r12, r2, r4",
        "ldrb r12, [r1], #1",
        "ldrb r10, [r11], #1",
        "pair",
        ".purgem pair",
        "smlad r4, r12, r0, r4",
        "strd r1, r11, [sp]",
        "ldr r12, [sp, #16]",
        "ldm r12!, {{r0, r1, r2, r9}}",
        "subs r9, r9, #33",
        "blo 9f",
        "str r12, [sp, #16]",
        "ldrd r10, r11, [sp, #24]", // and the rounding
        "ldr pc, [sp, #44]",
        ".macro activate sum",
        "smmul \\sum, \\sum, r1",
        "asr \\sum, \\sum, r9",
        "add \\sum, \\sum, r11",
        "usat \\sum, #8, \\sum, asr #1",
        ".endm",
        "45:",
        "activate r8",
        "strb r8, [r10, r3, lsl #2]",
        "44:",
        "activate r7",
        "strb r7, [r10, lr]",
        "43:",
        "activate r6",
        "strb r6, [r10, r3, lsl #1]",
        "42:",
        "activate r5",
        "strb r5, [r10, r3]",
        "41:",
        "activate r4",
        ".purgem activate",
        "strb r4, [r10], #1",
        "str r10, [sp, #24]",
        "ldr r12, [sp, #20]",
        "cmp r10, r12",
        "bne 1b",
        "9:",
        "ldr r0, [sp, #24]",
        "add sp, sp, #60",
        "pop {{r4-r11, pc}}",
    )
}
