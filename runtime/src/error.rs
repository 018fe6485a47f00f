//! Everything that can go wrong here, said so that a user can act on it.

use std::io;
use std::path::PathBuf;

use crate::graph::GraphFault;
use crate::line::OneLine;

/// Why a picture, a dataset or a model was refused; in one line, whatever names are in it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file cannot be opened or read.
    #[error("cannot read {}", OneLine(path.display()))]
    Read {
        /// What was asked for.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The file's content was refused.
    #[error("{}", OneLine(path.display()))]
    File {
        /// The file that was read.
        path: PathBuf,
        /// What is wrong with it.
        source: Box<Error>,
    },
    /// More bytes than the reader takes, found before they were read.
    #[error("holds more than {limit_bytes} bytes, the most that is read here")]
    TooLarge {
        /// The limit that was passed.
        limit_bytes: u64,
    },
    /// Neither the plain file nor its `.gz` is in the dataset's folder.
    #[error(
        "neither {name} nor {name}.gz is in {}; run trainer/run once, or copy the four IDX files there",
        OneLine(folder.display())
    )]
    MissingDataset {
        /// The IDX file's name.
        name: &'static str,
        /// The folder that was searched.
        folder: PathBuf,
    },
    /// Not an IDX file, or not one of 28×28 pictures or of labels.
    #[error("not a usable IDX file: {0}")]
    Idx(IdxFault),
    /// A dataset's images and labels are not of one number.
    #[error("{} holds {images} images but {labels} labels", OneLine(folder.display()))]
    Unpaired {
        /// The dataset's folder.
        folder: PathBuf,
        /// Pictures in the image file.
        images: usize,
        /// Labels in the label file.
        labels: usize,
    },
    /// More bytes than a picture file may have, found before they were decoded.
    #[error(
        "holds {at_least_bytes} bytes or more, over the {limit_bytes} that --max-bytes (`Limits::bytes`) allows"
    )]
    TooManyBytes {
        /// The file's length; of a stream, what was read before it was given up.
        at_least_bytes: u64,
        /// The limit that was passed.
        limit_bytes: u64,
    },
    /// More pixels than a picture may have, found before it was decoded.
    #[error(
        "a picture of {width}x{height} pixels, over the {limit_pixels} that --max-pixels (`Limits::pixels`) allows"
    )]
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
    #[error("cannot decode this {format} picture: {}", OneLine(reason))]
    Picture {
        /// `PNG`, `JPEG`, ….
        format: &'static str,
        /// What the decoder says.
        reason: String,
    },
    /// The file holds nothing.
    #[error("the file is empty")]
    Empty,
    /// The bytes are no ONNX protobuf.
    #[error("not an ONNX file")]
    NotOnnx(#[source] prost::DecodeError),
    /// The graph is not one that runs safely here.
    #[error("unusable ONNX graph: {}", OneLine(.0))]
    Graph(GraphFault),
    /// The graph's input cannot take a 28×28 picture.
    #[error(
        "model input `{}` is {}, expected uint8 or float32 of 28x28 pixels, such as [batch, 1, 28, 28]",
        OneLine(name),
        OneLine(found)
    )]
    InputShape {
        /// The graph's input.
        name: String,
        /// Its element type and shape.
        found: String,
    },
    /// The model answers in a shape that is not a row of class scores an image.
    #[error("model output is {found:?}, expected [1, classes] with 2 to 256 classes")]
    OutputShape {
        /// Shape of the answer to one image.
        found: Vec<usize>,
    },
    /// A model that normalises by itself was given a normalisation.
    #[error(
        "model input `{}` is uint8: it normalises by itself, so leave out --mean and --std",
        OneLine(name)
    )]
    Normalized {
        /// The graph's input.
        name: String,
    },
    /// tract cannot run the graph.
    #[error("the engine cannot run this model")]
    Engine(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// What is wrong with an IDX file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IdxFault {
    /// Shorter than its header.
    #[error("{found} bytes, shorter than its header of {header}")]
    Header {
        /// Bytes of a complete header.
        header: usize,
        /// Bytes there are.
        found: usize,
    },
    /// Another magic number.
    #[error("magic number {found:#010x}, expected {expected:#010x}")]
    Magic {
        /// What this kind of file starts with.
        expected: u32,
        /// What it starts with.
        found: u32,
    },
    /// Pictures of another size.
    #[error("pictures of {rows}x{columns} pixels, expected 28x28")]
    Side {
        /// Rows a picture.
        rows: u32,
        /// Columns a picture.
        columns: u32,
    },
    /// The header promises more bytes.
    #[error("{found} bytes after the header, which promises {expected}")]
    Length {
        /// Bytes that the header promises.
        expected: u64,
        /// Bytes that follow it.
        found: usize,
    },
    /// The header promises fewer bytes.
    #[error("more bytes after the header than the {expected} that it promises")]
    Trailing {
        /// Bytes that the header promises.
        expected: u64,
    },
    /// No picture at all.
    #[error("it holds no item")]
    NoItem,
}

impl Error {
    /// Names the file that this is about.
    #[must_use]
    pub fn in_file(self, path: impl Into<PathBuf>) -> Self {
        Self::File { path: path.into(), source: Box::new(self) }
    }
}
