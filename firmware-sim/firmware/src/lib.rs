#![doc = include_str!("../README.md")]
#![no_std]
#![cfg_attr(all(kernels = "portable", bytes_kernels = "portable"), forbid(unsafe_code))]

mod answer;
pub mod camera;
mod engine;
pub mod format;
pub mod kernels;
pub mod link;
mod loops;
pub mod multiplier;
pub mod number;
pub mod plan;
mod record;
pub mod resample;
mod routine;
mod schedule;
mod weights;

#[cfg(test)]
extern crate std;

pub use answer::{Answer, Verdict};
pub use engine::{Frame, Logits, Progress};
pub use format::{Dimensions, FlashCheck, FlashState, FormatError, Model};
