//! The int8 network: its plain definition, with what every layer gives; the same by fast kernels; packing of weights.
//!
//! Whole numbers are held as `f32`. That is exact: every accumulator is proven to stay below 2²³, so each product and each
//! partial sum, in whatever order, is a whole number below 2²⁴, which `f32` holds. The float engine's kernels therefore
//! give the device's accumulators bit for bit, many times faster than the engine in portable code.

use dataset::{Image, PIXELS};
use firmware::format::words::{Inputs, Word, pack, unpack};
use firmware::format::{Channel, File, Packed};
use firmware::geometry::CLASSES;
use firmware::{Logits, Model};
use network::{Activation, Affine, Kind, Layer};
use runtime::{CompiledLayer, Instructions, Workspace};

use super::supported::architecture;

/// Real value of one unit of what each layer hands on, in order.
pub(super) fn scales(file: &File) -> [f64; 4] {
    let scales = &file.scales;
    [scales.stage1, scales.stage2, scales.hidden, scales.logits]
        .map(|bits| f32::from_bits(bits.get()).into())
}

/// All layers in order.
#[derive(Debug, Clone)]
pub struct Int8Network {
    pub(super) layers: Vec<Int8Layer>,
}

/// One layer.
#[derive(Debug, Clone)]
pub(super) struct Int8Layer {
    pub(super) layer: Layer,
    /// Whole numbers, as `f32`: weights as stored and biases in units of the accumulator.
    pub(super) affine: Affine,
    /// `[out]`
    pub(super) channels: Vec<Channel>,
}

/// What the layers give for one image, as whole numbers; an entry per layer.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Trace {
    /// Accumulators, before pooling and ReLU: `[out][row][column]`.
    pub accumulators: Vec<Vec<f32>>,
    /// The same after pooling: what is requantised.
    pub pooled: Vec<Vec<f32>>,
    /// Activations, and the accumulators of the last layer.
    pub activations: Vec<Vec<f32>>,
}

impl Int8Network {
    /// The layers of `model`, unpacked.
    #[must_use]
    pub fn of(model: Model<'_>) -> Self {
        let File { conv1, conv2, dense1, dense2, .. } = model.file();
        let architecture = architecture();
        let [l1, l2, l3, l4] = architecture.layers() else { unreachable!("the engine has four") };
        let layers = vec![
            Int8Layer::unpack(l1, conv1),
            Int8Layer::unpack(l2, conv2),
            Int8Layer::unpack(l3, dense1),
            Int8Layer::unpack(l4, dense2),
        ];
        Self { layers }
    }

    /// Writes the layers into a file, which is to be sealed then.
    pub(super) fn pack(&self, file: &mut File) {
        let [conv1, conv2, dense1, dense2] = &self.layers[..] else {
            unreachable!("the engine has four layers")
        };
        conv1.pack(&mut file.conv1);
        conv2.pack(&mut file.conv2);
        dense1.pack(&mut file.dense1);
        dense2.pack(&mut file.dense2);
    }

    /// What every layer gives for `image`, by the plain definition.
    ///
    /// # Panics
    /// If the image is not 28×28 grey.
    #[must_use]
    pub fn run(&self, image: &Image) -> Trace {
        let mut trace = Trace::default();
        for int8 in &self.layers {
            let pixels = || pixels(image);
            let input = trace.activations.last().map_or_else(pixels, Vec::clone);
            trace.push(int8, int8.layer.accumulate(&int8.affine, &input));
        }
        trace
    }
}

impl Trace {
    /// The accumulators of the last layer, as the engine gives them.
    #[must_use]
    pub fn logits(&self) -> Logits {
        let mut logits = Logits([0; CLASSES]);
        let last = self.activations.last().into_iter().flatten();
        for (logit, &value) in logits.0.iter_mut().zip(last) {
            *logit = value as i32;
        }
        logits
    }

    fn push(&mut self, int8: &Int8Layer, accumulators: Vec<f32>) {
        let pooled = int8.layer.pool(accumulators.clone());
        self.activations.push(int8.activations(pooled.clone()));
        self.accumulators.push(accumulators);
        self.pooled.push(pooled);
    }
}

