//! ARMv6-M: sixteen registers, of which only the first eight multiply, load and shift.
//!
//! Whole loops are written out, as in [`dsp`](crate::kernels): the upper registers hold accumulators, to which they
//! can add, and the compiler does not use them so. The register budget:
//!
//! ```text
//!             three places                     one place                  depthwise
//! r0, r1      next weights, triple             next weights of two blocks next weights; first place of the map
//! r2, r3      first and second word            next input, input          second and third place
//! r4, r5      weights of a block, product      weights, product           activation, weight
//! r6, r7      accumulators: of output 3        accumulators: the last two next offset, map
//! r8 .. r12,  accumulators: 3 × two words      accumulators: 6            accumulators: 3 × 2
//! lr
//! ```
//!
//! Weights of a block come in one load: the lowest byte is extended, then the others are shifted down.
#![allow(unsafe_code)]

use core::arch::naked_asm;

use super::{Block, Triple, Window, fits, portable};

/// Whether weights can be loaded four at a time.
fn are_aligned(weights: &[Block]) -> bool {
    weights.as_ptr().addr().is_multiple_of(size_of::<u32>())
}

/// See [`super::three_places`].
pub fn three_places(
    weights: &[Block],
    stride: usize,
    patch: &[Triple],
    sums: &mut [[[i32; 3]; 4]],
) {
    if !are_aligned(weights) {
        return portable::three_places(weights, stride, patch, sums);
    }
    if patch.is_empty() || sums.is_empty() || !fits(weights, stride, patch.len(), sums.len()) {
        return;
    }
    let skipped = stride.wrapping_sub(patch.len()).wrapping_mul(size_of::<Block>());
    let (patch, sums) = (patch.as_ptr_range(), sums.as_mut_ptr_range());
    // SAFETY: neither the patch nor the sums are empty; it reads the patch and, for each block of sums, as many
    // weights, which are there and aligned. Between blocks it skips the others.
    unsafe {
        three_places_blocks(
            weights.as_ptr(),
            skipped,
            patch.start,
            patch.end,
            sums.start,
            sums.end,
        );
    }
}

