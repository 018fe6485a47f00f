//! The committed model reads the committed pictures.

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
