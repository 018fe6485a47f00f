//! ONNX to `.q8`: post-training quantisation, calibrated on training images.
//!
//! With a step `s` for every real value, `real ≈ s · q`:
//! - a weight's step is its output channel's largest magnitude over 127, or what keeps the channel's sums within
//!   [`SUM_MAX`](firmware::format::SUM_MAX) if that is more; the last layer has one step for all rows, since its sums are compared with
//!   each other;
//! - an activation's step is the layer's limit over 255, see [`Calibration`];
//! - a sum's step is the product of the weight's and the input's, and the bias is rounded to it;
//! - the multiplier is the sum's step over the activation's.
//! - the guard band is the least margin of the logits at which no training image is read otherwise than by float.
//!
//! The graph's normalisation of pixels is folded into the first layer, so that its input is the pixel itself,
//! step 1. The fold takes the weights before rounding: over a blank background only the bias is rounded.

mod layer;

pub use super::calibration::Calibration;

use rayon::prelude::*;
use runtime::evaluate::BATCH;
use runtime::graph::Graph;
use runtime::{Classifier, Image28};
use zerocopy::FromZeros;
use zerocopy::little_endian::U32;

use super::calibration::Histogram;
use super::error::Error;
use super::int8::Network;
use super::lenet::{Activations, LeNet, pixels, pooled};
use super::{graph, identity};
use firmware::format::{File, Model, Scales};
use firmware::{Layer, Scratch};
use layer::Quantized;

/// Most images that are worth calibrating on.
pub const CALIBRATION_IMAGES: usize = 2000;

/// Largest activation.
const ACTIVATION_MAX: f64 = 255.0;

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
    /// How far the steps of the activations reach.
    pub calibration: Calibration,
    /// Whether to take the mean error of every sum over the calibration images off its bias.
    ///
    /// Source: Nagel et al. 2019, <https://arxiv.org/abs/1906.04721>, section 4.2, with real images.
    pub correct_bias: bool,
}

impl Options {
    /// All combinations.
    pub fn all() -> impl Iterator<Item = Self> {
        Calibration::ALL.into_iter().flat_map(|calibration| {
            [false, true].map(|correct_bias| Self { calibration, correct_bias })
        })
    }
}

impl Default for Options {
    /// Of all methods the one with the fewest unequal predictions on training images that nothing was calibrated
    /// on, of equals the one with the highest ratio of signal to noise: `firmware-sim calibrate`.
    fn default() -> Self {
        Self { calibration: Calibration::Percentile, correct_bias: true }
    }
}

/// [`quantize_with`] the method that does best for the embedded model, see [`Options::default`].
///
/// # Errors
/// As there.
pub fn quantize(
    onnx: &[u8],
    calibration: &[Image28],
    guard: &[Image28],
) -> Result<Box<File>, Error> {
    quantize_with(onnx, calibration, guard, Options::default())
}

/// The `.q8` file of an ONNX file; a pure function of its arguments.
///
/// `calibration` sets the activations' steps, `guard` the guard band: the least margin at which int8 agrees with
/// float on all these images, and on none with a tie. The more there are the better; they cost an inference each.
///
/// # Errors
/// What is wrong with the ONNX file, or that it is not the LeNet that the engine is made for.
pub fn quantize_with(
    onnx: &[u8],
    calibration: &[Image28],
    guard: &[Image28],
    options: Options,
) -> Result<Box<File>, Error> {
    let network = graph::read(&Graph::parse(onnx)?)?;
    let float: Vec<Activations> = calibration.par_iter().map(|image| network.run(image)).collect();
    let steps = steps(&float, options.calibration)?;
    let [conv1, conv2, dense1, dense2] = layers(&network, steps, calibration, &float, options)?;
    let mut file = File::new_box_zeroed().map_err(|_| Error::Memory)?;
    let [stage1, stage2, hidden] = steps.map(|step| U32::new(step.to_bits()));
    let logits = U32::new((dense2.steps[0] as f32).to_bits());
    file.identity = identity(onnx);
    file.scales = Scales { stage1, stage2, hidden, logits };
    file.calibration_images = U32::new(calibration.len() as u32);
    Network { layers: [conv1.int8, conv2.int8, dense1.int8, dense2.int8] }.fill(&mut file);
    file.seal();
    file.guard = U32::new(guard_band(&Classifier::parse(onnx)?, Model::new(&file)?, guard));
    file.seal();
    Ok(file)
}

/// Every layer in whole numbers; each sees the images as those before it pass them on.
fn layers(
    network: &LeNet,
    steps: [f32; 3],
    calibration: &[Image28],
    float: &[Activations],
    options: Options,
) -> Result<[Quantized; 4], Error> {
    let mut inputs: Vec<Vec<f32>> = calibration.iter().map(pixels).collect();
    let mut input_step = 1.0;
    let mut layer = |layer: Layer| {
        let affine = network.layer(layer);
        let output_step = steps.get(layer as usize).copied().map(f64::from);
        let mut quantized = Quantized::new(layer, affine, input_step, output_step)?;
        if options.correct_bias {
            let errors = quantized.mean_errors(layer, affine, &inputs, float);
            let corrected = affine.with_less_bias(&errors);
            quantized = Quantized::new(layer, &corrected, input_step, output_step)?;
            inputs.par_iter_mut().for_each(|input| {
                let sums = quantized.int8.affine.sums(layer, input);
                *input = quantized.int8.activations(layer, pooled(layer, sums));
            });
        }
        input_step = output_step.unwrap_or(1.0);
        Ok::<_, Error>(quantized)
    };
    let [conv1, conv2, dense1, dense2] = Layer::ALL;
    Ok([layer(conv1)?, layer(conv2)?, layer(dense1)?, layer(dense2)?])
}

/// One more than the largest int8 margin among images that the two read differently.
fn guard_band(float: &Classifier, int8: Model<'_>, images: &[Image28]) -> u32 {
    let margins = images.par_chunks(BATCH).map(|batch| largest_wrong_margin(float, int8, batch));
    margins.max().unwrap_or(0) + 1
}

fn largest_wrong_margin(float: &Classifier, int8: Model<'_>, batch: &[Image28]) -> u32 {
    let mut scratch = Scratch::new();
    let mut largest = 0;
    for (image, prediction) in batch.iter().zip(float.classify_batch(batch)) {
        let logits = int8.infer(&image.0, &mut scratch);
        if usize::from(logits.digit()) != prediction.digit() {
            largest = largest.max(logits.margin());
        }
    }
    largest
}

/// Steps of the activations of all layers but the last, as `f32` since the file holds them so.
fn steps(activations: &[Activations], calibration: Calibration) -> Result<[f32; 3], Error> {
    if activations.is_empty() {
        return Err(Error::NoImages);
    }
    // a layer that is never active has no step of its own: any will do
    let mut steps = [1.0; 3];
    for (layer, step) in Layer::ALL.into_iter().zip(&mut steps) {
        let values = || activations.iter().map(|image| &image[layer as usize]);
        if values().flatten().any(|value| !value.is_finite()) {
            return Err(Error::Activations { layer: layer.name() });
        }
        let peak = values().flatten().copied().fold(0.0, f32::max);
        if peak > 0.0 {
            let mut histogram = Histogram::new(peak);
            values().for_each(|values| histogram.count(values));
            *step = (calibration.limit(&histogram) / ACTIVATION_MAX) as f32;
        }
    }
    Ok(steps)
}
