//! A convolution of each channel by itself.

use zerocopy::{FromBytes, IntoBytes};

use super::rows::{Output, Rows};
use crate::rows::format::{Channel, Geometry};

/// Row `row`.
#[inline(never)]
pub(super) fn row(
    geometry: &Geometry,
    row: usize,
    weights: &[u8],
    channels: &[Channel],
    rows: &Rows<'_>,
    work: &mut [u32],
    output: &mut Output<'_>,
) -> Option<()> {
    output.bytes();
    let sums = <[i32]>::mut_from_bytes(work.get_mut(..channels.len())?.as_mut_bytes()).ok()?;
    let inputs = usize::from(rows.value.channels.get());
    let multiplier = channels.len().checked_div(inputs)?.max(1);
    let [top, _, left, _] = geometry.padding;
    let [kernel_rows, kernel_columns] = geometry.kernel;
    for column in 0..output.value().width.get().into() {
        sums.fill(0);
        let start = rows.window(column, geometry.stride[1], left);
        let mut taps = weights.chunks(channels.len().max(1));
        for kernel_row in 0..kernel_rows {
            let from = rows.row((row * geometry.stride[0] + kernel_row).wrapping_sub(top));
            for kernel_column in 0..kernel_columns {
                let weights = taps.next()?;
                let at = start + kernel_column * inputs;
                let values = from.and_then(|from| from.get(at..));
                add(values, rows.value.zero, multiplier, weights, sums);
            }
        }
        output.put(column, 0, sums.iter().copied(), channels.iter());
    }
    Some(())
}

/// Adds the products of one tap of all channels; without `values` all are `zero`.
fn add(values: Option<&[u8]>, zero: u8, multiplier: usize, weights: &[u8], sums: &mut [i32]) {
    let product = |value: u8, weight: &u8| i32::from(value) * i32::from(weight.cast_signed());
    let Some(values) = values else {
        for (sum, weight) in sums.iter_mut().zip(weights) {
            *sum += product(zero, weight);
        }
        return;
    };
    let outputs = sums.chunks_mut(multiplier).zip(weights.chunks(multiplier));
    for ((sums, weights), &value) in outputs.zip(values) {
        for (sum, weight) in sums.iter_mut().zip(weights) {
            *sum += product(value, weight);
        }
    }
}
