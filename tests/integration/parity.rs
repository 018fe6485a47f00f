//! The committed model gives the same digits in float and in int8, and the same scores with all kernels.

use dataset::idx::Part;
use firmware::Model;
use firmware_sim::quantize::quantize;
use firmware_sim::verify::{FloatModel, compare};
use firmware_sim::{Samples, identity};
use fixtures::mnist_500;
use network::onnx::Graph;
use runtime::{Classifier, EMBEDDED_MODEL, Image, Instructions, Kernels, Options};

use crate::whole_mnist;

/// Of 500 images; int8 may flip a digit only where the float model is nearly undecided.
const MIN_AGREEMENTS: u64 = 499;
/// Four weight roundings and three of activations leave 41 dB together (measured on training images that were
/// not calibrated on); a lost bit in most of them would cost 6. It was 46 dB for a model without label smoothing,
/// whose logits were four times as large; the largest difference is smaller now, 0.08 for 0.26.
const MIN_SQNR_DB: f64 = 39.0;

#[test]
fn int8_reads_what_float_reads() {
    let training = mnist_500(Part::Train).images;
    let q8 = quantize(EMBEDDED_MODEL, &training, &training).unwrap();
    let int8 = Model::parse(&q8).unwrap();
    assert_eq!(int8.header().identity, identity(EMBEDDED_MODEL));
    assert_eq!(int8.header().calibration_images.get(), 500);
    let float = FloatModel::parse(EMBEDDED_MODEL).unwrap();
    let test = mnist_500(Part::Test);
    let mut done = vec![];
    let samples = Samples::Images(&test.images);
    let progress = |images| done.push(images);
    let found = compare(&float, int8, samples, &test.labels, progress).unwrap();
    assert_eq!(found.images(), 500);
    assert!(
        found.agreements() >= MIN_AGREEMENTS,
        "{:?}",
        found.disagreements().collect::<Vec<_>>()
    );
    assert!(found.sqnr_db() > MIN_SQNR_DB, "{} dB", found.sqnr_db());
    assert!(found.rms_difference() <= found.max_difference());
    let disagreements = found.images() - found.agreements();
    assert!(found.float_correct().abs_diff(found.int8_correct()) <= disagreements);
    assert!(done.is_sorted() && done.last() == Some(&500), "{done:?}");
}

/// Between two sums of the same 800 products of about 1, in another order.
const MAX_DIFFERENCE: f32 = 1e-4;

fn assert_kernels_agree(images: &[Image]) {
    let scores = |kernels| {
        let options = Options { kernels, ..Options::default() };
        let classifier = Classifier::new(&Graph::parse(EMBEDDED_MODEL).unwrap(), options).unwrap();
        let batches = images.chunks(100);
        batches.flat_map(|images| classifier.predict_batch(images)).collect::<Vec<_>>()
    };
    let expected = scores(Kernels::Tract);
    for instructions in Instructions::available() {
        let mut largest = 0.0_f32;
        for (found, expected) in scores(Kernels::Fused(instructions)).iter().zip(&expected) {
            assert_eq!(found.digit(), expected.digit(), "{instructions}");
            for (found, expected) in found.logits.iter().zip(&expected.logits) {
                largest = largest.max((found - expected).abs());
            }
        }
        let count = images.len();
        println!("float, {count} images: logits of {instructions} within {largest:.1e} of tract's");
        assert!(largest < MAX_DIFFERENCE, "{instructions}: {largest}");
    }
}

#[test]
fn our_kernels_give_the_scores_of_tract() {
    assert_kernels_agree(&mnist_500(Part::Test).images);
}

/// `cargo test --workspace --features lenet-tests/training --test integration -- --ignored --nocapture ten_thousand`
#[test]
#[ignore = "needs all of MNIST, where trainer/run puts it"]
fn our_kernels_give_the_scores_of_tract_on_all_ten_thousand() {
    assert_kernels_agree(&whole_mnist(Part::Test).images);
}
