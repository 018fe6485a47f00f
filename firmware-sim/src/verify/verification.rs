//! How alike two models are: what every image gave, and figures of all.

use std::collections::BTreeMap;

use firmware::Verdict;

use super::layer::LayerFidelity;

/// Maximum of images in [`Verification::least_certain`] and [`Verification::most_different`].
const MAX_LISTED: usize = 20;

/// Answers of both models for one image.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Comparison {
    /// Its number in the dataset, from 0.
    pub image: usize,
    /// What it is; `None` of an image without a label.
    pub label: Option<u8>,
    /// The float model's class.
    pub float: u16,
    /// The int8 model's class.
    pub int8: u16,
    /// By how much the float model's best logit is above its next.
    pub float_margin: f64,
    /// The same of the int8 model, in units of the float model's logits.
    pub int8_margin: f64,
    /// What the device says of its answer.
    pub verdict: Verdict,
    /// Whether the device says that float gives the same class: its margin is at least the model's agreement margin.
    pub agrees: bool,
    /// Largest difference of the two models' outputs, in units of the float model's.
    pub max_difference: f64,
    /// Mean squared differences of the float and of the int8 model's outputs to what went in; `None` if these are not as
    /// many numbers, or were pixels, whose units are others.
    pub reconstruction: Option<[f64; 2]>,
    /// Index of the first layer after which float arithmetic no longer gives the float model's answer; only where the
    /// answers differ.
    pub first_diverging_layer: Option<usize>,
}

impl Comparison {
    /// Whether this class is what the image is; never of an image without a label.
    fn is_right(&self, class: u16) -> bool {
        self.label.is_some_and(|label| u16::from(label) == class)
    }
}

/// How well two models that give as many numbers as they take reconstruct these.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reconstruction {
    /// Mean squared difference of the float model's outputs to what goes in, over all samples.
    pub float: f64,
    /// The same of the int8 model's.
    pub int8: f64,
    /// By how much int8 changes that of a sample, at most, as a share of float's; infinite if that is 0.
    pub max_change: f64,
}

/// How alike two models are on labelled images.
#[derive(Debug, Clone, PartialEq)]
pub struct Verification {
    /// Every image in order.
    pub comparisons: Vec<Comparison>,
    /// Int8 minus float of every logit, in units of the float model's.
    pub logit_errors: Vec<f32>,
    /// The layers in order.
    pub layers: Vec<LayerFidelity>,
}

impl Verification {
    /// Images compared.
    #[must_use]
    pub fn images(&self) -> u64 {
        self.comparisons.len() as u64
    }

    /// Images that have a label.
    #[must_use]
    pub fn labelled(&self) -> u64 {
        self.count(|comparison| comparison.label.is_some())
    }

    fn count(&self, counts: impl Fn(&Comparison) -> bool) -> u64 {
        self.comparisons.iter().filter(|comparison| counts(comparison)).count() as u64
    }

    /// Images for which both models give the same class, right or wrong.
    #[must_use]
    pub fn agreements(&self) -> u64 {
        self.count(|comparison| comparison.float == comparison.int8)
    }

    /// Images that the float model reads right.
    #[must_use]
    pub fn float_correct(&self) -> u64 {
        self.count(|comparison| comparison.is_right(comparison.float))
    }

    /// Images that the int8 model reads right.
    #[must_use]
    pub fn int8_correct(&self) -> u64 {
        self.count(|comparison| comparison.is_right(comparison.int8))
    }

    /// Images of whose answer the device says that it agrees with float.
    #[must_use]
    pub fn agreeing(&self) -> u64 {
        self.count(|comparison| comparison.agrees)
    }

    /// Of these, the ones that are read right.
    #[must_use]
    pub fn agreeing_correct(&self) -> u64 {
        self.count(|comparison| comparison.agrees && comparison.is_right(comparison.int8))
    }

    /// Of these, the ones for which the float model gives another class.
    #[must_use]
    pub fn agreeing_disagreements(&self) -> u64 {
        self.count(|comparison| comparison.agrees && comparison.int8 != comparison.float)
    }

    /// Images of whose answer the device gives this verdict.
    #[must_use]
    pub fn verdicts(&self, verdict: Verdict) -> u64 {
        self.count(|comparison| comparison.verdict == verdict)
    }

    /// Images of whose answer the device is sure, and which it reads right.
    #[must_use]
    pub fn sure_correct(&self) -> u64 {
        self.count(|comparison| {
            comparison.verdict == Verdict::Sure && comparison.is_right(comparison.int8)
        })
    }

