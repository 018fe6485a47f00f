//! Why a model cannot be made or compared.

use dataset::ImageError;
use firmware::format::FormatError;
use firmware::geometry::CLASSES;
use network::Architecture;
use safe_io::SingleLine;

/// Why a model cannot be made or compared.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The ONNX file is unusable for anyone.
    #[error(transparent)]
    Onnx(#[from] network::Error),
    /// The float engine cannot run the model.
    #[error(transparent)]
    Runtime(#[from] runtime::Error),
    /// The graph takes other pictures.
    #[error(
        "model input is {}, the firmware engine takes uint8 [batch, 1, 28, 28], with the normalisation of pixels inside the graph",
        SingleLine(found)
    )]
    Input {
        /// Element type and shape.
        found: String,
    },
    /// Another network than the engine is compiled for.
    #[error(
        "the firmware engine takes one network so far, {expected}; this model is {}",
        SingleLine(found)
    )]
    Unsupported {
        /// The engine's network.
        expected: Architecture,
        /// The model's layers, or its operators where they are no such layers.
        found: String,
    },
    /// Another number of classes than the engine is made for.
    #[error("the model has {found} classes, the firmware engine takes {CLASSES}")]
    Classes {
        /// The model's classes.
        found: usize,
    },
    /// There is no memory for half a megabyte.
    #[error("out of memory")]
    Memory,
    /// A label that the engine has no class for.
    #[error("the images have label {label}, the engine has classes 0 to {}", CLASSES - 1)]
    Label {
        /// The label.
        label: u8,
    },
    /// A picture that the engine does not take.
    #[error("the firmware engine takes 28x28 grey pixels")]
    Image(#[from] ImageError),
    /// There is nothing to calibrate on, or to compare with.
    #[error("there are no images")]
    NoImages,
    /// Weights so large that `f32` does not hold what they give.
    #[error("the weights give activations that are not finite, at {layer} or before")]
    Activations {
        /// The first layer whose activations are not finite.
        layer: String,
    },
    /// A channel's accumulators and its activations differ by more than the multiplier can express.
    #[error(
        "{layer}: the weights of output {channel} are too large for its activations to be scaled"
    )]
    Multiplier {
        /// The layer.
        layer: String,
        /// The output channel, from 0.
        channel: usize,
    },
    /// A channel whose accumulator might overflow.
    #[error("{layer}: the accumulator of output {channel} may overflow")]
    Accumulator {
        /// The layer.
        layer: String,
        /// The output channel, from 0.
        channel: usize,
    },
    /// The result would not be a valid model.
    #[error("these weights cannot be quantised")]
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
}

/// As much of a hash as a person compares.
fn hex(hash: &[u8; 32]) -> String {
    use core::fmt::Write;
    hash.iter().take(6).fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}"); // writing to a String cannot fail
        text
    })
}
