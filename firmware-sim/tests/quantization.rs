//! From the committed ONNX model to int8 and back: what is made, and what is refused.

use dataset::idx::Part;
use firmware::Model;
use firmware_sim::quantize::{CALIBRATION_IMAGES, NEVER_AGREES, calibration_images, quantize};
use firmware_sim::verify::{FloatModel, compare};
use firmware_sim::{Error, Samples, identity};
use fixtures::mnist_500;
use fixtures::protobuf::replaced;
use network::onnx::{Dimension, Graph, Tensor, Values};
use runtime::{Classifier, EMBEDDED_MODEL, Image, PIXELS};

/// The embedded model with every `from` replaced by `to`.
fn edited(from: &[u8], to: &[u8]) -> Vec<u8> {
    replaced(EMBEDDED_MODEL, from, to)
}

#[test]
fn the_file_is_a_pure_function_of_model_and_images() {
    let images = &mnist_500(Part::Train).images[..20];
    let once = quantize(EMBEDDED_MODEL, images, images).unwrap();
    assert!(once == quantize(EMBEDDED_MODEL, images, images).unwrap());
    assert!(once != quantize(EMBEDDED_MODEL, &images[..10], images).unwrap());
}

#[test]
fn calibration_images_are_spread_over_the_whole_file() {
    let numbered = |count: usize| -> Vec<Image> {
        (0..count)
            .map(|index| Image::mnist(std::array::from_fn(|i| (index >> (8 * (i % 4))) as u8)))
            .collect()
    };
    let index =
        |image: &Image| usize::from(image.pixels()[0]) | usize::from(image.pixels()[1]) << 8;
    let chosen = calibration_images(&numbered(60_000));
    assert_eq!(chosen.len(), CALIBRATION_IMAGES);
    assert!(chosen.iter().enumerate().all(|(i, image)| index(image) == i * 30));
    assert_eq!(calibration_images(&numbered(7)).len(), 7);
    assert!(calibration_images::<Image>(&[]).is_empty());
}

#[test]
fn blank_calibration_images_still_give_a_model_that_parses() {
    let q8 = quantize(EMBEDDED_MODEL, &[Image::mnist([0; PIXELS])], &[]).unwrap();
    assert!(Model::parse(&q8).is_ok());
}

#[test]
fn on_few_images_no_answer_says_that_it_agrees() {
    let images = mnist_500(Part::Train).images;
    let q8 = quantize(EMBEDDED_MODEL, &images, &images).unwrap();
    let model = Model::parse(&q8).unwrap();
    assert_eq!(model.header().agreement_margin.get(), NEVER_AGREES);
    let float = FloatModel::parse(EMBEDDED_MODEL).unwrap();
    let found = compare(&float, model, Samples::Images(&images), &[], |_| ()).unwrap();
    assert_eq!((found.agreeing(), found.labelled(), found.images()), (0, 0, 500));
}

#[test]
fn the_class_that_float_rejects_is_none_on_the_device_too() {
    const REJECTED: u16 = 3;
    let images = mnist_500(Part::Test).images;
    let mut graph = Graph::parse(EMBEDDED_MODEL).unwrap();
    graph.metadata.insert(network::classes::REJECTED_KEY.into(), REJECTED.to_string());
    let onnx = graph.emit();
    let q8 = quantize(&onnx, &images, &[]).unwrap();
    let model = Model::parse(&q8).unwrap();
    assert_eq!(model.limits().rejected, REJECTED + 1);
    let classifier = Classifier::parse(&onnx).unwrap();
    let float = FloatModel::parse(&onnx).unwrap();
    let found = compare(&float, model, Samples::Images(&images), &[], |_| ()).unwrap();
    let mut rejected = 0;
    for (image, comparison) in images.iter().zip(&found.comparisons) {
        let prediction = classifier.predict(image);
        if prediction.class() == usize::from(REJECTED) && comparison.int8 == REJECTED {
            assert_eq!(prediction.verdict, runtime::Verdict::NoDigit);
            assert_eq!(comparison.verdict, firmware::Verdict::None);
            rejected += 1;
        }
    }
    assert!(rejected > 30, "{rejected}");

    for damaged in ["10", "-1", "", "three"] {
        graph.metadata.insert(network::classes::REJECTED_KEY.into(), damaged.into());
        let onnx = graph.emit();
        let refusals = [
            Classifier::parse(&onnx).unwrap_err().to_string(),
            quantize(&onnx, &images[..1], &[]).unwrap_err().to_string(),
        ];
        for refusal in refusals {
            assert!(refusal.contains("classes.rejected"), "{damaged:?}: {refusal}");
        }
    }
}

