//! The `trainer` command on the committed images: what it writes, what it refuses, and what a kill leaves.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

fn trainer() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_trainer"));
    command.stdin(Stdio::null());
    command
}

fn mnist_500() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/data/mnist-500")
}

/// Two epochs of four steps, into `path`.
fn train(path: &Path, more: &[&str]) -> Output {
    trainer()
        .args(["--epochs", "2", "--batch-size", "128", "--device", "cpu", "--data"])
        .arg(mnist_500())
        .arg("--export")
        .arg(path)
        .args(more)
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn equal_seeds_give_equal_files_and_other_seeds_others() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, seed| {
        let path = folder.path().join(name);
        let output = train(&path, &["--seed", seed]);
        assert!(output.status.success(), "{}", text(&output.stderr));
        fs::read(path).unwrap()
    };
    let first = file("first.onnx", "7");
    assert!(first == file("second.onnx", "7"));
    assert!(first != file("third.onnx", "8"));
}

#[test]
fn the_report_and_the_history_say_what_happened() {
    let folder = tempfile::tempdir().unwrap();
    let (model, history) = (folder.path().join("lenet.onnx"), folder.path().join("history.jsonl"));
    let output = train(&model, &["--json", history.to_str().unwrap()]);
    let printed = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    for said in
        ["500 training and 500 test images", "CPU", "of 500 images right", "precision", "exported"]
    {
        assert!(printed.contains(said), "{said} in\n{printed}");
    }
    let lines: Vec<serde_json::Value> = fs::read_to_string(history)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 2);
    for (index, line) in lines.iter().enumerate() {
        assert_eq!(line["epoch"], index + 1);
        let accuracy = line["validation_accuracy"].as_f64().unwrap();
        assert!((0.0..=1.0).contains(&accuracy));
        assert!(line["training_loss"].as_f64().unwrap() > 0.0);
    }
}

#[test]
fn the_exported_graph_is_the_contract() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lenet.onnx");
    assert!(train(&path, &[]).status.success());
    let graph = runtime::graph::Graph::parse(&fs::read(path).unwrap()).unwrap();
    let operators: Vec<&str> = graph.nodes.iter().map(|node| node.op.as_str()).collect();
    assert_eq!(
        operators,
        [
            "Cast", "Sub", "Mul", "Conv", "Relu", "MaxPool", "Conv", "Relu", "MaxPool", "Flatten",
            "Gemm", "Relu", "Gemm"
        ]
    );
    assert_eq!((graph.opset, graph.ir_version), (13, 8));
    assert_eq!(
        (graph.inputs[0].name.as_str(), graph.inputs[0].to_string().as_str()),
        ("image", "uint8 [batch, 1, 28, 28]")
    );
    assert_eq!(
        (graph.outputs[0].name.as_str(), graph.outputs[0].to_string().as_str()),
        ("logits", "float32 [batch, 10]")
    );
    assert_eq!(graph.metadata["dataset"], "mnist-500");
    assert_eq!(graph.metadata["classes"], "0,1,2,3,4,5,6,7,8,9");
    for key in
        ["dataset.sha256", "pixels", "recipe", "seed", "test.accuracy", "validation.accuracy"]
    {
        assert!(!graph.metadata[key].is_empty(), "{key}");
    }
}

#[test]
fn wrong_usage_is_told_before_anything_is_done() {
    for arguments in [
        &["--epochs", "0"][..],
        &["--epochs", "many"],
        &["--batch-size", "0"],
        &["--lr", "-1"],
        &["--lr", "nan"],
        &["--device", "gpu"],
        &["--seed", "-1"],
        &["lenet.onnx"],
    ] {
        let output = trainer().args(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(text(&output.stderr).contains("--help"), "{arguments:?}");
    }
}

#[test]
fn what_cannot_work_ends_in_one_line_that_names_it() {
    let folder = tempfile::tempdir().unwrap();
    let broken = folder.path().join("broken");
    fs::create_dir(&broken).unwrap();
    for entry in mnist_500().read_dir().unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, broken.join(path.file_name().unwrap())).unwrap();
    }
    let truncated = broken.join("train-images-idx3-ubyte");
    fs::write(&truncated, [0, 0, 8, 3, 0, 0]).unwrap();
    let nowhere = folder.path().join("no/such/lenet.onnx");
    let (good, model) = (mnist_500(), folder.path().join("lenet.onnx"));
    let cases: [(&Path, &Path, &str, &Path); 4] = [
        (&good, &nowhere, "cpu", &nowhere),
        (&good, folder.path(), "cpu", folder.path()),
        (&broken, &model, "cpu", &truncated),
        (&good, &model, "cuda:200", Path::new("cuda")),
    ];
    for (data, export, device, named) in cases {
        let output = trainer()
            .arg("--data")
            .arg(data)
            .arg("--export")
            .arg(export)
            .args(["--device", device])
            .output()
            .unwrap();
        let complaint = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{complaint}");
        assert_eq!(complaint.lines().count(), 1, "{complaint}");
        assert!(complaint.contains(&named.display().to_string()), "{complaint}");
        assert!(!model.exists());
    }
}

#[test]
fn a_trainer_that_is_killed_leaves_what_was_there() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lenet.onnx");
    fs::write(&path, b"the one before").unwrap();
    let mut child = trainer()
        .args(["--epochs", "100000", "--device", "cpu", "--data"])
        .arg(mnist_500())
        .arg("--export")
        .arg(&path)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let first_epoch = BufReader::new(child.stdout.take().unwrap())
        .lines()
        .find(|line| line.as_ref().unwrap().starts_with("    1"));
    assert!(first_epoch.is_some());
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"the one before");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}
