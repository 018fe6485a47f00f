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

/// Sets words to zero: in a few instructions of flash, where the C library's function takes hundreds.
#[inline(never)]
pub(crate) fn zero(words: &mut [u32]) {
    let (fours, rest) = words.as_chunks_mut::<4>();
    for four in fours {
        *four = [0; 4];
        keep_rolled();
    }
    for word in rest {
        *word = 0;
        keep_rolled();
    }
}
