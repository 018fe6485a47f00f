//! Compares calibrations: on training images that none was calibrated on, to choose by, and on test images, to
//! report.

use firmware::Model;
use rayon::prelude::*;
use runtime::{FloatInput, Workspace};

use super::error::Error;
use super::int8::{CompiledInt8, Int8Network};
use super::quantize::{CALIBRATION_IMAGES, Options, quantize_with};
use super::ranking::Ranking;
use super::samples::{Samples, units};
use super::verify::FloatModel;

/// How alike two models answer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fidelity {
    /// Images compared.
    pub images: usize,
    /// Images for which their classes differ.
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

/// Tries all calibrations in turn, on samples of which each is calibrated on or judged by; `progress` is called after
/// each.
///
/// # Errors
/// Those of [`quantize_with`], and [`Error::NoImages`] if there are none to judge by.
pub fn compare(
    onnx: &[u8],
    float_input: Option<FloatInput>,
    calibration: Samples<'_>,
    validation: Samples<'_>,
    test: Samples<'_>,
    mut progress: impl FnMut(),
) -> Result<Vec<Outcome>, Error> {
    if validation.is_empty() || test.is_empty() {
        return Err(Error::NoImages);
    }
    let float = FloatModel::parse_with(onnx, float_input)?;
    let on_validation = Scored { samples: validation, logits: float.logits(validation)? };
    let on_test = Scored { samples: test, logits: float.logits(test)? };
    Options::all(float_input)
        .map(|options| {
            let file = quantize_with(onnx, calibration, Samples::NONE, options, |_| ())?;
            let int8 = Int8Network::of(Model::parse(&file)?);
            let outcome = Outcome {
                options,
                validation: on_validation.fidelity(&int8),
                test: on_test.fidelity(&int8),
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

/// The training images that [`calibration_images`](super::quantize::calibration_images) leaves.
#[must_use]
pub fn validation_images<T: Clone>(training: &[T]) -> Vec<T> {
    let taken = training.len().min(CALIBRATION_IMAGES);
    let mut calibration = (0..taken).map(|index| index * training.len() / taken).peekable();
    let mut rest = Vec::with_capacity(training.len() - taken);
    for (index, image) in training.iter().enumerate() {
        if calibration.next_if_eq(&index).is_none() {
            rest.push(image.clone());
        }
    }
    rest
}

/// Samples with the float model's logits.
struct Scored<'a> {
    samples: Samples<'a>,
    logits: Vec<Vec<f32>>,
}

impl Scored<'_> {
    fn fidelity(&self, int8: &Int8Network) -> Fidelity {
        let scale = int8.logit_scale();
        let compiled = CompiledInt8::new(int8);
        let differences = |workspace: &mut Workspace, index: usize| {
            let float = &self.logits[index];
            let input = units(&self.samples.values(index), int8.input);
            let logits = compiled.run(&input, workspace).logits();
            let (mut signal, mut noise) = (0.0, 0.0);
            for (&float, &int8) in float.iter().zip(&logits) {
                let (float, int8) = (f64::from(float), f64::from(int8) * scale);
                signal += float * float;
                noise += (float - int8) * (float - int8);
            }
            let differs = Ranking::of(float).class != Ranking::of(&logits).class;
            (usize::from(differs), signal, noise)
        };
        let samples = (0..self.samples.len()).into_par_iter();
        let each: Vec<_> = samples.map_init(Workspace::default, differences).collect();
        // in order, or the sums would depend on how many threads there are
        let (disagreements, signal, noise) = each
            .into_iter()
            .fold((0, 0.0, 0.0), |sum, one| (sum.0 + one.0, sum.1 + one.1, sum.2 + one.2));
        Fidelity {
            images: self.samples.len(),
            disagreements,
            sqnr_db: 10.0 * (signal / noise).log10(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quantize::calibration_images;

    #[test]
    fn nothing_is_both_calibrated_on_and_judged_by() {
        for count in [2001, 4100, 6000] {
            let training: Vec<usize> = (0..count).collect();
            let calibration = calibration_images(&training);
            let rest = validation_images(&training);
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
