//! From the committed ONNX model to int8 and back: what is made, and what is refused.

use dataset::idx::{Part, Split};
use firmware::{Answer, Model, Scratch};
use firmware_sim::quantize::{CALIBRATION_IMAGES, NEVER_CONFIDENT, calibration_images, quantize};
use firmware_sim::verify::{FloatModel, compare};
use firmware_sim::{Error, identity};
use fixtures::mnist_500;
use fixtures::protobuf::replaced;
use network::onnx::{Dimension, Graph, Tensor, Values};
use runtime::{EMBEDDED_MODEL, Image, PIXELS};

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
    assert!(calibration_images(&[]).is_empty());
}

#[test]
fn blank_calibration_images_still_give_a_model_that_parses() {
    let q8 = quantize(EMBEDDED_MODEL, &[Image::mnist([0; PIXELS])], &[]).unwrap();
    assert!(Model::new(&q8).is_ok());
}

#[test]
fn on_few_images_nothing_is_called_confident() {
    let images = mnist_500(Part::Train).images;
    let q8 = quantize(EMBEDDED_MODEL, &images, &images).unwrap();
    let model = Model::new(&q8).unwrap();
    assert_eq!(model.file().confidence_margin, NEVER_CONFIDENT);
    let mut scratch = Scratch::new();
    assert!(
        images
            .iter()
            .all(|image| model.infer(image.as_mnist().unwrap(), &mut scratch).answer(model)
                == Answer::Unsure)
    );
}

#[test]
fn what_is_not_the_engine_s_network_is_refused_by_what_it_is() {
    let refused = |onnx: &[u8]| quantize(onnx, &[Image::mnist([0; PIXELS])], &[]).unwrap_err();
    let message = |onnx: &[u8]| refused(onnx).to_string();
    let tanh = message(&edited(b"Relu", b"Tanh"));
    assert!(
        tanh.starts_with("the firmware engine takes one network so far, 1x28x28: Conv 5x5 1→20"),
        "{tanh}"
    );
    assert!(tanh.contains("; this model is Cast → Sub → Mul → Conv → Tanh"), "{tanh}");
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
fn a_model_of_other_classes_is_refused_by_their_number() {
    let images = [Image::mnist([0; PIXELS])];
    assert!(quantize(&with_classes(10), &images, &[]).is_ok());
    let error = quantize(&with_classes(2), &images, &[]).unwrap_err();
    assert_eq!(error.to_string(), "the model has 2 classes, the firmware engine takes 10");
}

#[test]
fn an_int8_model_of_another_file_is_not_compared() {
    let images = &mnist_500(Part::Train).images[..10];
    let q8 = quantize(EMBEDDED_MODEL, images, images).unwrap();
    let int8 = Model::new(&q8).unwrap();
    let other = FloatModel::parse(&edited(b"MNIST", b"mnist")).unwrap();
    let error = compare(&other, int8, &mnist_500(Part::Test), |_| ()).unwrap_err();
    assert!(matches!(error, Error::Origin { stated, .. } if stated == identity(EMBEDDED_MODEL)));
    let empty = Split { images: vec![], labels: vec![] };
    let float = FloatModel::parse(EMBEDDED_MODEL).unwrap();
    assert!(matches!(compare(&float, int8, &empty, |_| ()), Err(Error::NoImages)));
}
