//! Safe code for any target: what the kernels compute, and what the others are tested against.

use super::{ChannelWeights, MAX_BLOCK, Pair, Taps, Tile, WindowPatch, Word, bytes_at, pairs};

/// See [`super::four_places`].
pub fn four_places(words: &[Word], stride: usize, patch: &[[Pair; 4]], sums: &mut [Tile]) {
    for (row, tile) in rows(words, stride, patch.len()).zip(sums) {
        for (&word, places) in row.iter().zip(patch) {
            add(word, *places, tile);
        }
    }
}

/// See [`super::window5`].
pub fn window5(words: &[Word], stride: usize, patches: &[WindowPatch<6>], sums: &mut [Tile]) {
    window::<5, 6>(words, stride, patches, sums);
}

/// See [`super::window3`].
pub fn window3(words: &[Word], stride: usize, patches: &[WindowPatch<4>], sums: &mut [Tile]) {
    window::<3, 4>(words, stride, patches, sums);
}

fn window<const KERNEL: usize, const SIDE: usize>(
    words: &[Word],
    stride: usize,
    patches: &[WindowPatch<SIDE>],
    sums: &mut [Tile],
) {
    let len = patches.len().saturating_mul(KERNEL * KERNEL);
    for (row, tile) in rows(words, stride, len).zip(sums) {
        // [pair of channels][column], of the kernel
        let columns = row.as_chunks::<KERNEL>().0;
        for (columns, patch) in columns.chunks_exact(KERNEL).zip(patches) {
            for (x, words) in columns.iter().enumerate() {
                // the patch from this column on, a row and a little of the next at a time
                let rows = || patch.as_flattened().get(x..).unwrap_or_default().chunks(SIDE);
                for ((&word, above), below) in words.iter().zip(rows()).zip(rows().skip(1)) {
                    if let (&[p0, p1, ..], &[p2, p3, ..]) = (above, below) {
                        add(word, [p0, p1, p2, p3], tile);
                    }
                }
            }
        }
    }
}

/// See [`super::dense`].
pub fn dense(words: &[Word], inputs: &[u8], sums: &mut [[u32; 2]]) {
    let width = sums.len().min(MAX_BLOCK);
    if width == 0 {
        return;
    }
    let words = words.chunks_exact(2 * width);
    for (words, &inputs) in words.zip(inputs.as_chunks().0) {
        for (words, pair) in words.chunks(width).zip(pairs(inputs)) {
            // after ReLU many inputs are zero
            if pair != 0 {
                for (&word, sums) in words.iter().zip(sums.iter_mut()) {
                    multiply(word, pair, sums);
                }
            }
        }
    }
}

/// See [`super::depthwise`].
pub fn depthwise(weights: &[ChannelWeights], pixels: &[u8], taps: Taps<'_>, sums: &mut [[i32; 4]]) {
    let len = taps.offsets.len();
    if len == 0 {
        return;
    }
    for (group, (weights, sums)) in weights.chunks_exact(len).zip(sums).enumerate() {
        let end = (taps.reach as usize).saturating_add(4 * group + 4);
        if end > pixels.len() {
            return;
        }
        for (&[w02, w13], &offset) in weights.iter().zip(taps.offsets) {
            let [a02, a13] = pairs(bytes_at(pixels, offset as usize + 4 * group));
            let products = [
                low(w02) * low(a02),
                low(w13) * low(a13),
                high(w02) * high(a02),
                high(w13) * high(a13),
            ];
            for (sum, product) in sums.iter_mut().zip(products) {
                *sum = sum.wrapping_add(product);
            }
        }
    }
}

/// See [`super::gather_places`].
pub fn gather_places(runs: [&[u8]; 4], patch: &mut [[Pair; 4]]) {
    gather_places_from(0, runs, patch);
}

/// From the four bytes of each run with this number on.
pub(super) fn gather_places_from(first: usize, runs: [&[u8]; 4], patch: &mut [[Pair; 4]]) {
    for (number, taps) in patch.as_chunks_mut::<2>().0.iter_mut().enumerate().skip(first) {
        let [even, odd] = taps;
        for ((even, odd), run) in even.iter_mut().zip(odd).zip(runs) {
            [*even, *odd] = pairs(bytes_at(run, 4 * number));
        }
    }
}

/// See [`super::gather_window`].
pub fn gather_window<const SIDE: usize>(
    row: &[u8],
    step: usize,
    y: usize,
    patches: &mut [WindowPatch<SIDE>],
) {
    for (group, patches) in patches.as_chunks_mut::<2>().0.iter_mut().enumerate() {
        let [even, odd] = patches;
        let (Some(even), Some(odd)) = (even.get_mut(y), odd.get_mut(y)) else { return };
        for (x, (even, odd)) in even.iter_mut().zip(odd).enumerate() {
            let start = x.saturating_mul(step).saturating_add(4 * group);
            [*even, *odd] = pairs(bytes_at(row, start));
        }
    }
}

/// The words of pairs of outputs, as many as are there.
fn rows(words: &[Word], stride: usize, len: usize) -> impl Iterator<Item = &[Word]> {
    let mut next = Some(words);
    core::iter::from_fn(move || {
        let words = next?;
        next = words.get(stride..);
        words.get(..len)
    })
}

/// Adds a word's products with four places.
fn add(word: Word, places: [Pair; 4], tile: &mut Tile) {
    for (pair, sums) in places.into_iter().zip(tile.as_chunks_mut().0) {
        multiply(word, pair, sums);
    }
}

fn multiply(word: Word, pair: Pair, [whole, even]: &mut [u32; 2]) {
    let (a, b) = (low(pair), high(pair));
    *whole = whole.wrapping_add_signed((low(word) * a).wrapping_add(high(word) * b));
    let [even_a, _, even_b, _] = word.to_le_bytes().map(|byte| i32::from(byte.cast_signed()));
    *even = even.wrapping_add_signed(even_a * a + even_b * b);
}

const fn low(halves: u32) -> i32 {
    halves as i16 as i32
}

const fn high(halves: u32) -> i32 {
    halves.cast_signed() >> 16
}
