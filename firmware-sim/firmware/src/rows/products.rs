//! Sums of products: until the kernels of each core are there.

/// Weights of four outputs for one tap.
pub(super) type Block = [i8; 4];

/// A tap's activations at three places.
#[must_use]
pub(super) const fn triple([a, b, c]: [u8; 3]) -> u32 {
    a as u32 | (c as u32) << 11 | (b as u32) << 21
}

/// Adds to `sums[block][output][place]`.
pub(super) fn three_places(
    weights: &[Block],
    stride: usize,
    patch: &[u32],
    sums: &mut [[[i32; 3]; 4]],
) {
    for (weights, sums) in weights.chunks(stride.max(1)).zip(sums) {
        for (weights, &cell) in weights.iter().zip(patch) {
            let places = [cell & 0xff, cell >> 21, cell >> 11 & 0xff];
            for (&weight, sums) in weights.iter().zip(&mut *sums) {
                for (sum, value) in sums.iter_mut().zip(places) {
                    *sum += i32::from(weight) * value.cast_signed();
                }
            }
        }
    }
}

/// Adds to `sums[block][output]` the products of one place.
pub(super) fn one_place(weights: &[Block], stride: usize, patch: &[u8], sums: &mut [[i32; 4]]) {
    for (weights, sums) in weights.chunks(stride.max(1)).zip(sums) {
        for (weights, &value) in weights.iter().zip(patch) {
            for (&weight, sum) in weights.iter().zip(&mut *sums) {
                *sum += i32::from(weight) * i32::from(value);
            }
        }
    }
}
