//! Pictures with labels, and how well they are classified.
//!
//! ```text
//! IDX files ──idx::load──▶ Split { images, labels } ──(a classifier)──▶ ConfusionMatrix
//! folder per class, CSV ──folder::list──▶ Listing { classes, pictures, refused } ──(runtime::labelled)──▶ Split
//! ```
//!
//! ```
//! use dataset::{Image, idx};
//!
//! let images = vec![Image::from_rgb(2, 1, &[255, 0, 0, 9, 9, 9]).unwrap(); 2];
//! assert_eq!(idx::images(&idx::emit_images(&images)).unwrap(), images);
//! ```
//!
//! IDX is the format of MNIST's files: a short header, then the bytes of all pictures, or one byte per label. An
//! [`Image`] has 1 to 4 channels and sides of 1 to 256 pixels, `[channel][row][column]`.
//!
//! `folder` (feature `folder`) lists pictures by name; `Division` parts them into training, validation and test by seed.
//!
//! What it does not do: decode pictures, which `runtime::labelled` does, or fetch any.
#![forbid(unsafe_code)]

mod confusion;
#[cfg(feature = "folder")]
mod division;
mod error;
#[cfg(feature = "folder")]
pub mod folder;
pub mod idx;
mod image;
mod interval;

pub use confusion::{ClassScore, ConfusionMatrix, Table};
#[cfg(feature = "folder")]
pub use division::{Division, Member};
pub use error::{Error, IdxFault};
pub use idx::Split;
pub use image::{
    Dimensions, IMAGE_SIDE, Image, ImageError, MAX_CHANNELS, MAX_SIDE, MNIST_SHAPE, PIXELS,
    check_shape,
};
pub use interval::Interval;
