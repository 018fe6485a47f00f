//! Scores, confidence and verdict of one picture.

use std::collections::BTreeMap;
use std::sync::Arc;

use network::{Scores, classes};

use crate::error::Error;
use crate::preprocess::{Content, Preprocess};

/// Whether an answer may be relied on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// At such a confidence at least 199 of 200 answers were right, where it was measured.
    Sure,
    /// The likeliest class; look again.
    Unsure,
    /// There is no digit, or more than one, or one so odd that the model cannot tell. Of a model of other things: what it
    /// sees looks like none of them, or like its class for that, [`Calibration::rejected`].
    NoDigit,
}

/// How scores become confidences and verdicts, measured on images that the model was not trained on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Calibration {
    /// Divides the logits, so that confidence is the rate of right answers (Guo et al. 2017).
    pub temperature: f32,
    /// Minimum confidence of [`Verdict::Sure`].
    pub sure_from: f32,
    /// Minimum confidence of [`Verdict::Unsure`]; below it is [`Verdict::NoDigit`].
    pub digit_from: f32,
    /// The class that is the answer "none of these", by its number from 0: where it is the likeliest, the verdict is
    /// [`Verdict::NoDigit`] at any confidence.
    pub rejected: Option<u16>,
}

impl Default for Calibration {
    /// For a model without measured values: its own softmax, sure from 0.99, and every picture a digit.
    fn default() -> Self {
        Self { temperature: 1.0, sure_from: 0.99, digit_from: 0.0, rejected: None }
    }
}

impl Calibration {
    /// Names of the three in a model's metadata, in the order of the fields.
    pub const KEYS: [&str; 3] =
        ["calibration.temperature", "calibration.sure_from", "calibration.digit_from"];

    /// From a model's metadata, where these three stand; `None` if one is missing or out of range, or if the
    /// [`Self::rejected`] that is there is no number.
    #[must_use]
    pub fn parse(metadata: &BTreeMap<String, String>) -> Option<Self> {
        let [temperature, sure_from, digit_from] =
            Self::KEYS.map(|key| metadata.get(key).and_then(|text| text.parse::<f32>().ok()));
        let calibration = Self {
            temperature: temperature.filter(|value| value.is_finite() && *value > 0.0)?,
            sure_from: sure_from.filter(|value| (0.0..=1.0).contains(value))?,
            digit_from: digit_from.filter(|value| (0.0..=1.0).contains(value))?,
            rejected: Self::parse_rejected(metadata)?,
        };
        Some(calibration)
    }

    /// The [`Self::rejected`] in a model's metadata, `Some(None)` if nothing is said; `None` if it is no number.
    #[must_use]
    pub fn parse_rejected(metadata: &BTreeMap<String, String>) -> Option<Option<u16>> {
        metadata
            .get(classes::REJECTED_KEY)
            .map(|text| text.parse().ok())
            .map_or(Some(None), |class| class.map(Some))
    }

    /// What the metadata of a model with so many classes say, or the default where they say nothing.
    ///
    /// # Errors
    /// [`Error::Calibration`] if what they say is incomplete, out of range, or of a class that is not there.
    pub fn of_model(metadata: &BTreeMap<String, String>, classes: usize) -> Result<Self, Error> {
        let rejected = Self::parse_rejected(metadata)
            .filter(|class| class.is_none_or(|class| usize::from(class) < classes));
        let rejected = rejected.ok_or(Error::Calibration)?;
        match Self::parse(metadata) {
            None if Self::KEYS.iter().any(|key| metadata.contains_key(*key)) => {
                Err(Error::Calibration)
            }
            calibration => Ok(Self { rejected, ..calibration.unwrap_or_default() }),
        }
    }

    /// Names and values for a model's metadata, as [`Self::parse`] reads them.
    pub fn emit(&self) -> impl Iterator<Item = (&'static str, String)> {
        let [temperature, sure, digit] = Self::KEYS;
        let three = [
            (temperature, self.temperature.to_string()),
            (sure, self.sure_from.to_string()),
            (digit, self.digit_from.to_string()),
        ];
        let rejected = self.rejected.map(|class| (classes::REJECTED_KEY, class.to_string()));
        three.into_iter().chain(rejected)
    }

    fn verdict(&self, class: usize, confidence: f32) -> Verdict {
        match confidence {
            _ if self.rejected.is_some_and(|rejected| usize::from(rejected) == class) => {
                Verdict::NoDigit
            }
            sure if sure >= self.sure_from => Verdict::Sure,
            digit if digit >= self.digit_from => Verdict::Unsure,
            _ => Verdict::NoDigit,
        }
    }
}

