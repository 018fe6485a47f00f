//! A classifier on labelled images.

use dataset::{ConfusionMatrix, Split};

use crate::classifier::Classifier;
use crate::reliability::Reliability;

/// Images per run of the engine: large enough to amortise the call, small enough for the cache.
pub const BATCH: usize = 100;

/// Classifies every image of `split`: the confusion matrix, and how reliable the confidences are.
///
/// # Panics
/// If an image is not of the model's shape.
#[must_use]
pub fn evaluate(classifier: &Classifier, split: &Split) -> (ConfusionMatrix, Reliability) {
    evaluate_with(classifier, split, |_| ())
}

/// [`evaluate`], where `progress` is told how many images are done.
///
/// # Panics
/// As there.
pub fn evaluate_with(
    classifier: &Classifier,
    split: &Split,
    mut progress: impl FnMut(usize),
) -> (ConfusionMatrix, Reliability) {
    let mut confusion = ConfusionMatrix::new(classifier.classes().len());
    let mut reliability = Reliability::default();
    for (images, labels) in split.images.chunks(BATCH).zip(split.labels.chunks(BATCH)) {
        for (prediction, &label) in classifier.predict_batch(images).iter().zip(labels) {
            let (label, answer) = (usize::from(label), prediction.class());
            confusion.record(label, answer);
            reliability.record(prediction, label == answer);
        }
        progress(reliability.all().of);
    }
    (confusion, reliability)
}
