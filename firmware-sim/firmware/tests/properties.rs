//! What holds for every model, image and file, checked against slow and obviously correct counterparts.
#[path = "properties/arithmetic.rs"]
mod arithmetic; // requantisation is its formula in 128 bits
#[path = "properties/engine.rs"]
mod engine; // the engine is LeNet's definition in 128 bits
#[path = "properties/format.rs"]
mod format; // parse accepts what emit writes, and nothing else
#[path = "properties/synthetic.rs"]
mod synthetic; // random models and images
