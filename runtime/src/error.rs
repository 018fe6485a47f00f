//! Why a picture or a model is refused, in one line each.

use std::io;
use std::path::PathBuf;

use dataset::{Dimensions, ImageError};
use safe_io::SingleLine;

use crate::baked::BakedFault;
use crate::prediction::Calibration;

/// Why a picture or a model was refused; in one line, whatever names are in it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file cannot be opened or read.
    #[error("cannot read {}", SingleLine(path.display()))]
    Read {
        /// What was asked for.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The file's content was refused.
    #[error("{}", SingleLine(path.display()))]
    File {
        /// The file that was read.
        path: PathBuf,
        /// What is wrong with it.
        source: Box<Error>,
    },
    /// More bytes than a picture file may have, found before they were decoded.
    #[error("holds {at_least_bytes} bytes or more, over the limit of {limit_bytes}")]
    TooManyBytes {
        /// The file's length; of a stream, what was read before it was given up.
        at_least_bytes: u64,
        /// The limit that was passed.
        limit_bytes: u64,
    },
    /// More pixels than a picture may have, found before it was decoded.
    #[error("a picture of {width}x{height} pixels, over the limit of {limit_pixels}")]
    TooManyPixels {
        /// Columns.
        width: u32,
        /// Rows.
        height: u32,
        /// The limit that was passed.
        limit_pixels: u64,
    },
    /// A picture without columns or without rows.
    #[error("a picture of {width}x{height} pixels")]
    NoPixels {
        /// Columns.
        width: u32,
        /// Rows.
        height: u32,
    },
    /// The file does not start like a picture in a format that is read here.
    #[error("not a PNG, JPEG, GIF, BMP, WebP or PNM picture")]
    UnknownFormat,
    /// The file starts like a picture, but the rest is broken, cut off, or of a kind that is not read here.
    #[error("cannot decode this {format} picture: {}", SingleLine(reason))]
    Picture {
        /// `PNG`, `JPEG`, ….
        format: &'static str,
        /// What the decoder says.
        reason: String,
    },
    /// The file is empty.
    #[error("the file is empty")]
    Empty,
    /// The model's file or graph was refused.
    #[cfg(feature = "tract")]
    #[error(transparent)]
    Model(#[from] network::Error),
    /// Pixels that are no picture, or a model that takes none.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// Handwriting is made into 28×28 grey pixels only.
    #[error("preprocess `digit` makes 1 channel, 28 rows and 28 columns; the model takes {}", Dimensions(*shape))]
    DigitShape {
        /// `[channels, height, width]` that the model takes.
        shape: [usize; 3],
    },
    /// Colours for a model without channels for them.
    #[error("color `rgb` takes 3 channels or more; the model takes {channels}")]
    Colorless {
        /// Channels that the model takes.
        channels: usize,
    },
    /// The metadata name what is not known here.
    #[error("the metadata's {key} is `{}`, {reason}", SingleLine(found))]
    Metadata {
        /// The entry.
        key: &'static str,
        /// What it says.
        found: String,
        /// What it may say.
        reason: String,
    },
    /// The baked model was refused.
    #[error("unusable baked model: {0}")]
    Baked(BakedFault),
    /// The graph is more than layers, so it cannot be baked.
    #[error(
        "it cannot be baked, since these of its operators are no layers and run in tract: {}",
        SingleLine(steps.join("; "))
    )]
    NeedsTract {
        /// Each step that tract runs, with its operators.
        steps: Vec<String>,
    },
    /// A baked model was to run in tract.
    #[error("a baked model holds no graph that tract could run")]
    NoGraph,
    /// The graph's input cannot take a 28×28 picture.
    #[error(
        "model input `{}` is {}, expected uint8 or float32 of 28x28 pixels, such as [batch, 1, 28, 28]",
        SingleLine(name),
        SingleLine(found)
    )]
    InputShape {
        /// The graph's input.
        name: String,
        /// Its element type and shape.
        found: String,
    },
    /// Means and standard deviations that are not as many as each other.
    #[error(
        "{means} means and {stds} standard deviations: give one of each, or as many as channels"
    )]
    FloatInputCount {
        /// Means.
        means: usize,
        /// Standard deviations.
        stds: usize,
    },
    /// Means and standard deviations of other channels than the model's.
    #[error("means or standard deviations of {values} channels; the model takes {channels}")]
    FloatInputChannels {
        /// Channels that they are given for.
        values: usize,
        /// Channels that the model takes.
        channels: usize,
    },
    /// A normalisation that gives no numbers.
    #[error("a mean of {mean} and a standard deviation of {std} make pixels infinite")]
    FloatInput {
        /// Subtracted from pixels.
        mean: f32,
        /// Divides the difference.
        std: f32,
    },
    /// The model computes infinity or NaN, of which there is no answer.
    #[error(
        "the model's scores of a blank picture are not finite: its weights are too large, or it divides by 0"
    )]
    NotFinite,
    /// The metadata hold some of a calibration, or what is none.
    #[error("the metadata's calibration is damaged: {} must all be there, and be numbers in range", Calibration::KEYS.join(", "))]
    Calibration,
    /// The model's output is not one row of class scores per image.
    #[error("model output is {found:?}, expected [1, classes] with 2 to 256 classes")]
    OutputShape {
        /// Shape of the answer to one image.
        found: Vec<usize>,
    },
    /// A model that normalises by itself was given a normalisation.
    #[error(
        "model input `{}` is uint8: it normalises by itself, so it takes no mean and standard deviation",
        SingleLine(name)
    )]
    Normalized {
        /// The graph's input.
        name: String,
    },
}

impl From<BakedFault> for Error {
    fn from(fault: BakedFault) -> Self {
        Self::Baked(fault)
    }
}

impl Error {
    /// Names the file that this is about.
    #[must_use]
    pub fn in_file(self, path: impl Into<PathBuf>) -> Self {
        Self::File { path: path.into(), source: Box::new(self) }
    }
}
