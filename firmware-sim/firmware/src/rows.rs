//! Any small CNN, by rows: the engine that takes the place of [`crate::engine`], and its `.q8` format, version 3.

pub mod format;
pub mod plan;

mod answer;
mod engine;
mod record;
mod routine;
mod schedule;
mod weights;

pub use answer::{Answer, Verdict};
pub use engine::{Frame, Logits, Progress};
pub use format::{Dimensions, FormatError, Model};
