//! The committed model reads the committed pictures.

use std::fs;
use std::io::Cursor;

use dataset::idx::Part;
use fixtures::{data, mnist_500};
use image::{GrayImage, ImageFormat};
use runtime::picture::{self, Limits};
use runtime::{Classifier, Verdict, preprocess};

#[test]
fn every_committed_picture_is_read_as_the_manifest_says() {
    let classifier = Classifier::embedded();
    let folder = data("digits");
    let manifest = fs::read_to_string(folder.join("manifest.csv")).unwrap();
    let mut count = 0;
    for line in manifest.lines().skip(1) {
        let [name, label, _] = line.split(',').collect::<Vec<_>>()[..] else { panic!("{line}") };
        let prepared = preprocess::load(&folder.join(name)).unwrap();
        let prediction = classifier.read(&prepared);
        let answer = match prediction.verdict {
            Verdict::NoDigit => "none".to_owned(),
            Verdict::Sure | Verdict::Unsure => prediction.digit().to_string(),
        };
        assert_eq!(answer, label, "{name}, seen as\n{:?}", prepared.image);
        count += 1;
    }
    let listed = folder.read_dir().unwrap().count() - 1;
    assert_eq!(count, listed, "pictures in tests/data/digits");
}

#[test]
fn mnist_comes_through_a_picture_file_unchanged() {
    let split = mnist_500(Part::Test);
    let changed = split.images.iter().filter(|image| {
        let picture = GrayImage::from_raw(28, 28, image.pixels().to_vec()).unwrap();
        let mut file = Cursor::new(vec![]);
        picture.write_to(&mut file, ImageFormat::Png).unwrap();
        let read = picture::decode(file.get_ref(), Limits::default()).unwrap();
        preprocess::prepare(&read).image != **image
    });
    // all 60,000 training images stand alike, but for three of the 10,000 test images
    assert!(changed.count() <= 1);
}
