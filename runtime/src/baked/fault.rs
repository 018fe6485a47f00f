//! Why a baked model is refused, in one line each.

use std::fmt;

use network::{Shape, ShapeError};
use safe_io::SingleLine;

use super::limits::CLASSES;
use super::{MAX_BAKED_BYTES, VERSION, limits};

/// Why a baked model is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum BakedFault {
    /// The bytes are something else.
    Magic,
    /// The bytes are an ONNX file.
    Onnx,
    /// The file has another layout than what this library reads.
    Version {
        /// That of the file.
        found: u32,
    },
    /// The file is longer than [`MAX_BAKED_BYTES`].
    TooLong,
    /// The bytes were changed or cut off since the file was made.
    Checksum,
    /// The file ends inside the part named here.
    Truncated(&'static str),
    /// A code in the header stands for nothing.
    Header,
    /// The input is no picture and no vector of a size that is read.
    Input(Shape),
    /// More layers than the limit, or none.
    Layers(usize),
    /// A layer's record, counted from 1, holds what stands for nothing.
    Layer(usize),
    /// A layer does not fit those before it.
    Shapes(ShapeError),
    /// A layer, counted from 1, needs more memory or time than the limit, with all before it.
    TooMuchWork(usize),
    /// The network gives another number of scores.
    Classes(usize),
    /// The class names are not as many as the scores.
    ClassNames,
    /// A text is not UTF-8.
    Text(&'static str),
    /// Keys of the metadata are not in order.
    Metadata,
    /// The weights are not as many as the layers have.
    Weights,
    /// A weight is infinite or no number.
    NotFinite {
        /// The layer's name.
        layer: String,
    },
}

impl fmt::Display for BakedFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Magic => write!(f, "not a baked model"),
            Self::Onnx => write!(f, "an ONNX file, not a baked model: it has to be baked first"),
            Self::Version { found } => write!(
                f,
                "baked by version {found}, expected {VERSION}: bake it again from the ONNX file"
            ),
            Self::TooLong => write!(f, "it is longer than {MAX_BAKED_BYTES} bytes"),
            Self::Checksum => write!(f, "it was damaged or cut off since it was baked"),
            Self::Truncated(part) => write!(f, "it ends inside its {part}"),
            Self::Header => write!(f, "its header is damaged"),
            Self::Input([channels, height, width]) => write!(
                f,
                "its input is {channels} channels of {height}x{width}, expected at most {} of {max_side}x{max_side}, \
                 or a vector of {}",
                limits::MAX_CHANNELS,
                limits::MAX_VECTOR,
                max_side = limits::MAX_SIDE,
            ),
            Self::Layers(found) => {
                write!(f, "it has {found} layers, expected 1 to {}", limits::MAX_LAYERS)
            }
            Self::Layer(number) => write!(f, "layer {number} is of no kind that is read here"),
            Self::Shapes(error) => error.fmt(f),
            Self::TooMuchWork(number) => {
                write!(f, "up to layer {number} it takes more memory or time than is allowed")
            }
            Self::Classes(found) => {
                let (min, max) = (CLASSES.start(), CLASSES.end());
                write!(f, "it gives {found} scores, expected {min} to {max}")
            }
            Self::ClassNames => write!(f, "it has not one class name for each score"),
            Self::Text(part) => write!(f, "a text in its {part} is not UTF-8"),
            Self::Metadata => write!(f, "its metadata are not in order"),
            Self::Weights => write!(f, "it has not as many weights as its layers"),
            Self::NotFinite { layer } => {
                write!(f, "a weight of {} is not a finite number", SingleLine(layer))
            }
        }
    }
}

impl std::error::Error for BakedFault {}

impl From<ShapeError> for BakedFault {
    fn from(error: ShapeError) -> Self {
        Self::Shapes(error)
    }
}
