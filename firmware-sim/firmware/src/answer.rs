//! What logits mean: the class, whether to act on it, and whether the float model would say the same.

use super::engine::Logits;
use super::format::Model;

/// Whether to act on an answer. The limits are the float model's, measured on images that it was not trained on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// As confident as to be hardly ever wrong.
    Sure,
    /// The most likely class, but look again.
    Unsure,
    /// None of the classes: the confidence is below what images of any class have, or the class is the one for that.
    None,
}

/// What a device acts on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer {
    /// The most likely class; of equals the first.
    pub class: u16,
    /// Whether to act on it.
    pub verdict: Verdict,
    /// Whether the margin of its logit is so large that the float model gives the same class. It says nothing about
    /// being right: that is [`Self::verdict`].
    pub agrees: bool,
}

/// The limits of a model's verdicts, as they lie in its file.
///
/// The confidence of class `c` is `1 / (1 + Σ 2^−((logit_c − logit_k) · rate))`, over all other classes `k`: the softmax
/// of the logits divided by a temperature. The sum alone decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Powers of two for each unit of a difference of logits, times 2³².
    pub rate: u32,
    /// Largest sum of a [`Verdict::Sure`], times 2¹⁶.
    pub sure: u32,
    /// Largest sum of a [`Verdict::Unsure`], times 2¹⁶.
    pub unsure: u32,
    /// The class that is the answer "none of these", counted from 1: where it is the most likely, the verdict is
    /// [`Verdict::None`]. 0, or more than there are, if none is.
    pub rejected: u16,
}

impl Limits {
    /// The verdict on this class, above whose logit the others are by these margins.
    fn verdict(self, class: u16, margins: impl Iterator<Item = u32>) -> Verdict {
        if class.checked_add(1) == Some(self.rejected) {
            return Verdict::None;
        }
        let sum = margins.fold(0_u32, |sum, margin| {
            let exponent = (u64::from(margin) * u64::from(self.rate)) >> 16;
            sum.saturating_add(negative_power_of_two(exponent))
        });
        match sum {
            sum if sum <= self.sure => Verdict::Sure,
            sum if sum <= self.unsure => Verdict::Unsure,
            _ => Verdict::None,
        }
    }
}

/// `2^−exponent`, both times 2¹⁶; less than 10 too large or too small.
fn negative_power_of_two(exponent: u64) -> u32 {
    // for a fraction f of 0 to 1 a polynomial of the third degree, which is right at both ends:
    // 2^−f ≈ 1 − 0.69165 f + 0.23125 f² − 0.0396 f³
    let [linear, square, cube] = [45_328, 15_155, 2_595];
    let fraction = (exponent & 0xffff) as u32;
    let times = |factor: u32| ((u64::from(fraction) * u64::from(factor)) >> 16) as u32;
    let power = (1 << 16) - times(linear - times(square - times(cube)));
    let whole = u32::try_from(exponent >> 16).unwrap_or(u32::MAX);
    power.checked_shr(whole).unwrap_or(0)
}

impl Logits<'_> {
    /// The most likely class; of equals the first.
    #[must_use]
    pub fn class(&self) -> u16 {
        self.ranked().0
    }

    /// By how much the best logit is above the next.
    #[must_use]
    pub fn margin(&self) -> u32 {
        self.ranked().1
    }

    /// What they mean to `model`, which gave them.
    #[must_use]
    pub fn answer<const ROUTINES: u16>(&self, model: Model<'_, ROUTINES>) -> Answer {
        let (class, margin) = self.ranked();
        let best = self.0.get(usize::from(class)).copied().unwrap_or_default();
        let others = self.0.iter().enumerate().filter(|(other, _)| *other != usize::from(class));
        let margins = others.map(|(_, logit)| best.abs_diff(*logit));
        let verdict = model.limits().verdict(class, margins);
        Answer { class, verdict, agrees: margin >= model.header().agreement_margin.get() }
    }

    /// The best class and its margin.
    fn ranked(&self) -> (u16, u32) {
        let (mut class, mut best, mut next) = (0, i32::MIN, i32::MIN);
        for (other, &logit) in (0..).zip(self.0) {
            if logit > best {
                (class, best, next) = (other, logit, best);
            } else {
                next = next.max(logit);
            }
        }
        (class, best.abs_diff(next))
    }
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;

    #[test]
    fn of_equal_logits_the_first_wins_and_the_lowest_can_win() {
        assert_eq!(Logits(&[3, 7, 7, 0]).class(), 1);
        assert_eq!(Logits(&[i32::MIN; 3]).class(), 0);
    }

    #[test]
    fn the_margin_is_that_of_the_second_best_wherever_it_stands() {
        assert_eq!(Logits(&[5, -3, 9, 0, 7]).margin(), 2);
        assert_eq!(Logits(&[9, -3, 5, 0, 7]).margin(), 2);
        assert_eq!(Logits(&[7, 7, 0]).margin(), 0);
        assert_eq!(Logits(&[i32::MIN, i32::MAX, i32::MIN]).margin(), u32::MAX);
    }

    #[test]
    fn a_power_of_two_is_right_to_four_digits() {
        for exponent in 0_u32..20 << 16 {
            let exact = (f64::from(exponent) / -65536.0).exp2() * 65536.0;
            let found = f64::from(negative_power_of_two(exponent.into()));
            assert!((found - exact).abs() < 10.0, "{exponent}: {found}, not {exact}");
        }
        assert_eq!(negative_power_of_two(u64::MAX), 0);
    }

    #[test]
    fn verdicts_are_those_of_the_softmax() {
        let mut seed = 1_u64;
        let mut next = || {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (seed >> 40) as i32 - (1 << 23)
        };
        let (scale, temperature, sure, unsure) = (1.2e-6, 1.7, 0.93_f64, 0.41_f64);
        let odds = |confidence: f64| ((1.0 - confidence) / confidence * 65536.0) as u32;
        let rate = (scale / temperature / std::f64::consts::LN_2 * 4_294_967_296.0) as u32;
        let limits = Limits { rate, sure: odds(sure), unsure: odds(unsure), rejected: 0 };
        let mut counts = [0; 3];
        for _ in 0..2000 {
            let logits: Vec<i32> = (0..5).map(|_| next()).collect();
            let best = *logits.iter().max().unwrap();
            let power = |&logit: &i32| (f64::from(logit - best) * scale / temperature).exp();
            let confidence = 1.0 / logits.iter().map(power).sum::<f64>();
            if [sure, unsure].iter().any(|limit| (confidence - limit).abs() < 1e-3) {
                continue;
            }
            let class = logits.iter().position(|&logit| logit == best).unwrap();
            let others = logits.iter().enumerate().filter(|(other, _)| *other != class);
            let margins = || others.clone().map(|(_, logit)| best.abs_diff(*logit));
            let found = limits.verdict(0, margins());
            let rejecting = Limits { rejected: 1, ..limits };
            assert_eq!(rejecting.verdict(0, margins()), Verdict::None);
            assert_eq!(rejecting.verdict(1, margins()), found);
            let expected = match confidence {
                high if high > sure => Verdict::Sure,
                low if low < unsure => Verdict::None,
                _ => Verdict::Unsure,
            };
            assert_eq!(found, expected, "{confidence}");
            counts[expected as usize] += 1;
        }
        assert!(counts.iter().all(|&count| count > 40), "{counts:?}");
    }
}
