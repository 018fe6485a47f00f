//! Safe code for any target, and what the others are tested against.

use super::{Block, Triple, Window, fits, split};

/// See [`super::three_places`].
#[inline(never)] // alone, it has all registers
pub fn three_places(
    weights: &[Block],
    stride: usize,
    patch: &[Triple],
    sums: &mut [[[i32; 3]; 4]],
) {
    if !fits(weights, stride, patch.len(), sums.len()) {
        return;
    }
    let mut rest = weights;
    for sums in sums {
        let mut packed = [[0_u32; 2]; 4];
        for (weights, triple) in rest.iter().zip(patch) {
            let [first, second] = [triple & !(0xff << 11), triple >> 11];
            for (weight, [sum1, sum2]) in weights.iter().zip(&mut packed) {
                let weight = i32::from(*weight).cast_unsigned();
                *sum1 = sum1.wrapping_add(weight.wrapping_mul(first));
                *sum2 = sum2.wrapping_add(weight.wrapping_mul(second));
            }
        }
        for (sums, packed) in sums.iter_mut().zip(packed) {
            for (sum, more) in sums.iter_mut().zip(split(packed)) {
                *sum = sum.wrapping_add(more);
            }
        }
        rest = rest.get(stride..).unwrap_or_default();
    }
}

/// See [`super::one_place`].
#[inline(never)]
pub fn one_place(weights: &[Block], stride: usize, patch: &[u8], sums: &mut [[i32; 4]]) {
    if !fits(weights, stride, patch.len(), sums.len()) {
        return;
    }
    let mut rest = weights;
    for sums in sums {
        let mut added = *sums;
        for (weights, &activation) in rest.iter().zip(patch) {
            if activation != 0 {
                multiply(*weights, [activation; 4], &mut added);
            }
        }
        *sums = added;
        rest = rest.get(stride..).unwrap_or_default();
    }
}

/// See [`super::depthwise`].
#[inline(never)]
pub fn depthwise(
    weights: &[Block],
    stride: usize,
    window: &Window<'_>,
    blocks: usize,
    sums: &mut [[i32; 4]],
) {
    let &Window { rows, columns, column_bytes, place_bytes } = window;
    let Some(elements) = rows.len().checked_mul(columns) else { return };
    if blocks == 0 || !fits(weights, stride, elements, blocks) {
        return;
    }
    let mut place_at = 0_usize;
    // a rest that is no whole place is left alone
    let mut places = sums;
    while let Some((place, rest)) = places.split_at_mut_checked(blocks) {
        let (mut block_at, mut rest_of_weights) = (place_at, weights);
        for sums in place {
            let mut added = *sums;
            let mut weights = rest_of_weights.iter();
            for row in rows {
                let mut at = block_at;
                for weights in weights.by_ref().take(columns) {
                    let here = row.get(at..).unwrap_or_default();
                    multiply(*weights, first_four(here), &mut added);
                    at = at.saturating_add(column_bytes);
                }
            }
            *sums = added;
            block_at = block_at.saturating_add(4);
            rest_of_weights = rest_of_weights.get(stride..).unwrap_or_default();
        }
        place_at = place_at.saturating_add(place_bytes);
        places = rest;
    }
}

/// The first four bytes, zeros where there are fewer.
fn first_four(bytes: &[u8]) -> [u8; 4] {
    bytes.first_chunk().copied().unwrap_or_else(|| {
        let mut four = [0; 4];
        four.iter_mut().zip(bytes).for_each(|(byte, have)| *byte = *have);
        four
    })
}

fn multiply(weights: Block, activations: [u8; 4], sums: &mut [i32; 4]) {
    for ((sum, weight), activation) in sums.iter_mut().zip(weights).zip(activations) {
        *sum = sum.wrapping_add(i32::from(weight) * i32::from(activation));
    }
}
