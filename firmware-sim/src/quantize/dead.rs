//! The scale of a layer that gives only 0 for all samples that it is calibrated on: no value says what it should be.

use firmware::format::MAX_ACCUMULATOR;
use network::{Affine, Kind, Layer, Pool};

use crate::int8::Encoding;

/// Units that the largest bias of the layer that takes the zeros has: rounding changes it by less than a millionth.
const BIAS_UNITS: f64 = (1 << 20) as f64;
/// Largest weight.
const MAX_WEIGHT: f64 = 127.0;
/// About what the factors of an addition count together.
const FACTORS: f64 = 32_000.0;
/// Largest multiplier of a layer's accumulators that may come of it: below what a multiplier can be.
const MAX_MULTIPLIER: f64 = (1 << 28) as f64;
/// The smallest, where no weights can make up for it: well above what a multiplier can be.
const MIN_MULTIPLIER: f64 = 1.0 / (1 << 30) as f64;

/// The scale of what layer `index` gives, by which the layers that take it compute exactly what zeros make of them:
/// - the biases of weighted layers stay exact: an accumulator's unit is the product of the weight's and of this one, and a
///   bias is rounded to it;
/// - the other value of a sum keeps all its precision: of two scales, the larger counts more.
///
/// `known` are the encodings of all values before: the input, and what each layer gives.
pub(super) fn encoding(
    layers: &[Layer],
    weights: &[Affine],
    index: usize,
    zero: u8,
    known: &[Encoding],
) -> Encoding {
    let layer = &layers[index];
    let scale_of = |source: usize| f64::from(known[source].scale);
    let of_readers = largest_scale(layers, weights, index, known).unwrap_or(1.0).min(1.0);
    let scale = match layer.kind() {
        // with a large one, weights are rounded more coarsely
        Kind::Conv(_) | Kind::Dense { .. } => {
            let of_weights = scale_of(layer.source()) * weight_unit(&weights[index]);
            let of_biases = largest(&weights[index].bias) / f64::from(MAX_ACCUMULATOR);
            of_readers.max(of_weights.max(of_biases) / MAX_MULTIPLIER)
        }
        kind => {
            let unit = match kind {
                Kind::Pool(Pool { window: [rows, columns], .. }) => {
                    scale_of(layer.source()) / (rows * columns) as f64
                }
                _ => layer.sources().map(scale_of).sum::<f64>() / FACTORS,
            };
            of_readers.clamp(unit / MAX_MULTIPLIER, unit / MIN_MULTIPLIER)
        }
    };
    Encoding { zero, scale: (scale as f32).max(f32::MIN_POSITIVE) }
}

/// The largest scale of what a layer gives that suits all its readers; `None` if any does.
fn largest_scale(
    layers: &[Layer],
    weights: &[Affine],
    index: usize,
    known: &[Encoding],
) -> Option<f64> {
    let value = index + 1;
    let readers =
        (value..layers.len()).filter(|&later| layers[later].sources().any(|it| it == value));
    let of_reader = |reader: usize| match layers[reader].kind() {
        Kind::Conv(_) | Kind::Dense { .. } => {
            let bias = largest(&weights[reader].bias);
            let unit = weight_unit(&weights[reader]);
            (bias > 0.0 && unit > 0.0).then(|| bias / (unit * BIAS_UNITS))
        }
        // of zeros it gives zeros
        Kind::Pool(_) => largest_scale(layers, weights, reader, known),
        Kind::Add { .. } => {
            let other = layers[reader].sources().find(|&source| source != value)?;
            // of one that is not known yet, as small as can be
            Some(known.get(other).map_or(0.0, |other| other.scale.into()))
        }
    };
    readers.filter_map(of_reader).reduce(f64::min)
}

/// Real value of one unit of the largest weight.
fn weight_unit(affine: &Affine) -> f64 {
    largest(&affine.weights) / MAX_WEIGHT
}

/// The largest magnitude.
fn largest(numbers: &[f32]) -> f64 {
    numbers.iter().map(|number| f64::from(number.abs())).fold(0.0, f64::max)
}
