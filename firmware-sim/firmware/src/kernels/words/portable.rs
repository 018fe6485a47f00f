//! Safe code for any target: what the kernels compute, and what the others are tested against.

use crate::loops::keep_rolled;

use super::{
    Depthwise, Fours, MAX_BLOCK, Offsets, Pair, Row, Scaling, Tile, Twin, WindowPatch, Word,
    gathered_pairs, pairs, window_reach,
};

/// See [`super::add_fours`].
pub fn add_fours(fours: &Fours<'_>, sums: &mut [Twin], step: usize) {
    if step == 0 {
        return;
    }
    let blocks = rows(fours.words, fours.stride, fours.patch.len().saturating_mul(2));
    for (words, sums) in blocks.zip(sums.chunks_mut(step.saturating_mul(2))) {
        let Some((first, [second, ..])) = sums.split_at_mut_checked(step) else { return };
        let Some(first) = first.first_mut() else { return };
        for (words, places) in words.as_chunks::<2>().0.iter().zip(fours.patch) {
            for (&word, sums) in words.iter().zip([&mut *first, &mut *second]) {
                for (&pair, sums) in places.iter().zip(sums.as_chunks_mut().0) {
                    multiply(word, pair, sums);
                }
            }
        }
    }
}

/// See [`super::activate_fours`].
#[must_use]
pub const fn activate_fours(
    _: &Fours<'_>,
    _: &[Twin],
    _: &[[Scaling; 4]],
    _: u8,
    _: &mut [u8],
    _: usize,
) -> usize {
    0
}

/// See [`super::activate_row`].
#[must_use]
pub const fn activate_row(
    _: &Row<'_>,
    _: &mut [[Pair; 2]],
    _: &[[Scaling; 4]],
    _: u8,
    _: &mut [u8],
    _: usize,
) -> usize {
    0
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

/// See [`super::pool`].
#[must_use]
pub const fn pool(_: &[Tile], _: &[[Scaling; 2]], _: u8, _: &mut [u8], _: usize) -> usize {
    0
}

/// See [`super::activate_pairs`].
#[must_use]
pub const fn activate_pairs(_: &[[u32; 2]], _: &[[Scaling; 2]], _: u8, _: &mut [u8]) -> usize {
    0
}

/// See [`super::depthwise`].
pub fn depthwise(
    &Depthwise { weights, stride, pixels, taps, .. }: &Depthwise<'_>,
    sums: &mut [[i32; 4]],
) {
    let rows = rows(weights, stride, taps.offsets.len());
    for (group, (weights, sums)) in rows.zip(sums).enumerate() {
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
            keep_rolled();
        }
    }
}

/// See [`super::activate_depthwise`].
#[must_use]
pub const fn activate_depthwise(
    _: &Depthwise<'_>,
    _: &[[i32; 4]],
    _: &[[Scaling; 4]],
    _: u8,
    _: &mut [u8],
    _: usize,
) -> usize {
    0
}

/// See [`super::activate_strips`].
#[must_use]
pub const fn activate_strips(
    _: &super::Strip<'_>,
    _: &[i32],
    _: &[Scaling],
    _: u8,
    _: &mut [u8],
) -> usize {
    0
}

/// See [`super::gather_places`].
pub fn gather_places(
    pixels: &[u8],
    rows: Offsets<'_, [u32; 2]>,
    run: usize,
    patch: &mut [[Pair; 2]],
) {
    let Offsets { offsets: rows, reach } = rows;
    let (fours, left) = (run / 4, run % 4);
    if patch.len() < gathered_pairs(rows.len(), run)
        || pixels.len() < (reach as usize).saturating_add(run)
    {
        return;
    }
    let Some((whole, halves)) = patch.split_at_mut_checked(2 * fours * rows.len()) else { return };
    let whole = whole.as_chunks_mut::<2>().0;
    for place in 0..2 {
        let starts = || rows.iter().filter_map(move |starts| starts.get(place));
        let bytes = |start: u32, number| bytes_at(pixels, start as usize + number);
        let found = starts().flat_map(|&start| (0..fours).map(move |four| bytes(start, 4 * four)));
        for ([even, odd], four) in whole.iter_mut().zip(found) {
            if let (Some(even), Some(odd)) = (even.get_mut(place), odd.get_mut(place)) {
                [*even, *odd] = pairs(four);
            }
        }
        let found =
            starts().flat_map(|&start| (0..left).map(move |byte| (start, 4 * fours + byte)));
        for (number, (start, byte)) in found.enumerate() {
            let byte = pixels.get(start as usize + byte).copied().unwrap_or_default();
            if let Some(pair) = halves.get_mut(number / 2).and_then(|pairs| pairs.get_mut(place)) {
                let shift = number % 2 * 16;
                *pair = *pair & !(0xffff << shift) | u32::from(byte) << shift;
            }
        }
    }
}

/// See [`super::gather_window`].
pub fn gather_window<const SIDE: usize>(
    pixels: &[u8],
    rows: Offsets<'_>,
    step: usize,
    patches: &mut [WindowPatch<SIDE>],
) {
    if rows.offsets.len() != SIDE || pixels.len() < window_reach::<SIDE>(rows, step, patches.len())
    {
        return;
    }
    for (group, [even, odd]) in patches.as_chunks_mut::<2>().0.iter_mut().enumerate() {
        for ((even, odd), &start) in even.iter_mut().zip(odd).zip(rows.offsets) {
            let start = (start as usize).saturating_add(4 * group);
            for (x, (even, odd)) in even.iter_mut().zip(odd).enumerate() {
                let start = x.saturating_mul(step).saturating_add(start);
                [*even, *odd] = pairs(bytes_at(pixels, start));
            }
        }
    }
}

/// The words of pairs of outputs, or the weights of fours of channels, as many as are there.
fn rows<W>(words: &[W], stride: usize, len: usize) -> impl Iterator<Item = &[W]> {
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

/// The four bytes from `start` on; there are.
fn bytes_at(bytes: &[u8], start: usize) -> [u8; 4] {
    bytes.get(start..).and_then(<[u8]>::first_chunk).copied().unwrap_or_default()
}
