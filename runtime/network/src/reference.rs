//! A network with its weights, run by its plain definition: slow, and what every fast engine is compared with.

use crate::affine::Affine;
use crate::architecture::{Architecture, Kind, Layer, POOL};

/// Layers with their weights. The first takes pixels, 0 to 255, or what the caller makes of them.
#[derive(Debug, Clone, PartialEq)]
pub struct Network {
    architecture: Architecture,
    affine: Vec<Affine>,
}

impl Network {
    /// Gives each layer its weights.
    ///
    /// # Panics
    /// If there are not as many as the layers have.
    #[must_use]
    pub fn new(architecture: Architecture, affine: Vec<Affine>) -> Self {
        assert_eq!(architecture.layers().len(), affine.len(), "each layer has weights");
        for (layer, affine) in architecture.layers().iter().zip(&affine) {
            let found = [affine.bias.len(), affine.weights.len()];
            let expected = [layer.outputs(), layer.outputs() * layer.fan_in()];
            assert_eq!(found, expected, "biases and weights of {}", layer.name());
        }
        Self { architecture, affine }
    }

    /// The layers without their weights.
    #[must_use]
    pub const fn architecture(&self) -> &Architecture {
        &self.architecture
    }

    /// Weights and biases of each layer, in order.
    #[must_use]
    pub fn affine(&self) -> &[Affine] {
        &self.affine
    }

    /// Each layer with its weights, in order.
    #[must_use]
    pub fn layers(&self) -> impl DoubleEndedIterator<Item = (&Layer, &Affine)> + ExactSizeIterator {
        self.architecture.layers().iter().zip(&self.affine)
    }

    /// What each layer gives for one image, in order; the last are the logits.
    ///
    /// `input` is `[channel][row][column]`, and so is each result.
    #[must_use]
    pub fn activations(&self, input: &[f32]) -> Vec<Vec<f32>> {
        let mut activations: Vec<Vec<f32>> = Vec::with_capacity(self.affine.len());
        for (layer, affine) in self.layers() {
            let values = layer.apply(affine, activations.last().map_or(input, |values| values));
            activations.push(values);
        }
        activations
    }

    /// The logits that come of what layer number `index` gives.
    #[must_use]
    pub fn logits_after(&self, index: usize, values: Vec<f32>) -> Vec<f32> {
        self.layers()
            .skip(index + 1)
            .fold(values, |values, (layer, affine)| layer.apply(affine, &values))
    }
}

impl Layer {
    /// What the layer gives of `input`, `[channel][row][column]`.
    #[must_use]
    pub fn apply(&self, affine: &Affine, input: &[f32]) -> Vec<f32> {
        self.activate(self.pool(self.accumulate(affine, input)))
    }

    /// Sums of products and biases, `[out][row][column]`, before pooling and ReLU.
    ///
    /// Of whole numbers whose sums stay below 2²⁴ it is exact, in any order of summation.
    #[must_use]
    pub fn accumulate(&self, affine: &Affine, input: &[f32]) -> Vec<f32> {
        match self.kind() {
            Kind::Conv { kernel, .. } => self.convolve(affine, kernel, input),
            Kind::Dense { .. } => {
                affine.rows().zip(&affine.bias).map(|(row, bias)| bias + dot(row, input)).collect()
            }
        }
    }

    /// The largest of each pooling window, if the layer pools. It commutes with the ReLU.
    #[must_use]
    pub fn pool(&self, values: Vec<f32>) -> Vec<f32> {
        let [_, height, width] = self.accumulators();
        if !self.kind().pool() {
            return values;
        }
        let pairs = |row: &[f32]| -> Vec<f32> {
            row.as_chunks::<POOL>().0.iter().map(|[left, right]| left.max(*right)).collect()
        };
        // a last odd row or column is in no window
        let windows = |map: &[f32]| -> Vec<f32> {
            let rows = map.chunks_exact(POOL * width);
            let pooled = rows.flat_map(|rows| {
                let (above, below) = rows.split_at(width);
                pairs(above).into_iter().zip(pairs(below)).map(|(above, below)| above.max(below))
            });
            pooled.collect()
        };
        values.chunks(height * width).flat_map(windows).collect()
    }

