//! The int8 network by its plain definition, with what every layer gives; packs weights as the file has them, and
//! unpacks them.

use runtime::Image28;

use super::lenet::{Affine, pixels, pooled};
use firmware::Layer;
use firmware::format::words::{
    BLOCK, Word, conv1_inputs, conv2_inputs, dense_inputs, pack, unpack,
};
use firmware::format::{Channel, Convolution, Dense, File, Model};
use firmware::geometry::{FAN_IN2, FLAT, HIDDEN, TAPS};

/// The inputs that a word weighs, by its pair of inputs and its place.
type Inputs = fn(usize, usize) -> [Option<usize>; 2];

const CONV1: Inputs = |_, word| conv1_inputs(word);
const CONV2: Inputs = conv2_inputs;

/// What one unit of the values that the layers hand on is worth, in order.
pub(super) fn steps(file: &File) -> [f64; 4] {
    let scales = &file.scales;
    [scales.stage1, scales.stage2, scales.hidden, scales.logits]
        .map(|bits| f32::from_bits(bits.get()).into())
}

/// All layers in order.
#[derive(Debug, Clone)]
pub struct Network {
    pub(super) layers: [Int8; 4],
}

/// One layer.
#[derive(Debug, Clone)]
pub(super) struct Int8 {
    /// Whole numbers, as `f32`: weights as stored and biases in units of the sum.
    pub(super) affine: Affine,
    /// `[out]`
    pub(super) channels: Vec<Channel>,
}

/// What the layers give for one image, as whole numbers: exact, since every sum stays below 2²³.
#[derive(Debug, Clone)]
pub struct Trace {
    /// Sums before pooling and ReLU, `[out][row][column]`.
    pub sums: [Vec<f32>; 4],
    /// The same after pooling: what is requantised.
    pub pooled: [Vec<f32>; 4],
    /// Activations, and the sums of the last layer.
    pub activations: [Vec<f32>; 4],
}

impl Network {
    /// The layers of `model`, unpacked.
    #[must_use]
    pub fn of(model: Model<'_>) -> Self {
        let File { conv1, conv2, dense1, dense2, .. } = model.file();
        let layers = [
            Int8::of_convolution(conv1, TAPS, CONV1),
            Int8::of_convolution(conv2, FAN_IN2, CONV2),
            Int8::of_dense(dense1, FLAT),
            Int8::of_dense(dense2, HIDDEN),
        ];
        Self { layers }
    }

    /// Writes the layers into a file, which is to be sealed then.
    pub(super) fn fill(&self, file: &mut File) {
        let [conv1, conv2, dense1, dense2] = &self.layers;
        conv1.fill_convolution(&mut file.conv1, CONV1);
        conv2.fill_convolution(&mut file.conv2, CONV2);
        dense1.fill_dense(&mut file.dense1);
        dense2.fill_dense(&mut file.dense2);
    }

    /// What every layer gives for `image`.
    #[must_use]
    pub fn run(&self, image: &Image28) -> Trace {
        let empty = || [const { vec![] }; 4];
        let mut trace = Trace { sums: empty(), pooled: empty(), activations: empty() };
        let mut input = pixels(image);
        for layer in Layer::ALL {
            let index = layer as usize;
            let int8 = &self.layers[index];
            let sums = int8.affine.sums(layer, &input);
            let pooled = pooled(layer, sums.clone());
            input = int8.activations(layer, pooled.clone());
            (trace.sums[index], trace.pooled[index]) = (sums, pooled);
            trace.activations[index].clone_from(&input);
        }
        trace
    }
}

impl Int8 {
    /// What the layer hands on of its pooled sums; the last one's are the logits.
    pub(super) fn activations(&self, layer: Layer, mut values: Vec<f32>) -> Vec<f32> {
        if layer == Layer::Dense2 {
            return values;
        }
        let places = values.len() / self.channels.len();
        for (values, channel) in values.chunks_mut(places).zip(&self.channels) {
            let multiplier = channel.multiplier();
            for value in values {
                *value = multiplier.requantize(*value as i32).into();
            }
        }
        values
    }

    /// The word of a pair of outputs and these inputs.
    fn word(&self, outputs: usize, inputs: [Option<usize>; 2]) -> Word {
        let fan_in = self.affine.fan_in();
        let weight = |output: usize, input: Option<usize>| {
            input.map_or(0, |input| self.affine.weights[output * fan_in + input] as i8)
        };
        pack(inputs.map(|input| [weight(2 * outputs, input), weight(2 * outputs + 1, input)]))
    }

