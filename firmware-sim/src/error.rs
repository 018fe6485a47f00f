//! Why a model cannot be made or compared.

use dataset::ImageError;
use firmware::FormatError;
use firmware::format::MAX_ACCUMULATOR;
use network::Layer;
use network::onnx::GraphFault;
use safe_io::SingleLine;

use super::samples::Samples;
use super::supported::{Reason, Takes};

/// Maximum reasons that one line lists.
const MAX_LISTED: usize = 20;

/// Why a model cannot be made or compared.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The ONNX file is unusable for anyone.
    #[error(transparent)]
    Onnx(#[from] network::Error),
    /// The ONNX file's graph is unusable for anyone, for several reasons.
    #[error("unusable ONNX graph: {}", listed(faults))]
    Graph {
        /// All of them.
        faults: Vec<GraphFault>,
    },
    /// What the model's metadata say of its confidence is damaged.
    #[error(transparent)]
    Calibration(runtime::Error),
    /// A network that the firmware does not take.
    #[error("the firmware does not run this model: {}", listed(reasons))]
    Unsupported {
        /// All that is in the way.
        reasons: Vec<Reason>,
    },
    /// The model takes `float32`, and nobody said what pixels are to become.
    #[error(
        "the model takes float32, and what becomes of pixels is not said: say what they are trained as, such as 0 to 1 or a mean and a standard deviation, or give numbers instead of pictures"
    )]
    PixelsUnknown,
    /// The model takes `uint8`, and normalises by itself.
    #[error("the model takes pixels as they are and normalises them by itself: do not say how")]
    AlreadyPixels,
    /// Means and deviations of other channels.
    #[error(
        "{found} means and standard deviations for {channels} channels: give one of all, or {channels}"
    )]
    FloatInput {
        /// How many were given.
        found: usize,
        /// Channels of the model.
        channels: usize,
    },
    /// A picture of another shape than the model's input.
    #[error("the model takes other pictures: give some of its size")]
    Image(#[from] ImageError),
    /// More or fewer numbers than the model takes.
    #[error("sample {index} has {found} numbers, the model takes {expected}: give it as many")]
    Length {
        /// The sample, from 0.
        index: usize,
        /// What the model takes.
        expected: usize,
        /// What there are.
        found: usize,
    },
    /// A number that does not go in.
    #[error("sample {index} holds {found}, {}", match takes {
        Takes::Pixels => "the model takes pixels, whole numbers from 0 to 255: give those",
        Takes::Numbers => "which is not finite: leave it out",
    })]
    Number {
        /// The sample, from 0.
        index: usize,
        /// The number.
        found: f32,
        /// What the model takes.
        takes: Takes,
    },
    /// A label that the model has no class for.
    #[error("the images have label {label}, the model has classes 0 to {}: give images of its classes", classes - 1)]
    Label {
        /// The label.
        label: u8,
        /// Classes of the model.
        classes: usize,
    },
    /// Samples and labels are not as many.
    #[error("{samples} samples have {labels} labels: give one for each, or none")]
    Labels {
        /// Samples.
        samples: usize,
        /// Labels.
        labels: usize,
    },
    /// There is nothing to calibrate on, or to compare with.
    #[error("there are no images: give at least one")]
    NoImages,
    /// Weights or samples so large that `f32` does not hold what they give.
    #[error(
        "{layer} gives numbers that are not finite of sample {sample}, whose largest is {largest:e}: leave out what is so \
         large, or train the model anew if its weights are"
    )]
    Activations {
        /// The first layer whose activations are not finite.
        layer: String,
        /// The first sample of which they are, from 0.
        sample: usize,
        /// The sample's largest magnitude.
        largest: f32,
    },
    /// A channel's accumulators and its activations differ by more than the multiplier can express.
    #[error(
        "{layer}: the weights of output {channel} are too large for its activations to be scaled: train the model anew, or calibrate on other images"
    )]
    Multiplier {
        /// The layer.
        layer: String,
        /// The output channel, from 0.
        channel: usize,
    },
    /// A channel whose accumulator might overflow.
    #[error(
        "{layer}: the accumulator of output {channel} may reach {bound}, and at most {MAX_ACCUMULATOR} fits: let fewer values \
         go into an output"
    )]
    Accumulator {
        /// The layer.
        layer: String,
        /// The output channel, from 0.
        channel: usize,
        /// Its largest magnitude.
        bound: u64,
    },
    /// A mean of so many values that their sum might overflow.
    #[error(
        "{layer}: a mean of {}x{} = {} values, and the sum of at most {most} fits: pool in two steps, such as by windows of \
         {}x{} first, or make the map smaller",
        window[0], window[1], window[0] * window[1], smaller(window[0]), smaller(window[1])
    )]
    Mean {
        /// The layer.
        layer: String,
        /// Rows and columns of the window.
        window: [usize; 2],
        /// Values whose sum fits.
        most: usize,
    },
    /// The memory cannot be planned.
    #[error(
        "an inference would need more than {} KiB of memory: make pictures or layers smaller",
        firmware::plan::MAX_SCRATCH_WORDS * size_of::<u32>() / 1024
    )]
    Memory,
    /// The result would not be a valid model.
    #[error(
        "these weights cannot be quantised: train the model anew, or calibrate on other images"
    )]
    Format(#[from] FormatError),
    /// The two models do not belong together.
    #[error(
        "the .q8 was made from another ONNX file (SHA-256 {}…, this one is {}…)",
        hex(stated),
        hex(given)
    )]
    Origin {
        /// SHA-256 that the `.q8` states.
        stated: [u8; 32],
        /// SHA-256 of the ONNX file.
        given: [u8; 32],
    },
    /// The two models take different inputs: of one ONNX file, pixels and numbers, or other numbers of pixels.
    #[error(
        "the .q8 was made for another kind of input: say the same of pixels as when it was made"
    )]
    Input,
}

impl Error {
    /// That of this sample, a layer gives numbers that are not finite.
    pub(crate) fn not_finite(layer: &Layer, samples: Samples<'_>, sample: usize) -> Self {
        let values = samples.values(sample);
        let largest = values.iter().fold(0.0_f32, |largest, value| largest.max(value.abs()));
        Self::Activations { layer: layer.name().to_owned(), sample, largest }
    }
}

/// The largest divisor of a window's side that is at most its root; 2 if there is none.
fn smaller(side: usize) -> usize {
    (2..=side.isqrt()).rev().find(|part| side.is_multiple_of(*part)).unwrap_or(2)
}

/// All reasons in one line, or the first of very many.
fn listed(reasons: &[impl ToString]) -> String {
    let mut text: Vec<String> = reasons
        .iter()
        .take(MAX_LISTED)
        .map(|reason| SingleLine(reason.to_string()).to_string())
        .collect();
    if let Some(more) = reasons.len().checked_sub(MAX_LISTED).filter(|&more| more > 0) {
        text.push(format!("and {more} more"));
    }
    text.join("; ")
}

/// As much of a hash as a person compares.
fn hex(hash: &[u8; 32]) -> String {
    use core::fmt::Write;
    hash.iter().take(6).fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}"); // writing to a String cannot fail
        text
    })
}
