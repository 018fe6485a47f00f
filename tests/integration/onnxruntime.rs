//! ONNX Runtime answers as we do: float logits within 1e-4; in int8 equal digits, and activations at most one quantum
//! apart.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use dataset::idx;
use dataset::idx::Part;
use firmware::Model;
use firmware_sim::int8::Int8Network;
use firmware_sim::onnx;
use firmware_sim::quantize::{calibration_images, quantize};
use firmware_sim::{Ranking, Samples};
use fixtures::mnist_500;
use runtime::{Classifier, EMBEDDED_MODEL, Image};
use tempfile::TempDir;

use crate::whole_mnist;

/// Between two sums of the same 800 products of about 1, in another order.
const MAX_DIFFERENCE: f32 = 1e-4;

/// Python with ONNX Runtime; `None`, and a line that says so, where its environment is missing and cannot be made
/// without a package index.
fn python() -> Option<PathBuf> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/baselines/environment");
    let output = Command::new(script).arg("runtime").stderr(Stdio::inherit()).output();
    match output {
        Ok(output) if output.status.success() => {
            Some(PathBuf::from(String::from_utf8(output.stdout).unwrap().trim_end()))
        }
        _ => {
            // past the test harness, which keeps what passing tests print to itself
            let line = "skipped: no Python environment with ONNX Runtime, see tests/baselines/environment\n";
            io::stderr().write_all(line.as_bytes()).unwrap();
            None
        }
    }
}

/// The bytes of each of `tensors` that ONNX Runtime computes with `model` on all `images`.
fn onnx_runtime(
    python: &Path,
    model: &[u8],
    images: &[Image],
    tensors: &[&str],
    fused: bool,
) -> Vec<Vec<u8>> {
    let folder = TempDir::new().unwrap();
    let path = |name: &str| folder.path().join(name);
    fs::write(path("model.onnx"), model).unwrap();
    fs::write(path("images"), idx::emit_images(images)).unwrap();
    let status = Command::new(python)
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/baselines/tensors.py"))
        .args([path("model.onnx"), path("images"), folder.path().into()])
        .args(tensors)
        .args(fused.then_some("--fused"))
        .status()
        .unwrap();
    assert!(status.success());
    tensors.iter().map(|name| fs::read(path(name)).unwrap()).collect()
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes.as_chunks().0.iter().copied().map(f32::from_le_bytes).collect()
}

fn digit(logits: &[f32]) -> usize {
    (0..logits.len()).fold(0, |best, class| if logits[class] > logits[best] { class } else { best })
}

fn assert_float_models_agree(python: &Path, images: &[Image]) {
    let [logits] = &onnx_runtime(python, EMBEDDED_MODEL, images, &["logits"], true)[..] else {
        unreachable!("one tensor was asked for")
    };
    let found = floats(logits);
    let ours: Vec<_> =
        images.chunks(250).flat_map(|batch| Classifier::embedded().predict_batch(batch)).collect();
    assert_eq!(found.len(), 10 * ours.len());
    let mut largest = 0.0_f32;
    for (found, ours) in found.chunks(10).zip(&ours) {
        assert_eq!(digit(found), ours.digit());
        for (found, ours) in found.iter().zip(&ours.logits) {
            largest = largest.max((found - ours).abs());
        }
    }
    println!("float, {} images: logits within {largest:.1e} of ONNX Runtime's", images.len());
    assert!(largest <= MAX_DIFFERENCE, "{largest}");
}

#[test]
fn onnx_runtime_gives_the_float_model_our_scores() {
    let Some(python) = python() else { return };
    assert_float_models_agree(&python, &mnist_500(Part::Test).images);
}

/// ONNX Runtime's activations beside ours, in one layer.
#[derive(Debug, Default)]
struct LayerComparison {
    values: usize,
    /// Values that differ.
    different: usize,
    largest_difference: u8,
    /// Values that differ though all inputs of the layer are equal, so by rounding alone.
    rounded: usize,
    /// Of these, those whose exact value is half a quantum.
    halves: usize,
    /// Of these, the maximum distance of the exact value from half a quantum, in quanta.
    max_off_half: f64,
}

