//! Bytes to pairs: `uxtb16` takes bytes 0 and 2 of a word, and after a turn by eight bits 1 and 3.

use core::arch::naked_asm;

use super::super::portable::{self, gather_places_from};
use super::super::{Pair, WindowPatch};

/// See [`super::super::gather_places`].
pub fn gather_places(runs: [&[u8]; 4], patch: &mut [[Pair; 4]]) {
    let fours = patch.len() / 2;
    let whole = runs.iter().fold(fours, |fours, run| fours.min(run.len() / 4));
    if let Some(patch) = patch.get_mut(..2 * whole)
        && !patch.is_empty()
    {
        let patch = patch.as_mut_ptr_range();
        let [r0, r1, r2, r3] = runs.map(<[u8]>::as_ptr);
        // SAFETY: it writes the whole of `patch`, which is not empty, and reads half as many times four bytes of each
        // run, of which `whole` says that they are there.
        unsafe { gather_four(r0, r1, r2, r3, patch.start, patch.end) }
    }
    if whole < fours {
        gather_places_from(whole, runs, patch);
    }
}

/// See [`super::super::gather_window`].
pub fn gather_window<const SIDE: usize>(
    row: &[u8],
    step: usize,
    y: usize,
    patches: &mut [WindowPatch<SIDE>],
) {
    let twos = patches.as_chunks_mut::<2>().0;
    let read = step.saturating_mul(SIDE.saturating_sub(1)).saturating_add(4 * twos.len());
    if read > row.len() || !matches!(SIDE, 4 | 6) || y >= SIDE || twos.is_empty() {
        return portable::gather_window(row, step, y, patches);
    }
    let twos = twos.as_mut_ptr_range();
    let rows = twos.start.cast::<[Pair; SIDE]>().wrapping_add(y).cast();
    let end = twos.end.cast::<[Pair; SIDE]>().wrapping_add(y).cast();
    // SAFETY: from the first of `rows`, row `y` of a patch, to `end`, by two patches a step, it writes a row of each,
    // which are there and not none. It reads four bytes a step of each column, `read` bytes in all.
    unsafe {
        if SIDE == 6 {
            gather_six_columns(row.as_ptr(), step, rows, end);
        } else {
            gather_four_columns(row.as_ptr(), step, rows, end);
        }
    }
}

#[unsafe(naked)]
unsafe extern "C" fn gather_four(
    run0: *const u8,
    run1: *const u8,
    run2: *const u8,
    run3: *const u8,
    patch: *mut [Pair; 4],
    patch_end: *mut [Pair; 4],
) {
    naked_asm!(
        "push {{r4-r11, lr}}",
        "ldrd r12, lr, [sp, #36]",
        "2:",
        "ldr r4, [r0], #4",
        "ldr r5, [r1], #4",
        "ldr r6, [r2], #4",
        "ldr r7, [r3], #4",
        "uxtb16 r8, r4, ror #8",
        "uxtb16 r9, r5, ror #8",
        "uxtb16 r10, r6, ror #8",
        "uxtb16 r11, r7, ror #8",
        "uxtb16 r4, r4",
        "uxtb16 r5, r5",
        "uxtb16 r6, r6",
        "uxtb16 r7, r7",
        "stm r12!, {{r4-r11}}",
        "cmp r12, lr",
        "bne 2b",
        "pop {{r4-r11, pc}}",
    )
}

/// Expands the bytes of two columns, in r4 and r5, into pairs of two patches.
macro_rules! store_columns {
    ($column:literal, $patch:literal) => {
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
            " + ",
            $patch,
            "]",
        )
    };
}

#[unsafe(naked)]
unsafe extern "C" fn gather_six_columns(
    row: *const u8,
    step: usize,
    patch_row: *mut Pair,
    end: *mut Pair,
) {
    naked_asm!(
        "push {{r4-r7, lr}}",
        "add r12, r1, r1, lsl #1", // three columns
        "add lr, r1, r1, lsl #2",  // five
        "2:",
        "ldr r4, [r0, r1, lsl #1]",
        "ldr r5, [r0, r12]",
        store_columns!("2", "144"),
        "ldr r4, [r0, r1, lsl #2]",
        "ldr r5, [r0, lr]",
        store_columns!("4", "144"),
        "ldr r5, [r0, r1]",
        "ldr r4, [r0], #4",
        store_columns!("0", "144"),
        "add r2, r2, #288",
        "cmp r2, r3",
        "bne 2b",
        "pop {{r4-r7, pc}}",
    )
}

#[unsafe(naked)]
unsafe extern "C" fn gather_four_columns(
    row: *const u8,
    step: usize,
    patch_row: *mut Pair,
    end: *mut Pair,
) {
    naked_asm!(
        "push {{r4-r7, lr}}",
        "add r12, r1, r1, lsl #1", // three columns
        "2:",
        "ldr r4, [r0, r1, lsl #1]",
        "ldr r5, [r0, r12]",
        store_columns!("2", "64"),
        "ldr r5, [r0, r1]",
        "ldr r4, [r0], #4",
        store_columns!("0", "64"),
        "add r2, r2, #128",
        "cmp r2, r3",
        "bne 2b",
        "pop {{r4-r7, pc}}",
    )
}
