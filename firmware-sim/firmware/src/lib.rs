#![doc = include_str!("../README.md")]
#![no_std]
#![cfg_attr(all(kernels = "portable", bytes_kernels = "portable"), forbid(unsafe_code))]

mod answer;
pub mod camera;
mod engine;
pub mod format;
pub mod geometry;
pub mod kernels;
pub mod multiplier;
pub mod rows;

#[cfg(test)]
extern crate std;

pub use answer::{Answer, Logits};
pub use engine::{Frame, LayerId, Progress, Scratch};
pub use format::Model;
