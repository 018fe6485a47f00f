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
#![forbid(unsafe_code)]

mod chain;
mod classifier;
mod engine;
mod error;
pub mod evaluate;
mod fuse;
pub mod graph;
pub mod idx;
mod image28;
mod input;
mod kernels;
mod line;
#[cfg(feature = "output")]
pub mod output;
pub mod picture;
mod prediction;
pub mod preprocess;
mod profile;
pub mod reliability;
mod session;

pub use classifier::{Classifier, EMBEDDED_MODEL, Options, read_model};
pub use error::Error;
pub use image28::{IMAGE_SIDE, Image28, PIXELS};
pub use input::Normalization;
pub use kernels::{Instructions, Kernels};
pub use line::OneLine;
pub use prediction::{Calibration, Prediction, Verdict};
pub use profile::OperatorTime;
pub use session::Session;
