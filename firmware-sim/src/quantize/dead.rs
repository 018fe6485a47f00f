//! The scale of a layer that gives only 0 for all samples that it is calibrated on: no value says what it should be.

use network::{Affine, Kind, Layer, Pool, PoolMode};

use crate::int8::Encoding;

/// Units that the largest bias of the layer that takes the zeros has: rounding changes it by less than a millionth.
const BIAS_UNITS: f64 = (1 << 20) as f64;
/// Largest weight.
const MAX_WEIGHT: f64 = 127.0;
/// Largest multiplier of a layer's accumulators that may come of it: far below what a multiplier can be.
const MAX_MULTIPLIER: f64 = (1 << 20) as f64;

/// The scale of what layer `index` gives, by which the biases of the layers that take it stay exact: an accumulator's unit
/// is the product of the weight's and of this one, and a bias is rounded to it.
///
/// `input_scale` is that of what the layer takes.
pub(super) fn encoding(
    layers: &[Layer],
    weights: &[Affine],
    index: usize,
    zero: u8,
    input_scale: f32,
) -> Encoding {
    let of_readers = largest_scale(layers, weights, index).unwrap_or(1.0).min(1.0);
    let smallest = f64::from(input_scale) * weight_unit(&weights[index]) / MAX_MULTIPLIER;
    let scale = of_readers.max(smallest) as f32;
    Encoding { zero, scale: scale.max(f32::MIN_POSITIVE) }
}

/// The largest scale of what a layer gives by which its readers' biases have [`BIAS_UNITS`]; `None` if none has any.
fn largest_scale(layers: &[Layer], weights: &[Affine], index: usize) -> Option<f64> {
    let readers = (index + 1..layers.len())
        .filter(|&later| layers[later].sources().any(|source| source == index + 1));
    let of_reader = |reader: usize| match layers[reader].kind() {
        Kind::Conv(_) | Kind::Dense { .. } => {
            let biases = weights[reader].bias.iter().map(|bias| f64::from(bias.abs()));
            let bias = biases.fold(0.0, f64::max);
            let unit = weight_unit(&weights[reader]);
            (bias > 0.0 && unit > 0.0).then(|| bias / (unit * BIAS_UNITS))
        }
        // it hands the scale on
        Kind::Pool(Pool { mode: PoolMode::Max, .. }) => largest_scale(layers, weights, reader),
        Kind::Pool(_) | Kind::Add { .. } => None,
    };
    readers.filter_map(of_reader).reduce(f64::min)
}

/// Real value of one unit of the largest weight.
fn weight_unit(affine: &Affine) -> f64 {
    let magnitudes = affine.weights.iter().map(|weight| f64::from(weight.abs()));
    magnitudes.fold(0.0, f64::max) / MAX_WEIGHT
}
