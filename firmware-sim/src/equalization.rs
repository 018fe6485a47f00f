//! Channels that a depthwise convolution takes, made equally large: each channel has all 8 bits then, not one of them alone.
//!
//! A channel that is doubled by the layer that gives it, and halved by the weights of the only layers that take it, changes
//! nothing in float, if all between is linear or a `ReLU`. Weights have a scale for each output channel, and of a depthwise
//! convolution each output takes one channel: so that costs no precision anywhere.
//! Source: Nagel et al. 2019, <https://arxiv.org/abs/1906.04721>, section 4.1, of which this is the part that is free.
//!
//! Factors are powers of two: exact in float, and found again exactly from the weights of both networks.

use firmware::format::Channel;
use network::{Activation, Affine, Conv, Kind, Layer, Network};

use crate::int8::{Encoding, Int8Network, real};

use crate::range_estimator::{Histogram, LEVELS, RangeEstimator, SIGNED_LEVELS};

/// Largest power of two that a channel is multiplied by: what is left of it is mostly noise.
const MAX_EXPONENT: f64 = 6.0;

/// Factors of a layer's output channels, all at least 1; `None` if it is to be left as it is.
///
/// `activations` are `[sample][value]`.
pub(crate) fn factors(
    layers: &[Layer],
    index: usize,
    zero: u8,
    activations: &[Vec<f32>],
    estimator: RangeEstimator,
) -> Option<Vec<f32>> {
    let layer = &layers[index];
    if !is_free(layers, index) {
        return None;
    }
    let channels = layer.output()[0];
    let limits: Vec<f64> = (0..channels)
        .map(|channel| limit(channel, channels, zero, activations, estimator))
        .collect();
    let largest = limits.iter().copied().fold(0.0, f64::max);
    let factor = |&limit: &f64| {
        if limit > 0.0 {
            (largest / limit).log2().floor().min(MAX_EXPONENT).exp2() as f32
        } else {
            1.0
        }
    };
    Some(limits.iter().map(factor).collect())
}

/// Whether factors of this layer's outputs cost nothing.
fn is_free(layers: &[Layer], index: usize) -> bool {
    let layer = &layers[index];
    let is_weighted = matches!(layer.kind(), Kind::Conv(_) | Kind::Dense { .. });
    let is_homogeneous = layer.kind().activation() != Activation::Relu6;
    let mut readers = readers(layers, index).peekable();
    is_weighted && is_homogeneous && readers.peek().is_some() && readers.all(is_depthwise)
}

/// The layers that take what layer `index`, from 0, gives.
fn readers(layers: &[Layer], index: usize) -> impl Iterator<Item = &Layer> {
    layers.iter().filter(move |layer| layer.sources().any(|source| source == index + 1))
}

fn is_depthwise(layer: &Layer) -> bool {
    matches!(layer.kind(), Kind::Conv(Conv { groups, .. }) if groups > 1 && groups == layer.input()[0])
}

/// The largest value of one channel that 8 bits should reach.
fn limit(
    channel: usize,
    channels: usize,
    zero: u8,
    activations: &[Vec<f32>],
    estimator: RangeEstimator,
) -> f64 {
    let magnitudes = || {
        activations.iter().flat_map(move |values| {
            let places = values.len() / channels;
            let values = &values[channel * places..][..places];
            values.iter().map(move |&value| if zero == 0 { value } else { value.abs() })
        })
    };
    let peak = magnitudes().fold(0.0, f32::max);
    if peak == 0.0 {
        return 0.0;
    }
    let mut histogram = Histogram::new(peak, if zero == 0 { LEVELS } else { SIGNED_LEVELS });
    histogram.count(magnitudes());
    estimator.limit(&histogram)
}

/// Multiplies the layer's outputs by `factors`, and divides the weights of those that take them.
pub(crate) fn apply(layers: &[Layer], index: usize, factors: &[f32], affine: &mut [Affine]) {
    affine[index].fold_output(|output| [factors[output].into(), 0.0]);
    for (reader, affine) in layers.iter().zip(affine) {
        if reader.sources().any(|source| source == index + 1) {
            let outputs = reader.outputs() / factors.len();
            affine.fold_each_input(|output, _| [1.0 / f64::from(factors[output / outputs]), 0.0]);
        }
    }
}

