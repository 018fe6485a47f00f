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
    assert_eq!(notes.lines().count(), 2, "{notes}");
    let alike =
        "the model gives this picture the scores of a blank one: is the normalization right?\n";
    assert!(notes.ends_with(alike), "{notes}");
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
fn a_baked_model_keeps_what_flags_said() {
    let folder = tempfile::tempdir().unwrap();
    let model = float_model(folder.path());
    let labels = folder.path().join("labels.txt");
    fs::write(&labels, "zero\none\ntwo\nthree\nfour\nfive\nsix\nseven\neight\nnine\n").unwrap();
    let baked = folder.path().join("model.baked");
    let labels = labels.to_str().unwrap();
    let flags =
        ["--std", "0.003921569", "--classes", labels, "--preprocess", "pad", "--color", "grey"];
    let mut bake = Command::new(env!("CARGO_BIN_EXE_runtime"));
    bake.arg("bake").arg(&model).arg("-o").arg(&baked).args(flags);
    let Output { status, stderr, .. } = bake.output().unwrap();
    assert!(status.success() && stderr.is_empty(), "{}", String::from_utf8_lossy(&stderr));
    let five = data("digits").join("mnist_5.png");
    let five = five.to_str().unwrap();
    let (printed, notes) = runtime(&["predict", five], &baked, &[]);
    assert_eq!((notes.as_str(), printed), ("", runtime(&["predict", five], &model, &flags).0));
    let (described, _) = runtime(&["inspect"], &baked, &[]);
    for line in [
        "classes      zero, one, two, three, four, five, six, seven, eight, nine\n",
        "pictures     preprocess pad, color grey\n",
        "pixels       given as (pixel / 255 − mean) / std, mean 0, std 0.003921569\n",
    ] {
        assert!(described.contains(line), "{described}");
    }
    let mut refused = Command::new(env!("CARGO_BIN_EXE_runtime"));
    refused.arg("bake").arg(&model).arg("-o").arg(folder.path().join("new"));
    refused.args(["--classes", "a,b"]);
    fixtures::command::refuses(&mut refused, "2 class names; the model has 10 classes");
}

#[test]
fn pictures_in_folders_of_classes_are_counted_with_what_they_are_confused_with() {
    let folder = tempfile::tempdir().unwrap();
    for label in ["5", "7", "none"] {
        fs::create_dir(folder.path().join(label)).unwrap();
    }
    for number in 0..30 {
        fs::copy(data("digits").join("mnist_7.png"), folder.path().join(format!("5/{number}.png")))
            .unwrap();
    }
    fs::copy(data("digits").join("mnist_7.png"), folder.path().join("7/7.png")).unwrap();
    fs::copy(data("digits").join("none_blank.jpg"), folder.path().join("none/blank.jpg")).unwrap();
    let onnx = folder.path().join("model.onnx");
    fs::write(&onnx, EMBEDDED_MODEL).unwrap();
    let arguments = ["evaluate", "--images", folder.path().to_str().unwrap()];
    let (printed, _) = runtime(&arguments, &onnx, &[]);
    for part in [
        "accuracy    3.23 %  (1 of 31;",
        "\n    5    0   0   0   0   0   0   0  30   0   0\n",
        "\n  5/0.png  5 → 7  ",
        "\n  and 10 more, which --json lists\n",
        "non-digits  1 picture: 1 called no digit",
    ] {
        assert!(printed.contains(part), "{part} is not in {printed}");
    }
    let (printed, _) = runtime(&[&arguments[..], &["--json"]].concat(), &onnx, &[]);
    let printed: Value = serde_json::from_str(&printed).unwrap();
    assert_eq!(printed["confusion"][5][7], 30);
    assert_eq!(printed["errors"].as_array().unwrap().len(), 30);
    // and where the model has other names
    let names = "a,b,c,d,e,f,g,h,i,seven";
    let mut refused = Command::new(env!("CARGO_BIN_EXE_runtime"));
    fs::rename(folder.path().join("5"), folder.path().join("six")).unwrap();
    refused.args(arguments).args(["--classes", names]);
    fixtures::command::refuses(&mut refused, "no class `six`: its 10 are a, b, c");
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
