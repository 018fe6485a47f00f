//! A dense layer from bytes. A pair of zeros is passed over: after ReLU half of the pairs are.

use core::arch::naked_asm;

use super::super::{MAX_BLOCK, Word};

/// See [`super::super::dense`].
pub fn dense(words: &[Word], inputs: &[u8], sums: &mut [[u32; 2]]) {
    let width = sums.len().min(MAX_BLOCK);
    let fours = words.len().checked_div(2 * width).unwrap_or(0);
    let inputs = inputs.as_chunks::<4>().0;
    let Some(inputs) = inputs.get(..fours.min(inputs.len())) else { return };
    if inputs.is_empty() {
        return;
    }
    let block = match width {
        1 => dense_1,
        2 => dense_2,
        3 => dense_3,
        _ => dense_4,
    };
    let inputs = inputs.as_ptr_range();
    // SAFETY: from `inputs` to its end, not empty, it reads all four bytes, and twice `width` words, which are there;
    // it reads and writes the first `width` of `sums`.
    unsafe { block(words.as_ptr(), inputs.start, sums.as_mut_ptr(), inputs.end) }
}

/// Takes sixteen inputs at once, and begins in the middle if they are no multiple of sixteen. Two words are loaded by
/// one instruction.
#[unsafe(naked)]
unsafe extern "C" fn dense_4(
    words: *const Word,
    inputs: *const [u8; 4],
    sums: *mut [u32; 2],
    inputs_end: *const [u8; 4],
) {
    naked_asm!(
        dsp_core!(),
        "push {{r2-r11, lr}}", // [sp] is sums, [sp + 4] the end of the inputs
        // where to begin: 3f - (number of fours) · their bytes, an address of Thumb code
        "sub r4, r3, r1",
        "sub r4, r4, #4",
        "ubfx r4, r4, #2, #2",
        "add r4, r4, #1", // 1 to 4 fours
        "adr.w r5, 2f",
        "adr.w r6, 3f",
        "sub r5, r6, r5",
        "lsr r5, r5, #2",
        "mls r12, r4, r5, r6",
        "orr r12, r12, #1",
        "rsb r4, r4, #4",
        "sub r0, r0, r4, lsl #5",
        "ldm r2, {{r4-r11}}",
        "bx r12",
        "2:",
        ".irp four, 0, 32, 64, 96",
        "ldr r12, [r1], #4",
        "uxtb16 r3, r12",
        "cbz r3, 4f",
        "ldrd r2, lr, [r0, #\\four]",
        "smlad r4, r2, r3, r4",
        "sxtb16 r2, r2",
        "smlad r5, r2, r3, r5",
        "smlad r6, lr, r3, r6",
        "sxtb16 lr, lr",
        "smlad r7, lr, r3, r7",
        "ldrd r2, lr, [r0, #\\four + 8]",
        "smlad r8, r2, r3, r8",
        "sxtb16 r2, r2",
        "smlad r9, r2, r3, r9",
        "smlad r10, lr, r3, r10",
        "sxtb16 lr, lr",
        "smlad r11, lr, r3, r11",
        "4:",
        "uxtb16 r3, r12, ror #8",
        "cbz r3, 5f",
        "ldrd r2, lr, [r0, #\\four + 16]",
        "smlad r4, r2, r3, r4",
        "sxtb16 r2, r2",
        "smlad r5, r2, r3, r5",
        "smlad r6, lr, r3, r6",
        "sxtb16 lr, lr",
        "smlad r7, lr, r3, r7",
        "ldrd r2, lr, [r0, #\\four + 24]",
        "smlad r8, r2, r3, r8",
        "sxtb16 r2, r2",
        "smlad r9, r2, r3, r9",
        "smlad r10, lr, r3, r10",
        "sxtb16 lr, lr",
        "smlad r11, lr, r3, r11",
        "5:",
        ".endr",
        "3:",
        "add r0, r0, #128",
        "ldr r2, [sp, #4]",
        "cmp r1, r2",
        "bne 2b",
        "ldr r2, [sp]",
        "stm r2, {{r4-r11}}",
        "pop {{r2-r11, pc}}",
    )
}

/// A block of fewer outputs, four inputs at once: `$sums` are the registers of sums, `$offsets` the words of a pair
/// of inputs with the registers of their sums.
macro_rules! narrow {
    ($name:ident, $sums:literal, $bytes:literal, $products:literal) => {
        #[unsafe(naked)]
        unsafe extern "C" fn $name(
            words: *const Word,
            inputs: *const [u8; 4],
            sums: *mut [u32; 2],
            inputs_end: *const [u8; 4],
        ) {
            naked_asm!(
                dsp_core!(),
                "push {{r2, r4-r9, lr}}",
                "mov lr, r3",
                concat!("ldm r2, {{", $sums, "}}"),
                "2:",
                "ldr r12, [r1], #4",
                "uxtb16 r3, r12",
                "cbz r3, 4f",
                $products,
                "4:",
                concat!("add r0, r0, #", $bytes),
                "uxtb16 r3, r12, ror #8",
                "cbz r3, 5f",
                $products,
                "5:",
                concat!("add r0, r0, #", $bytes),
                "cmp r1, lr",
                "bne 2b",
                "pop {{r2}}",
                concat!("stm r2, {{", $sums, "}}"),
                "pop {{r4-r9, pc}}",
            )
        }
    };
}

narrow!(
    dense_1,
    "r4-r5",
    "4",
    "ldr r2, [r0]
     smlad r4, r2, r3, r4
     sxtb16 r2, r2
     smlad r5, r2, r3, r5"
);
narrow!(
    dense_2,
    "r4-r7",
    "8",
    "ldr r2, [r0]
     smlad r4, r2, r3, r4
     sxtb16 r2, r2
     smlad r5, r2, r3, r5
     ldr r2, [r0, #4]
     smlad r6, r2, r3, r6
     sxtb16 r2, r2
     smlad r7, r2, r3, r7"
);
narrow!(
    dense_3,
    "r4-r9",
    "12",
    "ldr r2, [r0]
     smlad r4, r2, r3, r4
     sxtb16 r2, r2
     smlad r5, r2, r3, r5
     ldr r2, [r0, #4]
     smlad r6, r2, r3, r6
     sxtb16 r2, r2
     smlad r7, r2, r3, r7
     ldr r2, [r0, #8]
     smlad r8, r2, r3, r8
     sxtb16 r2, r2
     smlad r9, r2, r3, r9"
);