/// Of triples there are eight at a time, after the others.
#[unsafe(naked)]
unsafe extern "C" fn three_places_blocks(
    weights: *const Block,
    skipped_bytes: usize,
    patch: *const Triple,
    patch_end: *const Triple,
    sums: *mut [[i32; 3]; 4],
    sums_end: *mut [[i32; 3]; 4],
) {
    naked_asm!(
        "push {{r4-r7, lr}}",
        "mov r4, r8",
        "mov r5, r9",
        "mov r6, r10",
        "mov r7, r11",
        "push {{r1-r7}}", // from `skipped` on, then the upper registers
        "movs r4, #0xff",
        "lsls r4, r4, #11", // the place of the first word's gap
        "subs r5, r3, r2",
        "movs r6, #28",
        "ands r5, r6", // the length modulo eight words
        "adds r5, r5, r2",
        "push {{r4, r5}}", // `gap`, `eights`
        // of the weight in r5, which it writes over; the one in the other register stays
        ".macro product word, accumulator",
        "muls r5, \\word, r5",
        "add \\accumulator, r5",
        ".endm",
        ".macro products element",
        "ldr r2, [r1, #4 * \\element]",
        "lsrs r3, r2, #11",
        "bne 8f",
        "cmp r2, #0",
        "beq 9f",
        "8:",
        "ldr r5, [sp, #{gap}]",
        "bics r2, r5",
        "ldr r4, [r0, #4 * \\element]",
        "sxtb r5, r4",
        "product r2, r8",
        "sxtb r5, r4",
        "product r3, r9",
        "asrs r4, r4, #8",
        "sxtb r5, r4",
        "product r2, r10",
        "sxtb r5, r4",
        "product r3, r11",
        "asrs r4, r4, #8",
        "sxtb r5, r4",
        "product r2, r12",
        "sxtb r5, r4",
        "product r3, lr",
        "asrs r4, r4, #8",
        "mov r5, r4",
        "product r2, r6",
        "muls r4, r3, r4",
        "add r7, r4",
        "9:",
        ".endm",
        "2:",
        "movs r6, #0",
        "movs r7, #0",
        ".irp accumulator, r8, r9, r10, r11, r12, lr",
        "mov \\accumulator, r6",
        ".endr",
        "ldr r1, [sp, #{patch}]",
        "3:",
        "ldr r5, [sp, #{eights}]",
        "cmp r1, r5",
        "beq 4f",
        "products 0",
        "adds r0, r0, #4",
        "adds r1, r1, #4",
        "b 3b",
        "4:",
        "ldr r5, [sp, #{patch_end}]",
        "cmp r1, r5",
        "bne 5f",
        "b 6f",
        "5:",
        ".irp element, 0, 1, 2, 3, 4, 5, 6, 7",
        "products \\element",
        ".endr",
        "adds r0, r0, #32",
        "adds r1, r1, #32",
        "b 4b",
        "6:",
        // [`super::split`], for one output after the other: here of r6 and r7
        ".macro split",
        "lsls r2, r6, #11",
        "asrs r2, r2, #11",
        "subs r6, r6, r2",
        "lsls r3, r7, #11",
        "subs r3, r3, r6",
        "asrs r3, r3, #11",
        "subs r7, r7, r3",
        "asrs r7, r7, #10",
        "ldm r1!, {{r4-r6}}",
        "subs r1, r1, #12",
        "adds r4, r4, r2",
        "adds r5, r5, r7",
        "adds r6, r6, r3",
        "stm r1!, {{r4-r6}}",
        ".endm",
        "ldr r1, [sp, #{sums}]",
        "adds r1, r1, #36", // the last output first, since its accumulators are there
        "split",
        "subs r1, r1, #48",
        "mov r6, r8",
        "mov r7, r9",
        "split",
        "mov r6, r10",
        "mov r7, r11",
        "split",
        "mov r6, r12",
        "mov r7, lr",
        "split",
        "adds r1, r1, #12",
        "str r1, [sp, #{sums}]",
        "ldr r2, [sp, #{skipped}]",
        "adds r0, r0, r2",
        "ldr r2, [sp, #{sums_end}]",
        "cmp r1, r2",
        "beq 7f",
        "b 2b",
        "7:",
        ".purgem product",
        ".purgem products",
        ".purgem split",
        "add sp, sp, #20",
        "pop {{r4-r7}}",
        "mov r8, r4",
        "mov r9, r5",
        "mov r10, r6",
        "mov r11, r7",
        "pop {{r4-r7, pc}}",
        gap = const 0,
        eights = const 4,
        skipped = const 8,
        patch = const 12,
        patch_end = const 16,
        sums = const 56,
        sums_end = const 60,
    )
}

/// See [`super::one_place`].
pub fn one_place(weights: &[Block], stride: usize, patch: &[u8], sums: &mut [[i32; 4]]) {
    if !are_aligned(weights) {
        return portable::one_place(weights, stride, patch, sums);
    }
    if patch.is_empty() || sums.is_empty() || !fits(weights, stride, patch.len(), sums.len()) {
        return;
    }
    let stride_bytes = stride.wrapping_mul(size_of::<Block>());
    let (patch, sums) = (patch.as_ptr_range(), sums.as_mut_ptr_range());
    // SAFETY: neither the patch nor the sums are empty; it reads the patch and, for each block of sums, as many
    // weights, which are there and aligned.
    unsafe {
        one_place_blocks(
            weights.as_ptr(),
            stride_bytes,
            patch.start,
            patch.end,
            sums.start,
            sums.end,
        );
    }
}

