//! The answer that logits give, and whether to trust it.

use crate::format::Model;
use crate::geometry::CLASSES;

/// Class scores, in units of the model's logit scale.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Logits(pub [i32; CLASSES]);

/// What a device acts on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// The digit, by at least the model's confidence margin.
    Confident(u8),
    /// Two digits are so close that the float model might choose the other.
    Unsure,
}

impl Logits {
    /// The most likely class; of equals the first.
    #[must_use]
    pub fn digit(&self) -> u8 {
        self.ranked().0
    }

    /// By how much the best logit is above the next.
    #[must_use]
    pub fn margin(&self) -> u32 {
        self.ranked().1
    }

    /// The digit if its margin is at least the confidence margin of `model`, which gave these logits.
    #[must_use]
    pub fn answer(&self, model: Model<'_>) -> Answer {
        let (digit, margin) = self.ranked();
        if margin >= model.file().confidence_margin.get() {
            Answer::Confident(digit)
        } else {
            Answer::Unsure
        }
    }

    /// The best class and its margin.
    fn ranked(&self) -> (u8, u32) {
        let (mut digit, mut best, mut next) = (0, i32::MIN, i32::MIN);
        for (class, &logit) in (0..).zip(&self.0) {
            if logit > best {
                (digit, best, next) = (class, logit, best);
            } else {
                next = next.max(logit);
            }
        }
        (digit, best.abs_diff(next))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_equal_logits_the_first_wins_and_the_lowest_can_win() {
        assert_eq!(Logits([3, 7, 7, 0, 0, 0, 0, 0, 0, 0]).digit(), 1);
        assert_eq!(Logits([i32::MIN; CLASSES]).digit(), 0);
    }

    #[test]
    fn the_margin_is_that_of_the_second_best_wherever_it_stands() {
        assert_eq!(Logits([5, -3, 9, 0, 7, 0, 0, 0, 0, 0]).margin(), 2);
        assert_eq!(Logits([9, -3, 5, 0, 7, 0, 0, 0, 0, 0]).margin(), 2);
        assert_eq!(Logits([7, 7, 0, 0, 0, 0, 0, 0, 0, 0]).margin(), 0);
        let mut extremes = [i32::MIN; CLASSES];
        extremes[4] = i32::MAX;
        assert_eq!(Logits(extremes).margin(), u32::MAX);
    }
}
