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

use dataset::Image;
use firmware::LayerId;
use firmware::format::{File, Model, Scales};
use network::onnx::Graph;
use network::{Affine, Layer, Network};
use rayon::prelude::*;
use runtime::Classifier;
use runtime::evaluate::BATCH;
use zerocopy::FromZeros;
use zerocopy::little_endian::U32;

use super::error::Error;
use super::int8::{CompiledInt8, Int8Network, pixels};
use super::range_estimator::Histogram;
use super::{identity, supported};
use layer::Quantized;

/// Maximum of images to calibrate on: more change little.
pub const CALIBRATION_IMAGES: usize = 2000;

/// Largest activation.
const MAX_ACTIVATION: f64 = 255.0;

/// The highest [`max_disagreement_rate`] at which any answer is called confident: it takes some 3,000 images.
pub const MAX_CONFIDENT_DISAGREEMENTS: f64 = 0.001;

/// The confidence margin of a model that is never confident: no two logits are so far apart.
pub const NEVER_CONFIDENT: u32 = u32::MAX;

/// What the layers of the float network give for one image, in order.
type Activations = Vec<Vec<f32>>;

/// [`CALIBRATION_IMAGES`] of the training images, or all if there are fewer: evenly spaced, so that every part of
/// the file has its share and everyone gets the same.
#[must_use]
pub fn calibration_images(training: &[Image]) -> Vec<Image> {
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
    calibration: &[Image],
    margin_images: &[Image],
) -> Result<Box<File>, Error> {
    quantize_with(onnx, calibration, margin_images, Options::default(), |_| ())
}

/// The `.q8` file of an ONNX file; a pure function of its arguments.
///
/// `calibration` sets the activations' scales, `margin_images` the confidence margin: the smallest margin from which
/// int8 agrees with float on all these images, at least 1, so that a tie is never confident. With too few of them to say
/// anything by, it is [`NEVER_CONFIDENT`], see [`max_disagreement_rate`]. `progress` is told how many more of them are
/// done.
///
/// # Errors
/// What is wrong with the ONNX file, or that it is not the network that the engine is made for, or that the images are
/// not 28×28 grey.
pub fn quantize_with(
    onnx: &[u8],
    calibration: &[Image],
    margin_images: &[Image],
    options: Options,
    progress: impl Fn(usize) + Sync,
) -> Result<Box<File>, Error> {
    let graph = Graph::parse(onnx)?;
    let network = supported::read(&graph)?;
    supported::check_images(calibration)?;
    supported::check_images(margin_images)?;
    let float: Vec<Activations> =
        calibration.par_iter().map(|image| network.activations(&pixels(image))).collect();
    let scales = scales(&float, options.range_estimator)?;
    let quantized = layers(&network, scales, calibration, &float, options)?;
    let mut file = File::new_box_zeroed().map_err(|_| Error::Memory)?;
    let [stage1, stage2, hidden] = scales.map(|scale| U32::new(scale.to_bits()));
    let logits = U32::new((quantized.last().map_or(1.0, |last| last.scales[0]) as f32).to_bits());
    file.identity = identity(onnx);
    file.scales = Scales { stage1, stage2, hidden, logits };
    file.calibration_images = U32::new(calibration.len() as u32);
    let int8 = Int8Network { layers: quantized.into_iter().map(|layer| layer.int8).collect() };
    int8.pack(&mut file);
    file.confidence_margin = U32::new(u32::MAX);
    file.seal();
    // checked before it is relied on: the bounds of the accumulators make the fast kernels exact
    Model::new(&file)?;
    let float = Classifier::new(&graph, runtime::Options::default())?;
    let margin = confidence_margin(&float, &int8, margin_images, progress);
    file.confidence_margin = U32::new(margin);
    file.seal();
    Ok(file)
}

