//! Pictures with labels, and how well they are classified.
//!
//! `IDX files ──idx::load──▶ Split { images, labels } ──(a classifier)──▶ ConfusionMatrix`
//!
//! ```
//! use dataset::{Image28, PIXELS, idx};
//!
//! let images = vec![Image28([0; PIXELS]); 2];
//! assert_eq!(idx::images(&idx::emit_images(&images)).unwrap(), images);
//! ```
//!
//! IDX is the format of MNIST's files: a short header, then the bytes of all pictures, or one byte per label.
//!
//! What it does not do: decode photographs, or read a folder of pictures.
#![forbid(unsafe_code)]

mod confusion;
mod error;
pub mod idx;
mod image28;
mod interval;

pub use confusion::{ClassScore, ConfusionMatrix, Table};
pub use error::{Error, IdxFault};
pub use idx::Split;
pub use image28::{IMAGE_SIDE, Image28, PIXELS};
pub use interval::Interval;
