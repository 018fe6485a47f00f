//! The committed model reads the committed pictures.

use std::io::Cursor;

use image::{GrayImage, ImageFormat};
use runtime::idx::Part;
use runtime::picture::{self, Limits};
use runtime::{Classifier, preprocess};

#[test]
fn every_committed_picture_is_read_as_the_digit_in_its_name() {
    let classifier = Classifier::embedded();
    let mut read = 0;
    for entry in crate::data("digits").read_dir().unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        let label: usize = name.split('_').nth(1).unwrap().parse().unwrap();
        let prepared = preprocess::load(&path).unwrap();
        let prediction = classifier.read(&prepared);
        assert_eq!(prediction.digit(), label, "{name}, seen as\n{:?}", prepared.image);
        read += 1;
    }
    assert_eq!(read, 14, "pictures in tests/data/digits");
}

#[test]
fn mnist_comes_through_a_picture_file_unchanged() {
    let split = crate::mnist_500(Part::Test);
    let changed = split.images.iter().filter(|image| {
        let picture = GrayImage::from_raw(28, 28, image.0.to_vec()).unwrap();
        let mut file = Cursor::new(vec![]);
        picture.write_to(&mut file, ImageFormat::Png).unwrap();
        let read = picture::decode(file.get_ref(), Limits::default()).unwrap();
        preprocess::prepare(&read).image != **image
    });
    // all 60,000 training images stand alike, but for three of the 10,000 test images
    assert!(changed.count() <= 1);
}