#[test]
fn what_the_firmware_does_not_run_is_refused_by_all_reasons_at_once() {
    let refused = |onnx: &[u8]| quantize(onnx, &[Image::mnist([0; PIXELS])], &[]).unwrap_err();
    let tanh = refused(&edited(b"Relu", b"Tanh")).to_string();
    assert!(
        tanh.starts_with("the firmware does not run this model: part 1 is Tanh: only "),
        "{tanh}"
    );
    assert!(tanh.contains("; part 2 is Tanh: "), "{tanh}");
    let unknown = refused(&edited(b"Relu", b"Real")).to_string();
    assert!(unknown.starts_with("unusable ONNX graph: "), "{unknown}");
    assert_eq!(unknown.matches("is a Real").count(), 3, "{unknown}");
    assert!(matches!(refused(&[]), Error::Onnx(network::Error::Empty)));
    assert!(matches!(refused(&EMBEDDED_MODEL[..1000]), Error::Onnx(_)));
    assert!(matches!(quantize(EMBEDDED_MODEL, &[], &[]), Err(Error::NoImages)));
}

/// The embedded model with the first `classes` of its outputs.
fn with_classes(classes: usize) -> Vec<u8> {
    let mut graph = Graph::parse(EMBEDDED_MODEL).unwrap();
    let last = graph.nodes.iter().rfind(|node| node.op == "Gemm").unwrap().inputs[1..].to_vec();
    for name in last {
        let Tensor { shape, values } = graph.tensors.remove(&name).unwrap();
        let Values::F32(mut values) = values else { panic!("{name} is not float32") };
        values.truncate(values.len() / shape[0] * classes);
        let shape = [&[classes], &shape[1..]].concat();
        graph.tensors.insert(name, Tensor::new(&shape, Values::F32(values)));
    }
    graph.outputs[0].shape[1] = Dimension::Fixed(classes);
    graph.metadata.clear();
    graph.emit()
}

#[test]
fn a_model_of_any_number_of_classes_is_taken() {
    let images = [Image::mnist([0; PIXELS])];
    for classes in [2, 10] {
        let q8 = quantize(&with_classes(classes), &images, &[]).unwrap();
        assert_eq!(Model::parse(&q8).unwrap().outputs(), classes);
    }
}

#[test]
fn an_int8_model_of_another_file_is_not_compared() {
    let images = &mnist_500(Part::Train).images[..10];
    let q8 = quantize(EMBEDDED_MODEL, images, images).unwrap();
    let int8 = Model::parse(&q8).unwrap();
    let other = FloatModel::parse(&edited(b"MNIST", b"mnist")).unwrap();
    let test = mnist_500(Part::Test);
    let samples = Samples::Images(&test.images);
    let error = compare(&other, int8, samples, &test.labels, |_| ()).unwrap_err();
    assert!(matches!(error, Error::Origin { stated, .. } if stated == identity(EMBEDDED_MODEL)));
    let float = FloatModel::parse(EMBEDDED_MODEL).unwrap();
    let compared = |samples, labels: &[u8]| compare(&float, int8, samples, labels, |_| ());
    assert!(matches!(compared(Samples::NONE, &[]), Err(Error::NoImages)));
    assert!(matches!(compared(samples, &[1; 3]), Err(Error::Labels { samples: 500, labels: 3 })));
    assert!(matches!(compared(samples, &[10; 500]), Err(Error::Label { label: 10, classes: 10 })));
    let images = [Image::mnist([0; PIXELS]), Image::from_gray(28, 27, &[0; 756]).unwrap()];
    assert!(matches!(compared(Samples::Images(&images), &[]), Err(Error::Image(_))));
}
