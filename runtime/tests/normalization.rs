//! What is said of a model with float input whose normalization nobody named, and how it is found.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use fixtures::protobuf::{edited, graph, tensor_type};
use fixtures::{data, mnist_500_folder};
use runtime::EMBEDDED_MODEL;
use serde_json::Value;
use tract_onnx::pb::tensor_proto::DataType;

/// Our model, but that its pixels of 0 to 255 come as floats.
fn float_model(folder: &Path) -> PathBuf {
    let model = edited(EMBEDDED_MODEL, |model| {
        tensor_type(&mut graph(model).input[0]).elem_type = DataType::Float.into();
    });
    let path = folder.join("float.onnx");
    fs::write(&path, model).unwrap();
    path
}

#[track_caller]
fn runtime(arguments: &[&str], model: &Path, more: &[&str]) -> (String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_runtime"));
    command.args(arguments).arg("--model").arg(model).args(more);
    let Output { status, stdout, stderr } = command.output().unwrap();
    let [stdout, stderr] = [stdout, stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    assert!(status.success(), "{stderr}");
    (stdout, stderr)
}

#[test]
fn the_normalization_is_found_on_images_and_on_pictures() {
    let folder = tempfile::tempdir().unwrap();
    let model = float_model(folder.path());
    let mnist = mnist_500_folder();
    let digits = data("digits").join("manifest.csv");
    for (flag, path, pictures) in [("--data", &mnist, 500), ("--images", &digits, 14)] {
        let arguments = ["evaluate", "--find-normalization", flag, path.to_str().unwrap()];
        let (found, notes) = runtime(&[&arguments[..], &["--json"]].concat(), &model, &[]);
        assert_eq!(notes, "");
        let found: Value = serde_json::from_str(&found).unwrap();
        assert_eq!((&found["best"], &found["pictures"]), (&"0 to 255".into(), &pictures.into()));
        let (text, _) = runtime(&arguments, &model, &[]);
        assert!(text.contains("\nbest: 0 to 255, so give --mean 0 --std 0.003921569\n"), "{text}");
        assert!(text.contains(&format!("\non {pictures} of {pictures} pictures\n")), "{text}");
    }
}

#[test]
fn what_is_assumed_is_told_once_unless_it_is_given() {
    let folder = tempfile::tempdir().unwrap();
    let model = float_model(folder.path());
    let digits = ["mnist_5.png", "mnist_7.png"].map(|name| data("digits").join(name));
    let [five, seven] = digits.each_ref().map(|path| path.to_str().unwrap());
    let (_, notes) = runtime(&["predict", five], &model, &[]);
    assert_eq!(notes.lines().count(), 1, "{notes}");
    assert!(notes.contains("float.onnx takes floats: pixels are given as 0 to 1"), "{notes}");
    // as such they are all nearly black
    let (_, notes) = runtime(&["predict", five, seven, "--json"], &model, &[]);
    assert_eq!(notes.lines().count(), 2, "{notes}");
    assert!(
        notes.ends_with("hardly depend on the picture: is the normalization right?\n"),
        "{notes}"
    );
    let mnist = mnist_500_folder();
    for arguments in
        [&["predict", five, seven][..], &["evaluate", "--data", mnist.to_str().unwrap()]]
    {
        let (printed, notes) = runtime(arguments, &model, &["--mean", "0", "--std", "0.003921569"]);
        assert_eq!(notes, "", "{printed}");
        let (_, notes) = runtime(arguments, &model, &["--std", "-1", "--mean", "1"]);
        assert!(notes.contains("hardly depend on the picture"), "{notes}");
    }
}

#[test]
fn a_model_that_takes_pixels_has_none_to_be_found() {
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join("bytes.onnx");
    fs::write(&model, EMBEDDED_MODEL).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_runtime"));
    command.args(["evaluate", "--find-normalization", "--model"]).arg(model);
    fixtures::command::refuses(&mut command, "normalizes them by itself");
}
