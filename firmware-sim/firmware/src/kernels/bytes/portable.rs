//! Safe code for any target, and what the others are tested against.

use super::{Block, STRIP, Strip, Triple, Window, fits, split};
use crate::kernels::words::Scaling;

/// See [`super::three_places`].
#[inline(never)] // alone, it has all registers
pub fn three_places(
    weights: &[Block],
    stride: usize,
    patch: &[Triple],
    sums: &mut [[[i32; 3]; 4]],
    new: bool,
) {
    if new {
        sums.fill([[0; 3]; 4]);
    }
    if !fits(weights, stride, patch.len(), sums.len()) {
        return;
    }
    let mut rest = weights;
    for sums in sums {
        let mut packed = [[0_u32; 2]; 4];
        for (weights, triple) in rest.iter().zip(patch) {
            if *triple == 0 {
                continue;
            }
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
                for (sum, weight) in added.iter_mut().zip(weights) {
                    *sum = sum.wrapping_add(i32::from(*weight) * i32::from(activation));
                }
            }
        }
        *sums = added;
        rest = rest.get(stride..).unwrap_or_default();
    }
}

/// See [`super::depthwise`].
#[inline(never)]
pub fn depthwise(weights: &[Block], stride: usize, window: &Window<'_>, sums: &mut [[i32; 4]]) {
    if !window.fits(weights, stride, sums) {
        return;
    }
    let (mut map, mut sums) = (window.map, sums);
    for _ in 0..window.places {
        let Some((place, other_places)) = sums.split_at_mut_checked(window.blocks) else { return };
        let (mut map_of_block, mut rest) = (map, weights);
        for sums in place {
            let mut added = *sums;
            for (weights, &offset) in rest.iter().zip(window.offsets) {
                let here = map_of_block.get(usize::from(offset)..);
                let Some(here) = here.and_then(|from| from.first_chunk::<4>()) else { continue };
                for ((sum, weight), activation) in added.iter_mut().zip(weights).zip(here) {
                    *sum = sum.wrapping_add(i32::from(*weight) * i32::from(*activation));
                }
            }
            *sums = added;
            map_of_block = map_of_block.get(4..).unwrap_or_default();
            rest = rest.get(stride..).unwrap_or_default();
        }
        map = map.get(window.place_bytes..).unwrap_or_default();
        sums = other_places;
    }
}

/// See [`super::strip`].
#[inline(never)]
pub fn strip(weights: &[Block], stride: usize, strip: &Strip<'_>, sums: &mut [[[i32; STRIP]; 4]]) {
    if !strip.fits(weights, stride, sums) {
        return;
    }
    for (block, sums) in sums.iter_mut().take(strip.blocks).enumerate() {
        let weights = weights.get(block * stride..).unwrap_or_default();
        for (channel, sums) in sums.iter_mut().enumerate() {
            let places = sums.iter_mut().take(strip.places).enumerate();
            for (place, sum) in places {
                *sum = 0;
                for (&row, weights) in strip.rows.iter().zip(weights.as_chunks::<3>().0) {
                    for (column, weights) in weights.iter().enumerate() {
                        let at = row as usize
                            + (place + column) * strip.place_bytes
                            + block * 4
                            + channel;
                        let value = strip.map.get(at).copied().unwrap_or_default();
                        let weight = weights.get(channel).copied().unwrap_or_default();
                        *sum += i32::from(weight) * i32::from(value);
                    }
                }
            }
        }
    }
}

/// See [`super::activations`].
#[must_use]
pub const fn activations(_: &[i32], _: usize, _: &[Scaling], _: u8, _: &mut [u8]) -> usize {
    0
}