/// Compares image by image, and prints a line for each layer.
fn compare(
    model: Model<'_>,
    images: &[Image],
    tensors: &[Vec<u8>],
    how: &str,
) -> Vec<LayerComparison> {
    let network = Int8Network::of(model);
    let [activations @ .., logits] = tensors else { unreachable!("the logits are among them") };
    let logits = floats(logits);
    let mut compared: Vec<LayerComparison> = vec![];
    compared.resize_with(activations.len(), LayerComparison::default);
    for (index, ours) in network.run(Samples::Images(images)).iter().enumerate() {
        let mut inputs_equal = true;
        for (layer, compared) in compared.iter_mut().enumerate() {
            let own = &ours.activations[layer];
            let found = &activations[layer][index * own.len()..][..own.len()];
            let pooled = network.pooled(ours, layer);
            let channels = model.channels(layer);
            let places = own.len() / channels.len();
            let mut equal = true;
            for (place, (&own, &found)) in own.iter().zip(found).enumerate() {
                let difference = (own as u8).abs_diff(found);
                compared.largest_difference = compared.largest_difference.max(difference);
                if difference == 0 {
                    continue;
                }
                (equal, compared.different) = (false, compared.different + 1);
                if inputs_equal {
                    let multiplier = channels[place / places].multiplier();
                    let exact = f64::from(pooled[place]) * f64::from(multiplier.mantissa())
                        / (1_u64 << multiplier.shift()) as f64;
                    let off = (exact - exact.floor() - 0.5).abs();
                    compared.rounded += 1;
                    compared.halves += usize::from(off == 0.0);
                    compared.max_off_half = compared.max_off_half.max(off);
                }
            }
            compared.values += own.len();
            inputs_equal &= equal;
        }
        let found = digit(&logits[index * 10..][..10]);
        let own = Ranking::of(&ours.logits()).class;
        assert_eq!(found, usize::from(own), "{how}, image {index}");
    }
    for (
        name,
        LayerComparison { values, different, largest_difference, rounded, halves, max_off_half },
    ) in network.names().zip(&compared)
    {
        println!(
            "int8, {how}, {name}: {different} of {values} values differ, by {largest_difference} at most; of {rounded} with \
             equal inputs {halves} are halves, the others within {max_off_half:.1e} of one"
        );
    }
    println!("int8, {how}: {} of {} digits equal", images.len(), images.len());
    compared
}

fn assert_int8_models_agree(python: &Path, q8: &[u8], images: &[Image]) {
    let model = Model::parse(q8).unwrap();
    let onnx = onnx::emit(model);
    let names = onnx::activations(model);
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let run = |fused| onnx_runtime(python, &onnx, images, &names, fused);
    for (fused, how) in [(false, "by definition"), (true, "fused")] {
        for compared in compare(model, images, &run(fused), how) {
            assert!(compared.largest_difference <= 1, "{compared:?}");
            assert!(compared.max_off_half < MAX_OFF_HALF, "{compared:?}");
        }
    }
}

/// A sum of 800 products in `f32`, and scales of 24 bits for our multipliers of 31, move an activation of up to 255
/// quanta by at most this many quanta: `255 · 2⁻²⁴ · (√800 + 2)`.
const MAX_OFF_HALF: f64 = 5e-4;

#[test]
fn onnx_runtime_reads_the_int8_model_as_the_device_does() {
    let Some(python) = python() else { return };
    let training = mnist_500(Part::Train).images;
    let q8 = quantize(EMBEDDED_MODEL, &training, &[]).unwrap();
    assert_int8_models_agree(&python, &q8, &mnist_500(Part::Test).images);
}

/// `cargo test --workspace --features lenet-tests/training --test integration -- --ignored --nocapture ten_thousand`
#[test]
#[ignore = "needs all of MNIST, where trainer/run puts it"]
fn onnx_runtime_on_all_ten_thousand() {
    let Some(python) = python() else { panic!("nothing to compare with") };
    let images = whole_mnist(Part::Test).images;
    assert_float_models_agree(&python, &images);
    let training = whole_mnist(Part::Train).images;
    let q8 = quantize(EMBEDDED_MODEL, &calibration_images(&training), &[]).unwrap();
    assert_int8_models_agree(&python, &q8, &images);
}
