//! What holds for every model, image and file, checked against slow and obviously correct counterparts.
#![cfg(feature = "host")]

#[path = "laws/arithmetic.rs"]
mod arithmetic; // requantisation is its formula in 128 bits
#[path = "laws/drawn.rs"]
mod drawn; // random models and images
#[path = "laws/engine.rs"]
mod engine; // the engine is LeNet's definition in 128 bits
#[path = "laws/format.rs"]
mod format; // parse accepts what emit writes, and nothing else
