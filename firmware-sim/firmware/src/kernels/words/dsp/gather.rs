//! Bytes to pairs: `uxtb16` takes bytes 0 and 2 of a word, and after a turn by eight bits 1 and 3.

use core::arch::naked_asm;

use super::super::{Offsets, Pair, WindowPatch, gathered_pairs, window_reach};

/// See [`super::super::gather_places`].
pub fn gather_places(
    pixels: &[u8],
    rows: Offsets<'_, [u32; 2]>,
    run: usize,
    patch: &mut [[Pair; 2]],
) {
    if patch.len() >= gathered_pairs(rows.offsets.len(), run)
        && pixels.len() >= (rows.reach as usize).saturating_add(run)
    {
        // SAFETY: all of both is there.
        unsafe { gather(pixels.as_ptr(), rows, run, patch.as_mut_ptr()) };
    }
}

/// The same.
///
/// # Safety
///
/// From each offset on `run` bytes must be there, and pairs as many as [`gathered_pairs`] says.
pub(super) unsafe fn gather(
    pixels: *const u8,
    Offsets { offsets, .. }: Offsets<'_, [u32; 2]>,
    run: usize,
    patch: *mut [Pair; 2],
) {
    if offsets.is_empty() {
        return;
    }
    let (fours, left) = (run / 4, run % 4);
    let halves = patch.wrapping_add(2 * fours * offsets.len()).cast();
    let offsets = offsets.as_ptr_range();
    // SAFETY: for each of `offsets`, not empty, it writes `2 * fours` pairs of each place from `patch` on, and `left`
    // halves from `halves` on, and reads `run` bytes of each.
    unsafe {
        gather_rows(pixels, offsets.start, patch, offsets.end, halves, 2, 16 * fours, left);
    }
}

/// See [`super::super::gather_window`].
#[inline(never)] // its checks are done with when it is called
pub fn gather_window<const SIDE: usize>(
    pixels: &[u8],
    rows: Offsets<'_>,
    step: usize,
    patches: &mut [WindowPatch<SIDE>],
) {
    let twos = patches.as_chunks_mut::<2>().0;
    if rows.offsets.len() != SIDE
        || pixels.len() < window_reach::<SIDE>(rows, step, 2 * twos.len())
        || twos.is_empty()
    {
        return;
    }
    let gather = match SIDE {
        4 => gather_four_columns,
        6 => gather_six_columns,
        _ => return,
    };
    let (rows, twos) = (rows.offsets.as_ptr(), twos.as_mut_ptr_range());
    // SAFETY: it reads `SIDE` offsets and writes all patches from the first of `twos` to its end, which is another.
    // From an offset on it reads four bytes for each two patches, of each column, which `window_reach` says are there.
    unsafe { gather(pixels.as_ptr(), step, twos.start.cast(), twos.end.cast(), rows) }
}

/// Of each row first the fours, two at a time: four bytes of each place become four pairs. Then what is left, a byte of
/// each place at a time, each half a pair: the next half is two bytes on, the one after it six, and so on.
#[unsafe(naked)]
unsafe extern "C" fn gather_rows(
    pixels: *const u8,
    offsets: *const [u32; 2],
    patch: *mut [Pair; 2],
    offsets_end: *const [u32; 2],
    halves: *mut u16,
    to_next_half: usize,
    row_len: usize,
    left: usize,
) {
    naked_asm!(
        dsp_core!(),
        // [sp] is the pixels, [sp + 4] the next offsets, [sp + 8] their end, and from [sp + 48] on lie the other
        // arguments: the next half, how far it is to the one after it, bytes of a row's fours of pairs, what is left
        "push {{r0, r1, r3-r11, lr}}",
        "mov r12, r2",
        "2:",
        "ldm sp, {{r0, r1}}",
        "ldm r1!, {{r4, r5}}",
        "str r1, [sp, #4]",
        "add r1, r0, r5",
        "add r0, r0, r4",
        "ldr r2, [sp, #56]",
        "add lr, r12, r2",
        "lsls r2, r2, #27", // an odd number of fours
        "bpl 3f",
        "ldr r2, [r0], #4",
        "ldr r3, [r1], #4",
        "uxtb16 r4, r2",
        "uxtb16 r5, r3",
        "uxtb16 r6, r2, ror #8",
        "uxtb16 r7, r3, ror #8",
        "stm r12!, {{r4-r7}}",
        "3:",
        "cmp r12, lr",
        "beq 4f",
        "ldr r2, [r0], #4",
        "ldr r3, [r1], #4",
        "uxtb16 r4, r2",
        "uxtb16 r5, r3",
        "uxtb16 r6, r2, ror #8",
        "uxtb16 r7, r3, ror #8",
        "ldr r2, [r0], #4",
        "ldr r3, [r1], #4",
        "uxtb16 r8, r2",
        "uxtb16 r9, r3",
        "uxtb16 r10, r2, ror #8",
        "uxtb16 r11, r3, ror #8",
        "stm r12!, {{r4-r11}}",
        "b 3b",
        "4:",
        "ldr r10, [sp, #60]",
        "cmp r10, #0",
        "beq 6f",
        "ldrd r8, r9, [sp, #48]",
        "5:",
        "ldrb r4, [r0], #1",
        "ldrb r5, [r1], #1",
        "strh r4, [r8]",
        "strh r5, [r8, #4]",
        "add r8, r8, r9",
        "rsb r9, r9, #8",
        "subs r10, r10, #1",
        "bne 5b",
        "strd r8, r9, [sp, #48]",
        "6:",
        "ldrd r4, r5, [sp, #4]",
        "cmp r4, r5",
        "bne 2b",
        "pop {{r0, r1, r3-r11, pc}}",
    )
}

