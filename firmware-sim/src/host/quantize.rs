//! ONNX to `.q8`: post-training quantisation, calibrated on training images.
//!
//! With a step `s` for every real value, `real ≈ s · q`:
//! - a weight's step is its output channel's largest magnitude over 127, or what keeps the channel's sums within
//!   [`SUM_MAX`] if that is more; the last layer has one step for all rows, since its sums are compared with
//!   each other;
//! - an activation's step is the layer's largest over all calibration images, over 255;
//! - a sum's step is the product of the weight's and the input's, and the bias is rounded to it;
//! - the multiplier is the sum's step over the activation's.
//! - the guard band is the least margin of the logits at which no training image is read otherwise than by float.
//!
//! The graph's normalisation of pixels is folded into the first layer, so that its input is the pixel itself,
//! step 1. The fold takes the weights before rounding: over a blank background only the bias is rounded.

use std::boxed::Box;
use std::thread;
use std::vec::Vec;

use runtime::evaluate::BATCH;
use runtime::graph::Graph;
use runtime::{Classifier, Image28};
use zerocopy::FromZeros;
use zerocopy::little_endian::U32;

use super::error::Error;
use super::lenet::{Affine, LeNet};
use super::{graph, identity};
use crate::engine::Scratch;
use crate::format::words::{BLOCK, Word, conv1_inputs, conv2_inputs, dense_inputs, pack};
use crate::format::{
    Channel, Convolution, Dense, File, FormatError, Model, SUM_MAX, Scales, accumulator_bound,
};
use crate::multiplier::Multiplier;

/// Most images that are worth calibrating on.
pub const CALIBRATION_IMAGES: usize = 2000;

/// Largest quantised weight; −128 is left out, for symmetry.
const WEIGHT_MAX: f64 = 127.0;
/// Largest activation.
const ACTIVATION_MAX: f64 = 255.0;
/// Smallest real multiplier that is made; one that small takes every sum to 0.
const MULTIPLIER_MIN: f64 = 1.0 / (1_u64 << 32) as f64;

/// [`CALIBRATION_IMAGES`] of the training images, or all if there are fewer: evenly spaced, so that every part of
/// the file has its share and everyone gets the same.
#[must_use]
pub fn calibration_images(training: &[Image28]) -> Vec<Image28> {
    let count = training.len().min(CALIBRATION_IMAGES);
    (0..count).map(|index| training[index * training.len() / count].clone()).collect()
}

/// The `.q8` file of an ONNX file; a pure function of its arguments.
///
/// `calibration` sets the activations' steps, `guard` the guard band: the least margin at which int8 agrees with
/// float on all these images, and on none with a tie. The more there are the better; they cost an inference each.
///
/// # Errors
/// What is wrong with the ONNX file, or that it is not the LeNet that the engine is made for.
pub fn quantize(
    onnx: &[u8],
    calibration: &[Image28],
    guard: &[Image28],
) -> Result<Box<File>, Error> {
    let network = graph::read(&Graph::parse(onnx)?)?;
    let steps = Steps::calibrate(&network, calibration)?;
    let (stage1, stage2, hidden) =
        (f64::from(steps.stage1), f64::from(steps.stage2), f64::from(steps.hidden));
    let conv1 = Quantized::new("conv1", &network.conv1, 1.0, Some(stage1))?;
    let conv2 = Quantized::new("conv2", &network.conv2, stage1, Some(stage2))?;
    let dense1 = Quantized::new("dense1", &network.dense1, stage2, Some(hidden))?;
    let dense2 = Quantized::new("dense2", &network.dense2, hidden, None)?;
    let float = Classifier::parse(onnx)?;
    let mut file = File::new_box_zeroed().map_err(|_| Error::Memory)?;
    file.identity = identity(onnx);
    file.scales = Scales {
        stage1: U32::new(steps.stage1.to_bits()),
        stage2: U32::new(steps.stage2.to_bits()),
        hidden: U32::new(steps.hidden.to_bits()),
        logits: U32::new((dense2.first_step as f32).to_bits()),
    };
    file.calibration_images = U32::new(calibration.len() as u32);
    conv1.fill_convolution(&mut file.conv1, |_, word| conv1_inputs(word));
    conv2.fill_convolution(&mut file.conv2, conv2_inputs);
    dense1.fill_dense(&mut file.dense1);
    dense2.fill_dense(&mut file.dense2);
    file.seal();
    file.guard = U32::new(guard_band(&float, Model::new(&file)?, guard));
    file.seal();
    Ok(file)
}

/// One more than the largest int8 margin among images that the two read differently.
fn guard_band(float: &Classifier, int8: Model<'_>, images: &[Image28]) -> u32 {
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let part = images.len().div_ceil(threads).max(1);
    thread::scope(|scope| {
        let parts: Vec<_> = images
            .chunks(part)
            .map(|images| scope.spawn(move || largest_wrong_margin(float, int8, images)))
            .collect();
        let margins = parts.into_iter().map(|part| part.join().expect("inference does not panic"));
        margins.max().unwrap_or(0) + 1
    })
}

