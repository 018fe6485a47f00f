//! The network by its plain definition, on raw pixels, with what every layer gives: slow, and used to calibrate
//! and to compare.

use firmware::LayerId;
use firmware::geometry::{
    CONV1_SIDE, CONV2_SIDE, IMAGE_SIDE, KERNEL, KERNEL_ELEMENTS, POOL, SIDE1,
};
use runtime::Image28;

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

/// What the layers give for one image, in order; all but the logits are ≥ 0.
///
/// `[MAPS1][SIDE1][SIDE1]`, `[MAPS2][SIDE2][SIDE2]`, `[HIDDEN]`, `[CLASSES]`
pub(super) type Activations = [Vec<f32>; 4];

impl LeNet {
    pub(super) fn layer(&self, layer: LayerId) -> &Affine {
        match layer {
            LayerId::Conv1 => &self.conv1,
            LayerId::Conv2 => &self.conv2,
            LayerId::Dense1 => &self.dense1,
            LayerId::Dense2 => &self.dense2,
        }
    }

    pub(super) fn run(&self, image: &Image28) -> Activations {
        let mut values = pixels(image);
        LayerId::ALL.map(|layer| {
            values = self.apply(layer, &values);
            values.clone()
        })
    }

    /// The logits that come of what `layer` hands on.
    pub(super) fn run_after(&self, layer: LayerId, values: Vec<f32>) -> Vec<f32> {
        let rest = &LayerId::ALL[layer as usize + 1..];
        rest.iter().fold(values, |values, &layer| self.apply(layer, &values))
    }

    fn apply(&self, layer: LayerId, input: &[f32]) -> Vec<f32> {
        activate(layer, pooled(layer, self.layer(layer).sums(layer, input)))
    }
}

/// What the first layer takes.
pub(super) fn pixels(image: &Image28) -> Vec<f32> {
    image.0.iter().copied().map(f32::from).collect()
}

/// What `layer` hands on of its sums before the ReLU, with which pooling commutes.
pub(super) fn pooled(layer: LayerId, sums: Vec<f32>) -> Vec<f32> {
    match layer {
        LayerId::Conv1 => pool(&sums, CONV1_SIDE),
        LayerId::Conv2 => pool(&sums, CONV2_SIDE),
        LayerId::Dense1 | LayerId::Dense2 => sums,
    }
}

fn activate(layer: LayerId, sums: Vec<f32>) -> Vec<f32> {
    if layer == LayerId::Dense2 { sums } else { relu(sums) }
}

impl Affine {
    /// Inputs of each output.
    pub(super) fn fan_in(&self) -> usize {
        self.weights.len() / self.bias.len()
    }

    /// Weights of each output.
    pub(super) fn rows(&self) -> impl Iterator<Item = &[f32]> {
        self.weights.chunks(self.fan_in())
    }

    /// The same with `excess` taken off the bias of each output.
    pub(super) fn with_less_bias(&self, excess: &[f64]) -> Self {
        let less = |(&bias, excess): (&f32, &f64)| (f64::from(bias) - excess) as f32;
        let bias = self.bias.iter().zip(excess).map(less).collect();
        Self { weights: self.weights.clone(), bias }
    }

    /// Takes `x` where it took `factor · x + offset`.
    pub(super) fn fold_input(&mut self, factor: f64, offset: f64) {
        let fan_in = self.fan_in();
        for (weights, bias) in self.weights.chunks_mut(fan_in).zip(&mut self.bias) {
            let sum: f64 = weights.iter().copied().map(f64::from).sum();
            *bias = (f64::from(*bias) + offset * sum) as f32;
            for weight in weights {
                *weight = (f64::from(*weight) * factor) as f32;
            }
        }
    }

    /// Sums of products and biases, `[out][row][column]`, of the activations that `layer` takes.
    ///
    /// Of whole numbers whose sums stay below 2²⁴ it is exact.
    pub(super) fn sums(&self, layer: LayerId, input: &[f32]) -> Vec<f32> {
        match layer {
            LayerId::Conv1 => self.convolve(input, IMAGE_SIDE),
            LayerId::Conv2 => self.convolve(input, SIDE1),
            LayerId::Dense1 | LayerId::Dense2 => self.apply(input),
        }
    }

    /// Valid convolution of maps with `side` rows and columns.
    fn convolve(&self, input: &[f32], side: usize) -> Vec<f32> {
        let convolved = side - KERNEL + 1;
        let mut output = Vec::with_capacity(self.bias.len() * convolved * convolved);
        // Rows of the input are summed whole, which is quick; windows that begin in one row and end in the next
        // are dropped.
        let windows = side * (convolved - 1) + convolved;
        for (weights, &bias) in self.rows().zip(&self.bias) {
            let mut sums = vec![bias; windows];
            for (kernel, map) in weights.chunks(KERNEL_ELEMENTS).zip(input.chunks(side * side)) {
                for (element, weight) in kernel.iter().enumerate() {
                    let first = element / KERNEL * side + element % KERNEL;
                    for (sum, value) in sums.iter_mut().zip(&map[first..]) {
                        *sum += weight * value;
                    }
                }
            }
            output.extend(sums.chunks(side).flat_map(|row| &row[..convolved]));
        }
        output
    }

    fn apply(&self, input: &[f32]) -> Vec<f32> {
        self.rows().zip(&self.bias).map(|(weights, bias)| bias + dot(weights, input)).collect()
    }
}

/// In eight partial sums, which is quick.
fn dot(weights: &[f32], values: &[f32]) -> f32 {
    let mut sums = [0.0; 8];
    for (weights, values) in weights.chunks(sums.len()).zip(values.chunks(sums.len())) {
        for ((sum, weight), value) in sums.iter_mut().zip(weights).zip(values) {
            *sum += weight * value;
        }
    }
    sums.iter().sum()
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
    use network::onnx::Graph;
    use runtime::{Classifier, EMBEDDED_MODEL, PIXELS};

    use super::*;

    /// Two engines sum 800 products of f32 in different orders, and one normalises pixels first.
    const SUM_ORDER: f32 = 1e-3;

    #[test]
    fn it_gives_the_logits_of_the_runtime() {
        let network = super::super::graph::read(&Graph::parse(EMBEDDED_MODEL).unwrap()).unwrap();
        let classifier = Classifier::embedded();
        for seed in 0..5_usize {
            let image = Image28(std::array::from_fn(|i| {
                let stroke = (i * (seed + 3) / 7) % 29 < 6;
                if stroke { (i * 31 % 256) as u8 } else { 0 }
            }));
            let [.., logits] = network.run(&image);
            let expected = classifier.predict(&image).logits;
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
