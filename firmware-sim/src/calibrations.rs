//! Compares calibrations: on training images that none was calibrated on, to choose by, and on test images, to
//! report.

use dataset::Image;
use firmware::format::{File, Model};
use rayon::prelude::*;
use runtime::evaluate::BATCH;
use runtime::{Classifier, Prediction};

use super::error::Error;
use super::int8::{CompiledInt8, Int8Network, scales};
use super::quantize::{Options, calibration_images, quantize_with};

/// How alike two models answer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fidelity {
    /// Images compared.
    pub images: usize,
    /// Images for which their digits differ.
    pub disagreements: usize,
    /// Signal to quantisation noise of the logits, `10 · log10(Σ float² / Σ (float − int8)²)`, in decibels.
    pub sqnr_db: f64,
}

/// What one calibration gives.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Outcome {
    /// The calibration.
    pub options: Options,
    /// On the training images but those that it was calibrated on.
    pub validation: Fidelity,
    /// On the test images.
    pub test: Fidelity,
}

/// Tries all calibrations in turn; `progress` is called after each.
///
/// # Errors
/// Those of [`quantize_with`], and [`Error::NoImages`] if all training images are needed to calibrate on.
pub fn compare(
    onnx: &[u8],
    training: &[Image],
    test: &[Image],
    mut progress: impl FnMut(),
) -> Result<Vec<Outcome>, Error> {
    let calibration = calibration_images(training);
    let validation = rest(training, calibration.len());
    if validation.is_empty() || test.is_empty() {
        return Err(Error::NoImages);
    }
    super::supported::check_images(training)?;
    super::supported::check_images(test)?;
    let float = Classifier::parse(onnx)?;
    let [on_validation, on_test] =
        [&validation[..], test].map(|images| Scored { images, predictions: score(&float, images) });
    Options::all()
        .map(|options| {
            let file: Box<File> = quantize_with(onnx, &calibration, &[], options, |_| ())?;
            let int8 = Model::new(&file)?;
            let outcome = Outcome {
                options,
                validation: on_validation.fidelity(int8),
                test: on_test.fidelity(int8),
            };
            progress();
            Ok(outcome)
        })
        .collect()
}

/// The one with the fewest disagreements on validation images, of equals the one with the least noise there.
#[must_use]
pub fn best(outcomes: &[Outcome]) -> Option<&Outcome> {
    outcomes.iter().min_by(|a, b| {
        let (a, b) = (a.validation, b.validation);
        a.disagreements.cmp(&b.disagreements).then(b.sqnr_db.total_cmp(&a.sqnr_db))
    })
}

/// The training images that [`calibration_images`] leaves when it takes `taken` of them.
fn rest(training: &[Image], taken: usize) -> Vec<Image> {
    let mut calibration = (0..taken).map(|index| index * training.len() / taken).peekable();
    let mut rest = Vec::with_capacity(training.len() - taken);
    for (index, image) in training.iter().enumerate() {
        if calibration.next_if_eq(&index).is_none() {
            rest.push(image.clone());
        }
    }
    rest
}

fn score(float: &Classifier, images: &[Image]) -> Vec<Prediction> {
    images.par_chunks(BATCH).flat_map(|batch| float.predict_batch(batch)).collect()
}

/// Images with the float model's predictions.
struct Scored<'a> {
    images: &'a [Image],
    predictions: Vec<Prediction>,
}

impl Scored<'_> {
    fn fidelity(&self, int8: Model<'_>) -> Fidelity {
        let [.., scale] = scales(int8.file());
        let network = Int8Network::of(int8);
        let compiled = CompiledInt8::new(&network);
        let batches = self.images.par_chunks(BATCH).zip(self.predictions.par_chunks(BATCH));
        let batches: Vec<_> = batches
            .map(|(images, predictions)| {
                let (mut disagreements, mut signal, mut noise) = (0, 0.0, 0.0);
                for (trace, float) in compiled.run(images).iter().zip(predictions) {
                    let int8 = trace.logits();
                    disagreements += usize::from(float.digit() != usize::from(int8.digit()));
                    for (&float, &int8) in float.logits.iter().zip(&int8.0) {
                        let (float, int8) = (f64::from(float), f64::from(int8) * scale);
                        signal += float * float;
                        noise += (float - int8) * (float - int8);
                    }
                }
                (disagreements, signal, noise)
            })
            .collect();
        // in order, or the sums would depend on how many threads there are
        let (disagreements, signal, noise) = batches
            .into_iter()
            .fold((0, 0.0, 0.0), |sum, batch| (sum.0 + batch.0, sum.1 + batch.1, sum.2 + batch.2));
        Fidelity {
            images: self.images.len(),
            disagreements,
            sqnr_db: 10.0 * (signal / noise).log10(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_both_calibrated_on_and_judged_by() {
        for count in [2001, 4100, 6000] {
            let training: Vec<Image> = (0..count)
                .map(|index: usize| {
                    Image::mnist(std::array::from_fn(|i| (index >> (8 * (i % 2))) as u8))
                })
                .collect();
            let calibration = calibration_images(&training);
            let rest = rest(&training, calibration.len());
            assert_eq!(rest.len() + calibration.len(), count);
            assert!(rest.iter().all(|image| !calibration.contains(image)));
        }
    }

    #[test]
    fn fewer_disagreements_come_before_less_noise() {
        let fidelity = |disagreements, sqnr_db| Fidelity { images: 100, disagreements, sqnr_db };
        let outcome = |disagreements, sqnr_db| Outcome {
            options: Options::default(),
            validation: fidelity(disagreements, sqnr_db),
            test: fidelity(0, 99.0),
        };
        let outcomes = [outcome(3, 50.0), outcome(2, 40.0), outcome(2, 41.0), outcome(4, 60.0)];
        assert_eq!(best(&outcomes), Some(&outcomes[2]));
    }
}