    /// [`Self::agreements`] among all images: 0 to 1.
    #[must_use]
    pub fn agreement(&self) -> f64 {
        self.agreements() as f64 / self.images() as f64
    }

    /// Images for which the two models give different classes.
    pub fn disagreements(&self) -> impl Iterator<Item = &Comparison> {
        self.comparisons.iter().filter(|comparison| comparison.float != comparison.int8)
    }

    /// How often the float model said one class and the int8 model another: `(float, int8)` to images.
    #[must_use]
    pub fn confusion(&self) -> BTreeMap<(u16, u16), u64> {
        let mut pairs = BTreeMap::new();
        for comparison in self.disagreements() {
            *pairs.entry((comparison.float, comparison.int8)).or_default() += 1;
        }
        pairs
    }

    /// The images with the smallest margins of the int8 model, smallest first; 20 at most.
    #[must_use]
    pub fn least_certain(&self) -> Vec<Comparison> {
        self.first_by(|comparison| comparison.int8_margin)
    }

    /// The images whose outputs differ most, the largest difference first; 20 at most.
    #[must_use]
    pub fn most_different(&self) -> Vec<Comparison> {
        self.first_by(|comparison| -comparison.max_difference)
    }

    fn first_by(&self, key: impl Fn(&Comparison) -> f64) -> Vec<Comparison> {
        let mut comparisons = self.comparisons.clone();
        comparisons.sort_by(|a, b| key(a).total_cmp(&key(b)));
        comparisons.truncate(MAX_LISTED);
        comparisons
    }

    /// How well both models reconstruct what goes in, if they do.
    #[must_use]
    pub fn reconstruction(&self) -> Option<Reconstruction> {
        let errors: Option<Vec<[f64; 2]>> =
            self.comparisons.iter().map(|comparison| comparison.reconstruction).collect();
        let errors = errors.filter(|errors| !errors.is_empty())?;
        let mean = |model: usize| {
            errors.iter().map(|errors| errors[model]).sum::<f64>() / errors.len() as f64
        };
        let change = |[float, int8]: &[f64; 2]| {
            let difference = (int8 - float).abs();
            if difference > 0.0 { difference / float } else { 0.0 }
        };
        let max_change = errors.iter().map(change).fold(0.0, f64::max);
        Some(Reconstruction { float: mean(0), int8: mean(1), max_change })
    }

    /// The float model's margin below which this part of the images lies, 0 to 1.
    #[must_use]
    pub fn margin_quantile(&self, part: f64) -> f64 {
        let mut margins: Vec<f64> =
            self.comparisons.iter().map(|comparison| comparison.float_margin).collect();
        margins.sort_by(f64::total_cmp);
        margins[((margins.len() - 1) as f64 * part).round() as usize]
    }

    /// Largest difference of two logits, in units of the float model's.
    #[must_use]
    pub fn max_difference(&self) -> f64 {
        self.logit_errors.iter().fold(0.0_f32, |largest, error| largest.max(error.abs())).into()
    }

    /// Mean magnitude of the difference of two logits.
    #[must_use]
    pub fn mean_difference(&self) -> f64 {
        let magnitudes = self.logit_errors.iter().map(|&error| f64::from(error.abs()));
        magnitudes.sum::<f64>() / self.logit_errors.len() as f64
    }

    /// Root of the mean squared difference of the logits.
    #[must_use]
    pub fn rms_difference(&self) -> f64 {
        let squares = self.logit_errors.iter().map(|&error| f64::from(error) * f64::from(error));
        (squares.sum::<f64>() / self.logit_errors.len() as f64).sqrt()
    }

    /// Logit errors in bins of equal width, which they fill from end to end: upper edge and count of each.
    #[must_use]
    pub fn logit_histogram<const BINS: usize>(&self) -> [(f64, u64); BINS] {
        let largest = self.max_difference().max(f64::MIN_POSITIVE);
        let edge = |bin: usize| largest * (2.0 * bin as f64 / BINS as f64 - 1.0);
        let mut bins = std::array::from_fn(|bin| (edge(bin + 1), 0));
        for &error in &self.logit_errors {
            let bin = (f64::midpoint(f64::from(error) / largest, 1.0) * BINS as f64) as usize;
            bins[bin.min(BINS - 1)].1 += 1;
        }
        bins
    }

    /// Signal to quantisation noise of the logits in decibels, see [`LayerFidelity::sqnr_db`].
    #[must_use]
    pub fn sqnr_db(&self) -> f64 {
        self.layers.last().map_or(f64::NAN, |last| last.sqnr_db)
    }
}
