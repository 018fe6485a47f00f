//! `firmware-sim robustness` as a user meets it.

use std::fs;

use super::{Bench, mnist_500, outputs};

#[test]
fn certified_attacked_and_unknown_images_add_up() {
    let bench = Bench::new();
    bench.quantize();
    let data = mnist_500();
    let robustness =
        ["robustness", "--model", "lenet.onnx", "--quantized", "lenet.q8", "--data", &data];
    let few =
        [&robustness[..], &["--images", "2", "--levels", "200,1,200", "--effort", "last-layer"]]
            .concat();
    let output = bench.run(&few);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(output.stderr.is_empty(), "no progress bar without a terminal");
    // sorted, and each once
    assert!(text.contains("2 of 500, evenly spread"), "{text}");
    assert_eq!((text.matches(" ±1 ").count(), text.find(" ±1 ") < text.find(" ±200 ")), (1, true));
    assert!(text.contains("attacked, first:"), "so many levels make any image of another: {text}");

    let json = || bench.run(&[&few[..], &["--json"]].concat()).stdout;
    let found: serde_json::Value = serde_json::from_slice(&json()).unwrap();
    assert_eq!([&found["images"], &found["of"], &found["seed"]], [2, 500, 1]);
    assert_eq!(found["effort"], "last-layer");
    for (level, grey) in found["levels"].as_array().unwrap().iter().zip([1, 200]) {
        assert_eq!(level["level"], grey);
        let counts =
            ["certified", "attacked", "unknown"].map(|it| level[it]["count"].as_u64().unwrap());
        assert_eq!(counts.iter().sum::<u64>(), 2, "{level}");
    }
    let attacked = found["attacked"].as_array().unwrap();
    assert!(attacked.iter().all(|image| image["class"] != image["to"]), "{found}");
    let again: serde_json::Value = serde_json::from_slice(&json()).unwrap();
    assert_eq!(found, again);
}

#[test]
fn what_has_no_class_to_change_is_refused() {
    let bench = Bench::new();
    bench.quantize();
    let data = mnist_500();
    let robustness =
        ["robustness", "--model", "lenet.onnx", "--quantized", "lenet.q8", "--data", &data];
    let with = |more: &[&'static str]| [&robustness[..], more].concat();
    bench.refuses(&with(&["--images", "501"]), &["--images 501", "500 test images"]);
    fs::write(bench.path("other.onnx"), outputs::autoencoder(40, 20)).unwrap();
    let other = ["robustness", "--model", "other.onnx", "--quantized", "lenet.q8", "--data", &data];
    bench.refuses(&other, &["another ONNX file", "firmware-sim quantize"]);
    fs::write(bench.path("arrays"), outputs::arrays(30, outputs::usual)).unwrap();
    let quantize = ["quantize", "other.onnx", "--calibration", "arrays", "-o", "other.q8"];
    assert!(bench.run(&quantize).status.success());
    let other = ["robustness", "--model", "other.onnx", "--quantized", "other.q8"];
    bench.refuses(
        &[&other[..], &["--calibration", "arrays"]].concat(),
        &["no classes", "give a classifier"],
    );
}
