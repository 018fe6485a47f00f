//! Why a model cannot be made or compared.

use firmware::format::FormatError;
use firmware::geometry::CLASSES;
use safe_io::SingleLine;

/// Why a model cannot be made or compared.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The ONNX file is unusable for anyone.
    #[error(transparent)]
    Onnx(#[from] runtime::Error),
    /// The graph takes other pictures.
    #[error(
        "model input is {}, expected uint8 [batch, 1, 28, 28] as trainer exports it",
        SingleLine(found)
    )]
    Input {
        /// Element type and shape.
        found: String,
    },
    /// Another operator than LeNet has at this place.
    #[error(
        "not this project's LeNet: node `{}` is a {}, expected a {expected}",
        SingleLine(node),
        SingleLine(found)
    )]
    Operator {
        /// The node.
        node: String,
        /// Its operator.
        found: String,
        /// LeNet's operator.
        expected: &'static str,
    },
    /// The network is not sequential.
    #[error(
        "not this project's LeNet: node `{}` does not take the output of the node before it",
        SingleLine(node)
    )]
    NotSequential {
        /// The node.
        node: String,
    },
    /// The graph ends early.
    #[error("not this project's LeNet: the graph ends where a {expected} is expected")]
    Ends {
        /// LeNet's operator.
        expected: &'static str,
    },
    /// The graph goes on, or answers with something else than its last node.
    #[error(
        "not this project's LeNet: the graph's output is not made by its last Gemm, `{}`",
        SingleLine(node)
    )]
    Output {
        /// The last node of LeNet.
        node: String,
    },
    /// A setting that LeNet does not have, or has with another value.
    #[error(
        "not this project's LeNet: attribute `{}` of node `{}`",
        SingleLine(attribute),
        SingleLine(node)
    )]
    Attribute {
        /// The node.
        node: String,
        /// The setting.
        attribute: String,
    },
    /// Another number of classes than the engine is made for.
    #[error("the model has {found} classes, the firmware engine takes {CLASSES}")]
    Classes {
        /// The model's classes.
        found: usize,
    },
    /// Weights, a bias or a normalisation of other sizes, or not constant.
    #[error(
        "not this project's LeNet: input {input} of node `{}` is not a float32 constant of shape [{shape}]",
        SingleLine(node)
    )]
    Constant {
        /// The node.
        node: String,
        /// Which of its inputs, from 0.
        input: usize,
        /// The shape expected.
        shape: String,
    },
    /// There is no memory for half a megabyte.
    #[error("out of memory")]
    Memory,
    /// There is nothing to calibrate on, or to compare with.
    #[error("there are no images")]
    NoImages,
    /// Weights so large that `f32` does not hold what they give.
    #[error("the weights give activations that are not finite, at {layer} or before")]
    Activations {
        /// The first layer whose activations are not finite.
        layer: &'static str,
    },
    /// A channel's accumulators and its activations differ by more than the multiplier can express.
    #[error(
        "{layer}: the weights of output {channel} are too large for its activations to be scaled"
    )]
    Multiplier {
        /// The layer.
        layer: &'static str,
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
