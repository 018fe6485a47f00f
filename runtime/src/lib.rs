#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod baked;
mod classifier;
mod engine;
mod error;
pub mod evaluate;
mod input;
mod kernels;
#[cfg(feature = "labelled")]
pub mod labelled;
pub mod picture;
mod prediction;
pub mod preprocess;
mod profile;
pub mod reliability;
mod session;

pub use baked::{Baked, BakedFault, MAX_BAKED_BYTES};
#[cfg(feature = "tract")]
pub use classifier::EMBEDDED_MODEL;
pub use classifier::{Classifier, EMBEDDED_BAKED, Options};
pub use dataset::{IMAGE_SIDE, Image, ImageError, MNIST_SHAPE, PIXELS};
pub use engine::{CompiledLayer, Workspace};
pub use error::Error;
pub use input::{FloatInput, Input};
pub use kernels::{Instructions, Kernels};
pub use prediction::{Calibration, Prediction, Verdict};
pub use profile::OperatorTime;
pub use session::Session;
