//! The largest of four places, and activations of sums.

use core::arch::naked_asm;

use super::super::{Scaling, Tile};

/// See [`super::super::pool`].
pub fn pool(
    tiles: &[Tile],
    scalings: &[[Scaling; 2]],
    zero: u8,
    bytes: &mut [u8],
    step: usize,
) -> usize {
    let room = bytes.len().checked_sub(2).and_then(|rest| rest.checked_div(step));
    let count = tiles.len().min(scalings.len()).min(room.map_or(0, |more| more.saturating_add(1)));
    let Some(tiles) = tiles.get(..count) else { return 0 };
    if tiles.is_empty() {
        return 0;
    }
    let tiles = tiles.as_ptr_range();
    let rounding = 1 + 2 * u32::from(zero);
    // SAFETY: it reads all of `tiles`, which are not empty, and as many scalings, and writes two bytes for each, of
    // which the last begin `step` times one less after the first: all of these are there.
    unsafe {
        let end = pool_tiles(
            tiles.start,
            scalings.as_ptr(),
            bytes.as_mut_ptr(),
            rounding,
            tiles.end,
            step,
        );
        end.offset_from_unsigned(tiles.start)
    }
}

/// Gives where it ends, or the first tile of which a shift is below 33.
///
/// Of `round(acc · mantissa / 2^shift)` with ties up, only the product's high half counts: half a unit is added, with
/// twice the zero point, where one bit is left to shift, and the last shift is that of `usat`.
#[unsafe(naked)]
unsafe extern "C" fn pool_tiles(
    tiles: *const Tile,
    scalings: *const [Scaling; 2],
    bytes: *mut u8,
    rounding: u32,
    tiles_end: *const Tile,
    step: usize,
) -> *const Tile {
    naked_asm!(
        dsp_core!(),
        "push {{r4-r11, lr}}",
        "2:",
        "ldm r0!, {{r4-r11}}",
        // 256 · the odd output's
        "sub r4, r4, r5",
        "sub r6, r6, r7",
        "sub r8, r8, r9",
        "sub r10, r10, r11",
        ".macro larger one, other",
        "cmp \\one, \\other",
        "it lt",
        "movlt \\one, \\other",
        ".endm",
        "larger r4, r6",
        "larger r8, r10",
        "larger r4, r8",
        "larger r5, r7",
        "larger r9, r11",
        "larger r5, r9",
        ".purgem larger",
        "ldrd r6, r7, [r1]",
        "ldrd r8, r9, [r1, #16]",
        "ldr r10, [r1, #12]",
        "ldr r11, [r1, #28]",
        "add r5, r5, r6",
        "add r4, r8, r4, asr #8",
        "smmul r5, r5, r7",
        "smmul r4, r4, r9",
        "subs r10, r10, #33",
        "it hs",
        "subshs r11, r11, #33",
        "blo 3f",
        "asr r5, r5, r10",
        "asr r4, r4, r11",
        "add r5, r5, r3",
        "add r4, r4, r3",
        "usat r5, #8, r5, asr #1",
        "usat r4, #8, r4, asr #1",
        "strb r5, [r2]",
        "strb r4, [r2, #1]",
        "ldrd r12, lr, [sp, #36]", // the end of the tiles, the step
        "add r2, r2, lr",
        "add r1, r1, #32",
        "cmp r0, r12",
        "bne 2b",
        "pop {{r4-r11, pc}}",
        "3:",
        "sub r0, r0, #32",
        "pop {{r4-r11, pc}}",
    )
}

/// See [`super::super::activate_pairs`].
pub fn activate_pairs(
    sums: &[[u32; 2]],
    scalings: &[[Scaling; 2]],
    zero: u8,
    bytes: &mut [u8],
) -> usize {
    let count = sums.len().min(scalings.len()).min(bytes.len() / 2);
    let Some(sums) = sums.get(..count) else { return 0 };
    if sums.is_empty() {
        return 0;
    }
    let sums = sums.as_ptr_range();
    let rounding = 1 + 2 * u32::from(zero);
    // SAFETY: it reads all of `sums`, which are not empty, and as many scalings, and writes two bytes for each: all of
    // these are there.
    unsafe {
        let end = pair_sums(sums.start, scalings.as_ptr(), bytes.as_mut_ptr(), rounding, sums.end);
        end.offset_from_unsigned(sums.start)
    }
}

/// Gives where it ends, or the first pair of which a shift is below 33; as [`pool_tiles`].
#[unsafe(naked)]
unsafe extern "C" fn pair_sums(
    sums: *const [u32; 2],
    scalings: *const [Scaling; 2],
    bytes: *mut u8,
    rounding: u32,
    sums_end: *const [u32; 2],
) -> *const [u32; 2] {
    naked_asm!(
        dsp_core!(),
        "push {{r4-r9, lr}}",
        "ldr r12, [sp, #28]",
        "2:",
        "ldrd r4, r5, [r0]",
        "ldrd r6, r7, [r1]",
        "ldrd r8, r9, [r1, #16]",
        "sub r4, r4, r5",
        "add r5, r5, r6",
        "add r4, r8, r4, asr #8",
        "ldr r6, [r1, #12]",
        "ldr r8, [r1, #28]",
        "smmul r5, r5, r7",
        "smmul r4, r4, r9",
        "subs r6, r6, #33",
        "it hs",
        "subshs r8, r8, #33",
        "blo 3f",
        "asr r5, r5, r6",
        "asr r4, r4, r8",
        "add r5, r5, r3",
        "add r4, r4, r3",
        "usat r5, #8, r5, asr #1",
        "usat r4, #8, r4, asr #1",
        "orr r5, r5, r4, lsl #8",
        "strh r5, [r2], #2",
        "add r1, r1, #32",
        "add r0, r0, #8",
        "cmp r0, r12",
        "bne 2b",
        "3:",
        "pop {{r4-r9, pc}}",
    )
}
