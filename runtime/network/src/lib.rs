//! What a network is: layers in order, with shapes, names and weights; a slow reference; ONNX.
//!
//! `ONNX bytes ──onnx::Graph::parse──▶ Graph ──lowering::lower──▶ Network ──▶ engines, quantiser, reports`
//!
//! ```
//! use network::{Activation, Architecture, Kind};
//!
//! let lenet = Architecture::lenet(10);
//! assert_eq!(lenet.layers()[1].to_string(), "Conv 5x5 20→50 + ReLU + MaxPool 2x2");
//! assert_eq!((lenet.parameters(), lenet.macs()), (431_080, 2_293_000));
//!
//! let dense = Kind::Dense { outputs: 3, activation: Activation::None };
//! assert_eq!(Architecture::new([1, 8, 8], vec![dense])?.layers()[0].name(), "dense1");
//! # Ok::<(), network::ShapeError>(())
//! ```
//!
//! A network has one description, from which the trainer builds it, ONNX is written, engines are compiled and reports
//! take their names. Its layers are convolutions (padded, strided, in groups), poolings, sums with earlier values and
//! dense layers, each with an optional `ReLU` or `ReLU6`; a convolution may end in a max-pooling. What a graph has besides (a
//! cast of pixels, a batch normalisation, a flatten) lowering folds away.
//!
//! With the feature `tract` this crate also reads, checks and writes ONNX, and runs operators that are no such layers.
//! tract is named nowhere else in this project, and in no public type.
//!
//! What it does not do: run fast (that is `runtime`'s), or train.
#![forbid(unsafe_code)]

mod affine;
mod architecture;
pub mod classes;
#[cfg(feature = "tract")]
mod error;
#[cfg(feature = "tract")]
pub mod lowering;
mod normalization;
#[cfg(feature = "tract")]
pub mod onnx;
#[cfg(feature = "tract")]
pub mod plan;
mod reference;
mod scores;
mod topology;

pub use affine::Affine;
pub use architecture::{
    Activation, Architecture, Conv, Kind, Layer, POOL, Padding, Pool, PoolMode, Shape, ShapeError,
};
#[cfg(feature = "tract")]
pub use error::Error;
pub use normalization::Normalization;
pub use reference::Network;
pub use scores::Scores;
pub use topology::{Topology, TopologyError};
