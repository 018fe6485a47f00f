#![doc = include_str!("../README.md")]
//!
//! # As a library
//!
//! Pixels enter the network as `uint8`, 0 = background, 255 = ink; the normalisation is its first step, in
//! libtorch as in the exported graph. [`data`] reads images, [`train::Run`] makes the steps that a [`recipe`] asks
//! for, [`evaluate`], [`robustness`] and [`calibrate`] measure the [`model::Model`] that results, [`export`] writes
//! it, [`plots`] and [`report`] show it.
#![forbid(unsafe_code)]

pub mod augment;
pub mod calibrate;
pub mod checkpoint;
pub mod costs;
pub mod data;
pub mod device;
pub mod evaluate;
pub mod export;
pub mod model;
mod muon;
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
