//! The whole pipeline on a few images: from IDX files to a float model and an int8 model that load and agree.

use std::collections::BTreeMap;
use std::fs;

use dataset::idx::Part;
use firmware::Model;
use firmware_sim::Samples;
use firmware_sim::quantize::quantize;
use firmware_sim::verify::{FloatModel, compare};
use fixtures::mnist_500;
use network::Architecture;
use network::onnx::Graph;
use runtime::{Classifier, EMBEDDED_MODEL, Image};
use trainer::device::Choice;
use trainer::evaluate::evaluate;
use trainer::export::{compare as compare_with_libtorch, export};
use trainer::lenet::LeNet;
use trainer::recipe::Recipe;
use trainer::train::{EvalSet, Options, Run};

use crate::whole_mnist;

/// Of 500 images. A network that has seen each of its images three times is often undecided between two
/// digits, and int8 may settle those either way.
const MIN_AGREEMENTS: u64 = 490;
/// Guessing gives 0.1; this says that the right labels met the right images.
const MIN_ACCURACY: f64 = 0.4;

#[test]
fn a_few_images_become_a_float_model_and_an_int8_model_that_agree() {
    let (training, test) = (mnist_500(Part::Train), mnist_500(Part::Test));
    let options = Options {
        recipe: Recipe { epochs: 3, batch_size: 32, ..Recipe::ORIGINAL },
        classes: 10,
        eval_set: EvalSet::Validation(0),
        seed: 1,
        device: Choice::Cpu.resolve().unwrap().0,
        threads: 2,
    };
    let mut run = Run::new(&training, &test, options).unwrap();
    while run.advance().is_some() {}
    let network = run.network();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lenet.onnx");
    let parity = export(&network, &BTreeMap::new(), &test.images, &path).unwrap();
    assert_eq!(parity.images, 500);

    let onnx = fs::read(&path).unwrap();
    let float = Classifier::load(&path).unwrap();
    let (report, _) = runtime::evaluate::evaluate(&float, &test);
    assert_eq!(report.correct(), evaluate(&network, &test).unwrap().correct());
    assert!(report.accuracy() > MIN_ACCURACY, "{report}");

    let q8 = quantize(&onnx, &training.images, &training.images).unwrap();
    let int8 = Model::parse(&q8).unwrap();
    let float = FloatModel::parse(&onnx).unwrap();
    let samples = Samples::Images(&test.images);
    let found = compare(&float, int8, samples, &test.labels, |_| ()).unwrap();
    assert!(
        found.agreements() >= MIN_AGREEMENTS,
        "{:?}",
        found.disagreements().collect::<Vec<_>>()
    );
}

/// Between two sums of the same 800 products of about 1, in another order.
const MAX_DIFFERENCE: f32 = 1e-4;

fn assert_libtorch_agrees(images: &[Image]) {
    let graph = Graph::parse(EMBEDDED_MODEL).unwrap();
    let network = LeNet::from_network(&graph.network(&Architecture::lenet(10)).unwrap());
    let parity = compare_with_libtorch(&Classifier::embedded(), &network, images).unwrap();
    assert_eq!(parity.images, images.len());
    let largest = parity.largest_difference;
    println!("float, {} images: logits within {largest:.1e} of libtorch's", images.len());
    assert!(largest <= MAX_DIFFERENCE, "{largest}");
}

#[test]
fn libtorch_gives_the_committed_model_our_scores() {
    assert_libtorch_agrees(&mnist_500(Part::Test).images);
}

/// `cargo test --workspace --features lenet-tests/training --test integration -- --ignored --nocapture ten_thousand`
#[test]
#[ignore = "needs all of MNIST, where trainer/run puts it"]
fn libtorch_on_all_ten_thousand() {
    assert_libtorch_agrees(&whole_mnist(Part::Test).images);
}
