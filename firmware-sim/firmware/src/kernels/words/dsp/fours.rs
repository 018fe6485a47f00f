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
    /// Bytes from an activation of the first place to that of the second; zero if there is one place, the second.
    step: usize,
    /// One, and twice the zero point.
    rounding: u32,
    /// Of the next four outputs.
    scalings: *const [Scaling; 4],
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
    /// For the kernel: where products begin, where four outputs do, and where their sums go.
    entries: [usize; 3],
}

/// See [`super::super::add_fours`].
#[inline(never)] // its job is on the stack for the kernel alone
pub fn add_fours(fours: &Fours<'_>, sums: &mut [Twin], step: usize) {
    // the last sums of four are a step after the first
    let room = sums.len().checked_sub(1).and_then(|last| last.checked_div(step));
    let left = room.map_or(0, |last| last.saturating_add(1) / 2).min(count(fours));
    let mut job = job(fours, left);
    job.sums = sums.as_mut_ptr();
    job.sums_step = step.wrapping_mul(size_of::<Twin>());
    // SAFETY: of `left` fours all words and sums are there.
    unsafe { run(&mut job) };
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
    let mut job = job(fours, left);
    job.step = step;
    job.scalings = scalings.as_ptr();
    job.rounding = 1 + 2 * u32::from(zero);
    job.bytes = bytes.as_mut_ptr();
    if !sums.is_empty() {
        // read alone, since activations are written
        job.sums = sums.as_ptr().cast_mut();
    }
    // SAFETY: of `left` fours all words, sums if any, scalings, and activations of both places are there.
    left - unsafe { run(&mut job) }
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
    let &Row { words, stride, pixels, rows, run, across, places } = row;
    let Some(after_two) = places.checked_sub(2) else { return 0 };
    let Some(patch) = patch.get_mut(..gathered_pairs(rows.offsets.len(), run)) else { return 0 };
    let reach = (rows.reach as usize).saturating_add(run);
    let read = across.saturating_mul(after_two).saturating_add(reach);
    let written = step.saturating_mul(places - 1).saturating_add(4 * scalings.len());
    let fours = Fours { words, stride, patch };
    if read > pixels.len()
        || written > bytes.len()
        || count(&fours) < scalings.len()
        || scalings.is_empty()
        || patch.is_empty()
    {
        return 0;
    }
    let mut job = job(&fours, scalings.len());
    job.step = step;
    job.rounding = 1 + 2 * u32::from(zero);
    let (mut pixels, mut bytes) = (pixels.as_ptr(), bytes.as_mut_ptr());
    let mut done = 0;
    while done < places {
        // a last one is the second of two, of which the first is there already
        if done + 1 == places {
            job.step = 0;
            pixels = pixels.wrapping_sub(across);
        }
        // SAFETY: of the last two windows, which are the farthest, all bytes are there, and of `patch` all pairs.
        unsafe { gather(pixels, rows, run, patch.as_mut_ptr()) };
        job.scalings = scalings.as_ptr();
        job.bytes = bytes;
        job.words = words.as_ptr();
        job.left = scalings.len();
        // SAFETY: `left` is not zero; for as many fours all words and scalings are there, and places for the activations
        // of the last window, which is the farthest. There are some pairs.
        if unsafe { four_outputs(&raw mut job) } > 0 {
            return done;
        }
        pixels = pixels.wrapping_add(2 * across);
        bytes = bytes.wrapping_add(2 * step);
        done += 2;
    }
    places
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
        entries: [0; 3],
    }
}

/// Gives how many fours are left.
///
/// # Safety
///
/// Of each of `left` fours the words, the sums if any, the scalings and the activations, if not null, must be there; and
/// the pairs from `pairs` to their end.
unsafe fn run(job: &mut Job) -> usize {
    if job.left == 0 || job.pairs == job.pairs_end {
        return job.left;
    }
    // SAFETY: neither is zero, and the caller vouches for the rest.
    unsafe { four_outputs(job) }
}

