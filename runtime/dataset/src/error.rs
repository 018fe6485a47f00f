//! Everything that can be wrong with a dataset, in one line each.

use std::fmt;
use std::path::PathBuf;

use safe_io::SingleLine;
use safe_io::read::ReadError;

#[cfg(feature = "folder")]
use crate::folder::FolderFault;
use crate::idx::MAX_IMAGES;
use crate::image::{ImageError, MAX_CHANNELS, MAX_SIDE};

/// Why a dataset was refused.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// A file cannot be read, or its header promises more bytes than are read.
    Read(ReadError),
    /// Neither the plain file nor its `.gz` is in the dataset's folder.
    Missing {
        /// The IDX file's name.
        name: &'static str,
        /// The folder that was searched.
        folder: PathBuf,
    },
    /// Not an IDX file, or not one of pictures or of labels.
    Idx {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        fault: IdxFault,
    },
    /// The pictures are not of the shape that is needed.
    Shape {
        /// The dataset's folder.
        folder: PathBuf,
        /// The two shapes.
        fault: ImageError,
    },
    /// The number of images differs from the number of labels.
    Unpaired {
        /// The dataset's folder.
        folder: PathBuf,
        /// Pictures in the image file.
        images: usize,
        /// Labels in the label file.
        labels: usize,
    },
    /// A folder of pictures, or a CSV file of them, is not usable.
    #[cfg(feature = "folder")]
    Folder {
        /// The folder or the CSV file.
        path: PathBuf,
        /// What is wrong with it.
        fault: FolderFault,
    },
}

/// What is wrong with an IDX file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum IdxFault {
    /// Shorter than its header.
    Header {
        /// Bytes of a complete header.
        header: usize,
        /// Bytes there are.
        found: usize,
    },
    /// Another magic number.
    Magic {
        /// What this kind of file starts with, one of these.
        expected: &'static [u32],
        /// What it starts with.
        found: u32,
    },
    /// Pictures without pixels, too large, or of too many channels.
    Shape {
        /// Rows of a picture.
        rows: u32,
        /// Columns of a picture.
        columns: u32,
        /// Bytes of a pixel.
        channels: u32,
    },
    /// More pictures than are read.
    Count {
        /// Pictures that the header promises.
        found: u32,
    },
    /// The header promises more bytes.
    Length {
        /// Bytes that the header promises.
        expected: u64,
        /// Bytes that follow it.
        found: usize,
    },
    /// The header promises fewer bytes.
    Trailing {
        /// Bytes that the header promises.
        expected: u64,
    },
    /// No picture at all.
    NoItem,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read(error) => error.fmt(f),
            Self::Missing { name, folder } => {
                let folder = SingleLine(folder.display());
                write!(f, "neither {name} nor {name}.gz is in {folder}")
            }
            Self::Idx { path, fault } => {
                write!(f, "{}: not a usable IDX file: {fault}", SingleLine(path.display()))
            }
            Self::Shape { folder, fault } => {
                write!(f, "{}: {fault}", SingleLine(folder.display()))
            }
            Self::Unpaired { folder, images, labels } => {
                let folder = SingleLine(folder.display());
                write!(f, "{folder} holds {images} images but {labels} labels")
            }
            #[cfg(feature = "folder")]
            Self::Folder { path, fault } => {
                write!(f, "{}: {fault}", SingleLine(path.display()))
            }
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Read(error) => error.source(),
            _ => None,
        }
    }
}

impl From<ReadError> for Error {
    fn from(error: ReadError) -> Self {
        Self::Read(error)
    }
}

impl fmt::Display for IdxFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header { header, found } => {
                write!(f, "{found} bytes, shorter than its header of {header}")
            }
            Self::Magic { expected, found } => {
                let expected: Vec<String> =
                    expected.iter().map(|magic| format!("{magic:#010x}")).collect();
                write!(f, "magic number {found:#010x}, expected {}", expected.join(" or "))
            }
            Self::Shape { rows, columns, channels } => write!(
                f,
                "pictures of {rows}x{columns} pixels of {channels} bytes, expected sides of 1 to {MAX_SIDE} and 1 to {MAX_CHANNELS} bytes"
            ),
            Self::Count { found } => {
                write!(f, "{found} pictures, over the limit of {MAX_IMAGES}")
            }
            Self::Length { expected, found } => {
                write!(f, "{found} bytes after the header, which promises {expected}")
            }
            Self::Trailing { expected } => {
                write!(f, "more bytes after the header than the {expected} that it promises")
            }
            Self::NoItem => write!(f, "it holds no item"),
        }
    }
}

impl std::error::Error for IdxFault {}
