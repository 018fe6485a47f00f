//! Four outputs at two places: each word of two outputs is multiplied with two pairs, and each pair with two words. So
//! four loads and extensions serve eight multiplications, and sums may become activations without leaving the registers.
#![expect(clippy::too_many_lines, reason = "a kernel in one piece")]

use core::arch::naked_asm;
use core::ptr;

use super::super::{Fours, Pair, Row, Scaling, Twin, Word, gathered_pairs};
use super::gather::gather;
use super::rows;

/// What the kernel takes, and where it is.
#[repr(C)]
struct Job {
    /// Bytes from an activation of the first place to that of the second; zero if there is one place.
    step: usize,
    /// Of the next four outputs.
    scalings: *const [Scaling; 4],
    /// One, and twice the zero point.
    rounding: u32,
    /// Where the next four activations go; null, if sums go back where they come from.
    bytes: *mut u8,
    words: *const Word,
    pairs: *const [Pair; 2],
    pairs_end: *const [Pair; 2],
    /// Bytes from the end of the words of four outputs to the next.
    gap: usize,
    /// The next sums, or null if there are none.
    sums: *mut Twin,
    /// Bytes from the sums of a pair of outputs to the next.
    sums_step: usize,
    /// Fours of outputs that are left.
    left: usize,
    /// For the kernel.
    entry: usize,
}

/// See [`super::super::add_fours`].
pub fn add_fours(fours: &Fours<'_>, sums: &mut [Twin], step: usize) {
    // the last sums of four are a step after the first
    let room = sums.len().checked_sub(1).and_then(|last| last.checked_div(step));
    let left = room.map_or(0, |last| last.saturating_add(1) / 2).min(count(fours));
    let job = Job {
        sums: sums.as_mut_ptr(),
        sums_step: step.wrapping_mul(size_of::<Twin>()),
        ..job(fours, left)
    };
    // SAFETY: of `left` fours all words and sums are there.
    unsafe { run(job) };
}

/// See [`super::super::activate_fours`].
#[inline(never)] // its job is on the stack for the kernel alone
pub fn activate_fours(
    fours: &Fours<'_>,
    sums: &[Twin],
    scalings: &[[Scaling; 4]],
    zero: u8,
    bytes: &mut [u8],
    step: usize,
) -> usize {
    let room = bytes.len().saturating_sub(step) / 4;
    let mut left = count(fours).min(scalings.len()).min(room);
    if !sums.is_empty() {
        left = left.min(sums.len() / 2);
    }
    let job = Job {
        step,
        scalings: scalings.as_ptr(),
        rounding: 1 + 2 * u32::from(zero),
        bytes: bytes.as_mut_ptr(),
        // read alone, since activations are written
        sums: if sums.is_empty() { ptr::null_mut() } else { sums.as_ptr().cast_mut() },
        ..job(fours, left)
    };
    // SAFETY: of `left` fours all words, sums if any, scalings, and activations of both places are there.
    left - unsafe { run(job) }
}

/// See [`super::super::activate_row`].
#[inline(never)]
pub fn activate_row(
    row: &Row<'_>,
    patch: &mut [[Pair; 2]],
    scalings: &[[Scaling; 4]],
    zero: u8,
    bytes: &mut [u8],
    step: usize,
) -> usize {
    let &Row { words, stride, pixels, rows, run, across, count } = row;
    let Some(last) = count.checked_sub(1) else { return 0 };
    let Some(patch) = patch.get_mut(..gathered_pairs(rows.offsets.len(), run)) else { return 0 };
    let read = across.saturating_mul(last).saturating_add(rows.reach as usize).saturating_add(run);
    let written = step.saturating_mul(2 * last + 1).saturating_add(4 * scalings.len());
    let fours = Fours { words, stride, patch };
    if read > pixels.len()
        || written > bytes.len()
        || self::count(&fours) < scalings.len()
        || scalings.is_empty()
        || patch.is_empty()
    {
        return 0;
    }
    let first = Job { step, rounding: 1 + 2 * u32::from(zero), ..job(&fours, scalings.len()) };
    let mut job = Job { ..first };
    let (mut pixels, mut bytes) = (pixels.as_ptr(), bytes.as_mut_ptr());
    for done in 0..count {
        // SAFETY: of the last window of the last two, which is the farthest, all bytes are there, and of `patch` all pairs.
        unsafe { gather(pixels, rows, run, patch.as_mut_ptr()) };
        job.scalings = scalings.as_ptr();
        job.bytes = bytes;
        job.words = first.words;
        job.left = first.left;
        // SAFETY: `left` is not zero; for as many fours all words and scalings are there, and places for the activations
        // of the last windows, which are the farthest. There are some pairs.
        if unsafe { four_outputs(&raw mut job) } > 0 {
            return done;
        }
        pixels = pixels.wrapping_add(across);
        bytes = bytes.wrapping_add(2 * step);
    }
    count
}

