//! The int8 network by its plain definition, with what every layer gives; packs weights as the file has them, and
//! unpacks them.

use firmware::format::words::{Inputs, Word, pack, unpack};
use firmware::format::{Channel, File, Packed};
use firmware::geometry::{FAN_IN2, FLAT, HIDDEN, KERNEL_ELEMENTS};
use firmware::{LayerId, Model};
use runtime::Image28;

use super::lenet::{Affine, pixels, pooled};

/// Real value of one unit of what each layer hands on, in order.
pub(super) fn scales(file: &File) -> [f64; 4] {
    let scales = &file.scales;
    [scales.stage1, scales.stage2, scales.hidden, scales.logits]
        .map(|bits| f32::from_bits(bits.get()).into())
}

/// All layers in order.
#[derive(Debug, Clone)]
pub struct Int8Network {
    pub(super) layers: [Int8Layer; 4],
}

/// One layer.
#[derive(Debug, Clone)]
pub(super) struct Int8Layer {
    /// Whole numbers, as `f32`: weights as stored and biases in units of the accumulator.
    pub(super) affine: Affine,
    /// `[out]`
    pub(super) channels: Vec<Channel>,
}

/// What the layers give for one image, as whole numbers: exact, since every accumulator stays below 2²³.
#[derive(Debug, Clone)]
pub struct Trace {
    /// Accumulators, before pooling and ReLU: `[out][row][column]`.
    pub accumulators: [Vec<f32>; 4],
    /// The same after pooling: what is requantised.
    pub pooled: [Vec<f32>; 4],
    /// Activations, and the accumulators of the last layer.
    pub activations: [Vec<f32>; 4],
}

impl Int8Network {
    /// The layers of `model`, unpacked.
    #[must_use]
    pub fn of(model: Model<'_>) -> Self {
        let File { conv1, conv2, dense1, dense2, .. } = model.file();
        let layers = [
            Int8Layer::unpack(conv1, KERNEL_ELEMENTS),
            Int8Layer::unpack(conv2, FAN_IN2),
            Int8Layer::unpack(dense1, FLAT),
            Int8Layer::unpack(dense2, HIDDEN),
        ];
        Self { layers }
    }

    /// Writes the layers into a file, which is to be sealed then.
    pub(super) fn pack(&self, file: &mut File) {
        let [conv1, conv2, dense1, dense2] = &self.layers;
        conv1.pack(&mut file.conv1);
        conv2.pack(&mut file.conv2);
        dense1.pack(&mut file.dense1);
        dense2.pack(&mut file.dense2);
    }

    /// What every layer gives for `image`.
    #[must_use]
    pub fn run(&self, image: &Image28) -> Trace {
        let empty = || [const { vec![] }; 4];
        let mut trace = Trace { accumulators: empty(), pooled: empty(), activations: empty() };
        let mut input = pixels(image);
        for layer in LayerId::ALL {
            let index = layer as usize;
            let int8 = &self.layers[index];
            let accumulators = int8.affine.sums(layer, &input);
            let pooled = pooled(layer, accumulators.clone());
            input = int8.activations(layer, pooled.clone());
            (trace.accumulators[index], trace.pooled[index]) = (accumulators, pooled);
            trace.activations[index].clone_from(&input);
        }
        trace
    }
}

impl Int8Layer {
    /// What the layer hands on of its pooled accumulators; the last one's are the logits.
    pub(super) fn activations(&self, layer: LayerId, mut values: Vec<f32>) -> Vec<f32> {
        if layer == LayerId::Dense2 {
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

    fn pack(&self, layer: &mut impl Packed) {
        for outputs in 0..layer.channels().len() {
            for (word, inputs) in layer.words_mut(outputs) {
                *word = self.word(outputs, inputs);
            }
        }
        layer.channels_mut().as_flattened_mut().copy_from_slice(&self.channels);
    }

    /// The word of a pair of outputs and these inputs.
    fn word(&self, outputs: usize, inputs: Inputs) -> Word {
        let fan_in = self.affine.fan_in();
        let weight = |output: usize, input: Option<usize>| {
            input.map_or(0, |input| self.affine.weights[output * fan_in + input] as i8)
        };
        pack(inputs.map(|input| [weight(2 * outputs, input), weight(2 * outputs + 1, input)]))
    }

    /// A layer of which each output has `fan_in` inputs.
    fn unpack(layer: &impl Packed, fan_in: usize) -> Self {
        let channels = layer.channels().as_flattened().to_vec();
        let bias = channels.iter().map(|channel| channel.bias() as f32).collect();
        let mut weights = vec![0.0; channels.len() * fan_in];
        for outputs in 0..layer.channels().len() {
            for (&word, inputs) in layer.words(outputs) {
                for (input, values) in inputs.into_iter().zip(unpack(word)) {
                    let Some(input) = input else { continue };
                    for (output, value) in (2 * outputs..).zip(values) {
                        weights[output * fan_in + input] = value.into();
                    }
                }
            }
        }
        Self { affine: Affine { weights, bias }, channels }
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
        let network = Int8Network::of(model);
        let mut copy = file.clone();
        let (conv1, conv2) = (&mut copy.conv1, &mut copy.conv2);
        conv1.zero();
        conv2.zero();
        copy.dense1.zero();
        copy.dense2.zero();
        network.pack(&mut copy);
        assert!(copy.as_bytes() == file.as_bytes());
        for image in images.into_iter().chain([Image28([0; PIXELS]), Image28([255; PIXELS])]) {
            let [.., logits] = network.run(&image).activations;
            let engine = model.infer(&image.0, &mut Scratch::new());
            assert_eq!(logits.iter().map(|&v| v as i32).collect::<Vec<_>>(), engine.0);
        }
    }
}
