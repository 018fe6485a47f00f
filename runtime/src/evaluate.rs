//! A classifier on labelled images.

use dataset::{ConfusionMatrix, Split};

use crate::classifier::Classifier;
use crate::reliability::Reliability;

/// Images per run of the engine: large enough to amortise the call, small enough for the cache.
pub const BATCH: usize = 100;

/// Classifies every image of `split`: the confusion matrix, and how reliable the confidences are.
#[must_use]
pub fn evaluate(classifier: &Classifier, split: &Split) -> (ConfusionMatrix, Reliability) {
    let mut confusion = ConfusionMatrix::new(classifier.classes().len());
    let mut reliability = Reliability::default();
    for (images, labels) in split.images.chunks(BATCH).zip(split.labels.chunks(BATCH)) {
        for (prediction, &label) in classifier.predict_batch(images).iter().zip(labels) {
            let (label, answer) = (usize::from(label), prediction.digit());
            confusion.record(label, answer);
            reliability.record(prediction, label == answer);
        }
    }
    (confusion, reliability)
}
