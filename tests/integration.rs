//! Contracts that no single crate can check.
#![forbid(unsafe_code)]

#[cfg(unix)]
#[path = "integration/crash_safety.rs"]
mod crash_safety; // kills, full disks and concurrent writers leave whole files
#[path = "integration/golden.rs"]
mod golden; // the committed model reads the committed pictures
#[path = "integration/linking.rs"]
mod linking; // someone else's crate links ours and predicts
#[path = "integration/onnxruntime.rs"]
mod onnxruntime; // ONNX Runtime answers as we do, in float and in int8
#[path = "integration/page.rs"]
mod page;
#[path = "integration/parity.rs"]
mod parity; // float and int8 give the same digits
#[path = "integration/properties.rs"]
mod properties; // what holds for any bytes, tried on the fuzzer's seeds
#[path = "integration/synthetic_photos.rs"]
mod synthetic_photos; // digits are read on papers of all kinds
#[cfg(feature = "training")]
#[path = "integration/training.rs"]
mod training; // IDX bytes to two files that load // the page's models answer as the host's

use dataset::idx;
use dataset::idx::{Part, Split};

/// All of one half of MNIST, from the folder where `trainer/run` puts it.
fn whole_mnist(part: Part) -> Split {
    let split = idx::load(&safe_io::default_data_folder().unwrap(), part).unwrap();
    let count = match part {
        Part::Train => 60_000,
        Part::Test => 10_000,
    };
    assert_eq!(split.images.len(), count);
    split
}
