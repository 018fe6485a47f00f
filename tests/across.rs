//! Properties that no single crate can check.
#![forbid(unsafe_code)]

#[cfg(unix)]
#[path = "across/drills.rs"]
mod drills; // kills, full disks and rivals leave whole files
#[path = "across/golden.rs"]
mod golden; // the committed model reads the committed pictures
#[path = "across/laws.rs"]
mod laws; // what holds for any bytes, tried on the fuzzer's seeds
#[path = "across/linking.rs"]
mod linking; // someone else's crate links `runtime` and predicts
#[path = "across/onnxruntime.rs"]
mod onnxruntime; // ONNX Runtime answers as we do, in float and in int8
#[path = "across/papers.rs"]
mod papers; // digits are read on papers of all kinds
#[path = "across/parity.rs"]
mod parity; // float and int8 give the same digits
#[cfg(feature = "training")]
#[path = "across/training.rs"]
mod training; // IDX bytes to two files that load

use std::path::PathBuf;

use dataset::idx;
use dataset::idx::{Part, Split};

/// A file or folder of `tests/data`.
fn data(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)
}

/// The first 500 images of one half of MNIST.
fn mnist_500(part: Part) -> Split {
    idx::load(&data("mnist-500"), part).unwrap()
}
