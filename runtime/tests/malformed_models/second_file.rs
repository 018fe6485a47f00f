//! Weights in a second file beside the model, as PyTorch's exporter writes them.

use std::fs;
use std::path::Path;

use runtime::{Classifier, EMBEDDED_MODEL, Image, PIXELS};
use tract_onnx::pb::StringStringEntryProto;
use tract_onnx::pb::tensor_proto::DataLocation;

use crate::edit::*;

/// Writes the embedded model with its first weights in `location`, at `offset`, and those weights with 7 bytes before them.
fn write(folder: &Path, location: &str, entries: &[(&str, &str)]) {
    let entry = |(key, value): (&str, &str)| StringStringEntryProto {
        key: key.into(),
        value: value.into(),
    };
    let mut moved = vec![0; 7];
    let bytes = changed(|model| {
        let weights = weights(model.graph.as_mut().unwrap());
        moved.append(&mut weights.raw_data);
        let place = [("location", location)].into_iter().chain(entries.iter().copied());
        weights.external_data = place.map(entry).collect();
        weights.data_location = Some(DataLocation::External.into());
    });
    fs::write(folder.join("model.onnx"), bytes).unwrap();
    fs::write(folder.join("weights.bin"), moved).unwrap();
}

#[track_caller]
fn refusal(folder: &Path) -> String {
    let mut error: &dyn std::error::Error =
        &Classifier::load(&folder.join("model.onnx")).unwrap_err();
    while let Some(cause) = error.source() {
        error = cause;
    }
    error.to_string()
}

#[test]
fn weights_are_read_from_a_file_beside_the_model() {
    let folder = tempfile::tempdir().unwrap();
    let image = Image::mnist(std::array::from_fn::<u8, PIXELS, _>(|at| (at % 256) as u8));
    let expected = Classifier::parse(EMBEDDED_MODEL).unwrap().predict(&image);
    for entries in [&[("offset", "7"), ("length", "2000")][..], &[("offset", "7")]] {
        write(folder.path(), "weights.bin", entries);
        let classifier = Classifier::load(&folder.path().join("model.onnx")).unwrap();
        assert_eq!(classifier.predict(&image), expected);
    }
}

#[test]
fn nothing_but_a_plain_file_beside_the_model_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join("inner");
    fs::create_dir(&inner).unwrap();
    let outside = folder.path().join("outside.bin");
    fs::write(&outside, vec![0; 4000]).unwrap();
    for location in ["../outside.bin", outside.to_str().unwrap(), "./weights.bin", "..", ".", ""] {
        write(&inner, location, &[]);
        let refusal = refusal(&inner);
        assert!(refusal.contains("no plain name of a file"), "{location}: {refusal}");
    }
    write(&inner, "missing.bin", &[]);
    assert!(refusal(&inner).contains("external_data=False"), "{}", refusal(&inner));
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(&outside, inner.join("link.bin")).unwrap();
        write(&inner, "link.bin", &[]);
        assert!(refusal(&inner).contains("it is no regular file"), "{}", refusal(&inner));
    }
    fs::create_dir(inner.join("folder.bin")).unwrap();
    write(&inner, "folder.bin", &[]);
    assert!(refusal(&inner).contains("it is no regular file"), "{}", refusal(&inner));
}

#[test]
fn the_bytes_of_a_second_file_are_those_that_the_model_states() {
    let folder = tempfile::tempdir().unwrap();
    for entries in [
        &[("offset", "8")][..],
        &[("offset", "-1")],
        &[("offset", "18446744073709551615")],
        &[("offset", "7"), ("length", "1999")],
        &[("offset", "seven")],
    ] {
        write(folder.path(), "weights.bin", entries);
        let refusal = refusal(folder.path());
        assert!(refusal.contains("is not in `weights.bin`"), "{entries:?}: {refusal}");
    }
}
