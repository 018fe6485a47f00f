//! The course of the learning rate, and the average of the weights: what happens over a whole run.

use std::f64::consts::PI;

use tch::Tensor;

/// How the learning rate changes over a run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Schedule {
    /// It does not.
    Constant,
    /// Linearly up over this part of the steps, then down to nothing along a half cosine: Smith and Topin 2018.
    OneCycle {
        /// Part of the steps on the way up, 0 to 1.
        warm_up: f64,
    },
}

impl Schedule {
    /// What to multiply the peak learning rate by, at a step of so many, from 0.
    #[must_use]
    pub fn factor(self, step: u64, steps: u64) -> f64 {
        let at = (step as f64 + 0.5) / steps as f64;
        match self {
            Self::Constant => 1.0,
            Self::OneCycle { warm_up } if at < warm_up => at / warm_up,
            Self::OneCycle { warm_up } => {
                f64::midpoint(1.0, (PI * (at - warm_up) / (1.0 - warm_up)).cos())
            }
        }
    }
}

/// The exponential moving average of the weights of every step, which is what a run results in.
///
/// At the start it is the plain average, so that the first weights do not weigh for long.
pub(crate) fn average(average: &Tensor, weights: &Tensor, decay: f64, step: u64) {
    let decay = decay.min(step as f64 / (step as f64 + 9.0));
    let _ = tch::no_grad(|| average.shallow_clone().lerp_(weights, 1.0 - decay));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_cycle_rises_to_its_peak_and_falls_to_nothing() {
        let cycle = Schedule::OneCycle { warm_up: 0.2 };
        let factors: Vec<f64> = (0..1000).map(|step| cycle.factor(step, 1000)).collect();
        assert!(factors[..200].is_sorted() && factors[200..].is_sorted_by(|a, b| a >= b));
        assert!(factors[0] < 0.01 && factors[200] > 0.99 && factors[999] < 0.001);
        assert!((Schedule::Constant.factor(7, 10) - 1.0).abs() < f64::EPSILON);
    }
}
