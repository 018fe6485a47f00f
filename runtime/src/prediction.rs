//! What a model says of one picture.

/// Whether an answer may be relied on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The class is right more often than 99 times in 100 on pictures like those it was measured on.
    Sure,
    /// The likeliest class; look again.
    Unsure,
    /// There is no digit, or more than one.
    NoDigit,
}

impl Verdict {
    /// `sure`, `unsure` or `no digit`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sure => "sure",
            Self::Unsure => "unsure",
            Self::NoDigit => "no digit",
        }
    }
}

/// The class scores of one picture.
#[derive(Debug, Clone, PartialEq)]
pub struct Prediction {
    /// Unbounded scores, one a class.
    pub logits: Vec<f32>,
    /// Softmax of the logits: 0 to 1, of sum 1.
    pub probabilities: Vec<f32>,
    /// Whether the answer may be relied on.
    pub verdict: Verdict,
}

impl Prediction {
    /// Softmax, with the largest logit subtracted so that no exponential overflows.
    pub(crate) fn from_logits(logits: &[f32]) -> Self {
        let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let exponentials: Vec<f32> = logits.iter().map(|logit| (logit - largest).exp()).collect();
        let sum: f32 = exponentials.iter().sum();
        Self {
            logits: logits.to_vec(),
            probabilities: exponentials.iter().map(|exponential| exponential / sum).collect(),
            verdict: Verdict::Unsure,
        }
    }

    /// The most likely class; of equals the first.
    #[must_use]
    pub fn digit(&self) -> usize {
        let mut digit = 0;
        for (class, logit) in self.logits.iter().enumerate() {
            if *logit > self.logits[digit] {
                digit = class;
            }
        }
        digit
    }

    /// Probability of [`Self::digit`], 0 to 1.
    #[must_use]
    pub fn confidence(&self) -> f32 {
        self.probabilities[self.digit()]
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probabilities_sum_to_one_and_rank_like_the_logits() {
        let prediction = Prediction::from_logits(&[1.0, 3.0, 3.0, -200.0]);
        assert!((prediction.probabilities.iter().sum::<f32>() - 1.0).abs() < 1e-6);
        assert_eq!(prediction.digit(), 1, "of equals the first");
        assert_eq!(
            prediction.top(3).iter().map(|(class, _)| *class).collect::<Vec<_>>(),
            [1, 2, 0]
        );
        assert_eq!(prediction.confidence().to_bits(), prediction.probabilities[1].to_bits());
    }

    #[test]
    fn large_logits_do_not_overflow() {
        assert_eq!(Prediction::from_logits(&[1e30, 0.0]).probabilities, [1.0, 0.0]);
    }
}
