//! What keeps code small where speed does not matter.

/// In a loop: keeps the compiler from laying its body out several times, which it does for all that are short. Costs no
/// instruction.
#[expect(clippy::inline_always, reason = "there is nothing in it to call")]
#[inline(always)]
pub(crate) fn keep_rolled() {
    core::hint::black_box(());
}

/// Sets sums to zero: four at a time, where the C library's function goes by single words.
#[inline(never)]
pub(crate) fn clear(tiles: &mut [[u32; 8]]) {
    for [a, b, c, d, e, f, g, h] in tiles {
        [*a, *b, *c, *d] = [0; 4];
        keep_rolled();
        [*e, *f, *g, *h] = [0; 4];
    }
}
