//! Trains LeNet on MNIST with libtorch and exports it to ONNX.
//!
//! `IDX files ──data──▶ Dataset ──train──▶ LeNet ──export──▶ lenet.onnx, checked with runtime`
//!
//! Pixels enter the network as `uint8`, 0 = background, 255 = ink; the normalisation is its first step, in
//! libtorch as in the exported graph. Equal data, options and number of threads give equal weights on a CPU.
//!
//! What this crate does not do: several GPUs, other networks than LeNet.
#![forbid(unsafe_code)]

pub mod augment;
pub mod calibrate;
pub mod checkpoint;
pub mod data;
pub mod device;
pub mod doctor;
pub mod evaluate;
pub mod export;
pub mod lenet;
mod muon;
pub mod onnx;
pub mod optimizer;
pub mod plots;
pub mod provenance;
pub mod recipe;
pub mod report;
pub mod robustness;
pub mod schedule;
mod seeding;
pub mod synthetic;
pub mod train;
mod workers;
