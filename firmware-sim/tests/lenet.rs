//! The reference case: what is made of it today is what was made of it when the engine ran nothing else.

use dataset::idx::{self, Part, Split};
use firmware::format::File;
use firmware::rows::Model;
use firmware::{Scratch, format};
use firmware_sim::board::version_2;
use firmware_sim::identity;
use firmware_sim::quantize::{calibration_images, quantize};
use fixtures::mnist_500;
use runtime::{EMBEDDED_MODEL, Image};
use zerocopy::IntoBytes;

/// Of the file of version 2 that the last program of that version made on `mnist-500`: every scale, weight, bias,
/// multiplier and bound.
const MNIST_500: &str = "2a18197469770bac011597dee5034c259e0ce9fd3c203e93c6fa80f8a481d1d9";

/// The same on all of MNIST.
const MNIST: &str = "2d82ed7b6575fec16cc3420ec09488137d76976e8ec926139d7641fa68f1df65";

fn hex(bytes: &[u8]) -> String {
    identity(bytes).map(|byte| format!("{byte:02x}")).concat()
}

/// Quantises, and compares the logits of both engines on every image.
fn assert_version_2_agrees(training: &[Image], test: &Split) -> Box<File> {
    let q8 = quantize(EMBEDDED_MODEL, &calibration_images(training), training).unwrap();
    let model = Model::parse(&q8).unwrap();
    let file = version_2(model).unwrap();
    let before = format::Model::new(&file).unwrap();
    let mut scratch = vec![0; model.scratch_words()];
    let mut before_scratch = Scratch::new();
    for (number, image) in test.images.iter().enumerate() {
        let logits = model.infer(image.pixels(), &mut scratch).unwrap().0.to_vec();
        let pixels = image.as_mnist().unwrap();
        assert_eq!(logits, before.infer(pixels, &mut before_scratch).0, "image {number}");
    }
    file
}

#[test]
fn every_logit_and_every_number_are_those_of_version_2() {
    let file = assert_version_2_agrees(&mnist_500(Part::Train).images, &mnist_500(Part::Test));
    assert_eq!(hex(file.as_bytes()), MNIST_500);
}

#[test]
#[ignore = "needs MNIST, and minutes: tests/README.md"]
fn ten_thousand_images_give_the_logits_of_version_2() {
    let folder = safe_io::default_data_folder().unwrap();
    let training = idx::load(&folder, Part::Train).unwrap();
    let file = assert_version_2_agrees(&training.images, &idx::load(&folder, Part::Test).unwrap());
    assert_eq!(hex(file.as_bytes()), MNIST);
}