/// Fours of outputs of which all words are there.
fn count(fours: &Fours<'_>) -> usize {
    rows(fours.words.len(), fours.stride, 2 * fours.patch.len())
}

fn job(fours: &Fours<'_>, left: usize) -> Job {
    let pairs = fours.patch.as_ptr_range();
    Job {
        step: 1,
        scalings: ptr::null(),
        rounding: 0,
        bytes: ptr::null_mut(),
        words: fours.words.as_ptr(),
        pairs: pairs.start,
        pairs_end: pairs.end,
        gap: fours.stride.wrapping_sub(2 * fours.patch.len()).wrapping_mul(size_of::<Word>()),
        sums: ptr::null_mut(),
        sums_step: size_of::<Twin>(),
        left,
        entry: 0,
    }
}

/// Gives how many fours are left.
///
/// # Safety
///
/// Of each of `left` fours the words, the sums if any, the scalings and the activations, if not null, must be there; and
/// the pairs from `pairs` to their end.
unsafe fn run(mut job: Job) -> usize {
    if job.left == 0 || job.pairs == job.pairs_end {
        return job.left;
    }
    // SAFETY: neither is zero, and the caller vouches for the rest.
    unsafe { four_outputs(&raw mut job) }
}

/// Takes sixteen pairs of taps at once, and begins in the middle if they are no multiple of sixteen; of one place eight.
///
/// Gives how many fours are left: more than none, if a shift is below 33. Of `round(acc · mantissa / 2^shift)` with ties up
/// only the product's high half counts: half a unit is added, with twice the zero point, where one bit is left to shift,
/// and the last shift is that of `usat`. Of an odd output there is `256 · acc`, which is shifted by eight bits more.
#[unsafe(naked)]
unsafe extern "C" fn four_outputs(job: *mut Job) -> usize {
    naked_asm!(
        dsp_core!(),
        "push {{r0, r4-r11, lr}}", // [sp] is the job
        "ldrd r1, r2, [r0, #20]",
        "sub r2, r2, r1",
        "ldr r1, [r0]",
        "cbz r1, 1f",
        // where to begin: 3f - ((pairs - 1) % 16 + 1) · bytes of a pair's code, an address of Thumb code
        "sub r2, r2, #8",
        "ubfx r2, r2, #3, #4",
        "add r2, r2, #1",
        "adr.w r3, 2f",
        "adr.w r4, 3f",
        "sub r3, r4, r3",
        "lsr r3, r3, #4",
        "mls r2, r2, r3, r4",
        "orr r2, r2, #1",
        "str r2, [r0, #44]",
        "b 4f",
        // of one place: 13f - (twos of pairs % 4, but 4 for 0) · bytes of a two's code
        "1:",
        "lsrs r2, r2, #4",
        "itt ne",
        "subne r2, r2, #1",
        "andne r2, r2, #3",
        "it ne",
        "addne r2, r2, #1",
        "adr.w r3, 12f",
        "adr.w r4, 13f",
        "sub r3, r4, r3",
        "lsr r3, r3, #2",
        "mls r2, r2, r3, r4",
        "orr r2, r2, #1",
        "str r2, [r0, #44]",
        "4:",
        "ldr lr, [sp]",
        "ldr r2, [lr, #12]",
        "ldr r3, [lr, #32]",
        "cbz r2, 5f",
        // biases
        "ldr r12, [lr, #4]",
        "ldr r5, [r12]",
        "ldr r4, [r12, #16]",
        "ldr r9, [r12, #32]",
        "ldr r8, [r12, #48]",
        "add r4, r5, r4, lsl #8",
        "add r8, r9, r8, lsl #8",
        "mov r6, r4",
        "mov r7, r5",
        "mov r10, r8",
        "mov r11, r9",
        "cbz r3, 6f",
        ".irp sum, r4, r5, r6, r7, r8, r9, r10, r11",
        "ldr r12, [r3], #4",
        "add \\sum, \\sum, r12",
        ".endr",
        "str r3, [lr, #32]",
        "b 6f",
        "5:",
        "ldr r12, [lr, #36]",
        "add r12, r12, r3",
        "ldm r3, {{r4-r7}}",
        "ldm r12, {{r8-r11}}",
        "6:",
        "ldrd r0, r1, [lr, #16]",
        "ldr pc, [lr, #44]",
        "2:",
        ".rept 16",
        "ldm r0!, {{r12, lr}}",
        "ldm r1!, {{r2, r3}}",
        "smlad r4, r12, r2, r4",
        "smlad r6, r12, r3, r6",
        "smlad r8, lr, r2, r8",
        "smlad r10, lr, r3, r10",
        "sxtb16 r12, r12",
        "sxtb16 lr, lr",
        "smlad r5, r12, r2, r5",
        "smlad r7, r12, r3, r7",
        "smlad r9, lr, r2, r9",
        "smlad r11, lr, r3, r11",
        ".endr",
        "3:",
        "ldr lr, [sp]",
        "ldrd r2, r3, [lr, #24]", // the end of the pairs, the gap
        "cmp r1, r2",
        "bne 2b",
        "10:",
        "add r0, r0, r3",
        "str r0, [lr, #16]",
        "ldr r2, [lr, #12]",
        "cmp r2, #0",
        "beq 7f",
        "ldm lr, {{r0, r1, r12, lr}}", // step, scalings, rounding, activations
        // 256 · the odd outputs'
        "sub r4, r4, r5",
        "sub r6, r6, r7",
        "sub r8, r8, r9",
        "sub r10, r10, r11",
        ".macro activate one, other, at, more",
        "ldr r2, [r1, #\\at + 4]",
        "ldr r3, [r1, #\\at + 12]",
        "subs r3, r3, #33",
        "blo 9f",
        ".if \\more",
        "add r3, r3, #\\more",
        ".endif",
        "smmul \\one, \\one, r2",
        "smmul \\other, \\other, r2",
        "asr \\one, \\one, r3",
        "asr \\other, \\other, r3",
        "add \\one, \\one, r12",
        "add \\other, \\other, r12",
        "usat \\one, #8, \\one, asr #1",
        "usat \\other, #8, \\other, asr #1",
        "strb \\other, [lr, r0]",
        "strb \\one, [lr], #1",
        ".endm",
        "activate r5, r7, 0, 0",
        "activate r4, r6, 16, 8",
        "activate r9, r11, 32, 0",
        "activate r8, r10, 48, 8",
        ".purgem activate",
        "add r1, r1, #64",
        "ldr r2, [sp]",
        "str r1, [r2, #4]",
        "str lr, [r2, #12]",
        "8:",
        "ldr r0, [r2, #40]",
        "subs r0, r0, #1",
        "str r0, [r2, #40]",
        "bne 4b",
        "pop {{r1, r4-r11, pc}}",
        "7:",
        "ldrd r3, r12, [lr, #32]",
        "mov r2, lr",
        "add r1, r3, r12",
        "stm r3, {{r4-r7}}",
        "stm r1, {{r8-r11}}",
        "add r1, r1, r12",
        "str r1, [r2, #32]",
        "b 8b",
        "9:",
        "ldr r0, [sp]",
        "ldr r0, [r0, #40]",
        "pop {{r1, r4-r11, pc}}",
        // one place, whose pairs are there twice
        "12:",
        ".macro multiply one, two, pair",
        "smlad r4, \\one, \\pair, r4",
        "smlad r8, \\two, \\pair, r8",
        "sxtb16 \\one, \\one",
        "sxtb16 \\two, \\two",
        "smlad r5, \\one, \\pair, r5",
        "smlad r9, \\two, \\pair, r9",
        ".endm",
        ".rept 4",
        "ldm r0!, {{r6, r7, r10, r11}}",
        "ldm r1!, {{r2, r3, r12, lr}}",
        "multiply r6, r7, r2",
        "multiply r10, r11, r12",
        ".endr",
        "13:",
        "ldr lr, [sp]",
        "ldrd r2, r3, [lr, #24]",
        "sub r2, r2, r1",
        "cmp r2, #8",
        "bhi 12b",
        "bne 10b",
        "ldm r0!, {{r6, r7}}",
        "ldr r2, [r1]",
        "multiply r6, r7, r2",
        ".purgem multiply",
        "b 10b",
    )
}
