//! Everything that can be wrong with a dataset, in one line each.

use std::path::PathBuf;

use safe_io::SingleLine;
use safe_io::read::ReadError;

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
    /// Not an IDX file, or not one of 28×28 pictures or of labels.
    #[error("{}: not a usable IDX file: {fault}", SingleLine(path.display()))]
    Idx {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        fault: IdxFault,
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
