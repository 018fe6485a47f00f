//! ONNX to `.q8`: post-training quantisation, calibrated on training images.
//!
//! With a step `s` for every real value, `real ≈ s · q`:
//! - a weight's step is its output channel's largest magnitude over 127; the last layer has one step for all
//!   rows, since its sums are compared with each other;
//! - an activation's step is the layer's largest over all calibration images, over 255;
//! - a sum's step is the product of the weight's and the input's, and the bias is rounded to it;
//! - the multiplier is the sum's step over the activation's.
//!
//! The graph's normalisation of pixels is folded into the first layer, so that its input is the pixel itself,
//! step 1. The fold takes the weights before rounding: over a blank background only the bias is rounded.

use std::vec;
use std::vec::Vec;

use runtime::Image28;
use runtime::graph::Graph;

use super::error::Error;
use super::lenet::{Affine, LeNet};
use super::{graph, identity};
use crate::format::{
    self, CHANNEL_LEN, Channel, Contents, FormatError, Layer, Model, Scales, accumulator_bound,
};
use crate::multiplier::Multiplier;

/// Most images that are worth calibrating on.
pub const CALIBRATION_IMAGES: usize = 2000;

/// Largest quantised weight; −128 is left out, for symmetry.
const WEIGHT_MAX: f64 = 127.0;
/// Largest activation.
const ACTIVATION_MAX: f64 = 255.0;
/// Largest bias: leaves half of 32 bits to the sum.
const BIAS_MAX: f64 = (1_u32 << 30) as f64;
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
/// # Errors
/// What is wrong with the ONNX file, or that it is not the LeNet that the engine is made for.
///
/// # Panics
/// Never: the sizes in question follow from the geometry, which was checked.
pub fn quantize(onnx: &[u8], calibration: &[Image28]) -> Result<Vec<u8>, Error> {
    let network = graph::read(&Graph::parse(onnx)?)?;
    let steps = Steps::calibrate(&network, calibration)?;
    let (stage1, stage2, hidden) =
        (f64::from(steps.stage1), f64::from(steps.stage2), f64::from(steps.hidden));
    let conv1 = Quantized::new("conv1", &network.conv1, 1.0, Some(stage1))?;
    let conv2 = Quantized::new("conv2", &network.conv2, stage1, Some(stage2))?;
    let dense1 = Quantized::new("dense1", &network.dense1, stage2, Some(hidden))?;
    let dense2 = Quantized::new("dense2", &network.dense2, hidden, None)?;
    let identity = identity(onnx);
    let model = Model::new(Contents {
        identity: &identity,
        scales: Scales {
            stage1: steps.stage1.to_bits(),
            stage2: steps.stage2.to_bits(),
            hidden: steps.hidden.to_bits(),
            logits: (dense2.first_step as f32).to_bits(),
        },
        calibration_images: calibration.len() as u32,
        conv1: conv1.layer(),
        conv2: conv2.layer(),
        dense1: dense1.layer(),
        dense2: dense2.layer(),
    })?;
    let mut file = vec![0; format::LEN];
    let whole: &mut [u8; format::LEN] =
        (&mut file[..]).try_into().expect("it was made with this length");
    model.emit(whole);
    Ok(file)
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

/// A layer in the form that [`Layer`] borrows.
struct Quantized<const OUT: usize, const IN: usize> {
    weights: Vec<[u8; IN]>,
    channels: Vec<[u8; CHANNEL_LEN]>,
    /// What one unit of the first output's sum is worth.
    first_step: f64,
}

impl<const OUT: usize, const IN: usize> Quantized<OUT, IN> {
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
        let mut weights = Vec::with_capacity(OUT);
        let mut channels = Vec::with_capacity(OUT);
        for (channel, ((row, &bias), &weight_step)) in
            affine.rows().zip(&affine.bias).zip(&weight_steps).enumerate()
        {
            let step = input_step * weight_step;
            let mut quantized = [0; IN];
            for (cell, &weight) in quantized.iter_mut().zip(row) {
                let rounded =
                    (f64::from(weight) / weight_step).round().clamp(-WEIGHT_MAX, WEIGHT_MAX);
                *cell = (rounded as i8).cast_unsigned();
            }
            let bias = (f64::from(bias) / step).round() as i32;
            let multiplier = match output_step {
                None => Multiplier::ONE,
                Some(output_step) => Multiplier::from_f64_bits((step / output_step).to_bits())
                    .ok_or(Error::Multiplier { layer, channel })?,
            };
            let bound = u32::try_from(accumulator_bound(&quantized, bias))
                .map_err(|_| FormatError::Bound(layer))?;
            weights.push(quantized);
            channels.push(Channel { bias, multiplier, bound }.emit());
        }
        let first_step = input_step * weight_steps[0];
        Ok(Self { weights, channels, first_step })
    }

    fn layer(&self) -> Layer<'_, OUT, IN> {
        Layer {
            weights: self.weights[..].try_into().expect("there is a row an output"),
            channels: self.channels[..].try_into().expect("there is a channel an output"),
        }
    }
}

/// The largest weight over 127, or more where the bias or the multiplier would not fit otherwise.
fn weight_step(weights: &[f32], bias: f32, input_step: f64, output_step: Option<f64>) -> f64 {
    let largest = weights.iter().map(|weight| f64::from(weight.abs())).fold(0.0, f64::max);
    let for_bias = f64::from(bias.abs()) / input_step / BIAS_MAX;
    let for_multiplier = output_step.map_or(0.0, |step| step / input_step * MULTIPLIER_MIN);
    (largest / WEIGHT_MAX).max(for_bias).max(for_multiplier)
}