/// Every layer in whole numbers; each sees the images as those before it pass them on.
fn layers(
    network: &Network,
    scales: [f32; 3],
    calibration: &[Image],
    float: &[Activations],
    options: Options,
) -> Result<Vec<Quantized>, Error> {
    let mut inputs: Vec<Vec<f32>> = calibration.iter().map(pixels).collect();
    let mut input_scale = 1.0;
    let quantize = |(index, (layer, affine)): (usize, (&Layer, &Affine))| {
        let output_scale = scales.get(index).copied().map(f64::from);
        let mut quantized = Quantized::new(layer, affine, input_scale, output_scale)?;
        if options.correct_bias {
            // of the first layer, float takes the same pixels
            let before = |image: usize| match index {
                0 => &inputs[image],
                _ => &float[image][index - 1],
            };
            let errors = quantized.mean_errors(affine, &inputs, before);
            let corrected = affine.with_less_bias(&errors);
            quantized = Quantized::new(layer, &corrected, input_scale, output_scale)?;
            inputs.par_iter_mut().for_each(|input| {
                let accumulators = layer.accumulate(&quantized.int8.affine, input);
                *input = quantized.int8.activations(layer.pool(accumulators));
            });
        }
        input_scale = output_scale.unwrap_or(1.0);
        Ok(quantized)
    };
    network.layers().enumerate().map(quantize).collect()
}

/// One more than the largest int8 margin among the images that the two models disagree on, if these images are enough
/// to rely on it; else a margin that nothing has.
fn confidence_margin(
    float: &Classifier,
    int8: &Int8Network,
    images: &[Image],
    progress: impl Fn(usize) + Sync,
) -> u32 {
    if max_disagreement_rate(images.len()) > MAX_CONFIDENT_DISAGREEMENTS {
        return NEVER_CONFIDENT;
    }
    let int8 = CompiledInt8::new(int8);
    let margins = images.par_chunks(BATCH).map(|batch| {
        let margin = max_disagreeing_margin(float, &int8, batch);
        progress(batch.len());
        margin
    });
    margins.max().unwrap_or(0) + 1
}

fn max_disagreeing_margin(float: &Classifier, int8: &CompiledInt8<'_>, batch: &[Image]) -> u32 {
    let mut largest = 0;
    for (trace, prediction) in int8.run(batch).iter().zip(float.predict_batch(batch)) {
        let logits = trace.logits();
        if usize::from(logits.digit()) != prediction.digit() {
            largest = largest.max(logits.margin());
        }
    }
    largest
}

/// The highest share of images that may get a confident answer which differs from float's, with 95 % confidence, when the
/// margin was chosen on `margin_images` images.
///
/// Take the margin of an image as 0 where int8 and float agree. The confidence margin is just above the largest of these
/// `n` margins. By the theory of tolerance limits, less than a share `p` of all images lies above the largest of `n`
/// with probability `1 − (1 − p)^n`; at 95 %, `p = 1 − 0.05^(1/n)`, about `3/n`. Source: Wilks 1941, "Determination of sample sizes for
/// setting tolerance limits". It holds for images like these, and says nothing of others.
#[must_use]
pub fn max_disagreement_rate(margin_images: usize) -> f64 {
    1.0 - 0.05_f64.powf(1.0 / margin_images as f64)
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
            return Err(Error::Activations { layer: layer.name().to_owned() });
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

#[cfg(test)]
mod tests {
    use runtime::EMBEDDED_MODEL;

    use super::*;

    #[test]
    fn three_thousand_images_are_enough_to_be_confident_and_few_are_not() {
        assert!((max_disagreement_rate(60_000) - 5.0e-5).abs() < 1e-6);
        assert!(max_disagreement_rate(3_000) <= MAX_CONFIDENT_DISAGREEMENTS);
        assert!(max_disagreement_rate(500) > MAX_CONFIDENT_DISAGREEMENTS);
        assert!(max_disagreement_rate(0) > MAX_CONFIDENT_DISAGREEMENTS);
    }

    #[test]
    fn the_margin_is_just_above_all_disagreements() {
        let image = |seed: usize| {
            Image::mnist(std::array::from_fn(|i| {
                if i * (seed + 3) % 29 < 9 { (i * 31 + seed) as u8 } else { 0 }
            }))
        };
        let images: Vec<Image> = (0..3_000).map(image).collect();
        // calibrated on a blank page, it saturates and disagrees often
        let file =
            quantize(EMBEDDED_MODEL, &[Image::mnist([0; runtime::PIXELS])], &images).unwrap();
        let int8 = Int8Network::of(Model::new(&file).unwrap());
        let float = Classifier::embedded();
        let margin = max_disagreeing_margin(&float, &CompiledInt8::new(&int8), &images);
        assert!(margin > 0);
        assert_eq!(file.confidence_margin, margin + 1);
        let few = quantize(EMBEDDED_MODEL, &images[..10], &images[..500]).unwrap();
        assert_eq!(few.confidence_margin, NEVER_CONFIDENT);
    }
}
