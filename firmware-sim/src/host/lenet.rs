//! The float network on raw pixels: the plain definition, used to calibrate.

use std::vec;
use std::vec::Vec;

use runtime::Image28;

use crate::geometry::{CONV1_SIDE, CONV2_SIDE, IMAGE_SIDE, KERNEL, POOL, SIDE1, TAPS};

/// Weights and biases on raw pixels: 0 = background, 255 = ink.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct LeNet {
    pub(super) conv1: Affine,
    pub(super) conv2: Affine,
    pub(super) dense1: Affine,
    pub(super) dense2: Affine,
}

/// What a convolution has at each place, and a dense layer at one.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Affine {
    /// `[out][in]`, for a convolution `[out][in map][row][column]`.
    pub(super) weights: Vec<f32>,
    /// `[out]`
    pub(super) bias: Vec<f32>,
}

/// What the layers give for one image; all but the logits are ≥ 0.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Activations {
    /// `[MAPS1][SIDE1][SIDE1]`
    pub(super) stage1: Vec<f32>,
    /// `[MAPS2][SIDE2][SIDE2]`
    pub(super) stage2: Vec<f32>,
    /// `[HIDDEN]`
    pub(super) hidden: Vec<f32>,
    /// `[CLASSES]`
    pub(super) logits: Vec<f32>,
}

impl LeNet {
    pub(super) fn run(&self, image: &Image28) -> Activations {
        let pixels: Vec<f32> = image.0.iter().copied().map(f32::from).collect();
        let stage1 = pool(&relu(self.conv1.convolve(&pixels, IMAGE_SIDE)), CONV1_SIDE);
        let stage2 = pool(&relu(self.conv2.convolve(&stage1, SIDE1)), CONV2_SIDE);
        let hidden = relu(self.dense1.apply(&stage2));
        let logits = self.dense2.apply(&hidden);
        Activations { stage1, stage2, hidden, logits }
    }
}

impl Affine {
    /// Weights of each output.
    pub(super) fn rows(&self) -> impl Iterator<Item = &[f32]> {
        self.weights.chunks(self.weights.len() / self.bias.len())
    }

    /// Takes `x` where it took `factor · x + offset`.
    pub(super) fn fold_input(&mut self, factor: f64, offset: f64) {
        let fan_in = self.weights.len() / self.bias.len();
        for (weights, bias) in self.weights.chunks_mut(fan_in).zip(&mut self.bias) {
            let sum: f64 = weights.iter().copied().map(f64::from).sum();
            *bias = (f64::from(*bias) + offset * sum) as f32;
            for weight in weights {
                *weight = (f64::from(*weight) * factor) as f32;
            }
        }
    }

    /// Valid convolution of maps with `side` rows and columns.
    fn convolve(&self, input: &[f32], side: usize) -> Vec<f32> {
        let convolved = side - KERNEL + 1;
        let mut output = Vec::with_capacity(self.bias.len() * convolved * convolved);
        for (weights, &bias) in self.rows().zip(&self.bias) {
            let mut map = vec![bias; convolved * convolved];
            for (kernel, input) in weights.chunks(TAPS).zip(input.chunks(side * side)) {
                for (y, sums) in map.chunks_mut(convolved).enumerate() {
                    for (weights, row) in kernel.chunks(KERNEL).zip(input.chunks(side).skip(y)) {
                        for (x, weight) in weights.iter().enumerate() {
                            for (sum, value) in sums.iter_mut().zip(&row[x..]) {
                                *sum += weight * value;
                            }
                        }
                    }
                }
            }
            output.extend(map);
        }
        output
    }

    fn apply(&self, input: &[f32]) -> Vec<f32> {
        let dot =
            |weights: &[f32]| weights.iter().zip(input).map(|(w, value)| w * value).sum::<f32>();
        self.rows().zip(&self.bias).map(|(weights, bias)| bias + dot(weights)).collect()
    }
}

fn relu(mut values: Vec<f32>) -> Vec<f32> {
    for value in &mut values {
        // a NaN stays one, so that calibration sees it
        *value = if *value < 0.0 { 0.0 } else { *value };
    }
    values
}

/// The largest of each 2×2, in maps with `side` rows and columns.
fn pool(values: &[f32], side: usize) -> Vec<f32> {
    let pairs =
        |row: &[f32]| row.chunks(POOL).map(|pair| pair[0].max(pair[1])).collect::<Vec<f32>>();
    values
        .chunks(POOL * side)
        .flat_map(|rows| {
            let (above, below) = rows.split_at(side);
            pairs(above).into_iter().zip(pairs(below)).map(|(above, below)| above.max(below))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use runtime::graph::Graph;
    use runtime::{Classifier, EMBEDDED_MODEL, PIXELS};

    use super::*;

    /// Two engines sum 800 products of f32 in different orders, and one normalises pixels first.
    const SUM_ORDER: f32 = 1e-3;

    #[test]
    fn it_gives_the_logits_of_the_runtime() {
        let network = super::super::graph::read(&Graph::parse(EMBEDDED_MODEL).unwrap()).unwrap();
        let classifier = Classifier::embedded();
        for seed in 0..5_usize {
            let image = Image28(core::array::from_fn(|i| {
                let stroke = (i * (seed + 3) / 7) % 29 < 6;
                if stroke { (i * 31 % 256) as u8 } else { 0 }
            }));
            let logits = network.run(&image).logits;
            let expected = classifier.classify(&image).logits;
            for (found, expected) in logits.iter().zip(&expected) {
                assert!((found - expected).abs() < SUM_ORDER, "{logits:?} {expected:?}");
            }
        }
    }

    #[test]
    fn folding_keeps_what_a_layer_gives() {
        let plain = Affine { weights: vec![1.0, -2.0, 0.5, 3.0], bias: vec![0.25, -1.0] };
        let mut folded = plain.clone();
        folded.fold_input(0.5, -4.0);
        assert_eq!(folded.apply(&[2.0, 6.0]), plain.apply(&[-3.0, -1.0]));
        assert_eq!(PIXELS, IMAGE_SIDE * IMAGE_SIDE);
    }
}
