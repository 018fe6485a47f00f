//! The whole pipeline on a few images: from IDX files to a float model and an int8 model that load and agree.

use std::collections::BTreeMap;
use std::fs;

use dataset::idx::{Part, Split};
use firmware::Model;
use firmware_sim::Samples;
use firmware_sim::quantize::quantize;
use firmware_sim::verify::{FloatModel, compare};
use fixtures::mnist_500;
use network::onnx::Graph;
use network::{Architecture, Topology};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use runtime::{Classifier, EMBEDDED_MODEL, Image};
use trainer::device::Choice;
use trainer::evaluate::evaluate;
use trainer::export::{compare as compare_with_libtorch, export};
use trainer::model::Model as Trained;
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
        topology: "lenet".parse().unwrap(),
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

/// Named networks and written ones, each with the shape of what it is shown.
const NETWORKS: [(&str, [usize; 3]); 6] = [
    ("lenet", [1, 28, 28]),
    ("small", [3, 32, 20]),
    ("tiny", [1, 28, 28]),
    ("32c3-p2-32c3-p2-32c3-p2-256", [3, 20, 32]),
    ("8c5vs2b-p2-d3b-12c1b-gap", [3, 37, 24]),
    ("6c2-p3s2-9c3x1-p2-d3s2-20-10b", [1, 21, 33]),
];

/// Classes of [`stripes`].
const STRIPES: usize = 4;

/// Noise with a bright stripe, whose place is the label; equal each time.
fn stripes(shape: [usize; 3], count: usize) -> Split {
    let mut rng = StdRng::seed_from_u64(3);
    let [channels, height, width] = shape;
    let labels: Vec<u8> = (0..count).map(|index| (index % STRIPES) as u8).collect();
    let images = labels.iter().map(|&label| {
        let at = |y: usize| y * STRIPES / height == usize::from(label);
        let rows = (0..channels).flat_map(|_| 0..height);
        let pixels = rows.flat_map(|y| {
            let light: u8 = if at(y) { 150 } else { 0 };
            (0..width).map(|_| light + rng.random_range(0..90)).collect::<Vec<u8>>()
        });
        Image::new(shape, pixels.collect::<Vec<u8>>()).unwrap()
    });
    Split { images: images.collect(), labels }
}

#[test]
fn each_network_goes_from_the_trainer_to_integers_and_answers_alike_on_the_way() {
    for (text, shape) in NETWORKS {
        let topology: Topology = text.parse().unwrap();
        let images = stripes(shape, 160);
        let options = Options {
            recipe: Recipe { epochs: 10, batch_size: 32, ..Recipe::ORIGINAL },
            topology: topology.clone(),
            classes: STRIPES as i64,
            eval_set: EvalSet::Validation(0),
            seed: 1,
            device: Choice::Cpu.resolve().unwrap().0,
            threads: 2,
        };
        let mut run = Run::new(&images, &images, options).unwrap();
        while run.advance().is_some() {}
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("network.onnx");
        // which compares libtorch with runtime
        let parity = export(&run.network(), &BTreeMap::new(), &images.images, &path).unwrap();
        let onnx = fs::read(&path).unwrap();
        // batch normalisation is in no file
        let architecture = topology.architecture(shape, STRIPES).unwrap();
        assert!(Graph::parse(&onnx).unwrap().network(&architecture).is_some(), "{text}");
        let (report, _) = runtime::evaluate::evaluate(&Classifier::load(&path).unwrap(), &images);

        let q8 = quantize(&onnx, &images.images, &images.images).unwrap();
        let float = FloatModel::parse(&onnx).unwrap();
        let samples = Samples::Images(&images.images);
        let int8 = Model::parse(&q8).unwrap();
        let found = compare(&float, int8, samples, &images.labels, |_| ()).unwrap();
        println!(
            "{text}: logits within {:.1e}, {:.0} % right, {} of {} int8 answers as in float",
            parity.largest_difference,
            report.accuracy() * 100.0,
            found.agreements(),
            images.images.len()
        );
        // one answer for all images would be right for just one class of them: what agrees must be told apart
        assert!(report.accuracy() > 1.0 / STRIPES as f64, "{text}: {report}");
        // a network of a few steps is undecided on some, which int8 may settle either way
        assert!(found.agreements() as usize >= images.images.len() * 95 / 100, "{text}");
    }
}

/// Between two sums of the same 800 products of about 1, in another order.
const MAX_DIFFERENCE: f32 = 1e-4;

fn assert_libtorch_agrees(images: &[Image]) {
    let graph = Graph::parse(EMBEDDED_MODEL).unwrap();
    let network = Trained::from_network(&graph.network(&Architecture::lenet(10)).unwrap());
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
