use std::io::Cursor;

use image::{ImageFormat, Rgb, RgbImage};
use network::{Activation, Affine, Architecture, Kind, Network};

use super::*;
use crate::kernels::Instructions;
use crate::prediction::Verdict;
use crate::preprocess::{self, Content};
use dataset::Image;

/// A model of float input whose two scores are the sums of its first and of its other channels.
pub(crate) fn first_or_other_channels(
    shape: [usize; 3],
    options: Options,
    metadata: &[(&str, &str)],
) -> Result<Classifier, Error> {
    let [channels, height, width] = shape;
    let dense = Kind::Dense { outputs: 2, activation: Activation::None };
    let architecture = Architecture::new(shape, vec![dense]).unwrap();
    let plane = height * width;
    let mut weights = vec![0.0; 2 * channels * plane];
    weights[..plane].fill(1.0);
    weights[(channels + 1) * plane..].fill(1.0);
    let network = Network::new(architecture, vec![Affine { weights, bias: vec![0.0; 2] }]);
    let program = Program::of_network(&network, false, Instructions::default());
    let metadata =
        metadata.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    let names = Some(vec!["red".to_owned(), "other\n".to_owned()]);
    Classifier::assemble(program, shape, options, Scores::Logits, names, &metadata)
}

#[test]
fn a_picture_in_colour_is_prepared_and_its_class_is_named() {
    let classifier = first_or_other_channels([3, 2, 2], Options::default(), &[]).unwrap();
    let mut png = Cursor::new(vec![]);
    let red = RgbImage::from_pixel(1, 1, Rgb([255, 0, 0]));
    red.write_to(&mut png, ImageFormat::Png).unwrap();
    let prepared = preprocess::from_bytes(png.get_ref(), classifier.preparation()).unwrap();
    let prediction = classifier.predict(&prepared);
    assert_eq!((prediction.class(), prediction.name()), (0, "red"));
    assert_eq!(prediction.logits, [4.0, 0.0]);
    let blue = Image::from_rgb(2, 2, &[0, 0, 255].repeat(4)).unwrap();
    let both = [blue.clone(), prepared.image];
    let names: Vec<_> =
        classifier.predict_batch(&both).iter().map(|p| p.name().to_owned()).collect();
    assert_eq!(names, ["other\\n", "red"]);
}

#[test]
fn options_and_metadata_say_how_pictures_are_prepared() {
    let pad = [("preprocess", "pad")];
    let own = first_or_other_channels([3, 2, 2], Options::default(), &pad).unwrap();
    assert_eq!(own.preparation().preprocess(), Preprocess::Pad);
    let options = Options { preprocess: Some(Preprocess::Crop), ..Options::default() };
    let given = first_or_other_channels([3, 2, 2], options, &pad).unwrap();
    assert_eq!(given.preparation().preprocess(), Preprocess::Crop);
    let unknown = first_or_other_channels([3, 2, 2], options, &[("color", "red")]);
    assert!(unknown.unwrap_err().to_string().contains("color is `red`"));
}

#[test]
fn each_channel_is_normalised_by_its_own_numbers() {
    let float_input = Some(FloatInput::new(&[1.0, 0.0, 0.5], &[0.5, 1.0, 1.0]).unwrap());
    let options = Options { float_input, ..Options::default() };
    let classifier = first_or_other_channels([3, 1, 1], options, &[]).unwrap();
    let white = Image::from_rgb(1, 1, &[255; 3]).unwrap();
    assert_eq!(classifier.predict(&white).logits, [0.0, 1.5]);
    let refused = first_or_other_channels([2, 1, 1], options, &[]).unwrap_err();
    assert!(matches!(refused, Error::FloatInputChannels { values: 3, channels: 2 }));
}