fn largest_wrong_margin(float: &Classifier, int8: Model<'_>, images: &[Image28]) -> u32 {
    let mut scratch = Scratch::new();
    let mut largest = 0;
    for batch in images.chunks(BATCH) {
        for (image, prediction) in batch.iter().zip(float.classify_batch(batch)) {
            let logits = int8.infer(&image.0, &mut scratch);
            if usize::from(logits.digit()) != prediction.digit() {
                largest = largest.max(logits.margin());
            }
        }
    }
    largest
}

/// Steps of the activations, as `f32` since the file holds them so.
#[derive(Debug, Clone, Copy)]
struct Steps {
    stage1: f32,
    stage2: f32,
    hidden: f32,
}

impl Steps {
    fn calibrate(network: &LeNet, images: &[Image28]) -> Result<Self, Error> {
        if images.is_empty() {
            return Err(Error::NoImages);
        }
        let mut peaks = [0.0_f32; 3];
        for image in images {
            let activations = network.run(image);
            let layers = [&activations.stage1, &activations.stage2, &activations.hidden];
            for ((peak, layer), name) in
                peaks.iter_mut().zip(layers).zip(["conv1", "conv2", "dense1"])
            {
                for &value in layer {
                    if !value.is_finite() {
                        return Err(Error::Activations { layer: name });
                    }
                    *peak = peak.max(value);
                }
            }
        }
        // a layer that is never active has no step of its own: any will do
        let [stage1, stage2, hidden] = peaks
            .map(|peak| if peak > 0.0 { (f64::from(peak) / ACTIVATION_MAX) as f32 } else { 1.0 });
        Ok(Self { stage1, stage2, hidden })
    }
}

/// A layer, before its weights are packed.
struct Quantized {
    /// `[out][in]`
    weights: Vec<Vec<i8>>,
    channels: Vec<Channel>,
    /// What one unit of the first output's sum is worth.
    first_step: f64,
}

impl Quantized {
    /// Without an output step, all rows have one weight step and their sums are the answer.
    fn new(
        layer: &'static str,
        affine: &Affine,
        input_step: f64,
        output_step: Option<f64>,
    ) -> Result<Self, Error> {
        let mut weight_steps: Vec<f64> = affine
            .rows()
            .zip(&affine.bias)
            .map(|(weights, &bias)| weight_step(weights, bias, input_step, output_step))
            .collect();
        if output_step.is_none() {
            let largest = weight_steps.iter().copied().fold(0.0, f64::max);
            weight_steps.fill(if largest > 0.0 { largest } else { 1.0 });
        }
        let mut weights = Vec::with_capacity(affine.bias.len());
        let mut channels = Vec::with_capacity(affine.bias.len());
        for (channel, ((row, &bias), &weight_step)) in
            affine.rows().zip(&affine.bias).zip(&weight_steps).enumerate()
        {
            let step = input_step * weight_step;
            let round = |&weight: &f32| {
                (f64::from(weight) / weight_step).round().clamp(-WEIGHT_MAX, WEIGHT_MAX) as i8
            };
            let row: Vec<i8> = row.iter().map(round).collect();
            let bias = (f64::from(bias) / step).round() as i32;
            let multiplier = match output_step {
                None => Multiplier::ONE,
                Some(output_step) => Multiplier::from_f64_bits((step / output_step).to_bits())
                    .ok_or(Error::Multiplier { layer, channel })?,
            };
            let bound = u32::try_from(accumulator_bound(row.iter().copied().map(i16::from), bias))
                .map_err(|_| FormatError::Bound(layer))?;
            weights.push(row);
            channels.push(Channel::new(bias, multiplier, bound));
        }
        let first_step = input_step * weight_steps[0];
        Ok(Self { weights, channels, first_step })
    }

    /// The word of a pair of outputs and these inputs.
    fn word(&self, outputs: usize, inputs: [Option<usize>; 2]) -> Word {
        let weight = |output: usize, input: Option<usize>| {
            input.map_or(0, |input| self.weights[output][input])
        };
        pack(inputs.map(|input| [weight(2 * outputs, input), weight(2 * outputs + 1, input)]))
    }

    /// `inputs` are those of a word, by its pair of maps and its place.
    fn fill_convolution<const IN: usize, const OUT: usize, const WORDS: usize>(
        &self,
        layer: &mut Convolution<IN, OUT, WORDS>,
        inputs: impl Fn(usize, usize) -> [Option<usize>; 2],
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
}

/// The largest weight over 127, or more where the sums or the multiplier would not fit otherwise.
fn weight_step(weights: &[f32], bias: f32, input_step: f64, output_step: Option<f64>) -> f64 {
    let magnitudes = || weights.iter().map(|weight| f64::from(weight.abs()));
    let largest = magnitudes().fold(0.0, f64::max);
    // every weight and the bias may be rounded up by a half
    let room = f64::from(SUM_MAX) - ACTIVATION_MAX / 2.0 * weights.len() as f64 - 1.0;
    let for_sums =
        (ACTIVATION_MAX * magnitudes().sum::<f64>() + f64::from(bias.abs()) / input_step) / room;
    let for_multiplier = output_step.map_or(0.0, |step| step / input_step * MULTIPLIER_MIN);
    (largest / WEIGHT_MAX).max(for_sums).max(for_multiplier)
}
