//! ONNX to `.q8`: post-training quantisation, calibrated on training images.
//!
//! With a scale `s` for every real value, `real ≈ s · q`:
//! - a weight's scale is its output channel's largest magnitude over 127, or what keeps the channel's accumulators
//!   within [`MAX_ACCUMULATOR`](firmware::format::MAX_ACCUMULATOR) if that is more; the last layer has one scale for
//!   all outputs, since its accumulators are compared with each other;
//! - an activation's scale is the layer's limit over 255, see [`RangeEstimator`];
//! - an accumulator's scale is the product of the weight's and the input's, and the bias is rounded to it;
//! - the multiplier is the accumulator's scale over the activation's;
//! - the confidence margin is the smallest margin of the logits from which int8 and float give the same digit for all
//!   images that it is measured on.
//!
//! The graph's normalisation of pixels is folded into the first layer, so that its input is the pixel itself,
//! scale 1. The fold takes the weights before rounding: over a blank background only the bias is rounded.

mod layer;

pub use super::range_estimator::RangeEstimator;

use firmware::format::{File, Model, Scales};
use firmware::{LayerId, Scratch};
use network::onnx::Graph;
use rayon::prelude::*;
use runtime::evaluate::BATCH;
use runtime::{Classifier, Image28};
use zerocopy::FromZeros;
use zerocopy::little_endian::U32;

use super::error::Error;
use super::int8::Int8Network;
use super::lenet::{Activations, LeNet, pixels, pooled};
use super::range_estimator::Histogram;
use super::{graph, identity};
use layer::Quantized;

/// Maximum of images to calibrate on: more change little.
pub const CALIBRATION_IMAGES: usize = 2000;

/// Largest activation.
const MAX_ACTIVATION: f64 = 255.0;

/// [`CALIBRATION_IMAGES`] of the training images, or all if there are fewer: evenly spaced, so that every part of
/// the file has its share and everyone gets the same.
#[must_use]
pub fn calibration_images(training: &[Image28]) -> Vec<Image28> {
    let count = training.len().min(CALIBRATION_IMAGES);
    (0..count).map(|index| training[index * training.len() / count].clone()).collect()
}

/// How real numbers become int8.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// How to choose the largest activation of each layer.
    pub range_estimator: RangeEstimator,
    /// Whether to subtract the mean error of every accumulator over the calibration images from its bias.
    ///
    /// Source: Nagel et al. 2019, <https://arxiv.org/abs/1906.04721>, section 4.2, with real images.
    pub correct_bias: bool,
}

impl Options {
    /// All combinations.
    pub fn all() -> impl Iterator<Item = Self> {
        RangeEstimator::ALL.into_iter().flat_map(|range_estimator| {
            [false, true].map(|correct_bias| Self { range_estimator, correct_bias })
        })
    }
}

impl Default for Options {
    /// Of all combinations the one with the fewest disagreements on training images that nothing was calibrated on,
    /// of equals the one with the highest ratio of signal to noise: `firmware-sim compare-calibrations`.
    fn default() -> Self {
        Self { range_estimator: RangeEstimator::Percentile, correct_bias: true }
    }
}

/// [`quantize_with`] the options that do best for the embedded model, see [`Options::default`].
///
/// # Errors
/// As there.
pub fn quantize(
    onnx: &[u8],
    calibration: &[Image28],
    margin_images: &[Image28],
) -> Result<Box<File>, Error> {
    quantize_with(onnx, calibration, margin_images, Options::default())
}