impl Verdict {
    /// `sure`, `unsure` or `no digit`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.name_after(Preprocess::Digit)
    }

    /// [`Self::name`] for a model that this makes pictures for: one that reads no digits gives `no match`.
    #[must_use]
    pub const fn name_after(self, preprocess: Preprocess) -> &'static str {
        match (self, preprocess) {
            (Self::Sure, _) => "sure",
            (Self::Unsure, _) => "unsure",
            (Self::NoDigit, Preprocess::Digit) => "no digit",
            (Self::NoDigit, _) => "no match",
        }
    }

    /// Why there is no answer, for a picture on which this was found; `None` where there is one.
    #[must_use]
    pub const fn reason(self, content: Content, preprocess: Preprocess) -> Option<&'static str> {
        match (self, content, preprocess) {
            (Self::Sure | Self::Unsure, _, _) => None,
            (Self::NoDigit, Content::Drawing, Preprocess::Digit) => {
                Some("it does not look like a digit")
            }
            (Self::NoDigit, Content::Drawing, _) => Some("it looks like none of the classes"),
            (Self::NoDigit, Content::Blank, _) => {
                Some("the picture is blank, or what is on it is too small")
            }
            (Self::NoDigit, Content::Several, _) => Some("there are several drawings"),
            (Self::NoDigit, Content::Clutter, _) => Some("there are no strokes on paper"),
        }
    }
}

/// The class scores of one picture; a clone copies no names.
#[derive(Debug, Clone, PartialEq)]
pub struct Prediction {
    /// Unbounded scores, one per class.
    pub logits: Vec<f32>,
    /// Softmax of the logits divided by the model's temperature: each 0 to 1, of sum 1 unless the model scores each
    /// class by itself.
    pub probabilities: Vec<f32>,
    /// Whether the answer may be relied on.
    pub verdict: Verdict,
    /// Names of all classes.
    classes: Arc<[String]>,
}

impl Prediction {
    /// What these scores, one per class, stand for.
    pub(crate) fn of_scores(
        kind: Scores,
        scores: &[f32],
        calibration: &Calibration,
        classes: &Arc<[String]>,
    ) -> Self {
        let (logits, probabilities) = Self::probabilities(kind, scores, calibration);
        let classes = Arc::clone(classes);
        let mut prediction = Self { logits, probabilities, verdict: Verdict::Unsure, classes };
        prediction.verdict = calibration.verdict(prediction.class(), prediction.confidence());
        prediction
    }

    /// The same for a picture on which this was found: without a drawing there is no answer, whatever the scores.
    pub(crate) fn of_content(mut self, content: Content) -> Self {
        if content != Content::Drawing {
            self.verdict = Verdict::NoDigit;
        }
        self
    }

    /// Logits, and one probability for each.
    fn probabilities(
        kind: Scores,
        scores: &[f32],
        calibration: &Calibration,
    ) -> (Vec<f32>, Vec<f32>) {
        let logarithm = |p: &f32| p.max(f32::MIN_POSITIVE).ln();
        match kind {
            Scores::Logits => (scores.to_vec(), softmax(scores, calibration.temperature)),
            Scores::Probabilities => {
                let logits: Vec<f32> = scores.iter().map(logarithm).collect();
                let probabilities = softmax(&logits, calibration.temperature);
                (logits, probabilities)
            }
            Scores::Independent => {
                let sigmoid = |logit: &f32| 1.0 / (1.0 + (-logit / calibration.temperature).exp());
                (scores.to_vec(), scores.iter().map(sigmoid).collect())
            }
        }
    }

    /// The number of the most likely class, from 0; of equals the first.
    #[must_use]
    pub fn class(&self) -> usize {
        let mut likeliest = 0;
        for (class, logit) in self.logits.iter().enumerate() {
            if *logit > self.logits[likeliest] {
                likeliest = class;
            }
        }
        likeliest
    }

    /// The name of [`Self::class`]; safe to print, see [`SingleLine`](safe_io::SingleLine).
    ///
    /// ```no_run
    /// let classifier = runtime::Classifier::load("meter.onnx".as_ref())?;
    /// let picture = classifier.preparation().load("dial.jpg".as_ref())?;
    /// println!("{}", classifier.predict(&picture).name());
    /// # Ok::<(), runtime::Error>(())
    /// ```
    #[must_use]
    pub fn name(&self) -> &str {
        &self.classes[self.class()]
    }

    /// [`Self::class`] of a model of digits.
    #[must_use]
    pub fn digit(&self) -> usize {
        self.class()
    }

    /// Probability of [`Self::class`], 0 to 1.
    #[must_use]
    pub fn confidence(&self) -> f32 {
        self.probabilities[self.class()]
    }

