//! The class that scores name, and by how much.

/// The best of some scores.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ranking {
    /// Its number; of equals the first.
    pub class: u16,
    /// By how much it is above the next, in the scores' units; 0 of a single score.
    pub margin: f64,
}

impl Ranking {
    /// The best of these scores.
    #[must_use]
    pub fn of<T: Copy + Into<f64>>(scores: &[T]) -> Self {
        let (mut class, mut best, mut next) = (0, f64::NEG_INFINITY, f64::NEG_INFINITY);
        for (number, score) in (0..).zip(scores.iter().copied().map(Into::into)) {
            if score > best {
                (class, best, next) = (number, score, best);
            } else {
                next = next.max(score);
            }
        }
        let margin = best - next;
        Self { class, margin: if margin.is_finite() { margin } else { 0.0 } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_equal_scores_the_first_is_best_as_on_the_device() {
        assert_eq!(Ranking::of(&[1.0_f32, 3.0, 3.0, 2.5]), Ranking { class: 1, margin: 0.0 });
        assert_eq!(Ranking::of(&[5, 3, 4]), Ranking { class: 0, margin: 1.0 });
        assert_eq!(Ranking::of(&[i32::MIN, i32::MAX]).margin as u32, u32::MAX);
        assert_eq!(Ranking::of(&[7]), Ranking { class: 0, margin: 0.0 });
    }
}
