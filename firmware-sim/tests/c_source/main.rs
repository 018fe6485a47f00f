//! The C source of a model: compiled by this machine's compilers without a warning, under its sanitizers, it gives the
//! engine's outputs bit for bit.
//!
//! Compilers that are not there are passed over with a line that says which Debian package has them.

mod board;
mod compiler;
#[expect(dead_code, reason = "the tests of `firmware` use all of it")]
#[path = "../../firmware/tests/properties/definition/mod.rs"]
mod definition;
mod eva;
mod library;
mod names;
mod package;
#[path = "../../firmware/tests/properties/synthetic.rs"]
mod synthetic;

use std::fs;
use std::path::Path;

use compiler::Compiler;
use dataset::idx::Part;
use firmware::format::Layout;
use firmware::{Logits, Model, Verdict};
use firmware_sim::c_source::{self, Name, Source};
use firmware_sim::quantize::quantize;
use fixtures::benchmarks::{meter, mlperf_tiny};
use fixtures::mnist_500;
use synthetic::{Network, Random};

/// Writes the files of a model into a folder, as the command does.
fn write(source: &Source, folder: &Path) {
    for file in &source.files {
        let path = folder.join(&file.path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, &file.text).unwrap();
    }
}

/// The C source of a model whose outputs have names: they are classes, if they are not too many.
fn emit(model: Model<'_>) -> Source {
    let names: Vec<String> = (0..model.outputs()).map(|class| class.to_string()).collect();
    c_source::emit(model, &names, &Name::default()).unwrap()
}

/// What the engine gives for images: numbers as `host.c` writes them.
fn expected(model: Model<'_>, images: &[Vec<u8>], with_answers: bool) -> Vec<i32> {
    let mut scratch = vec![0; model.scratch_words()];
    let mut numbers = vec![];
    for image in images {
        let mut outputs = vec![];
        model
            .infer_in_blocks(image, &mut scratch, |_, block| outputs.extend_from_slice(block))
            .unwrap();
        numbers.extend_from_slice(&outputs);
        if with_answers && (2..=256).contains(&outputs.len()) {
            let logits = Logits(&outputs);
            let answer = logits.answer(model);
            let verdict = match answer.verdict {
                Verdict::Sure => 0,
                Verdict::Unsure => 1,
                Verdict::None => 2,
            };
            let margin = logits.margin().cast_signed();
            numbers.extend([answer.class.into(), verdict, answer.agrees.into(), margin]);
        }
    }
    numbers
}

/// Whether the C source gives what the engine gives, by this compiler.
fn assert_equal(model: Model<'_>, images: &[Vec<u8>], compiler: Compiler, about: &str) {
    let folder = tempfile::tempdir().unwrap();
    write(&emit(model), folder.path());
    let program = compiler.program(folder.path(), model);
    let found = compiler::run(&program, &images.concat());
    assert!(found == expected(model, images, true), "{about}: {compiler:?}");
}

/// LeNet, with an agreement margin: its images are the same 500 again and again, since the margin only has to be applied.
fn lenet() -> Vec<u8> {
    let training = mnist_500(Part::Train).images;
    quantize(runtime::EMBEDDED_MODEL, &training, &[&training[..]; 6].concat()).unwrap()
}

fn test_images() -> Vec<Vec<u8>> {
    mnist_500(Part::Test).images.iter().map(|image| image.pixels().to_vec()).collect()
}

#[test]
fn lenet_gives_the_engines_logits_and_answers_on_all_test_images() {
    let q8 = lenet();
    for compiler in Compiler::of_this_machine() {
        assert_equal(Model::parse(&q8).unwrap(), &test_images(), compiler, "LeNet");
    }
}

#[test]
fn outputs_times_the_scale_of_the_header_are_those_of_the_model_in_float() {
    let q8 = lenet();
    let model = Model::parse(&q8).unwrap();
    let source = emit(model);
    let header = &source.files[0].text;
    let (_, rest) = header.split_once("#define MODEL_OUTPUT_SCALE ").unwrap();
    let scale: f32 = rest.split_once("f\n").unwrap().0.parse().unwrap();
    let classifier = runtime::Classifier::embedded();
    let mut scratch = vec![0; model.scratch_words()];
    for image in &mnist_500(Part::Test).images[..50] {
        let outputs = model.infer(image.pixels(), &mut scratch).unwrap();
        for (output, float) in outputs.0.iter().zip(classifier.predict(image).logits) {
            let found = *output as f32 * scale;
            assert!((found - float).abs() < 0.5, "{found} for {float}");
        }
    }
}

/// A network of `firmware`'s own tests: all kinds of layers with any kernel, stride, padding and zero point.
struct Sample {
    file: Vec<u8>,
    images: Vec<Vec<u8>>,
}

impl Sample {
    fn of(seed: u64) -> Self {
        let mut random = Random(seed);
        let network = Network::random(&mut random);
        let images = (0..4).map(|_| network.image(&mut random)).collect();
        let layout = if random.one_in(2) { Layout::Bytes } else { Layout::Words };
        Self { file: network.file(layout), images }
    }

    fn model(&self) -> Model<'_> {
        Model::parse(&self.file).unwrap()
    }
}

fn random_networks(seeds: std::ops::Range<u64>) {
    let compilers = Compiler::of_this_machine();
    for seed in seeds {
        let sample = Sample::of(seed);
        // alternating, if there are several
        if let Some(&compiler) = compilers.iter().cycle().nth(seed as usize) {
            assert_equal(sample.model(), &sample.images, compiler, &format!("seed {seed}"));
        }
    }
}

#[test]
fn means_over_rows_of_padding_below_give_the_engines_outputs() {
    let is_padded_below = |sample: &Sample| {
        let layers = sample.model().layers();
        (0..layers.records.len())
            .filter_map(|index| layers.geometry(index))
            .any(|layer| layer.is_streamed() && layer.padding[1] > 0)
    };
    let samples: Vec<Sample> = (0..).map(Sample::of).filter(is_padded_below).take(3).collect();
    for compiler in Compiler::of_this_machine() {
        for sample in &samples {
            assert_equal(sample.model(), &sample.images, compiler, "padded below");
        }
    }
}

/// How many networks there are, half a second each: more by `C_NETWORKS=500`.
const NETWORKS: u64 = 16;

#[test]
fn random_networks_of_all_kinds_give_the_engines_outputs() {
    let networks = std::env::var("C_NETWORKS").map(|count| count.parse().unwrap());
    random_networks(0..networks.unwrap_or(NETWORKS));
}

#[test]
fn networks_that_others_measure_with_give_the_engines_outputs() {
    let compilers = Compiler::of_this_machine();
    for benchmark in mlperf_tiny().into_iter().chain([meter()]) {
        let pictures = benchmark.pictures(4);
        let images: Vec<dataset::Image> = pictures
            .iter()
            .map(|pixels| dataset::Image::new(benchmark.shape, pixels.clone()).unwrap())
            .collect();
        let q8 = quantize(&benchmark.onnx, &images, &[]).unwrap();
        let model = Model::parse(&q8).unwrap();
        let pixels: Vec<Vec<u8>> =
            images.iter().map(|image| image.interleaved().collect()).collect();
        for &compiler in &compilers {
            assert_equal(model, &pixels, compiler, benchmark.name);
        }
    }
}