    /// The `count` most likely classes with their probabilities, likeliest first.
    #[must_use]
    pub fn top(&self, count: usize) -> Vec<(usize, f32)> {
        let mut ranked: Vec<_> = self.probabilities.iter().copied().enumerate().collect();
        ranked.sort_by(|a, b| b.1.total_cmp(&a.1));
        ranked.truncate(count);
        ranked
    }
}

/// Softmax of the logits over the temperature, the largest subtracted so that no exponential overflows.
fn softmax(logits: &[f32], temperature: f32) -> Vec<f32> {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let exponentials: Vec<f32> =
        logits.iter().map(|logit| ((logit - largest) / temperature).exp()).collect();
    let sum: f32 = exponentials.iter().sum();
    exponentials.iter().map(|exponential| exponential / sum).collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn prediction(logits: &[f32], calibration: &Calibration) -> Prediction {
        let classes: Vec<String> = (0..logits.len()).map(|class| format!("{class}!")).collect();
        Prediction::of_scores(Scores::Logits, logits, calibration, &classes.into())
    }

    #[test]
    fn probabilities_sum_to_one_and_rank_like_the_logits() {
        let found = prediction(&[1.0, 3.0, 3.0, -200.0], &Calibration::default());
        assert!((found.probabilities.iter().sum::<f32>() - 1.0).abs() < 1e-6);
        assert_eq!(found.class(), 1, "of equals the first");
        assert_eq!((found.name(), found.digit()), ("1!", 1));
        assert_eq!(found.top(3).iter().map(|(class, _)| *class).collect::<Vec<_>>(), [1, 2, 0]);
        assert_eq!(found.confidence().to_bits(), found.probabilities[1].to_bits());
    }

    #[test]
    fn each_meaning_of_scores_gives_its_probabilities() {
        let of = |kind, scores: &[f32]| {
            Prediction::probabilities(kind, scores, &Calibration::default()).1
        };
        let close = |found: Vec<f32>, expected: [f32; 2]| {
            found.iter().zip(expected).all(|(found, expected)| (found - expected).abs() < 1e-6)
        };
        assert!(close(of(Scores::Logits, &[0.0, 3_f32.ln()]), [0.25, 0.75]));
        assert!(close(of(Scores::Probabilities, &[0.25, 0.75]), [0.25, 0.75]));
        assert!(close(of(Scores::Independent, &[0.0, 3_f32.ln()]), [0.5, 0.75]));
    }

    #[test]
    fn large_logits_do_not_overflow() {
        assert_eq!(prediction(&[1e30, 0.0], &Calibration::default()).probabilities, [1.0, 0.0]);
    }

    #[test]
    fn confidence_decides_the_verdict() {
        let calibration =
            Calibration { temperature: 0.5, sure_from: 0.9, digit_from: 0.6, rejected: None };
        // two classes at temperature ½: 1 / (1 + exp(−2 · difference))
        for (difference, verdict) in [
            (1.2, Verdict::Sure),
            (1.0, Verdict::Unsure),
            (0.21, Verdict::Unsure),
            (0.1, Verdict::NoDigit),
        ] {
            let found = prediction(&[0.0, difference], &calibration);
            let expected = 1.0 / (1.0 + (-2.0 * difference).exp());
            assert!((found.confidence() - expected).abs() < 1e-6);
            assert_eq!(found.verdict, verdict, "{difference}");
            assert_eq!(verdict.name(), verdict.name_after(Preprocess::Digit));
            let without = found.of_content(Content::Blank);
            assert_eq!(without.verdict, Verdict::NoDigit);
        }
    }

    #[test]
    fn the_class_that_is_rejected_is_no_match_however_likely() {
        let calibration = Calibration { rejected: Some(1), ..Calibration::default() };
        let found = prediction(&[0.0, 9.0, 1.0], &calibration);
        assert_eq!((found.class(), found.verdict), (1, Verdict::NoDigit));
        assert_eq!(found.verdict.name_after(Preprocess::Stretch), "no match");
        assert_eq!(prediction(&[9.0, 0.0, 1.0], &calibration).verdict, Verdict::Sure);
    }

    #[test]
    fn a_calibration_comes_back_from_metadata_and_nonsense_does_not() {
        let calibration = Calibration {
            temperature: 0.37,
            sure_from: 0.93,
            digit_from: 0.41,
            rejected: Some(10),
        };
        let mut metadata: BTreeMap<String, String> =
            calibration.emit().map(|(key, text)| (key.to_owned(), text)).collect();
        assert_eq!(Calibration::parse(&metadata), Some(calibration));
        for nonsense in ["0", "-1", "NaN", "inf", "warm"] {
            metadata.insert(Calibration::KEYS[0].to_owned(), nonsense.to_owned());
            assert_eq!(Calibration::parse(&metadata), None, "{nonsense}");
        }
        assert_eq!(Calibration::parse(&BTreeMap::new()), None);
    }
}
