//! ONNX to `.q8`: post-training quantisation, calibrated on training images.
//!
//! With a scale `s` for every real value, `real ≈ s · q`:
//! - a weight's scale is its output channel's largest magnitude over 127, or what keeps the channel's accumulators
//!   within [`MAX_ACCUMULATOR`](firmware::format::MAX_ACCUMULATOR) if that is more; the last layer has one scale
//!   for all outputs, since its accumulators are compared with each other;
//! - an activation's scale is the value's limit over 255, see [`RangeEstimator`], or over 127 where no `ReLU` stands and
//!   values of both signs pass; a max-pooling hands its input's on;
//! - a layer that gives only 0 for all images gets a scale that keeps the biases after it exact, see `dead.rs`;
//! - an accumulator's scale is the product of the weight's and the input's, and the bias is rounded to it;
//! - the multiplier is the accumulator's scale over the activation's;
//! - channels that only depthwise convolutions take are made equally large, see `equalization.rs`;
//! - a sum of two values counts each by a factor of 15 bits, and a mean is a sum with one multiplier;
//! - the agreement margin is the smallest margin of the logits from which int8 and float give the same class for all
//!   images that it is measured on.
//!
//! A normalisation of pixels is folded into the first layer, so that its input is the pixel itself, scale 1; where that
//! layer is padded and 0 is no pixel's value, it stays a layer of its own. The fold takes the weights before rounding:
//! over a blank background only the bias is rounded.

mod calibrate;
mod dead;
mod layer;
mod limits;
mod margin;
mod warning;

pub use super::range_estimator::RangeEstimator;
pub use margin::{
    CLASSES, MAX_DISAGREEMENT_RATE, NEVER_AGREES, is_classifier, max_disagreement_rate,
    min_margin_images,
};
pub use warning::Warning;

use dataset::Image;
use firmware::format::Layout;
use runtime::FloatInput;

use super::error::Error;
use super::float::FloatNetwork;
use super::int8::Header;
use super::samples::Samples;
use super::{identity, supported};

/// Maximum of images to calibrate on: more change little.
pub const CALIBRATION_IMAGES: usize = 2000;

/// [`CALIBRATION_IMAGES`] of the training images, or all if there are fewer: evenly spaced, so that every part of
/// the file has its share and everyone gets the same.
#[must_use]
pub fn calibration_images<T: Clone>(training: &[T]) -> Vec<T> {
    let count = training.len().min(CALIBRATION_IMAGES);
    (0..count).map(|index| training[index * training.len() / count].clone()).collect()
}

/// How real numbers become int8.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Options {
    /// How to choose the largest activation of each layer.
    pub range_estimator: RangeEstimator,
    /// Whether to subtract the mean error of every accumulator over the calibration images from its bias.
    ///
    /// Source: Nagel et al. 2019, <https://arxiv.org/abs/1906.04721>, section 4.2, with real images.
    pub correct_bias: bool,
    /// What pixels become before a network with float input; without it, such a network takes numbers.
    pub float_input: Option<FloatInput>,
    /// For which cores the weights are laid out.
    pub layout: Layout,
}

impl Options {
    /// All combinations, with the same input.
    pub fn all(float_input: Option<FloatInput>) -> impl Iterator<Item = Self> {
        RangeEstimator::ALL.into_iter().flat_map(move |range_estimator| {
            let layout = Layout::Bytes;
            [false, true].map(|correct_bias| Self {
                range_estimator,
                correct_bias,
                float_input,
                layout,
            })
        })
    }
}

impl Default for Options {
    /// Of all combinations the one with the fewest disagreements on training images that nothing was calibrated on,
    /// of equals the one with the highest ratio of signal to noise: `firmware-sim compare-calibrations`.
    fn default() -> Self {
        Self {
            range_estimator: RangeEstimator::Percentile,
            correct_bias: true,
            float_input: None,
            layout: Layout::Bytes,
        }
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
) -> Result<Vec<u8>, Error> {
    quantize_with(onnx, calibration.into(), margin_images.into(), Options::default(), |_| ())
}

/// The `.q8` file of an ONNX file; a pure function of its arguments.
///
/// `calibration` sets the activations' scales, `margin_samples` the agreement margin: the smallest margin from which
/// int8 agrees with float on all these samples, at least 1, so that a tie never agrees. With too few of them to say
/// anything by, or more outputs than a classifier has, it is [`NEVER_AGREES`], see [`max_disagreement_rate`].
/// `progress` is told how many more of them are done.
///
/// # Errors
/// What is wrong with the ONNX file, all that keeps the firmware from running it, or that the samples are not what it
/// takes.
pub fn quantize_with(
    onnx: &[u8],
    calibration: Samples<'_>,
    margin_samples: Samples<'_>,
    options: Options,
    progress: impl Fn(usize) + Sync,
) -> Result<Vec<u8>, Error> {
    quantize_and_warn(onnx, calibration, margin_samples, options, progress).map(|(file, _)| file)
}

/// [`quantize_with`], and what a user should know of the model.
///
/// # Errors
/// As there.
pub fn quantize_and_warn(
    onnx: &[u8],
    calibration: Samples<'_>,
    margin_samples: Samples<'_>,
    options: Options,
    progress: impl Fn(usize) + Sync,
) -> Result<(Vec<u8>, Vec<Warning>), Error> {
    let graph = supported::parse(onnx)?;
    let supported = supported::read(&graph, options.float_input)?;
    let shape = supported.network.architecture().input();
    calibration.check(shape, supported.takes)?;
    margin_samples.check(shape, supported.takes)?;
    if calibration.is_empty() {
        return Err(Error::NoImages);
    }
    let classes = supported.network.architecture().outputs();
    let mut warnings = vec![];
    if calibration.len() < warning::MIN_SAMPLES {
        warnings.push(Warning::Few { samples: calibration.len() });
    }
    let int8 = calibrate::int8_network(&supported, calibration, options, &mut warnings)?;
    let header = Header {
        identity: identity(onnx),
        calibration_images: calibration.len() as u32,
        agreement_margin: NEVER_AGREES,
        limits: limits::of(&graph, classes, int8.logit_scale())?,
    };
    // checked before it is relied on: the bounds of the accumulators make the fast kernels exact
    let file = int8.emit(header, options.layout)?;
    let is_named = graph.class_names().is_some_and(|names| names.len() == classes);
    if !is_classifier(classes, shape.iter().product(), is_named) {
        return Ok((file, warnings));
    }
    let float = FloatNetwork::new(supported.network);
    let agreement_margin = margin::measure(&float, &int8, margin_samples, progress);
    if agreement_margin == NEVER_AGREES {
        return Ok((file, warnings));
    }
    Ok((int8.emit(Header { agreement_margin, ..header }, options.layout)?, warnings))
}