#[test]
fn another_normalisation_gives_what_loading_with_it_gives() {
    let image = Image::from_rgb(2, 2, &[9, 250, 128].repeat(4)).unwrap();
    let model = first_or_other_channels([3, 2, 2], Options::default(), &[]).unwrap();
    assert!(!model.takes_pixels());
    for (_, float_input) in FloatInput::usual(3) {
        let options = Options { float_input: Some(float_input), ..Options::default() };
        let loaded = first_or_other_channels([3, 2, 2], options, &[]).unwrap();
        let changed = model.with_float_input(float_input).unwrap();
        assert_eq!(changed.predict(&image), loaded.predict(&image));
    }
    let of_two = FloatInput::new(&[0.0; 2], &[1.0]).unwrap();
    assert!(model.with_float_input(of_two).is_err());
    let refused = Classifier::embedded().with_float_input(FloatInput::default());
    assert!(matches!(refused, Err(Error::Normalized { .. })));
}

#[test]
fn a_session_knows_what_was_found_on_a_picture() {
    let classifier = first_or_other_channels([1, 28, 28], Options::default(), &[]).unwrap();
    let image = Image::mnist(std::array::from_fn(|at| (at % 251) as u8));
    let mut blank = Prepared::from(image.clone());
    blank.content = Content::Blank;
    let inputs = [blank, image.into()];
    for threads in [0, 1, 2] {
        let found = classifier.session(threads).unwrap().predict(&inputs);
        assert_eq!(found, classifier.predict_batch(&inputs));
        assert_eq!(found[0].verdict, Verdict::NoDigit);
        assert_ne!(found[1].verdict, Verdict::NoDigit);
        assert_eq!(found[0].logits, found[1].logits);
    }
}

#[test]
#[should_panic(expected = "given a picture of 1 channel, 1 row and 4 columns, expected 3 channels")]
fn an_image_of_another_shape_is_refused_by_name() {
    let classifier = first_or_other_channels([3, 2, 2], Options::default(), &[]).unwrap();
    let image = Image::from_gray(4, 1, &[0; 4]).unwrap();
    let _ = classifier.session(1).unwrap().predict(&[image]);
}

#[test]
fn the_metadata_or_the_options_say_how_pixels_are_normalised() {
    let white = Image::from_rgb(1, 1, &[255; 3]).unwrap();
    let logits = |options, metadata: &[(&str, &str)]| {
        let classifier = first_or_other_channels([3, 1, 1], options, metadata).unwrap();
        (classifier.predict(&white).logits, classifier.assumes_normalization())
    };
    let own = [("normalization.mean", "0.5"), ("normalization.std", "0.25")];
    assert_eq!(logits(Options::default(), &[]), (vec![1.0, 2.0], true));
    assert_eq!(logits(Options::default(), &own), (vec![2.0, 4.0], false));
    let given = Options { float_input: Some(FloatInput::default()), ..Options::default() };
    assert_eq!(logits(given, &own), (vec![1.0, 2.0], false));
    let of_two = [("normalization.mean", "0.5,0.5")];
    let refused = first_or_other_channels([3, 1, 1], Options::default(), &of_two).unwrap_err();
    assert!(matches!(refused, Error::FloatInputChannels { values: 2, channels: 3 }));
}

#[test]
fn classes_are_given_names() {
    let model = first_or_other_channels([3, 1, 1], Options::default(), &[]).unwrap();
    let named = model.with_classes(&["rouge", "a\tb"]).unwrap();
    assert_eq!(named.classes(), ["rouge", "a\\tb"]);
    let white = Image::from_rgb(1, 1, &[255; 3]).unwrap();
    assert_eq!(named.predict(&white).name(), "a\\tb");
    let refused = model.with_classes(&["a"]).unwrap_err();
    assert_eq!(format!("{refused:?}"), "1 class name; the model has 2 classes");
    let refused = model.with_classes(&["a\n", "a\n"]).unwrap_err();
    assert_eq!(refused.to_string(), "two classes are named `a\\n`");
}