/// An [`Int8Network`] compiled for the fastest instructions of this machine.
#[derive(Debug)]
pub(super) struct CompiledInt8<'a> {
    network: &'a Int8Network,
    layers: Vec<CompiledLayer>,
}

impl<'a> CompiledInt8<'a> {
    pub(super) fn new(network: &'a Int8Network) -> Self {
        let layers = network.layers.iter().map(Int8Layer::compile).collect();
        Self { network, layers }
    }

    /// [`Int8Network::run`] of each image.
    pub(super) fn run(&self, images: &[Image]) -> Vec<Trace> {
        let mut workspace = Workspace::default();
        let mut traces = vec![Trace::default(); images.len()];
        let mut input: Vec<f32> = images.iter().flat_map(pixels).collect();
        let mut output = vec![];
        for (int8, compiled) in self.network.layers.iter().zip(&self.layers) {
            output.resize(images.len() * compiled.outputs(), 0.0);
            compiled.run(&input, &mut workspace, &mut output);
            input.clear();
            for (trace, accumulators) in traces.iter_mut().zip(output.chunks(compiled.outputs())) {
                trace.push(int8, accumulators.to_vec());
                input.extend(trace.activations.last().into_iter().flatten());
            }
        }
        traces
    }
}

/// What the first layer takes.
pub(super) fn pixels(image: &Image) -> Vec<f32> {
    image.pixels().iter().copied().map(f32::from).collect()
}

/// What the engine takes.
///
/// # Panics
/// If the image is not 28×28 grey: whoever gives images to this crate has them checked first.
pub(super) fn frame(image: &Image) -> &[u8; PIXELS] {
    image.as_mnist().expect("images are checked where they come in")
}

impl Int8Layer {
    /// The accumulators alone: without pooling and ReLU, which follow in whole numbers.
    fn compile(&self) -> CompiledLayer {
        let kind = match self.layer.kind() {
            Kind::Conv(conv) => Kind::Conv(conv.sums()),
            kind => kind.with_activation(Activation::None),
        };
        let alone = Layer::alone(self.layer.input(), kind).expect("it fitted with more");
        CompiledLayer::new(&alone, &self.affine, Instructions::default())
    }

    /// What the layer hands on of its pooled accumulators; of a layer without ReLU they are the logits.
    pub(super) fn activations(&self, mut values: Vec<f32>) -> Vec<f32> {
        if self.layer.kind().activation() == Activation::None {
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

    fn unpack(layer: &Layer, packed: &impl Packed) -> Self {
        let fan_in = layer.fan_in();
        let channels = packed.channels().as_flattened().to_vec();
        let bias = channels.iter().map(|channel| channel.bias() as f32).collect();
        let mut weights = vec![0.0; channels.len() * fan_in];
        for outputs in 0..packed.channels().len() {
            for (&word, inputs) in packed.words(outputs) {
                for (input, values) in inputs.into_iter().zip(unpack(word)) {
                    let Some(input) = input else { continue };
                    for (output, value) in (2 * outputs..).zip(values) {
                        weights[output * fan_in + input] = value.into();
                    }
                }
            }
        }
        Self { layer: layer.clone(), affine: Affine { weights, bias }, channels }
    }
}

#[cfg(test)]
mod tests {
    use runtime::EMBEDDED_MODEL;
    use zerocopy::{FromZeros, IntoBytes};

    use super::*;
    use crate::quantize::quantize;
    use firmware::Scratch;

    fn page(seed: usize) -> Image {
        Image::mnist(std::array::from_fn(
            |i| if i * (seed + 3) % 29 < 9 { (i * 31) as u8 } else { 0 },
        ))
    }

    #[test]
    fn what_is_unpacked_packs_to_the_same_bytes_and_gives_the_engine_s_logits() {
        let images: Vec<Image> = (0..4).map(page).collect();
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
        for image in
            images.into_iter().chain([Image::mnist([0; PIXELS]), Image::mnist([255; PIXELS])])
        {
            let trace = network.run(&image);
            let engine = model.infer(frame(&image), &mut Scratch::new());
            assert_eq!(trace.logits(), engine);
            assert_eq!(
                CompiledInt8::new(&network).run(&[image.clone(), image]),
                [trace.clone(), trace]
            );
        }
    }
}