/// The `.q8` file of an ONNX file; a pure function of its arguments.
///
/// `calibration` sets the activations' scales, `margin_images` the confidence margin: the smallest margin from which
/// int8 agrees with float on all these images, at least 1, so that a tie is never confident. The more images the
/// better; they cost an inference each.
///
/// # Errors
/// What is wrong with the ONNX file, or that it is not the LeNet that the engine is made for.
pub fn quantize_with(
    onnx: &[u8],
    calibration: &[Image28],
    margin_images: &[Image28],
    options: Options,
) -> Result<Box<File>, Error> {
    let network = graph::read(&Graph::parse(onnx)?)?;
    let float: Vec<Activations> = calibration.par_iter().map(|image| network.run(image)).collect();
    let scales = scales(&float, options.range_estimator)?;
    let [conv1, conv2, dense1, dense2] = layers(&network, scales, calibration, &float, options)?;
    let mut file = File::new_box_zeroed().map_err(|_| Error::Memory)?;
    let [stage1, stage2, hidden] = scales.map(|scale| U32::new(scale.to_bits()));
    let logits = U32::new((dense2.scales[0] as f32).to_bits());
    file.identity = identity(onnx);
    file.scales = Scales { stage1, stage2, hidden, logits };
    file.calibration_images = U32::new(calibration.len() as u32);
    let layers = [conv1.int8, conv2.int8, dense1.int8, dense2.int8];
    Int8Network { layers }.pack(&mut file);
    file.seal();
    let margin = confidence_margin(&Classifier::parse(onnx)?, Model::new(&file)?, margin_images);
    file.confidence_margin = U32::new(margin);
    file.seal();
    Ok(file)
}

/// Every layer in whole numbers; each sees the images as those before it pass them on.
fn layers(
    network: &LeNet,
    scales: [f32; 3],
    calibration: &[Image28],
    float: &[Activations],
    options: Options,
) -> Result<[Quantized; 4], Error> {
    let mut inputs: Vec<Vec<f32>> = calibration.iter().map(pixels).collect();
    let mut input_scale = 1.0;
    let mut layer = |layer: LayerId| {
        let affine = network.layer(layer);
        let output_scale = scales.get(layer as usize).copied().map(f64::from);
        let mut quantized = Quantized::new(layer, affine, input_scale, output_scale)?;
        if options.correct_bias {
            let errors = quantized.mean_errors(layer, affine, &inputs, float);
            let corrected = affine.with_less_bias(&errors);
            quantized = Quantized::new(layer, &corrected, input_scale, output_scale)?;
            inputs.par_iter_mut().for_each(|input| {
                let accumulators = quantized.int8.affine.sums(layer, input);
                *input = quantized.int8.activations(layer, pooled(layer, accumulators));
            });
        }
        input_scale = output_scale.unwrap_or(1.0);
        Ok::<_, Error>(quantized)
    };
    let [conv1, conv2, dense1, dense2] = LayerId::ALL;
    Ok([layer(conv1)?, layer(conv2)?, layer(dense1)?, layer(dense2)?])
}

/// One more than the largest int8 margin among the images that the two models disagree on.
fn confidence_margin(float: &Classifier, int8: Model<'_>, images: &[Image28]) -> u32 {
    let margins = images.par_chunks(BATCH).map(|batch| max_disagreeing_margin(float, int8, batch));
    margins.max().unwrap_or(0) + 1
}

fn max_disagreeing_margin(float: &Classifier, int8: Model<'_>, batch: &[Image28]) -> u32 {
    let mut scratch = Scratch::new();
    let mut largest = 0;
    for (image, prediction) in batch.iter().zip(float.predict_batch(batch)) {
        let logits = int8.infer(&image.0, &mut scratch);
        if usize::from(logits.digit()) != prediction.digit() {
            largest = largest.max(logits.margin());
        }
    }
    largest
}

/// Scales of the activations of all layers but the last, as `f32` since the file holds them so.
fn scales(activations: &[Activations], range_estimator: RangeEstimator) -> Result<[f32; 3], Error> {
    if activations.is_empty() {
        return Err(Error::NoImages);
    }
    // a layer that is never active has no scale of its own: any will do
    let mut scales = [1.0; 3];
    for (layer, scale) in LayerId::ALL.into_iter().zip(&mut scales) {
        let values = || activations.iter().map(|image| &image[layer as usize]);
        if values().flatten().any(|value| !value.is_finite()) {
            return Err(Error::Activations { layer: layer.name() });
        }
        let peak = values().flatten().copied().fold(0.0, f32::max);
        if peak > 0.0 {
            let mut histogram = Histogram::new(peak);
            values().for_each(|values| histogram.count(values));
            *scale = (range_estimator.limit(&histogram) / MAX_ACTIVATION) as f32;
        }
    }
    Ok(scales)
}