/// Two blocks at a time, then one that is left. Of inputs there are two at a time, after one if their number is odd.
#[unsafe(naked)]
unsafe extern "C" fn one_place_blocks(
    weights: *const Block,
    stride_bytes: usize,
    patch: *const u8,
    patch_end: *const u8,
    sums: *mut [i32; 4],
    sums_end: *mut [i32; 4],
) {
    naked_asm!(
        "push {{r4-r7, lr}}",
        "mov r4, r8",
        "mov r5, r9",
        "mov r6, r10",
        "mov r7, r11",
        "push {{r0-r7}}", // from `weights` on, then the upper registers
        ".macro products weights, input, sum0, sum1, sum2, sum3",
        "ldr r4, [\\weights, #4 * \\input]",
        ".irp sum, \\sum0, \\sum1, \\sum2",
        "sxtb r5, r4",
        "muls r5, r3, r5",
        "add \\sum, r5",
        "asrs r4, r4, #8",
        ".endr",
        "muls r4, r3, r4",
        "add \\sum3, r4",
        ".endm",
        ".macro two_blocks input",
        "ldrb r3, [r2, #\\input]",
        "cmp r3, #0",
        "beq 9f",
        "products r0, \\input, r8, r9, r10, r11",
        "products r1, \\input, r12, lr, r6, r7",
        "9:",
        ".endm",
        "2:",
        "ldr r3, [sp, #{sums}]",
        "ldr r4, [sp, #{sums_end}]",
        "subs r4, r4, r3",
        "bne 1f",
        "b 8f",
        "1:",
        "ldm r3!, {{r0, r1, r6, r7}}",
        "mov r8, r0",
        "mov r9, r1",
        "mov r10, r6",
        "mov r11, r7",
        "ldr r0, [sp, #{weights}]",
        "ldr r2, [sp, #{patch}]",
        "cmp r4, #{one_block}",
        "bne 1f",
        "b 7f",
        "1:",
        "ldm r3!, {{r1, r5, r6, r7}}",
        "mov r12, r1",
        "mov lr, r5",
        "ldr r1, [sp, #{stride_bytes}]",
        "adds r1, r0, r1",
        "ldr r5, [sp, #{patch_end}]",
        "subs r5, r5, r2",
        "lsrs r5, r5, #1",
        "bcc 4f",
        "two_blocks 0",
        "adds r0, r0, #4",
        "adds r1, r1, #4",
        "adds r2, r2, #1",
        "ldr r5, [sp, #{patch_end}]",
        "cmp r2, r5",
        "beq 6f",
        "4:",
        "two_blocks 0",
        "two_blocks 1",
        "adds r0, r0, #8",
        "adds r1, r1, #8",
        "adds r2, r2, #2",
        "ldr r5, [sp, #{patch_end}]",
        "cmp r2, r5",
        "bne 4b",
        "6:",
        "ldr r3, [sp, #{sums}]",
        "mov r0, r8",
        "mov r1, r9",
        "mov r2, r10",
        "mov r4, r11",
        "stm r3!, {{r0, r1, r2, r4}}",
        "mov r0, r12",
        "mov r1, lr",
        "stm r3!, {{r0, r1, r6, r7}}",
        "str r3, [sp, #{sums}]",
        "ldr r0, [sp, #{weights}]",
        "ldr r1, [sp, #{stride_bytes}]",
        "adds r0, r0, r1",
        "adds r0, r0, r1",
        "str r0, [sp, #{weights}]",
        "b 2b",
        // one block
        "7:",
        "ldrb r3, [r2]",
        "cmp r3, #0",
        "beq 9f",
        "products r0, 0, r8, r9, r6, r7",
        "9:",
        "adds r0, r0, #4",
        "adds r2, r2, #1",
        "ldr r5, [sp, #{patch_end}]",
        "cmp r2, r5",
        "bne 7b",
        "ldr r3, [sp, #{sums}]",
        "mov r0, r8",
        "mov r1, r9",
        "stm r3!, {{r0, r1, r6, r7}}",
        "8:",
        ".purgem products",
        ".purgem two_blocks",
        "add sp, sp, #16",
        "pop {{r4-r7}}",
        "mov r8, r4",
        "mov r9, r5",
        "mov r10, r6",
        "mov r11, r7",
        "pop {{r4-r7, pc}}",
        one_block = const size_of::<[i32; 4]>(),
        weights = const 0,
        stride_bytes = const 4,
        patch = const 8,
        patch_end = const 12,
        sums = const 52,
        sums_end = const 56,
    )
}

