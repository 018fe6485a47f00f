//! Everything that can be wrong with a dataset, in one line each.

use std::path::PathBuf;

use safe_io::SingleLine;
use safe_io::read::ReadError;

use crate::idx::MAX_IMAGES;
use crate::image::{ImageError, MAX_CHANNELS, MAX_SIDE};

/// Why a dataset was refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file cannot be read, or its header promises more bytes than are read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// Neither the plain file nor its `.gz` is in the dataset's folder.
    #[error("neither {name} nor {name}.gz is in {}", SingleLine(folder.display()))]
    Missing {
        /// The IDX file's name.
        name: &'static str,
        /// The folder that was searched.
        folder: PathBuf,
    },
    /// Not an IDX file, or not one of pictures or of labels.
    #[error("{}: not a usable IDX file: {fault}", SingleLine(path.display()))]
    Idx {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        fault: IdxFault,
    },
    /// The pictures are not of the shape that is needed.
    #[error("{}: {fault}", SingleLine(folder.display()))]
    Shape {
        /// The dataset's folder.
        folder: PathBuf,
        /// The two shapes.
        fault: ImageError,
    },
    /// The number of images differs from the number of labels.
    #[error("{} holds {images} images but {labels} labels", SingleLine(folder.display()))]
    Unpaired {
        /// The dataset's folder.
        folder: PathBuf,
        /// Pictures in the image file.
        images: usize,
        /// Labels in the label file.
        labels: usize,
    },
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
    #[error("magic number {found:#010x}, expected {}", magics(expected))]
    Magic {
        /// What this kind of file starts with, one of these.
        expected: &'static [u32],
        /// What it starts with.
        found: u32,
    },
    /// Pictures without pixels, too large, or of too many channels.
    #[error(
        "pictures of {rows}x{columns} pixels of {channels} bytes, expected sides of 1 to {MAX_SIDE} and 1 to {MAX_CHANNELS} bytes"
    )]
    Shape {
        /// Rows of a picture.
        rows: u32,
        /// Columns of a picture.
        columns: u32,
        /// Bytes of a pixel.
        channels: u32,
    },
    /// More pictures than are read.
    #[error("{found} pictures, over the limit of {MAX_IMAGES}")]
    Count {
        /// Pictures that the header promises.
        found: u32,
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

fn magics(magics: &[u32]) -> String {
    let magics: Vec<String> = magics.iter().map(|magic| format!("{magic:#010x}")).collect();
    magics.join(" or ")
}
