//! Makes `.q8` models out of ONNX files, and compares the two; needs `std`.
//!
//! `ONNX bytes ──quantize──▶ .q8 file`, then `both ──verify::compare──▶ Verification`, and
//! `.q8 file ──board::Workshop::run──▶ Report`

pub mod board;
mod calibration;
mod error;
mod graph;
mod int8;
mod lenet;
pub mod quantize;
pub mod verify;

pub use error::Error;

use sha2::{Digest, Sha256};

/// What ties a `.q8` model to the ONNX file that it was made from: the file's SHA-256.
#[must_use]
pub fn identity(onnx: &[u8]) -> [u8; 32] {
    Sha256::digest(onnx).into()
}
