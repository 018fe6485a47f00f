//! What `runtime inspect` says of models that run, that run in part in tract, and that cannot run.

use std::fs;
use std::path::Path;
use std::process::Command;

use fixtures::graph::GraphBuilder;
use fixtures::protobuf::{append, edited, graph, ints, node, set, weights};
use runtime::EMBEDDED_MODEL;
use serde_json::Value;

/// The text and the JSON about a model; both must be given.
#[track_caller]
fn inspected(model: &[u8]) -> (String, Value) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.onnx");
    fs::write(&path, model).unwrap();
    let text = run(&path, &[]);
    let json = run(&path, &["--json"]);
    (text, serde_json::from_str(&json).unwrap())
}

#[track_caller]
fn run(path: &Path, more: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_runtime"));
    let output = command.arg("inspect").arg(path).args(more).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn texts(value: &Value) -> Vec<&str> {
    value.as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect()
}

#[test]
fn all_reasons_are_told_at_once() {
    let model = edited(EMBEDDED_MODEL, |model| {
        model.ir_version = 99;
        let graph = graph(model);
        weights(graph).raw_data.pop();
        set(node(graph, "MaxPool"), ints("strides", &[0, 0]));
        for relu in graph.node.iter_mut().filter(|node| node.op_type == "Relu") {
            relu.op_type = "Resize\u{1b}".into();
        }
    });
    let (text, json) = inspected(&model);
    assert_eq!(json["runs"], false);
    assert_eq!((&json["steps"], &json["peak_values"]), (&Value::Array(vec![]), &Value::Null));
    let supported =
        json["nodes"].as_array().unwrap().iter().filter(|node| node["supported"] == true);
    assert!(supported.count() > 3 && text.contains("node   output"), "{text}");
    let faults = texts(&json["faults"]).join("\n");
    for part in [
        "its data is not as long as its shape says",
        "IR version 99, expected 3 to 15",
        "is a Resize",
        "attribute `strides` is out of range",
    ] {
        assert!(faults.contains(part), "{part} in {faults}");
    }
    // each in the list, once in the text
    assert_eq!(texts(&json["faults"]).len(), 6, "{faults}");
    let flat = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(flat.contains("(and 2 more such nodes)") && flat.contains("firmware no"), "{text}");
    assert!(!text.contains('\u{1b}'), "{text}");
    // a hash in the notes has no room in a line
    let (facts, _) = text.split_once("notes in the file").unwrap();
    assert!(facts.lines().all(|line| line.chars().count() <= 80), "{facts}");
}

#[test]
fn what_the_engine_refuses_of_a_sound_graph_is_a_reason_too() {
    let model = edited(EMBEDDED_MODEL, |model| {
        let calibration =
            model.metadata_props.iter_mut().find(|pair| pair.key == "calibration.temperature");
        calibration.unwrap().value = "warm".into();
    });
    let (text, json) = inspected(&model);
    assert_eq!(json["runs"], false);
    assert!(texts(&json["faults"])[0].contains("calibration is damaged"), "{json}");
    assert!(text.contains("Conv 5x5 1→20"), "the steps are known nevertheless");
}

#[test]
fn parts_in_tract_are_named() {
    let model = edited(EMBEDDED_MODEL, |model| {
        let graph = graph(model);
        for relu in graph.node.iter_mut().filter(|node| node.op_type == "Relu").take(1) {
            relu.op_type = "Sigmoid".into();
        }
        append(graph, "Softplus", &[], &[]);
    });
    let (text, json) = inspected(&model);
    assert!(text.contains("yes; 2 of 7 steps in tract: tract1, tract2"), "{text}");
    assert_eq!((&json["runs"], &json["layers_only"]), (&true.into(), &false.into()));
    let steps = json["steps"].as_array().unwrap();
    let engines: Vec<&str> = steps.iter().map(|step| step["engine"].as_str().unwrap()).collect();
    assert_eq!(engines, ["native", "tract", "native", "native", "native", "native", "tract"]);
    assert_eq!(steps[1]["kind"], "Sigmoid");
    assert_eq!(steps[1]["output"], serde_json::json!([20, 24, 24]));
}

#[test]
fn a_model_that_needs_tract_does_not_run_natively_and_its_steps_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.onnx");
    let model = edited(EMBEDDED_MODEL, |model| append(graph(model), "Softplus", &[], &[]));
    fs::write(&path, model).unwrap();
    let bench = |engine| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_runtime"));
        command.args(["bench", "--profile", "--seconds", "0.001", "--engine", engine]);
        command.arg("--data").arg(fixtures::mnist_500_folder()).arg("--model").arg(&path);
        command
    };
    fixtures::command::refuses(&mut bench("native"), "run in tract alone: tract1 (Softplus)");
    for (engine, steps) in [("auto", 5), ("tract", 1)] {
        let printed = bench(engine).output().unwrap().stdout;
        // kernels, names of the columns, steps, their sum
        assert_eq!(String::from_utf8(printed).unwrap().lines().count(), steps + 3, "{engine}");
    }
}

#[test]
fn what_tract_multiplies_is_counted() {
    let dilated = GraphBuilder::new("float32").conv([3, 1, 3, 3], 0).flatten().gemm(4, 3 * 24 * 24);
    let model = edited(&dilated.emit(4), |model| {
        set(node(graph(model), "Conv"), ints("dilations", &[2, 2]));
    });
    let (text, json) = inspected(&model);
    assert_eq!(json["macs"], 3 * 24 * 24 * 9 + 4 * 3 * 24 * 24, "{text}");
    assert_eq!(json["steps"][0]["engine"], "tract");
    assert_eq!(json["steps"][0]["parameters"], 3 * 9 + 3);
    // the input and the three maps, then these and the scores
    assert_eq!(json["peak_values"], 28 * 28 + 3 * 24 * 24);
}
