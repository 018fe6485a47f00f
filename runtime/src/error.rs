//! Why a picture or a model is refused, in one line each.

use std::fmt;
use std::io;
use std::path::PathBuf;

use dataset::{Dimensions, ImageError, MNIST_SHAPE};
use safe_io::SingleLine;
use safe_io::read::ReadError;

use crate::baked::BakedFault;
use crate::prediction::Calibration;

/// Why a picture or a model was refused; in one line, whatever names are in it.
///
/// `Display` leaves the causes to [`source`](std::error::Error::source), as is usual. `Debug` is the line with them, since
/// a `main` that returns `Result<(), Error>` prints that:
///
/// ```
/// let error = runtime::Classifier::load("none.baked".as_ref()).unwrap_err();
/// assert_eq!(error.to_string(), "cannot read none.baked");
/// assert!(format!("{error:?}").starts_with("cannot read none.baked: "));
/// ```
#[non_exhaustive]
pub enum Error {
    /// The file cannot be opened or read.
    Read {
        /// What was asked for.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The model's file cannot be read, or is too large.
    ModelFile(ReadError),
    /// The file's content was refused.
    File {
        /// The file that was read.
        path: PathBuf,
        /// What is wrong with it.
        source: Box<Error>,
    },
    /// More bytes than a picture file may have, found before they were decoded.
    TooManyBytes {
        /// The file's length; of a stream, what was read before it was given up.
        at_least_bytes: u64,
        /// The limit that was passed.
        limit_bytes: u64,
    },
    /// More pixels than a picture may have, found before it was decoded.
    TooManyPixels {
        /// Columns.
        width: u32,
        /// Rows.
        height: u32,
        /// The limit that was passed.
        limit_pixels: u64,
    },
    /// A picture without columns or without rows.
    NoPixels {
        /// Columns.
        width: u32,
        /// Rows.
        height: u32,
    },
    /// The file does not start like a picture in a format that is read here.
    UnknownFormat,
    /// The file starts like a picture, but the rest is broken, cut off, or of a kind that is not read here.
    Picture {
        /// `PNG`, `JPEG`, ….
        format: &'static str,
        /// What the decoder says.
        reason: String,
    },
    /// The file is empty.
    Empty,
    /// The model's file or graph was refused.
    #[cfg(feature = "tract")]
    Model(network::Error),
    /// Pixels that are no picture, or a model that takes none.
    Image(ImageError),
    /// Handwriting is made into 28×28 grey pixels only.
    DigitShape {
        /// `[channels, height, width]` that the model takes.
        shape: [usize; 3],
    },
    /// Colours for a model without channels for them.
    Colorless {
        /// Channels that the model takes.
        channels: usize,
    },
    /// The metadata name what is not known here.
    Metadata {
        /// The entry.
        key: &'static str,
        /// What it says.
        found: String,
        /// What it may say.
        reason: String,
    },
    /// The baked model was refused.
    Baked(BakedFault),
    /// The graph is more than layers, so it cannot be baked.
    NeedsTract {
        /// Each step that tract runs, with its operators.
        steps: Vec<String>,
    },
    /// The model was to run without tract, which some of it needs.
    NotNative {
        /// Each step that tract runs, with its name and operators.
        steps: Vec<String>,
    },
    /// A baked model was to run in tract.
    NoGraph,
    /// Means and standard deviations that are not as many as each other.
    FloatInputCount {
        /// Means.
        means: usize,
        /// Standard deviations.
        stds: usize,
    },
    /// Means and standard deviations of other channels than the model's.
    FloatInputChannels {
        /// Channels that they are given for.
        values: usize,
        /// Channels that the model takes.
        channels: usize,
    },
    /// A normalisation that gives no numbers.
    FloatInput {
        /// Subtracted from pixels.
        mean: f32,
        /// Divides the difference.
        std: f32,
    },
    /// The model computes infinity or NaN, of which there is no answer.
    NotFinite,
    /// The metadata hold some of a calibration, or what is none.
    Calibration,
    /// The model's output is not one row of class scores per image.
    OutputShape {
        /// Shape of the answer to one image.
        found: Vec<usize>,
    },
    /// Class names of another number than the model's classes.
    ClassCount {
        /// Names.
        found: usize,
        /// Classes.
        expected: usize,
    },
    /// Two classes of one name.
    ClassTwice {
        /// The name.
        name: String,
    },
    /// A model that normalises by itself was given a normalisation.
    Normalized {
        /// The graph's input.
        name: String,
    },
}

impl Error {
    /// Whether it is that an ONNX file stands where a baked model is needed: baking makes the one of the other.
    #[must_use]
    pub fn is_unbaked(&self) -> bool {
        match self {
            Self::File { source, .. } => source.is_unbaked(),
            Self::Baked(fault) => *fault == BakedFault::Onnx,
            _ => false,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read { path, .. } => write!(f, "cannot read {}", SingleLine(path.display())),
            Self::File { path, .. } => SingleLine(path.display()).fmt(f),
            Self::TooManyBytes { at_least_bytes, limit_bytes } => {
                write!(f, "holds {at_least_bytes} bytes or more, over the limit of {limit_bytes}")
            }
            Self::TooManyPixels { width, height, limit_pixels } => {
                write!(f, "a picture of {width}x{height} pixels, over the limit of {limit_pixels}")
            }
            Self::NoPixels { width, height } => write!(f, "a picture of {width}x{height} pixels"),
            Self::UnknownFormat => f.write_str("not a PNG, JPEG, GIF, BMP, WebP or PNM picture"),
            Self::Picture { format, reason } => {
                write!(f, "cannot decode this {format} picture: {}", SingleLine(reason))
            }
            Self::Empty => f.write_str("the file is empty"),
            #[cfg(feature = "tract")]
            Self::Model(error) => error.fmt(f),
            Self::ModelFile(error) => error.fmt(f),
            Self::Baked(fault) => write!(f, "unusable baked model: {fault}"),
            Self::NeedsTract { steps } => {
                let steps = SingleLine(steps.join("; "));
                write!(
                    f,
                    "it cannot be baked, since these of its operators are no layers and run in tract: {steps}"
                )
            }
            Self::NotNative { steps } => {
                let steps = SingleLine(steps.join("; "));
                write!(f, "these of its steps are no layers and run in tract alone: {steps}")
            }
            Self::NoGraph => f.write_str("a baked model holds no graph that tract could run"),
            Self::Image(error) => error.fmt(f),
            Self::DigitShape { shape } => {
                let [made, taken] = [MNIST_SHAPE, *shape].map(Dimensions);
                write!(f, "preprocess `digit` makes {made}; the model takes {taken}")
            }
            Self::Colorless { channels } => {
                write!(f, "color `rgb` takes 3 channels or more; the model takes {channels}")
            }
            Self::Metadata { key, found, reason } => {
                write!(f, "the metadata's {key} is `{}`, {reason}", SingleLine(found))
            }
            Self::FloatInputCount { means, stds } => write!(
                f,
                "{means} means and {stds} standard deviations: give one of each, or as many as \
                 channels"
            ),
            Self::FloatInputChannels { values, channels } => write!(
                f,
                "means or standard deviations of {values} channels; the model takes {channels}"
            ),
            Self::FloatInput { mean, std } => {
                write!(f, "a mean of {mean} and a standard deviation of {std} make pixels infinite")
            }
            Self::NotFinite => f.write_str(
                "the model's scores of a blank picture are not finite: its weights are too large, \
                 or it divides by 0",
            ),
            Self::Calibration => {
                let keys = Calibration::KEYS.join(", ");
                write!(
                    f,
                    "the metadata's calibration is damaged: {keys} must all be there, and be \
                     numbers in range, as must {} if it is there",
                    network::classes::REJECTED_KEY
                )
            }
            Self::OutputShape { found } => {
                write!(f, "model output is {found:?}, expected [1, classes] with 2 to 256 classes")
            }
            Self::ClassCount { found: 1, expected } => {
                write!(f, "1 class name; the model has {expected} classes")
            }
            Self::ClassCount { found, expected } => {
                write!(f, "{found} class names; the model has {expected} classes")
            }
            Self::ClassTwice { name } => write!(f, "two classes are named `{}`", SingleLine(name)),
            Self::Normalized { name } => {
                let name = SingleLine(name);
                write!(
                    f,
                    "model input `{name}` is uint8: it normalises by itself, so it takes no mean \
                     and standard deviation"
                )
            }
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)?;
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Read { source, .. } => Some(source),
            Self::File { source, .. } => Some(source),
            #[cfg(feature = "tract")]
            Self::Model(error) => error.source(),
            Self::ModelFile(error) => error.source(),
            _ => None,
        }
    }
}

#[cfg(feature = "tract")]
impl From<network::Error> for Error {
    fn from(error: network::Error) -> Self {
        Self::Model(error)
    }
}

impl From<ImageError> for Error {
    fn from(error: ImageError) -> Self {
        Self::Image(error)
    }
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
