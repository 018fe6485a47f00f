#![doc = include_str!("../README.md")]
//!
//! # Library
//!
//! `ONNX bytes ──quantize──▶ .q8 file`, then `both ──verify::compare──▶ Verification`,
//! `.q8 file ──board::BoardBuilder::run──▶ BoardReport`, and `.q8 file ──onnx::emit, source::emit, c_source::emit──▶ other forms of it`
#![forbid(unsafe_code)]

pub mod board;
pub mod c_source;
pub mod calibrations;
mod equalization;
mod error;
pub mod estimate;
mod float;
pub mod int8;
pub mod memory;
mod normalization;
pub mod onnx;
mod pooling;
pub mod proof;
pub mod quantize;
mod random;
mod range_estimator;
mod ranking;
pub mod robustness;
pub mod samples;
pub mod soft_errors;
pub mod source;
pub mod supported;
pub mod verify;

pub use error::Error;
pub use float::FloatNetwork;
pub use ranking::Ranking;
pub use samples::Samples;

use sha2::{Digest, Sha256};

/// What ties a `.q8` model to the ONNX file that it was made from: the file's SHA-256.
#[must_use]
pub fn identity(onnx: &[u8]) -> [u8; 32] {
    Sha256::digest(onnx).into()
}

/// The SHA-256 of any bytes, in hexadecimal digits.
#[must_use]
pub fn sha256(bytes: &[u8]) -> String {
    base16ct::lower::encode_string(&Sha256::digest(bytes))
}
