//! Baked models beside the ONNX files that they are of, and the command that bakes.
#![cfg(feature = "cli")]

use std::fs;
use std::path::Path;
use std::process::Command;

use fixtures::graph::GraphBuilder;
use network::onnx::Graph;
use runtime::{
    Baked, Classifier, EMBEDDED_BAKED, EMBEDDED_MODEL, Image, Instructions, Kernels, Options,
    PIXELS,
};
use sha2::{Digest, Sha256};

fn runtime(arguments: &[&str], paths: &[&Path]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_runtime"));
    command.args(arguments).args(paths);
    command
}

fn images() -> Vec<Image> {
    let ramps = (1..40).map(|i| Image::mnist(std::array::from_fn(|at| (at * at / i % 256) as u8)));
    let flat = [0, 255].map(|pixel| Image::mnist([pixel; PIXELS]));
    ramps.chain(flat).collect()
}

/// Asserts that a model gives the same bits whether it is read as ONNX or baked.
#[track_caller]
fn assert_bakes(onnx: &[u8]) {
    let graph = Graph::parse(onnx).unwrap();
    let baked = Baked::of_graph(&graph, [0; 32]).unwrap();
    let file = baked.emit();
    let baked = Baked::parse(&file).unwrap();
    for instructions in Instructions::available() {
        let options = Options { kernels: Kernels::Fused(instructions), ..Options::default() };
        let plain = Classifier::new(&graph, options).unwrap();
        for baked in [Classifier::of_baked(&baked, options), Classifier::baked_with(&file, options)]
        {
            let baked = baked.unwrap();
            assert_eq!(plain.classes(), baked.classes());
            assert_eq!(plain.calibration(), baked.calibration());
            assert_eq!(plain.predict_batch(&images()), baked.predict_batch(&images()));
        }
    }
}

#[test]
fn the_embedded_model_is_what_baking_the_onnx_file_gives() {
    let identity = Sha256::digest(EMBEDDED_MODEL).into();
    let baked = Baked::of_graph(&Graph::parse(EMBEDDED_MODEL).unwrap(), identity).unwrap();
    let remedy = "runtime bake runtime/lenet.onnx -o runtime/lenet.baked";
    assert!(baked.emit() == EMBEDDED_BAKED, "run: {remedy}");
    assert_bakes(EMBEDDED_MODEL);
}

#[test]
fn networks_of_layers_bake_and_others_are_refused_by_their_operators() {
    let pixels = GraphBuilder::bytes_in().with_number("Sub", 100.0).with_number("Div", 20.0);
    let conv = pixels.conv([7, 1, 3, 4], 0).pool(2).relu().conv([9, 7, 2, 2], 0).relu();
    let network = conv.flatten().gemm(30, 9 * 12 * 11).relu().gemm(10, 30);
    assert_bakes(&network.emit(10));
    let floats = GraphBuilder::new("float32").flatten().gemm(40, PIXELS).relu().gemm(10, 40);
    assert_bakes(&floats.emit(10));
    let floats = GraphBuilder::new("float32").flatten().gemm(40, PIXELS);
    let other = floats.node("Tanh", &[], &[]).gemm(10, 40).emit(10);
    let refusal = Baked::of_graph(&Graph::parse(&other).unwrap(), [0; 32]).unwrap_err();
    let refusal = refusal.to_string();
    assert!(refusal.contains("are no layers and run in tract: Tanh"), "{refusal}");
}

#[test]
fn a_baked_model_without_a_graph_is_not_run_in_tract() {
    let options = Options { kernels: Kernels::Tract, ..Options::default() };
    let refusal = Classifier::of_baked(&Baked::parse(EMBEDDED_BAKED).unwrap(), options);
    assert_eq!(
        refusal.unwrap_err().to_string(),
        "a baked model holds no graph that tract could run"
    );
}

#[test]
fn every_command_takes_a_baked_file_as_it_takes_the_embedded_model() {
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join("model.baked");
    fs::write(&model, EMBEDDED_BAKED).unwrap();
    let picture = fixtures::data("digits/mnist_5.png");
    let manifest = fixtures::data("digits/manifest.csv");
    for arguments in [
        &["predict", picture.to_str().unwrap()][..],
        &["evaluate", "--json", "--images", manifest.to_str().unwrap()],
    ] {
        let embedded = runtime(arguments, &[]).output().unwrap();
        let file = runtime(&[arguments, &["--model"]].concat(), &[&model]).output().unwrap();
        assert!(embedded.status.success(), "{arguments:?}");
        assert_eq!(embedded, file, "{arguments:?}");
    }
    // and so does the library
    let predict = |classifier: Classifier| classifier.predict_batch(&images());
    assert_eq!(predict(Classifier::load(&model).unwrap()), predict(Classifier::embedded()));
    let inspected = runtime(&["inspect"], &[&model]).output().unwrap();
    let identity = base16ct::lower::encode_string(&Sha256::digest(EMBEDDED_MODEL));
    assert!(String::from_utf8(inspected.stdout).unwrap().contains(&identity));
}

#[test]
fn a_file_is_baked_whole_and_only_over_one_of_ours() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let [onnx, baked, foreign] = ["model.onnx", "model.baked", "foreign"].map(at);
    fs::write(&onnx, EMBEDDED_MODEL).unwrap();
    fs::write(&foreign, "mine").unwrap();
    // the second replaces what the first wrote
    for _ in 0..2 {
        let done = runtime(&["bake", "-o"], &[&baked, &onnx]).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        assert!(fs::read(&baked).unwrap() == EMBEDDED_BAKED);
    }
    let refuses = |paths: &[&Path], part| {
        fixtures::command::refuses(&mut runtime(&["bake", "-o"], paths), part);
    };
    refuses(&[&foreign, &onnx], "allow the command to overwrite it with --force");
    refuses(&[&onnx, &onnx], "it is read by the same command");
    refuses(&[&at("new"), &baked], "it is baked already");
    refuses(&[&at("new"), &foreign], "not an ONNX file");
    assert!(!at("new").exists() && fs::read(&foreign).unwrap() == b"mine");
    let forced = runtime(&["bake", "--force", "-o"], &[&foreign, &onnx]).output().unwrap();
    assert!(forced.status.success() && fs::read(&foreign).unwrap() == EMBEDDED_BAKED);
}

#[test]
fn damaged_baked_files_are_refused_in_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join("model.baked");
    let mut other = EMBEDDED_BAKED.to_vec();
    other[8] = 2;
    for (bytes, part) in [
        (&EMBEDDED_BAKED[..1000], "it was damaged or cut off since it was baked"),
        (&EMBEDDED_BAKED[..10], "it ends inside its header"),
        (&other, "baked by version 2, expected 1: bake it again from the ONNX file"),
    ] {
        fs::write(&model, bytes).unwrap();
        for command in [&["inspect"][..], &["predict", "x.png", "--model"]] {
            fixtures::command::refuses(&mut runtime(command, &[&model]), part);
        }
    }
}