/// Takes sixteen pairs of taps at once, and begins in the middle if they are no multiple of sixteen.
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
        "adr.w r5, 20f",
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
        "adr.w r6, 21f",
        "b 8f",
        // of one place: 13f - (twos of pairs % 8, but 8 for 0) · bytes of a two's code
        "1:",
        "lsrs r2, r2, #4",
        "itt ne",
        "subne r2, r2, #1",
        "andne r2, r2, #7",
        "it ne",
        "addne r2, r2, #1",
        "adr.w r3, 12f",
        "adr.w r4, 13f",
        "sub r3, r4, r3",
        "lsr r3, r3, #3",
        "mls r2, r2, r3, r4",
        "adr.w r6, 22f",
        // where sums come from and go
        "8:",
        "ldr r3, [r0, #12]",
        "ldr r4, [r0, #32]",
        "cbz r4, 1f",
        "adr.w r5, 5f",
        "cbnz r3, 1f",
        "adr.w r5, 6f",
        "adr.w r6, 7f",
        "1:",
        "orr r2, r2, #1",
        "orr r5, r5, #1",
        "orr r6, r6, #1",
        "add r3, r0, #44",
        "stm r3, {{r2, r5, r6}}",
        "mov r2, r0",
        "ldr r12, [r2, #8]",
        "bx r5",
        // biases
        "20:",
        ".macro biases",
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
        ".endm",
        "biases",
        "ldrd r0, r1, [r2, #16]",
        "ldr pc, [r2, #44]",
        // and sums
        "5:",
        "biases",
        ".purgem biases",
        "ldr r3, [r2, #32]",
        ".irp sum, r4, r5, r6, r7, r8, r9, r10, r11",
        "ldr r12, [r3], #4",
        "add \\sum, \\sum, r12",
        ".endr",
        "str r3, [r2, #32]",
        // those of the second place, if there is one place
        "ldr r3, [r2]",
        "cbnz r3, 1f",
        "mov r4, r6",
        "mov r5, r7",
        "mov r8, r10",
        "mov r9, r11",
        "1:",
        "ldrd r0, r1, [r2, #16]",
        "ldr pc, [r2, #44]",
        // sums alone
        "6:",
        "ldrd r3, r12, [r2, #32]",
        "ldrd r0, r1, [r2, #16]",
        "add r12, r12, r3",
        "ldr lr, [r2, #44]",
        "ldm r3, {{r4-r7}}",
        "ldm r12, {{r8-r11}}",
        "bx lr",
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
        "ldr pc, [lr, #52]",
        // activations of two places
        "21:",
        "ldm lr, {{r0, r1, r12, lr}}", // step, rounding, scalings, activations
        // 256 · the odd outputs'
        "sub r4, r4, r5",
        "sub r6, r6, r7",
        "sub r8, r8, r9",
        "sub r10, r10, r11",
        ".macro activate one, other, mantissa, shift, more",
        "subs \\shift, \\shift, #33",
        "blo 9f",
        ".if \\more",
        "add \\shift, \\shift, #\\more",
        ".endif",
        "smmul \\one, \\one, \\mantissa",
        "smmul \\other, \\other, \\mantissa",
        "asr \\one, \\one, \\shift",
        "asr \\other, \\other, \\shift",
        "add \\one, \\one, r1",
        "add \\other, \\other, r1",
        "usat \\one, #8, \\one, asr #1",
        "usat \\other, #8, \\other, asr #1",
        "strb \\other, [lr, r0]",
        "strb \\one, [lr], #1",
        ".endm",
        "ldr r2, [r12, #4]",
        "ldr r3, [r12, #12]",
        "activate r5, r7, r2, r3, 0",
        "add r12, r12, #16",
        // with the bias and the bound, which are not needed
        "ldm r12!, {{r2, r3, r5, r7}}",
        "activate r4, r6, r3, r7, 8",
        "ldm r12!, {{r2, r3, r5, r7}}",
        "activate r9, r11, r3, r7, 0",
        "ldm r12!, {{r2, r3, r5, r7}}",
        "activate r8, r10, r3, r7, 8",
        ".purgem activate",
        "11:",
        "ldr r2, [sp]",
        "strd r12, lr, [r2, #8]",
        "ldr r0, [r2, #40]",
        "subs r0, r0, #1",
        "str r0, [r2, #40]",
        "beq 9f",
        "ldr pc, [r2, #48]",
        // of one
        "22:",
        "ldm lr, {{r0, r1, r12, lr}}",
        "sub r4, r4, r5",
        "sub r8, r8, r9",
        ".macro activate one, more",
        "ldm r12!, {{r2, r3, r6, r7}}",
        "subs r7, r7, #33",
        "blo 9f",
        ".if \\more",
        "add r7, r7, #\\more",
        ".endif",
        "smmul \\one, \\one, r3",
        "asr \\one, \\one, r7",
        "add \\one, \\one, r1",
        "usat \\one, #8, \\one, asr #1",
        "strb \\one, [lr], #1",
        ".endm",
        "activate r5, 0",
        "activate r4, 8",
        "activate r9, 0",
        "activate r8, 8",
        ".purgem activate",
        "b 11b",
        // sums
        "7:",
        "ldrd r3, r12, [lr, #32]",
        "mov r2, lr",
        "add r1, r3, r12",
        "stm r3, {{r4-r7}}",
        "stm r1, {{r8-r11}}",
        "add r1, r1, r12",
        "str r1, [r2, #32]",
        "ldr r0, [r2, #40]",
        "subs r0, r0, #1",
        "str r0, [r2, #40]",
        "bne 6b",
        "9:",
        "ldr r0, [sp]",
        "ldr r0, [r0, #40]",
        "pop {{r1, r4-r11, pc}}",
        // one place: the second of a pair's two
        "12:",
        ".macro multiply one, two, pair",
        "smlad r4, \\one, \\pair, r4",
        "smlad r8, \\two, \\pair, r8",
        "sxtb16 \\one, \\one",
        "sxtb16 \\two, \\two",
        "smlad r5, \\one, \\pair, r5",
        "smlad r9, \\two, \\pair, r9",
        ".endm",
        ".rept 8",
        "ldm r0!, {{r6, r7, r10, r11}}",
        "ldm r1!, {{r2, r3, r12, lr}}",
        "multiply r6, r7, r3",
        "multiply r10, r11, lr",
        ".endr",
        "13:",
        "ldr lr, [sp]",
        "ldrd r2, r3, [lr, #24]",
        "sub r2, r2, r1",
        "cmp r2, #8",
        "bhi 12b",
        "bne 10b",
        "ldm r0!, {{r6, r7}}",
        "ldr r2, [r1, #4]",
        "multiply r6, r7, r2",
        ".purgem multiply",
        "b 10b",
    )
}
