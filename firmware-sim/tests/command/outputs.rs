//! Models whose outputs are no classes.

use std::fs;

use network::onnx::{Graph, Node, Origin, Port};
use network::{Activation, Affine, Architecture, Kind, Network, Normalization};

use super::{Bench, mnist_500};

/// A network that takes 20 numbers and gives about the same, by `middle` between.
pub(crate) fn autoencoder(middle: usize, outputs: usize) -> Vec<u8> {
    let dense = |outputs, activation| Kind::Dense { outputs, activation };
    let kinds = vec![dense(middle, Activation::Relu), dense(outputs, Activation::None)];
    let architecture = Architecture::new([1, 1, 20], kinds).unwrap();
    // the first layer has each number twice, once with the other sign, and the second their difference
    let first = |output: usize, input: usize| match (output % 20 == input, output < 20) {
        (true, true) => 1.0,
        (true, false) => -1.0,
        (false, _) => 0.01,
    };
    let second = |output: usize, input: usize| first(input, output % 20);
    let affine = [(middle, 20, &first as &dyn Fn(usize, usize) -> f32), (outputs, middle, &second)];
    let affine = affine.map(|(outputs, inputs, weight)| Affine {
        weights: (0..outputs).flat_map(|o| (0..inputs).map(move |i| weight(o, i))).collect(),
        bias: vec![0.0; outputs],
    });
    let origin = Origin {
        name: "auto".into(),
        producer: ["test", "1"].map(String::from),
        metadata: std::collections::BTreeMap::new(),
    };
    let network = Network::new(architecture, affine.into());
    let normalization = Normalization { offset: 0.0, scale: 1.0 };
    let mut graph = Graph::of_network(&network, normalization, origin);
    // without what makes numbers of pixels
    let is_dense = |node: &Node| ["Flatten", "Gemm"].contains(&node.op.as_str());
    let start = graph.nodes.iter().position(is_dense).unwrap();
    graph.nodes.drain(..start);
    let input = graph.nodes[0].inputs[0].clone();
    graph.inputs = vec![Port::of_batches(&input, "float32", &[1, 1, 20])];
    graph.emit()
}

/// An IDX file of big-endian `float32`: `[item][value]`.
pub(crate) fn arrays(items: u32, value: impl Fn(u32) -> f32) -> Vec<u8> {
    let mut bytes = vec![0, 0, 0x0d, 2];
    bytes.extend([items, 20].map(u32::to_be_bytes).concat());
    bytes.extend((0..items * 20).flat_map(|at| value(at).to_be_bytes()));
    bytes
}

pub(crate) fn usual(at: u32) -> f32 {
    (at * 37 % 101) as f32 / 10.0 - 5.0
}

#[test]
fn what_reconstructs_its_input_is_compared_by_its_outputs_and_not_by_classes() {
    let bench = Bench::new();
    fs::write(bench.path("auto.onnx"), autoencoder(40, 20)).unwrap();
    fs::write(bench.path("arrays"), arrays(30, usual)).unwrap();
    let quantize = ["quantize", "auto.onnx", "--calibration", "arrays", "-o", "auto.q8"];
    let output = bench.run(&quantize);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("20 outputs are no classes"), "{text}");
    let verify = ["verify", "--model", "auto.onnx", "--quantized", "auto.q8"];
    let verify = [&verify[..], &["--calibration", "arrays"]].concat();
    let output = bench.run(&[&verify[..], &["--report", "page.html"]].concat());
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{text}");
    let page = fs::read_to_string(bench.path("page.html")).unwrap();
    assert!(text.contains("outputs  20 of each of 30 samples"), "{text}");
    for part in ["of each of 30 samples", "SQNR", "mean squared error: float"] {
        assert!(text.contains(part) && page.contains(part), "{part}: {text}");
    }
    for part in ["disagree", "right, ", "margin", "sure", "NaN", "inf"] {
        assert!(!text.contains(part) && !page.contains(&format!(">{part}")), "{part}: {text}");
    }
    let json = bench.run(&[&verify[..], &["--json"]].concat()).stdout;
    let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
    assert_eq!(json["is_classifier"], false);
    assert!(json["equal"].is_null() && json["margins"].is_null(), "{json}");
    assert_eq!(json["most_different"].as_array().unwrap().len(), 20);
    let [float, int8] = ["float", "int8"].map(|model| json["reconstruction"][model].as_f64());
    assert!((float.unwrap() - int8.unwrap()).abs() < 0.1, "{json}");
    assert!(json["logits"]["sqnr_db"].as_f64().unwrap() > 30.0, "{json}");
    let gate = [&verify[..], &["--min-agreement", "0.9"]].concat();
    bench.refuses(
        &gate,
        &["--min-agreement is of classes, and the 20 outputs of auto.onnx are none"],
    );

    // 30 outputs of 20 numbers may be classes
    fs::write(bench.path("auto.onnx"), autoencoder(40, 30)).unwrap();
    assert!(bench.run(&quantize).status.success());
    let json = bench.run(&[&verify[..], &["--json", "--min-agreement", "0"]].concat()).stdout;
    let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
    assert!(json["is_classifier"] == true && json["reconstruction"].is_null(), "{json}");
}

#[test]
fn without_arrays_a_model_of_numbers_says_how_to_give_them() {
    let bench = Bench::new();
    fs::write(bench.path("auto.onnx"), autoencoder(40, 20)).unwrap();
    fs::write(bench.path("arrays"), arrays(30, usual)).unwrap();
    fs::create_dir(bench.path("empty")).unwrap();
    let quantize = ["quantize", "auto.onnx", "-o", "auto.q8"];
    assert!(bench.run(&[&quantize[..], &["--calibration", "arrays"]].concat()).status.success());
    let verify = ["verify", "--model", "auto.onnx", "--quantized", "auto.q8"];
    let board = ["board", "--quantized", "auto.q8"];
    for command in [&quantize[..], &verify, &board] {
        for data in ["empty", &mnist_500()] {
            bench.refuses(&[command, &["--data", data]].concat(), &["--calibration FILE"]);
        }
    }
    let compare = ["compare-calibrations", "auto.onnx", "--data", "empty"];
    bench.refuses(&compare, &["give --data FILE, an IDX file of arrays"]);
}

#[test]
fn arrays_whose_outputs_are_not_finite_are_refused_by_number() {
    let bench = Bench::new();
    fs::write(bench.path("auto.onnx"), autoencoder(40, 20)).unwrap();
    fs::write(bench.path("arrays"), arrays(30, usual)).unwrap();
    let huge = |at: u32| if at / 20 == 7 { 3e38 } else { usual(at) };
    fs::write(bench.path("huge"), arrays(30, huge)).unwrap();
    let quantize = ["quantize", "auto.onnx", "-o", "auto.q8", "--calibration"];
    assert!(bench.run(&[&quantize[..], &["arrays"]].concat()).status.success());
    let verify =
        ["verify", "--model", "auto.onnx", "--quantized", "auto.q8", "--calibration", "huge"];
    let parts = ["not finite of sample 7, whose largest is 3e38"];
    bench.refuses(&verify, &parts);
    bench.refuses(&[&quantize[..], &["huge", "--force"]].concat(), &parts);
}