/// Lays out the registers for a row of two patches, at label 2:
///
/// ```text
/// r0       four channels of the row            r8, r9   next offset, end of offsets
/// r1       step                                r10      pixels, of these four channels
/// r2, r3   next row of a patch, end            r12, lr  three steps, five
/// ```
macro_rules! begin_window {
    ($side:literal) => {
        concat!(
            "push {{r4-r11, lr}}
             ldr r8, [sp, #36]
             add r9, r8, #4 * ",
            $side,
            "
             mov r10, r0
             add r12, r1, r1, lsl #1
             add lr, r1, r1, lsl #2
             2:
             ldr r0, [r8], #4
             add r0, r0, r10",
        )
    };
}

/// Ends a row, and two patches after the last; returns after the last patch.
macro_rules! end_window {
    ($side:literal) => {
        concat!(
            "add r2, r2, #4 * ",
            $side,
            "
             cmp r8, r9
             bne 2b
             sub r8, r8, #4 * ",
            $side,
            "
             add r10, r10, #4
             add r2, r2, #4 * ",
            $side,
            " * ",
            $side,
            "
             cmp r2, r3
             bne 2b
             pop {{r4-r11, pc}}",
        )
    };
}

/// Makes pairs for two patches of the bytes of two columns, in r4 and r5.
macro_rules! store_columns {
    ($side:literal, $column:literal) => {
        concat!(
            "uxtb16 r6, r4
             uxtb16 r7, r5
             uxtb16 r4, r4, ror #8
             uxtb16 r5, r5, ror #8
             strd r6, r7, [r2, #4 * ",
            $column,
            "]
             strd r4, r5, [r2, #4 * ",
            $column,
            " + 4 * ",
            $side,
            " * ",
            $side,
            "]",
        )
    };
}

#[unsafe(naked)]
unsafe extern "C" fn gather_six_columns(
    pixels: *const u8,
    step: usize,
    patches: *mut Pair,
    patches_end: *mut Pair,
    rows: *const u32,
) {
    naked_asm!(
        dsp_core!(),
        begin_window!("6"),
        "ldr r4, [r0, r1, lsl #1]",
        "ldr r5, [r0, r12]",
        store_columns!("6", "2"),
        "ldr r4, [r0, r1, lsl #2]",
        "ldr r5, [r0, lr]",
        store_columns!("6", "4"),
        "ldr r5, [r0, r1]",
        "ldr r4, [r0]",
        store_columns!("6", "0"),
        end_window!("6"),
    )
}

#[unsafe(naked)]
unsafe extern "C" fn gather_four_columns(
    pixels: *const u8,
    step: usize,
    patches: *mut Pair,
    patches_end: *mut Pair,
    rows: *const u32,
) {
    naked_asm!(
        dsp_core!(),
        begin_window!("4"),
        "ldr r4, [r0, r1, lsl #1]",
        "ldr r5, [r0, r12]",
        store_columns!("4", "2"),
        "ldr r5, [r0, r1]",
        "ldr r4, [r0]",
        store_columns!("4", "0"),
        end_window!("4"),
    )
}
