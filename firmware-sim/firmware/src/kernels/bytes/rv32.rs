//! RISC-V with 32 bits and multiplication: enough registers for sixteen accumulators.
//!
//! Whole loops are written out, as in [`dsp`](crate::kernels): left to the compiler, pointers and bytes cost more
//! instructions than products. The register budget:
//!
//! ```text
//!              three places                 one place                  depthwise
//! a0, a1 ..    next weights of two blocks   and a6, a7: of four        next weights; three places of the map
//! a2           next triple                  next input
//! a3           mask of the first word
//! a4 .. a7     two words, weight, product   input, weight              weight, activation
//! s0 .. s11,   accumulators: 2 × 4          accumulators: 4 × 4        accumulators: 3 × 4
//! t3 .. t6       × two words
//! t0 .. t2     end of triples, sums         end of inputs, sums        next offset, its end, bytes to next place
//! ra           bytes to the next block      bytes to the next block    map
//! ```
//!
//! What is needed once a block lies on the stack, above the registers that are put back.
#![allow(unsafe_code)]

use core::arch::naked_asm;

use super::{Block, Triple, Window, fits};

/// Whether the target has instructions of 16 bits.
const COMPRESSED: u32 = cfg!(target_feature = "c") as u32;

/// See [`super::three_places`].
pub fn three_places(
    weights: &[Block],
    stride: usize,
    patch: &[Triple],
    sums: &mut [[[i32; 3]; 4]],
) {
    if patch.is_empty() || sums.is_empty() || !fits(weights, stride, patch.len(), sums.len()) {
        return;
    }
    let stride_bytes = stride.wrapping_mul(size_of::<Block>());
    let (patch, sums) = (patch.as_ptr_range(), sums.as_mut_ptr_range());
    // SAFETY: neither the patch nor the sums are empty; it reads the patch and, for each block of sums, as many
    // weights, which are there.
    unsafe {
        three_places_blocks(
            weights.as_ptr(),
            stride_bytes,
            patch.start,
            patch.end,
            sums.start,
            sums.end,
        );
    }
}