    /// The ReLU, if the layer has one.
    #[must_use]
    pub fn activate(&self, mut values: Vec<f32>) -> Vec<f32> {
        if self.kind().relu() {
            for value in &mut values {
                // a NaN stays one, so that whoever looks for it sees it
                *value = if *value < 0.0 { 0.0 } else { *value };
            }
        }
        values
    }

    /// Convolution without padding.
    fn convolve(&self, affine: &Affine, [rows, columns]: [usize; 2], input: &[f32]) -> Vec<f32> {
        let [_, height, width] = self.input();
        let [maps, out_height, out_width] = self.accumulators();
        let mut output = Vec::with_capacity(maps * out_height * out_width);
        // Rows of the input are summed whole, which is quick; windows that begin in one row and end in the next
        // are dropped.
        let windows = width * (out_height - 1) + out_width;
        for (weights, &bias) in affine.rows().zip(&affine.bias) {
            let mut sums = vec![bias; windows];
            for (kernel, map) in weights.chunks(rows * columns).zip(input.chunks(height * width)) {
                for (element, weight) in kernel.iter().enumerate() {
                    let first = element / columns * width + element % columns;
                    for (sum, value) in sums.iter_mut().zip(&map[first..]) {
                        *sum += weight * value;
                    }
                }
            }
            output.extend(sums.chunks(width).flat_map(|row| &row[..out_width]));
        }
        output
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

#[cfg(test)]
mod tests {
    use super::*;

    fn dense(outputs: usize, relu: bool) -> Kind {
        Kind::Dense { outputs, relu }
    }

    #[test]
    fn a_small_network_gives_what_a_person_computes() {
        let conv = Kind::Conv { maps: 1, kernel: [1, 2], relu: true, pool: true };
        let architecture = Architecture::new([2, 3, 5], vec![conv, dense(2, false)]).unwrap();
        let conv = Affine { weights: vec![1.0, -1.0, 0.0, 2.0], bias: vec![0.5] };
        let dense = Affine { weights: vec![1.0, 0.0, -1.0, 3.0], bias: vec![0.0, 1.0] };
        let network = Network::new(architecture, vec![conv, dense]);
        let first = [0.0, 1.0, 3.0, 2.0, 2.0, 0.0, 0.0, 0.0, 0.0, 9.0, 7.0, 7.0, 7.0, 7.0, 7.0];
        let second = [0.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.0, 5.0, 5.0, 5.0, 5.0, 5.0];
        let input = [first, second].concat();
        // before the pooling −0.5 0.5 1.5 0.5 and 0.5 0.5 2.5 −8.5; a third row is in no window
        assert_eq!(
            network.activations(&input),
            [vec![0.5, 2.5], vec![0.5, -0.5 + 3.0 * 2.5 + 1.0]]
        );
        assert_eq!(network.logits_after(0, vec![1.0, 2.0]), [1.0, 6.0]);
    }

    #[test]
    fn folding_keeps_what_a_layer_gives() {
        let layer = Architecture::new([2, 1, 1], vec![dense(2, false)]).unwrap();
        let layer = &layer.layers()[0];
        let plain = Affine { weights: vec![1.0, -2.0, 0.5, 3.0], bias: vec![0.25, -1.0] };
        let mut folded = plain.clone();
        folded.fold_input(0.5, -4.0);
        assert_eq!(layer.apply(&folded, &[2.0, 6.0]), layer.apply(&plain, &[-3.0, -1.0]));
    }

    #[test]
    fn a_nan_is_not_hidden_by_the_relu() {
        let layer = Architecture::new([1, 1, 1], vec![dense(1, true)]).unwrap();
        let affine = Affine { weights: vec![f32::NAN], bias: vec![0.0] };
        assert!(layer.layers()[0].apply(&affine, &[1.0])[0].is_nan());
    }
}
