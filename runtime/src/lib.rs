//! Reads handwritten digits with an ONNX model, on any CPU.
//!
//! `file ──picture──▶ pixels ──preprocess──▶ Prepared ──Classifier──▶ Prediction`
//!
//! ```
//! let blank = runtime::Image28([0; runtime::PIXELS]);
//! let prediction = runtime::Classifier::embedded().classify(&blank);
//! assert_eq!(prediction.probabilities.len(), 10);
//! ```
//!
//! A model eats `uint8 [batch, 1, 28, 28]`, 0 = background, 255 = ink, and normalises inside its graph;
//! models of other people that eat floats are accepted with the [`Normalization`] they state. The
//! classifier is built once and shared: it is `Send + Sync`.
//!
//! What this crate does not do: find digits on a page, read several of them, or train. It says so, by
//! [`Verdict::NoDigit`].

mod classifier;
mod error;
pub mod evaluate;
pub mod graph;
pub mod idx;
mod image28;
pub mod picture;
mod prediction;
pub mod preprocess;
pub mod reliability;

pub use classifier::{Classifier, EMBEDDED_MODEL, Normalization, read_model};
pub use error::Error;
pub use image28::{IMAGE_SIDE, Image28, PIXELS};
pub use prediction::{Calibration, Prediction, Verdict};