/// Two blocks at a time, then one that is left. Of triples there are four at a time, after the others.
#[unsafe(naked)]
unsafe extern "C" fn three_places_blocks(
    weights: *const Block,
    stride_bytes: usize,
    patch: *const Triple,
    patch_end: *const Triple,
    sums: *mut [[i32; 3]; 4],
    sums_end: *mut [[i32; 3]; 4],
) {
    naked_asm!(
        ".option push",
        ".option arch, +m", // of the target's extensions LLVM tells its assembler none here
        ".if {compressed}",
        ".option arch, +c",
        ".endif",
        "addi sp, sp, -80",
        ".irp register, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11",
        "sw s\\register, 4 * \\register(sp)",
        ".endr",
        "sw ra, 48(sp)",
        "sub t0, a3, a2",
        "sub t1, a1, t0",
        "andi t0, t0, 12", // the length modulo four words
        "add t0, t0, a2",
        "sw t1, {skipped}(sp)",
        "sw a2, {patch}(sp)",
        "sw t0, {fours}(sp)",
        "sw a3, {patch_end}(sp)",
        "mv ra, a1",
        "mv t1, a4",
        "mv t2, a5",
        "li a3, ~0x7f800",
        ".macro words element", // of [`super::triple`]
        "lw a4, 4 * \\element(a2)",
        "beqz a4, 9f",
        "srli a5, a4, 11",
        "and a4, a4, a3",
        ".endm",
        ".macro products weight, weights, first, second",
        "lb a6, \\weight(\\weights)",
        "mul a7, a6, a4",
        "add \\first, \\first, a7",
        "mul a6, a6, a5",
        "add \\second, \\second, a6",
        ".endm",
        ".macro two_blocks element",
        "words \\element",
        "products 4*\\element, a0, s0, s1",
        "products 4*\\element+1, a0, s2, s3",
        "products 4*\\element+2, a0, s4, s5",
        "products 4*\\element+3, a0, s6, s7",
        "products 4*\\element, a1, s8, s9",
        "products 4*\\element+1, a1, s10, s11",
        "products 4*\\element+2, a1, t3, t4",
        "products 4*\\element+3, a1, t5, t6",
        "9:",
        ".endm",
        "2:",
        "sub t0, t2, t1",
        "li a7, {two_blocks}",
        ".irp accumulator, s0, s1, s2, s3, s4, s5, s6, s7",
        "li \\accumulator, 0",
        ".endr",
        "lw a2, {patch}(sp)",
        "bltu t0, a7, 5f",
        ".irp accumulator, s8, s9, s10, s11, t3, t4, t5, t6",
        "li \\accumulator, 0",
        ".endr",
        "add a1, a0, ra",
        "lw t0, {fours}(sp)",
        "beq a2, t0, 4f",
        "3:",
        "two_blocks 0",
        "addi a0, a0, 4",
        "addi a1, a1, 4",
        "addi a2, a2, 4",
        "bne a2, t0, 3b",
        "4:",
        "lw t0, {patch_end}(sp)",
        "beq a2, t0, 6f",
        "3:",
        ".irp element, 0, 1, 2, 3",
        "two_blocks \\element",
        ".endr",
        "addi a0, a0, 16",
        "addi a1, a1, 16",
        "addi a2, a2, 16",
        "bne a2, t0, 3b",
        "j 6f",
        // one block
        "5:",
        "beqz t0, 8f",
        "lw t0, {patch_end}(sp)",
        "3:",
        "words 0",
        "products 0, a0, s0, s1",
        "products 1, a0, s2, s3",
        "products 2, a0, s4, s5",
        "products 3, a0, s6, s7",
        "9:",
        "addi a0, a0, 4",
        "addi a2, a2, 4",
        "bne a2, t0, 3b",
        "mv a2, t1",
        "mv t1, t2",
        "j 7f",
        // [`super::split`]: the second block, then the first
        ".macro split output, first, second",
        "slli a4, \\first, 11",
        "srai a4, a4, 11",
        "sub \\first, \\first, a4",
        "slli a5, \\second, 11",
        "sub a5, a5, \\first",
        "srai a5, a5, 11",
        "sub \\second, \\second, a5",
        "srai \\second, \\second, 10",
        ".irp place, 0, 4, 8",
        "lw a6, 12 * \\output + \\place(a2)",
        ".if \\place == 0",
        "add a6, a6, a4",
        ".elseif \\place == 4",
        "add a6, a6, \\second",
        ".else",
        "add a6, a6, a5",
        ".endif",
        "sw a6, 12 * \\output + \\place(a2)",
        ".endr",
        ".endm",
        "6:",
        "mv a2, t1",
        "split 4, s8, s9",
        "split 5, s10, s11",
        "split 6, t3, t4",
        "split 7, t5, t6",
        "lw a7, {skipped}(sp)",
        "add a0, a1, a7",
        "addi t1, t1, {two_blocks}",
        "7:",
        "split 0, s0, s1",
        "split 1, s2, s3",
        "split 2, s4, s5",
        "split 3, s6, s7",
        "bne t1, t2, 2b",
        "8:",
        ".purgem words",
        ".purgem products",
        ".purgem two_blocks",
        ".purgem split",
        ".irp register, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11",
        "lw s\\register, 4 * \\register(sp)",
        ".endr",
        "lw ra, 48(sp)",
        "addi sp, sp, 80",
        "ret",
        ".option pop",
        compressed = const COMPRESSED,
        skipped = const 52,
        patch = const 56,
        fours = const 60,
        patch_end = const 64,
        two_blocks = const 2 * size_of::<[[i32; 3]; 4]>(),
    )
}