    fn fill_convolution<const IN: usize, const OUT: usize, const WORDS: usize>(
        &self,
        layer: &mut Convolution<IN, OUT, WORDS>,
        inputs: Inputs,
    ) {
        for (pair, tiles) in layer.weights.iter_mut().enumerate() {
            for (outputs, words) in tiles.iter_mut().enumerate() {
                for (index, word) in words.iter_mut().enumerate() {
                    *word = self.word(outputs, inputs(pair, index));
                }
            }
        }
        layer.channels.as_flattened_mut().copy_from_slice(&self.channels);
    }

    fn of_convolution<const IN: usize, const OUT: usize, const WORDS: usize>(
        layer: &Convolution<IN, OUT, WORDS>,
        fan_in: usize,
        inputs: Inputs,
    ) -> Self {
        let mut int8 = Self::of_channels(layer.channels.as_flattened(), fan_in);
        for (pair, tiles) in layer.weights.iter().enumerate() {
            for (outputs, words) in tiles.iter().enumerate() {
                for (index, &word) in words.iter().enumerate() {
                    int8.set(outputs, inputs(pair, index), word);
                }
            }
        }
        int8
    }

    fn fill_dense<const BLOCKS: usize, const IN: usize>(&self, layer: &mut Dense<BLOCKS, IN>) {
        for (block, rows) in layer.weights.iter_mut().enumerate() {
            for (pair, words) in rows.iter_mut().enumerate() {
                for (outputs, word) in words.iter_mut().enumerate() {
                    *word = self.word(block * BLOCK + outputs, dense_inputs(pair));
                }
            }
        }
        layer.channels.as_flattened_mut().as_flattened_mut().copy_from_slice(&self.channels);
    }

    fn of_dense<const BLOCKS: usize, const IN: usize>(
        layer: &Dense<BLOCKS, IN>,
        fan_in: usize,
    ) -> Self {
        let mut int8 = Self::of_channels(layer.channels.as_flattened().as_flattened(), fan_in);
        for (block, rows) in layer.weights.iter().enumerate() {
            for (pair, words) in rows.iter().enumerate() {
                for (outputs, &word) in words.iter().enumerate() {
                    int8.set(block * BLOCK + outputs, dense_inputs(pair), word);
                }
            }
        }
        int8
    }

    fn of_channels(channels: &[Channel], fan_in: usize) -> Self {
        let bias = channels.iter().map(|channel| channel.bias() as f32).collect();
        let weights = vec![0.0; channels.len() * fan_in];
        Self { affine: Affine { weights, bias }, channels: channels.to_vec() }
    }

    /// Takes the weights out of a word.
    fn set(&mut self, outputs: usize, inputs: [Option<usize>; 2], word: Word) {
        let fan_in = self.affine.fan_in();
        for (input, weights) in inputs.into_iter().zip(unpack(word)) {
            let Some(input) = input else { continue };
            for (output, weight) in (2 * outputs..).zip(weights) {
                self.affine.weights[output * fan_in + input] = weight.into();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use runtime::{EMBEDDED_MODEL, PIXELS};
    use zerocopy::{FromZeros, IntoBytes};

    use super::*;
    use crate::quantize::quantize;
    use firmware::Scratch;

    fn page(seed: usize) -> Image28 {
        Image28(std::array::from_fn(|i| if i * (seed + 3) % 29 < 9 { (i * 31) as u8 } else { 0 }))
    }

    #[test]
    fn what_is_unpacked_packs_to_the_same_bytes_and_gives_the_engine_s_logits() {
        let images: Vec<Image28> = (0..4).map(page).collect();
        let file = quantize(EMBEDDED_MODEL, &images, &[]).unwrap();
        let model = Model::new(&file).unwrap();
        let network = Network::of(model);
        let mut copy = file.clone();
        let (conv1, conv2) = (&mut copy.conv1, &mut copy.conv2);
        conv1.zero();
        conv2.zero();
        copy.dense1.zero();
        copy.dense2.zero();
        network.fill(&mut copy);
        assert!(copy.as_bytes() == file.as_bytes());
        for image in images.into_iter().chain([Image28([0; PIXELS]), Image28([255; PIXELS])]) {
            let [.., logits] = network.run(&image).activations;
            let engine = model.infer(&image.0, &mut Scratch::new());
            assert_eq!(logits.iter().map(|&v| v as i32).collect::<Vec<_>>(), engine.0);
        }
    }
}
