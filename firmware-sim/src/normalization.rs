//! What happens to pixels before a network that takes numbers, made part of the network.

use network::{Architecture, Conv, Kind, Layer, Network};
use runtime::FloatInput;

use super::error::Error;

/// The network that takes pixels, 0 to 255, where `network` takes what `float_input` makes of them.
///
/// Exact but for rounding: the normalisation is folded into the layers that take the input, or, where these are padded
/// and a padding of 0 stands for another value than a pixel of 0, it becomes a layer of its own.
///
/// # Errors
/// [`Error::FloatInput`] if `float_input` is of other channels.
pub(crate) fn of_pixels(network: &Network, float_input: FloatInput) -> Result<Network, Error> {
    let input = network.architecture().input();
    let mut numbers: Vec<[f64; 2]> = float_input
        .channels()
        .map(|(mean, std)| {
            let (mean, std) = (f64::from(mean), f64::from(std));
            [1.0 / (255.0 * std), -mean / std]
        })
        .collect();
    if numbers.len() == 1 {
        numbers = vec![numbers[0]; input[0]];
    }
    if numbers.len() != input[0] {
        return Err(Error::FloatInput { found: numbers.len(), channels: input[0] });
    }
    let is_shifted = numbers.iter().any(|&[_, shift]| shift != 0.0);
    let layers = network.architecture().layers();
    let takes_input = |layer: &Layer| layer.sources().any(|source| source == 0);
    let folds = |layer: &Layer| match layer.kind() {
        Kind::Conv(conv) => conv.padding.is_none() || !is_shifted,
        Kind::Dense { .. } => true,
        Kind::Pool(_) | Kind::Add { .. } => false,
    };
    if layers.iter().filter(|layer| takes_input(layer)).all(folds) {
        let mut affine = network.affine().to_vec();
        for (layer, affine) in layers.iter().zip(&mut affine).filter(|(it, _)| takes_input(it)) {
            affine.fold_each_input(|output, weight| numbers[channel(layer, output, weight)]);
        }
        return Ok(Network::new(network.architecture().clone(), affine));
    }
    let alone = Conv { groups: input[0], ..Conv::new(input[0], [1; 2]) };
    let later = layers.iter().map(|layer| {
        let kind = match layer.kind() {
            Kind::Add { other, activation } => Kind::Add { other: other + 1, activation },
            kind => kind,
        };
        (layer.source() + 1, kind)
    });
    let kinds = [(0, Kind::Conv(alone))].into_iter().chain(later);
    let architecture = Architecture::connected(input, kinds).expect("it keeps the input's shape");
    let (weights, bias) =
        numbers.iter().map(|&[scale, shift]| (scale as f32, shift as f32)).unzip();
    let affine = [network::Affine { weights, bias }].into_iter().chain(network.affine().to_vec());
    Ok(Network::new(architecture, affine.collect()))
}

/// The input channel that a weight of an output takes.
fn channel(layer: &Layer, output: usize, weight: usize) -> usize {
    let [channels, height, width] = layer.input();
    match layer.kind() {
        Kind::Conv(Conv { maps, kernel: [rows, columns], groups, .. }) => {
            output / (maps / groups) * (channels / groups) + weight / (rows * columns)
        }
        _ => weight / (height * width),
    }
}

#[cfg(test)]
mod tests {
    use network::{Activation, Affine, Padding};

    use super::*;

    #[test]
    fn pixels_give_what_their_numbers_gave() {
        let padded = |side| Conv { padding: Padding::even(side), ..Conv::new(3, [3, 3]) };
        let depthwise = Conv { groups: 2, ..Conv::new(4, [2, 1]) };
        let dense = Kind::Dense { outputs: 2, activation: Activation::None };
        let each = FloatInput::new(&[0.5, 0.25], &[0.5, -0.125]).unwrap();
        let scaled = FloatInput::new(&[0.0], &[0.5]).unwrap();
        for (kinds, float_input, layers) in [
            (vec![Kind::Conv(padded(0)), dense], each, 2),
            (vec![Kind::Conv(depthwise), dense], each, 2),
            (vec![dense], each, 1),
            (vec![Kind::Conv(padded(1)), dense], each, 3),
            (vec![Kind::Conv(padded(1)), dense], scaled, 2),
            (vec![Kind::Add { other: 0, activation: Activation::Relu }, dense], each, 3),
        ] {
            let architecture = Architecture::new([2, 4, 3], kinds).unwrap();
            let whole = |count: usize| (0..count).map(|i| (i * 7 % 13) as f32 - 6.0).collect();
            let affine = architecture.layers().iter().map(|layer| Affine {
                weights: whole(layer.outputs() * layer.fan_in()),
                bias: whole(layer.outputs()),
            });
            let affine = affine.collect();
            let network = Network::new(architecture, affine);
            let pixels: Vec<f32> = (0..24_u8).map(|i| f32::from(i) * 11.0).collect();
            let normalized: Vec<f32> = (0..24)
                .map(|at| {
                    let of_channel = float_input.channels().nth(at / 12);
                    let (mean, std) = of_channel.or(float_input.channels().next()).unwrap();
                    (pixels[at] / 255.0 - mean) / std
                })
                .collect();
            let expected = network.activations(&normalized).pop().unwrap();
            let found = of_pixels(&network, float_input).unwrap();
            assert_eq!(found.architecture().layers().len(), layers);
            let found = found.activations(&pixels).pop().unwrap();
            for (found, expected) in found.iter().zip(expected) {
                assert!((found - expected).abs() < 1e-2, "{found} for {expected}");
            }
        }
        let network = Network::new(
            Architecture::new([3, 1, 1], vec![dense]).unwrap(),
            vec![Affine { weights: vec![1.0; 6], bias: vec![0.0; 2] }],
        );
        assert!(matches!(
            of_pixels(&network, each),
            Err(Error::FloatInput { found: 2, channels: 3 })
        ));
    }
}