/// See [`super::depthwise`].
pub fn depthwise(weights: &[Block], stride: usize, window: &Window<'_>, sums: &mut [[i32; 4]]) {
    let &Window { map, offsets, place_bytes, places, blocks } = window;
    if !window.fits(weights, stride, sums) {
        return;
    }
    let offsets = offsets.as_ptr_range();
    // SAFETY: there are places, blocks and offsets. It reads the offsets and, for each block, as many weights, and
    // four bytes of the map for each block at each place and offset; and it has a sum for each channel and place. All
    // of these are there.
    unsafe {
        depthwise_places(
            weights.as_ptr(),
            stride.wrapping_mul(size_of::<Block>()),
            map.as_ptr(),
            offsets.start,
            offsets.end,
            sums.as_mut_ptr(),
            place_bytes,
            blocks.wrapping_mul(size_of::<[i32; 4]>()),
            places,
        );
    }
}

/// Two channels at three places at a time, twice for each block; then four channels at one place.
///
/// From the weights of two channels to those of the next it is now two bytes and now the rest of a block: `step` on
/// the stack is one of them, `both_steps` their sum.
#[unsafe(naked)]
unsafe extern "C" fn depthwise_places(
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
        "push {{r4-r7, lr}}",
        "mov r4, r8",
        "mov r5, r9",
        "mov r6, r10",
        "mov r7, r11",
        "push {{r0-r7}}", // from `weights` on, then the upper registers
        "sub sp, sp, #12",
        // a pass over all blocks: at three places while there are as many
        "1:",
        "ldr r0, [sp, #{weights}]",
        "ldr r7, [sp, #{map}]",
        "ldr r1, [sp, #{sums}]",
        "ldr r2, [sp, #{place_sums_bytes}]",
        "adds r1, r1, r2",
        "str r1, [sp, #{sums_end}]",
        "ldr r2, [sp, #{stride_bytes}]",
        "ldr r3, [sp, #{offsets_end}]",
        "ldr r4, [sp, #{offsets}]",
        "subs r3, r3, r4",
        "lsls r3, r3, #1", // bytes of a block's weights
        "subs r2, r2, r3",
        "ldr r4, [sp, #{places}]",
        "subs r4, r4, #3",
        "bhs 2f",
        "b 4f",
        "2:",
        "str r4, [sp, #{places}]",
        "subs r2, r2, r3",
        "str r2, [sp, #{both_steps}]",
        "movs r4, #2",
        "subs r4, r4, r3",
        "str r4, [sp, #{step}]",
        "2:",
        "ldr r1, [sp, #{sums}]",
        "ldr r2, [sp, #{place_sums_bytes}]",
        ".macro load_sums first, second",
        "ldr r3, [r1]",
        "ldr r4, [r1, #4]",
        "mov \\first, r3",
        "mov \\second, r4",
        ".endm",
        "load_sums r8, r9",
        "adds r1, r1, r2",
        "load_sums r10, r11",
        "adds r1, r1, r2",
        "load_sums r12, lr",
        "ldr r6, [sp, #{offsets}]",
        ".macro weight channel",
        "movs r5, #\\channel",
        "ldrsb r5, [r0, r5]",
        ".endm",
        ".macro product map, channel, sum",
        "ldrb r4, [\\map, #\\channel]",
        "muls r4, r5, r4",
        "add \\sum, r4",
        ".endm",
        "3:",
        "ldrh r1, [r6]",
        "adds r6, r6, #2",
        "adds r1, r1, r7",
        "ldr r4, [sp, #{place_bytes}]",
        "adds r2, r1, r4",
        "adds r3, r2, r4",
        "weight 0",
        "product r1, 0, r8",
        "product r2, 0, r10",
        "product r3, 0, r12",
        "weight 1",
        "product r1, 1, r9",
        "product r2, 1, r11",
        "product r3, 1, lr",
        "adds r0, r0, #4",
        "ldr r4, [sp, #{offsets_end}]",
        "cmp r6, r4",
        "bne 3b",
        "ldr r1, [sp, #{sums}]",
        "ldr r2, [sp, #{place_sums_bytes}]",
        ".macro store_sums first, second",
        "mov r3, \\first",
        "mov r4, \\second",
        "str r3, [r1]",
        "str r4, [r1, #4]",
        ".endm",
        "store_sums r8, r9",
        "adds r1, r1, r2",
        "store_sums r10, r11",
        "adds r1, r1, r2",
        "store_sums r12, lr",
        "ldr r1, [sp, #{sums}]",
        "adds r1, r1, #8",
        "str r1, [sp, #{sums}]",
        "ldr r3, [sp, #{step}]",
        "ldr r4, [sp, #{both_steps}]",
        "adds r0, r0, r3",
        "subs r4, r4, r3",
        "str r4, [sp, #{step}]",
        "adds r7, r7, #2",
        "ldr r4, [sp, #{sums_end}]",
        "cmp r1, r4",
        "bne 2b",
        "adds r1, r1, r2",
        "adds r1, r1, r2",
        "str r1, [sp, #{sums}]",
        "ldr r7, [sp, #{map}]",
        "ldr r4, [sp, #{place_bytes}]",
        "adds r7, r7, r4",
        "adds r7, r7, r4",
        "adds r7, r7, r4",
        "str r7, [sp, #{map}]",
        "b 1b",
        // the same at one place while there is one
        "4:",
        "adds r4, r4, #3",
        "beq 6f",
        "subs r4, r4, #1",
        "str r4, [sp, #{places}]",
        "str r2, [sp, #{step}]", // bytes from a block's weights to the next
        "2:",
        "ldr r1, [sp, #{sums}]",
        "ldm r1!, {{r2-r5}}",
        "mov r8, r4",
        "mov r9, r5",
        "ldr r6, [sp, #{offsets}]",
        "3:",
        "ldrh r1, [r6]",
        "adds r6, r6, #2",
        "adds r1, r1, r7",
        "weight 0",
        "product r1, 0, r2",
        "weight 1",
        "product r1, 1, r3",
        "weight 2",
        "product r1, 2, r8",
        "weight 3",
        "product r1, 3, r9",
        "adds r0, r0, #4",
        "ldr r4, [sp, #{offsets_end}]",
        "cmp r6, r4",
        "bne 3b",
        "ldr r1, [sp, #{sums}]",
        "mov r4, r8",
        "mov r5, r9",
        "stm r1!, {{r2-r5}}",
        "str r1, [sp, #{sums}]",
        "ldr r4, [sp, #{step}]",
        "adds r0, r0, r4",
        "adds r7, r7, #4",
        "ldr r4, [sp, #{sums_end}]",
        "cmp r1, r4",
        "bne 2b",
        "ldr r7, [sp, #{map}]",
        "ldr r4, [sp, #{place_bytes}]",
        "adds r7, r7, r4",
        "str r7, [sp, #{map}]",
        "b 1b",
        "6:",
        ".purgem load_sums",
        ".purgem weight",
        ".purgem product",
        ".purgem store_sums",
        "add sp, sp, #28",
        "pop {{r4-r7}}",
        "mov r8, r4",
        "mov r9, r5",
        "mov r10, r6",
        "mov r11, r7",
        "pop {{r4-r7, pc}}",
        step = const 0,
        both_steps = const 4,
        sums_end = const 8,
        weights = const 12,
        stride_bytes = const 16,
        map = const 20,
        offsets = const 24,
        offsets_end = const 64,
        sums = const 68,
        place_bytes = const 72,
        place_sums_bytes = const 76,
        places = const 80,
    )
}