/// See [`super::one_place`].
pub fn one_place(weights: &[Block], stride: usize, patch: &[u8], sums: &mut [[i32; 4]]) {
    if patch.is_empty() || sums.is_empty() || !fits(weights, stride, patch.len(), sums.len()) {
        return;
    }
    let stride_bytes = stride.wrapping_mul(size_of::<Block>());
    let (patch, sums) = (patch.as_ptr_range(), sums.as_mut_ptr_range());
    // SAFETY: as in `three_places`.
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

/// Four blocks at a time, then one at a time. Of inputs there are two at a time, after one if their number is odd.
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
        ".option push",
        ".option arch, +m", // of the target's extensions LLVM tells its assembler none here
        ".if {compressed}",
        ".option arch, +c",
        ".endif",
        "addi sp, sp, -64",
        ".irp register, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11",
        "sw s\\register, 4 * \\register(sp)",
        ".endr",
        "sw ra, 48(sp)",
        "sub t0, a3, a2",
        "andi t0, t0, 1",
        "add t0, t0, a2",
        "sw t0, {pairs}(sp)",
        "sw a2, {patch}(sp)",
        "mv ra, a1",
        "mv t1, a4",
        "mv t2, a5",
        ".macro product weight, weights, sum",
        "lb a5, \\weight(\\weights)",
        "mul a5, a5, a4",
        "add \\sum, \\sum, a5",
        ".endm",
        ".macro block input, weights, sum0, sum1, sum2, sum3",
        "product 4*\\input, \\weights, \\sum0",
        "product 4*\\input+1, \\weights, \\sum1",
        "product 4*\\input+2, \\weights, \\sum2",
        "product 4*\\input+3, \\weights, \\sum3",
        ".endm",
        ".macro four_blocks input",
        "lbu a4, \\input(a2)",
        "beqz a4, 9f",
        "block \\input, a0, s0, s1, s2, s3",
        "block \\input, a1, s4, s5, s6, s7",
        "block \\input, a6, s8, s9, s10, s11",
        "block \\input, a7, t3, t4, t5, t6",
        "9:",
        ".endm",
        // copies sums to accumulators or back
        ".macro copy instruction, to, sum0, sum1, sum2, sum3",
        "\\instruction \\sum0, \\to(t1)",
        "\\instruction \\sum1, \\to+4(t1)",
        "\\instruction \\sum2, \\to+8(t1)",
        "\\instruction \\sum3, \\to+12(t1)",
        ".endm",
        ".macro copy_four instruction",
        "copy \\instruction, 0, s0, s1, s2, s3",
        "copy \\instruction, 16, s4, s5, s6, s7",
        "copy \\instruction, 32, s8, s9, s10, s11",
        "copy \\instruction, 48, t3, t4, t5, t6",
        ".endm",
        "2:",
        "sub t0, t2, t1",
        "li a7, {four_blocks}",
        "lw a2, {patch}(sp)",
        "bltu t0, a7, 5f",
        "copy_four lw",
        "add a1, a0, ra",
        "add a6, a1, ra",
        "add a7, a6, ra",
        "lw t0, {pairs}(sp)",
        "beq a2, t0, 4f",
        "3:",
        "four_blocks 0",
        "addi a0, a0, 4",
        "addi a1, a1, 4",
        "addi a6, a6, 4",
        "addi a7, a7, 4",
        "addi a2, a2, 1",
        "bne a2, t0, 3b",
        "4:",
        "beq a2, a3, 6f",
        "3:",
        "four_blocks 0",
        "four_blocks 1",
        "addi a0, a0, 8",
        "addi a1, a1, 8",
        "addi a6, a6, 8",
        "addi a7, a7, 8",
        "addi a2, a2, 2",
        "bne a2, a3, 3b",
        "6:",
        "copy_four sw",
        "lw t0, {patch}(sp)",
        "sub t0, t0, a3",
        "slli t0, t0, 2", // less the weights that were taken
        "add a0, a7, t0",
        "add a0, a0, ra",
        "addi t1, t1, {four_blocks}",
        "j 2b",
        // one block
        "5:",
        "beqz t0, 8f",
        "copy lw, 0, s0, s1, s2, s3",
        "mv a1, a0",
        "3:",
        "lbu a4, 0(a2)",
        "addi a2, a2, 1",
        "beqz a4, 9f",
        "block 0, a1, s0, s1, s2, s3",
        "9:",
        "addi a1, a1, 4",
        "bne a2, a3, 3b",
        "copy sw, 0, s0, s1, s2, s3",
        "add a0, a0, ra",
        "addi t1, t1, {one_block}",
        "j 2b",
        "8:",
        ".purgem product",
        ".purgem block",
        ".purgem four_blocks",
        ".purgem copy",
        ".purgem copy_four",
        ".irp register, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11",
        "lw s\\register, 4 * \\register(sp)",
        ".endr",
        "lw ra, 48(sp)",
        "addi sp, sp, 64",
        "ret",
        ".option pop",
        compressed = const COMPRESSED,
        patch = const 52,
        pairs = const 56,
        four_blocks = const 4 * size_of::<[i32; 4]>(),
        one_block = const size_of::<[i32; 4]>(),
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

/// Four channels at three places at a time, then at one place.
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
        ".option push",
        ".option arch, +m",
        ".if {compressed}",
        ".option arch, +c",
        ".endif",
        "addi sp, sp, -64",
        ".irp register, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11",
        "sw s\\register, 4 * \\register(sp)",
        ".endr",
        "sw ra, 48(sp)",
        "sw a0, {weights}(sp)",
        "mv ra, a2",
        "mv t6, a3",
        "mv t1, a4",
        "mv t3, a5",
        "mv t2, a6",
        "mv t4, a7",
        "sub a6, a4, a3",
        "slli a6, a6, 1",
        "sub a6, a1, a6", // bytes from the end of a block's weights to the next
        "lw a7, {places}(sp)",
        // a pass over all blocks: at three places while there are as many
        "1:",
        "beqz a7, 6f",
        "lw a0, {weights}(sp)",
        "sw ra, {map}(sp)",
        "add t5, t3, t4",
        "li a1, 3",
        "bltu a7, a1, 4f",
        ".macro copy instruction, base, sum0, sum1, sum2, sum3",
        "\\instruction \\sum0, 0(\\base)",
        "\\instruction \\sum1, 4(\\base)",
        "\\instruction \\sum2, 8(\\base)",
        "\\instruction \\sum3, 12(\\base)",
        ".endm",
        ".macro product map, channel, sum",
        "lbu a5, \\channel(\\map)",
        "mul a5, a5, a4",
        "add \\sum, \\sum, a5",
        ".endm",
        ".macro products channel, first, second, third",
        "lb a4, \\channel(a0)",
        "product a1, \\channel, \\first",
        "product a2, \\channel, \\second",
        "product a3, \\channel, \\third",
        ".endm",
        "2:",
        "add a1, t3, t4",
        "add a2, a1, t4",
        "copy lw, t3, s0, s1, s2, s3",
        "copy lw, a1, s4, s5, s6, s7",
        "copy lw, a2, s8, s9, s10, s11",
        "mv t0, t6",
        "3:",
        "lhu a1, 0(t0)",
        "add a1, a1, ra",
        "add a2, a1, t2",
        "add a3, a2, t2",
        "products 0, s0, s4, s8",
        "products 1, s1, s5, s9",
        "products 2, s2, s6, s10",
        "products 3, s3, s7, s11",
        "addi t0, t0, 2",
        "addi a0, a0, 4",
        "bne t0, t1, 3b",
        "add a1, t3, t4",
        "add a2, a1, t4",
        "copy sw, t3, s0, s1, s2, s3",
        "copy sw, a1, s4, s5, s6, s7",
        "copy sw, a2, s8, s9, s10, s11",
        "add a0, a0, a6",
        "addi ra, ra, 4",
        "addi t3, t3, 16",
        "bne t3, t5, 2b",
        "addi a7, a7, -3",
        "add t3, t3, t4",
        "add t3, t3, t4",
        "lw ra, {map}(sp)",
        "add ra, ra, t2",
        "add ra, ra, t2",
        "j 5f",
        // at one place
        "4:",
        "copy lw, t3, s0, s1, s2, s3",
        "mv t0, t6",
        "3:",
        "lhu a1, 0(t0)",
        "add a1, a1, ra",
        ".irp channel, 0, 1, 2, 3",
        "lb a4, \\channel(a0)",
        "product a1, \\channel, s\\channel",
        ".endr",
        "addi t0, t0, 2",
        "addi a0, a0, 4",
        "bne t0, t1, 3b",
        "copy sw, t3, s0, s1, s2, s3",
        "add a0, a0, a6",
        "addi ra, ra, 4",
        "addi t3, t3, 16",
        "bne t3, t5, 4b",
        "addi a7, a7, -1",
        "lw ra, {map}(sp)",
        "5:",
        "add ra, ra, t2",
        "j 1b",
        "6:",
        ".purgem copy",
        ".purgem product",
        ".purgem products",
        ".irp register, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11",
        "lw s\\register, 4 * \\register(sp)",
        ".endr",
        "lw ra, 48(sp)",
        "addi sp, sp, 64",
        "ret",
        ".option pop",
        compressed = const COMPRESSED,
        weights = const 52,
        map = const 56,
        places = const 64,
    )
}
