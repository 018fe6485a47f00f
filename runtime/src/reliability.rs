//! Whether confidence is the rate of right answers, and how often each verdict is right.

use std::fmt;

use crate::prediction::{Prediction, Verdict};
use crate::preprocess::Preprocess;

/// Lower ends of the bins of confidence; answers crowd at its end.
const BINS: [f32; 6] = [0.0, 0.5, 0.8, 0.95, 0.99, 0.999];

/// Right answers among all answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Score {
    /// Right answers.
    pub right: usize,
    /// All answers.
    pub of: usize,
}

impl Score {
    /// Counts one answer.
    pub fn record(&mut self, right: bool) {
        self.right += usize::from(right);
        self.of += 1;
    }

    /// Right answers among all, 0 to 100; 0 where there are none.
    #[must_use]
    pub fn percent(self) -> f64 {
        if self.of == 0 { 0.0 } else { self.right as f64 / self.of as f64 * 100.0 }
    }
}

/// Answers whose confidence is between two bounds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bin {
    /// Minimum confidence, 0 to 1; the maximum is just below the next bin's minimum.
    pub from: f32,
    /// Mean of the confidences, 0 to 1.
    pub mean_confidence: f64,
    /// How many are right; where confidence is honest, that is `mean_confidence` of them.
    pub score: Score,
}

/// Right answers by confidence and by verdict.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Reliability {
    /// Sum of the confidences, and the answers, of each of [`BINS`].
    bins: [(f64, Score); BINS.len()],
    sure: Score,
    unsure: Score,
    no_digit: Score,
}

impl Reliability {
    /// Counts an answer to a picture of a digit.
    pub fn record(&mut self, prediction: &Prediction, right: bool) {
        self.record_answer(prediction.confidence(), prediction.verdict, right);
    }

    /// The same for an answer of which only this was kept.
    pub fn record_answer(&mut self, confidence: f32, verdict: Verdict, right: bool) {
        let bin = BINS.iter().rposition(|from| confidence >= *from).unwrap_or(0);
        let (sum, score) = &mut self.bins[bin];
        *sum += f64::from(confidence);
        score.record(right);
        let verdict = match verdict {
            Verdict::Sure => &mut self.sure,
            Verdict::Unsure => &mut self.unsure,
            Verdict::NoDigit => &mut self.no_digit,
        };
        verdict.record(right);
    }

    /// All answers.
    #[must_use]
    pub fn all(&self) -> Score {
        let verdicts = [self.sure, self.unsure, self.no_digit];
        verdicts.into_iter().fold(Score::default(), |all, score| Score {
            right: all.right + score.right,
            of: all.of + score.of,
        })
    }

    /// Answers with this verdict.
    #[must_use]
    pub const fn verdict(&self, verdict: Verdict) -> Score {
        match verdict {
            Verdict::Sure => self.sure,
            Verdict::Unsure => self.unsure,
            Verdict::NoDigit => self.no_digit,
        }
    }

    /// One line per verdict, as a model says them that this makes pictures for, then one line per bin.
    #[must_use]
    pub const fn table(&self, preprocess: Preprocess) -> Table<'_> {
        Table { reliability: self, preprocess }
    }

    /// Bins that hold answers, the least confident first.
    pub fn bins(&self) -> impl Iterator<Item = Bin> {
        let bins = BINS.into_iter().zip(self.bins).filter(|(_, (_, score))| score.of > 0);
        bins.map(|(from, (sum, score))| Bin { from, mean_confidence: sum / score.of as f64, score })
    }
}

impl fmt::Display for Reliability {
    /// One line per verdict of a model of digits, then one line per bin.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.table(Preprocess::Digit).fmt(f)
    }
}

/// A [`Reliability`] as text.
#[derive(Debug, Clone, Copy)]
pub struct Table<'a> {
    reliability: &'a Reliability,
    preprocess: Preprocess,
}

impl fmt::Display for Table<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { reliability, preprocess } = *self;
        let all = reliability.all().of.max(1) as f64;
        writeln!(f, "verdict    pictures     right")?;
        for verdict in [Verdict::Sure, Verdict::Unsure, Verdict::NoDigit] {
            let score = reliability.verdict(verdict);
            let part = score.of as f64 / all * 100.0;
            let name = verdict.name_after(preprocess);
            write!(f, "{name:9}  {part:6.2} %")?;
            if score.of > 0 {
                write!(f, "  {:6.2} %", score.percent())?;
            }
            writeln!(f)?;
        }
        writeln!(f, "\nconfidence from  pictures      mean     right")?;
        for Bin { from, mean_confidence, score } in reliability.bins() {
            let (from, mean, right) = (from * 100.0, mean_confidence * 100.0, score.percent());
            writeln!(f, "{from:13.1} %  {:8}  {mean:6.2} %  {right:6.2} %", score.of)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prediction::Calibration;
    use crate::prediction::tests::prediction;

    fn reliability() -> Reliability {
        let calibration =
            Calibration { temperature: 1.0, sure_from: 0.9, digit_from: 0.6, rejected: None };
        let mut reliability = Reliability::default();
        for (confidence, right) in
            [(0.97, true), (0.96, true), (0.96, false), (0.85, true), (0.55, false)]
        {
            let logit = f32::ln(confidence / (1.0 - confidence));
            reliability.record(&prediction(&[0.0, logit], &calibration), right);
        }
        reliability
    }

    #[test]
    fn answers_are_counted_by_verdict() {
        let reliability = reliability();
        assert_eq!(reliability.verdict(Verdict::Sure), Score { right: 2, of: 3 });
        assert_eq!(reliability.verdict(Verdict::Unsure), Score { right: 1, of: 1 });
        assert_eq!(reliability.verdict(Verdict::NoDigit), Score { right: 0, of: 1 });
        assert_eq!(reliability.all(), Score { right: 3, of: 5 });
    }

    #[test]
    fn answers_are_counted_by_confidence() {
        let bins: Vec<Bin> = reliability().bins().collect();
        let counts: Vec<_> = bins.iter().map(|bin| (bin.from, bin.score.right)).collect();
        assert_eq!(counts, [(0.5, 0), (0.8, 1), (0.95, 2)]);
        assert!((bins[2].mean_confidence - (0.97 + 0.96 + 0.96) / 3.0).abs() < 1e-6);
        assert_eq!(bins[2].score.of, 3);
    }

    #[test]
    fn the_table_reads_at_a_glance() {
        assert_eq!(
            reliability().to_string(),
            "verdict    pictures     right\n\
             sure        60.00 %   66.67 %\n\
             unsure      20.00 %  100.00 %\n\
             no digit    20.00 %    0.00 %\n\
             \n\
             confidence from  pictures      mean     right\n\
             \x20        50.0 %         1   55.00 %    0.00 %\n\
             \x20        80.0 %         1   85.00 %  100.00 %\n\
             \x20        95.0 %         3   96.33 %   66.67 %\n"
        );
        assert_eq!(Reliability::default().all().percent().to_bits(), 0);
    }
}
