#![doc = include_str!("../README.md")]

#[cfg(target_arch = "wasm32")]
mod exports;
#[cfg_attr(not(feature = "float"), path = "no_float.rs")]
mod float;
mod int8;
mod models;

pub use models::{Answer, Models, Opened};
