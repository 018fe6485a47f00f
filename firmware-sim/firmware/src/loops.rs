//! What keeps code small where speed does not matter.

/// In a loop: keeps the compiler from laying its body out several times, which it does for all that are short. Costs no
/// instruction.
#[expect(clippy::inline_always, reason = "there is nothing in it to call")]
#[inline(always)]
pub(crate) fn keep_rolled() {
    core::hint::black_box(());
}

/// Sets sums to zero: a few at a time, where the C library's function goes by single words.
#[inline(never)]
pub(crate) fn clear(sums: &mut [u32]) {
    let (fours, rest) = sums.as_chunks_mut();
    let (eights, last_four) = fours.as_chunks_mut();
    for [four, next] in eights {
        *four = [0; 4];
        keep_rolled();
        *next = [0; 4];
    }
    last_four.fill([0; 4]);
    for sum in rest {
        *sum = 0;
        keep_rolled();
    }
}