/// The factors by which an int8 network's output channels were multiplied, of each layer; all 1 of most.
///
/// They stand in no file: each is the power of two next to the ratio of the int8 weights and bias to the float ones.
pub(crate) fn found(float: &Network, int8: &Int8Network) -> Vec<Vec<f32>> {
    let layers = float.architecture().layers();
    let mut found: Vec<Vec<f32>> = vec![];
    for (index, (layer, affine)) in float.layers().enumerate() {
        let channels = layer.output()[0];
        if !is_free(layers, index) {
            found.push(vec![1.0; channels]);
            continue;
        }
        let quantized = &int8.layers[index];
        let input_scale = f64::from(int8.encoding(layer.source()).scale);
        let factor = |(output, channel): (usize, &Channel)| {
            // all in units of the accumulator, weights as of the largest byte
            let unit = real(channel.multiplier()) * f64::from(quantized.output.scale);
            let largest = Encoding::units(0) * input_scale / unit;
            let fan_in = layer.fan_in();
            let row = |affine: &Affine| affine.weights[output * fan_in..][..fan_in].to_vec();
            let weights = row(affine).into_iter().zip(row(&quantized.affine));
            let weights =
                weights.map(|(a, b)| [f64::from(a) * largest, f64::from(b) * Encoding::units(0)]);
            let biases =
                [f64::from(affine.bias[output]) / unit, quantized.affine.bias[output].into()];
            let pairs: Vec<[f64; 2]> = weights.chain([biases]).collect();
            let ratio = pairs.iter().map(|[a, b]| a * b).sum::<f64>()
                / pairs.iter().map(|[a, _]| a * a).sum::<f64>();
            // a depthwise convolution divides by the factor of the channel that it takes
            let taken = match (layer.source().checked_sub(1), layer.kind()) {
                (Some(source), Kind::Conv(Conv { groups: 2.., .. })) => {
                    let before = &found[source];
                    f64::from(before[output * before.len() / channels])
                }
                _ => 1.0,
            };
            let factor = (ratio * taken).log2().round().exp2() as f32;
            if factor.is_normal() { factor } else { 1.0 }
        };
        let factors = quantized.channels.iter().enumerate().map(factor).collect();
        found.push(factors);
    }
    found
}

#[cfg(test)]
mod tests {
    use network::{Architecture, Padding};

    use super::*;

    #[test]
    fn channels_of_depthwise_convolutions_are_multiplied_and_nothing_else() {
        let relu = Activation::Relu;
        let pointwise = |maps| Kind::Conv(Conv { activation: relu, ..Conv::new(maps, [1; 2]) });
        let depthwise = Conv { groups: 2, padding: Padding::even(1), ..Conv::new(4, [3; 2]) };
        let kinds = vec![pointwise(2), Kind::Conv(depthwise), pointwise(3)];
        let architecture = Architecture::new([1, 2, 2], kinds).unwrap();
        let affine = architecture.layers().iter().map(|layer| Affine {
            weights: (1..=layer.outputs() * layer.fan_in()).map(|i| i as f32).collect(),
            bias: vec![0.5; layer.outputs()],
        });
        let affine = affine.collect();
        let network = Network::new(architecture, affine);
        let layers = network.architecture().layers();
        let mut affine = network.affine().to_vec();
        let activations = [vec![1.0, 0.0, 0.0, 8.0, 0.5, 0.25, 0.25, 0.9]];
        let max = RangeEstimator::Max;
        let of = |index| factors(layers, index, 0, &activations, max);
        assert_eq!((of(1), of(2)), (None, None));
        let factors = of(0).unwrap();
        assert_eq!(factors, [1.0, 8.0]);
        apply(layers, 0, &factors, &mut affine);
        assert_eq!(affine[0], Affine { weights: vec![1.0, 16.0], bias: vec![0.5, 4.0] });
        assert_eq!(affine[1].weights[17..20], [18.0, 19.0 / 8.0, 20.0 / 8.0]);
        let changed = Network::new(network.architecture().clone(), affine);
        let input = [0.5, 1.0, 2.0, 3.0];
        assert_eq!(changed.activations(&input)[1..], network.activations(&input)[1..]);
    }
}
