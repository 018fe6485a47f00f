//! Int8 LeNet for a microcontroller: no `std`, no allocator, no float, no panic.
//!
//! `flash bytes ──Model::parse──▶ Model ──start──▶ push_row × 28 ──finish──▶ Logits`
//!
//! ```no_run
//! # fn camera_row() -> [u8; 28] { [0; 28] }
//! # static FLASH: [u8; firmware::format::LEN] = [0; firmware::format::LEN];
//! use firmware::{Model, Scratch};
//!
//! let model = Model::parse(&FLASH)?;
//! let mut scratch = Scratch::new();
//! let mut frame = model.start(&mut scratch);
//! while !frame.is_complete() {
//!     frame.push_row(&camera_row());
//! }
//! let logits = frame.finish().expect("all rows are there");
//! match logits.answer(model) {
//!     firmware::Answer::Confident(digit) => { /* int8 and float agree on it */ }
//!     firmware::Answer::Unsure => { /* they may differ: look again */ }
//! }
//! # Ok::<(), firmware::format::FormatError>(())
//! ```
//!
//! Real and stored values relate by `real = scale · q` (Jacob et al. 2018, eq. 1, with zero point 0:
//! everything is ≥ 0 after ReLU). Weights are `i8`, symmetric, a scale per output channel; activations are
//! `u8`; sums are `i32` and proven not to overflow when a file is parsed. [`multiplier`] holds the one rule
//! by which a sum becomes an activation again.
//!
//! # Memory
//!
//! A [`Scratch`] holds all that lives between rows, 3,352 bytes: the last six rows of the image (168), the last six of
//! the twenty pooled maps (1,440), the sums of one pooling window of all fifty maps (800), that window widened to 16
//! bits (144) and the features of the dense layers (800). The model stays where it is; its words are read in place.
//! Beside it, a board needs a [`camera::Camera`] (three rows to come) and some 570 bytes of stack on ARMv7-M.
//!
//! # Kernels
//!
//! [`kernels`] are chosen by the target: `smlad` where a Cortex-M has it, `mla` on a Cortex-M3, elsewhere portable Rust,
//! which the other two are tested equal to. `firmware-sim board` counts their instructions in an emulator.
//!
//! What it does not do: other geometries than this LeNet, or training. `firmware-sim quantize` makes its models.
#![no_std]
#![cfg_attr(kernels = "portable", forbid(unsafe_code))]

mod answer;
pub mod camera;
mod engine;
pub mod format;
pub mod geometry;
pub mod kernels;
pub mod multiplier;

#[cfg(test)]
extern crate std;

pub use answer::{Answer, Logits};
pub use engine::{Frame, Layer, Progress, Scratch};
pub use format::Model;
