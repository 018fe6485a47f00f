//! Float against int8, image by image.

use runtime::evaluate::BATCH;
use runtime::idx::Split;
use runtime::{Classifier, Image28};

use super::error::Error;
use super::identity;
use crate::answer::{Answer, Logits};
use crate::engine::Scratch;
use crate::format::Model;

/// An ONNX model ready to run, that knows which file it was.
#[derive(Debug, Clone)]
pub struct FloatModel {
    classifier: Classifier,
    identity: [u8; 32],
}

impl FloatModel {
    /// Builds the float engine from the bytes of an ONNX file.
    ///
    /// # Errors
    /// What is wrong with the file.
    pub fn parse(onnx: &[u8]) -> Result<Self, Error> {
        Ok(Self { classifier: Classifier::parse(onnx)?, identity: identity(onnx) })
    }
}

/// How alike two models are on labelled images.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Verification {
    /// Images compared.
    pub images: u64,
    /// Images that both read as the same digit, right or wrong.
    pub equal: u64,
    /// Images that the float model reads right.
    pub float_correct: u64,
    /// Images that the int8 model reads right.
    pub int8_correct: u64,
    /// Images whose int8 answer is [`Answer::Confident`].
    pub confident: u64,
    /// Of these, the ones that are read right.
    pub confident_correct: u64,
    /// Of these, the ones that the float model reads as another digit.
    pub confident_unequal: u64,
    /// Largest difference of two logits, in units of the float model's.
    pub largest_difference: f64,
    logits: u64,
    /// Sum of the squares of the float model's logits.
    signal: f64,
    /// Sum of the squares of the differences.
    noise: f64,
}

/// Asks both models about every image; `progress` is told how many images are done.
///
/// # Errors
/// [`Error::Origin`] if `int8` was not made from `float`, [`Error::NoImages`] if `split` is empty.
pub fn compare(
    float: &FloatModel,
    int8: Model<'_>,
    split: &Split,
    mut progress: impl FnMut(usize),
) -> Result<Verification, Error> {
    let stated = int8.file().identity;
    if stated != float.identity {
        return Err(Error::Origin { stated, given: float.identity });
    }
    if split.images.is_empty() {
        return Err(Error::NoImages);
    }
    let mut verification = Verification::default();
    let mut scratch = Scratch::new();
    let batches = split.images.chunks(BATCH).zip(split.labels.chunks(BATCH));
    for (images, labels) in batches {
        let predictions = float.classifier.classify_batch(images);
        for ((Image28(pixels), prediction), &label) in images.iter().zip(predictions).zip(labels) {
            let logits = int8.infer(pixels, &mut scratch);
            verification.record(&prediction.logits, prediction.digit(), int8, &logits, label);
        }
        progress(verification.images as usize);
    }
    Ok(verification)
}

impl Verification {
    fn record(
        &mut self,
        float: &[f32],
        float_digit: usize,
        model: Model<'_>,
        int8: &Logits,
        label: u8,
    ) {
        let step = f64::from(f32::from_bits(model.file().scales.logits.get()));
        let int8_digit = int8.digit();
        self.images += 1;
        self.equal += u64::from(float_digit == usize::from(int8_digit));
        self.float_correct += u64::from(float_digit == usize::from(label));
        self.int8_correct += u64::from(int8_digit == label);
        if let Answer::Confident(digit) = int8.answer(model) {
            self.confident += 1;
            self.confident_correct += u64::from(digit == label);
            self.confident_unequal += u64::from(usize::from(digit) != float_digit);
        }
        for (&float, &int8) in float.iter().zip(&int8.0) {
            let (float, int8) = (f64::from(float), f64::from(int8) * step);
            let difference = (float - int8).abs();
            self.largest_difference = self.largest_difference.max(difference);
            self.logits += 1;
            self.signal += float * float;
            self.noise += difference * difference;
        }
    }

    /// Predictions that are equal, among all: 0 to 1.
    #[must_use]
    pub fn agreement(&self) -> f64 {
        self.equal as f64 / self.images as f64
    }

    /// Right answers of the float model among all: 0 to 1.
    #[must_use]
    pub fn float_accuracy(&self) -> f64 {
        self.float_correct as f64 / self.images as f64
    }

    /// Right answers of the int8 model among all: 0 to 1.
    #[must_use]
    pub fn int8_accuracy(&self) -> f64 {
        self.int8_correct as f64 / self.images as f64
    }

    /// Confident answers among all: 0 to 1.
    #[must_use]
    pub fn coverage(&self) -> f64 {
        self.confident as f64 / self.images as f64
    }

    /// Right answers among the confident ones: 0 to 1; NaN if there are none.
    #[must_use]
    pub fn confident_accuracy(&self) -> f64 {
        self.confident_correct as f64 / self.confident as f64
    }

    /// Root of the mean squared difference of the logits.
    #[must_use]
    pub fn rms_difference(&self) -> f64 {
        (self.noise / self.logits as f64).sqrt()
    }

    /// Signal to quantisation noise of the logits, `10 · log10(Σ float² / Σ difference²)`, in decibels;
    /// infinite if there is no difference.
    #[must_use]
    pub fn sqnr_db(&self) -> f64 {
        10.0 * (self.signal / self.noise).log10()
    }
}
