//! The page's models answer as the host's do, and what is none changes nothing.

use dataset::idx::Part;
use firmware::Model;
use firmware_sim::quantize::quantize;
use fixtures::mnist_500;
use image::{DynamicImage, RgbaImage};
use runtime::{Classifier, EMBEDDED_BAKED, EMBEDDED_MODEL};
use web::{Models, Opened};

fn int8_file() -> Vec<u8> {
    quantize(EMBEDDED_MODEL, &mnist_500(Part::Train).images[..50], &[]).unwrap().clone()
}

fn values<const N: usize, T>(bytes: &[u8], of: fn([u8; N]) -> T) -> Vec<T> {
    bytes.as_chunks().0.iter().map(|value| of(*value)).collect()
}

#[test]
fn both_models_give_the_hosts_scores() {
    let file = int8_file();
    let mut models = Models::default();
    assert_eq!(models.open(EMBEDDED_BAKED), Ok(Opened::Float));
    assert_eq!(models.open(&file), Ok(Opened::Int8));
    let head = "1 28 28\ndigit\nfloat and int8 of one model\n0\n1\n2\n";
    assert!(models.description().starts_with(head), "{}", models.description());

    let classifier = Classifier::embedded();
    let mut words = vec![0_u32; file.len().div_ceil(4)];
    let bytes = zerocopy::IntoBytes::as_mut_bytes(&mut words[..]);
    bytes[..file.len()].copy_from_slice(&file);
    let model = Model::parse(&bytes[..file.len()]).unwrap();
    let mut scratch = vec![0; model.scratch_words()];
    for image in &mnist_500(Part::Test).images[..50] {
        models.take(image.pixels()).unwrap();
        let (float, int8) = (models.classify_float().unwrap(), models.classify_int8().unwrap());
        let prediction = classifier.predict(image);
        assert_eq!(values(&float.logits, f32::from_le_bytes), prediction.logits);
        assert_eq!(float.words, format!("{}\n", prediction.verdict.name()));
        let logits = model.infer(image.pixels(), &mut scratch).unwrap();
        assert_eq!(values(&int8.logits, i32::from_le_bytes), logits.0);
        assert_eq!(int8.class, usize::from(logits.class()));
        let sum: f32 = int8.probabilities.iter().sum();
        assert!((sum - 1.0).abs() < 1e-4, "{sum}");
        // what the device's limits mean as probabilities is near those of the float model
        let difference = float.probabilities[float.class] - int8.probabilities[float.class];
        assert!(difference.abs() < 0.2, "{difference}");
    }
}

#[test]
fn a_picture_without_a_drawing_has_no_answer_from_either_model() {
    let mut models = Models::default();
    models.open(EMBEDDED_BAKED).unwrap();
    models.open(&int8_file()).unwrap();
    assert_eq!(models.classify_int8(), None);
    let paper = DynamicImage::ImageRgba8(RgbaImage::from_pixel(90, 60, [250; 4].into()));
    models.prepare(paper.into_bytes(), 90, 60).unwrap();
    let reason = "no digit\nthe picture is blank, or what is on it is too small";
    assert_eq!(models.classify_float().unwrap().words, reason);
    assert!(models.classify_int8().unwrap().words.starts_with(reason));
    let seen = models.seen().unwrap();
    assert_eq!(seen.dimensions(), (28, 28));
}

#[test]
fn what_is_no_model_or_no_picture_is_refused_and_changes_nothing() {
    let mut models = Models::default();
    assert!(models.prepare(vec![0; 16], 2, 2).unwrap_err().contains("no model"));
    models.open(&int8_file()).unwrap();
    let before = models.description();
    let mut damaged = int8_file();
    damaged[200] ^= 1;
    for (file, reason) in [
        (&b"PNG"[..], "neither a .baked nor a .q8"),
        (&damaged, "damaged"),
        (&EMBEDDED_BAKED[..999], "baked"),
        (&b"LNQ8"[..], "not a .q8 model"),
    ] {
        let refusal = models.open(file).unwrap_err();
        assert!(refusal.contains(reason), "{refusal}");
        assert_eq!(models.description(), before);
    }
    for (bytes, width, height) in [(3, 1, 1), (0, 0, 0), (0, usize::MAX, 2), (4, 5000, 5000)] {
        assert!(models.prepare(vec![0; bytes], width, height).is_err());
    }
    assert!(models.take(&[0; 783]).is_err());
}
