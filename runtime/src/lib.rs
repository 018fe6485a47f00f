//! Reads handwritten digits with an ONNX model, on any CPU.
//!
//! `file ──picture──▶ pixels ──preprocess──▶ Prepared ──Classifier──▶ Prediction`
//!
//! ```
//! let blank = runtime::Image28([0; runtime::PIXELS]);
//! let prediction = runtime::Classifier::embedded().predict(&blank);
//! assert_eq!(prediction.probabilities.len(), 10);
//! ```
//!
//! A model takes `uint8 [batch, 1, 28, 28]`, 0 = background, 255 = ink, and normalises inside its graph;
//! models of other people that take floats are accepted with the [`FloatInput`] they state. The
//! classifier is built once and shared: it is `Send + Sync`.
//!
//! What this crate does not do: find digits on a page, read several of them, or train. It says so, by
//! [`Verdict::NoDigit`].
#![forbid(unsafe_code)]

mod classifier;
mod engine;
mod error;
pub mod evaluate;
mod input;
mod kernels;
pub mod picture;
mod prediction;
pub mod preprocess;
mod profile;
pub mod reliability;
mod session;

pub use classifier::{Classifier, EMBEDDED_MODEL, Options};
pub use dataset::{IMAGE_SIDE, Image28, PIXELS};
pub use engine::{CompiledLayer, Workspace};
pub use error::Error;
pub use input::FloatInput;
pub use kernels::{Instructions, Kernels};
pub use prediction::{Calibration, Prediction, Verdict};
pub use profile::OperatorTime;
pub use session::Session;
