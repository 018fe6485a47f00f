//! The optimiser: Adam over one tensor that holds all weights.

use std::f64::consts::PI;

use tch::Tensor;

/// Decay of the mean gradient.
const BETA1: f64 = 0.9;
/// Decay of the mean squared gradient.
const BETA2: f64 = 0.999;
/// Keeps the division finite.
const EPSILON: f64 = 1e-8;

/// Adam (Kingma and Ba 2015, algorithm 1) with decoupled weight decay (Loshchilov and Hutter 2019).
///
/// libtorch's own would do, but it does not let its state out, and a run could not be resumed.
#[derive(Debug)]
pub struct Adam {
    /// Steps so far.
    pub(crate) steps: u64,
    /// Mean gradient, `[parameters]`.
    pub(crate) mean: Tensor,
    /// Mean squared gradient, `[parameters]`.
    pub(crate) square: Tensor,
}

impl Adam {
    /// Before the first step for these weights.
    #[must_use]
    pub fn new(weights: &Tensor) -> Self {
        Self { steps: 0, mean: weights.zeros_like(), square: weights.zeros_like() }
    }

    /// Moves `weights` against `gradient`, both `float32 [parameters]`.
    pub fn step(
        &mut self,
        weights: &Tensor,
        gradient: &Tensor,
        learning_rate: f64,
        weight_decay: f64,
    ) {
        self.steps += 1;
        let correction = |beta: f64| 1.0 - beta.powi(self.steps as i32);
        tch::no_grad(|| {
            let _ = self.mean.lerp_(gradient, 1.0 - BETA1);
            self.square *= BETA2;
            self.square += gradient.square() * (1.0 - BETA2);
            let scale = (&self.square / correction(BETA2)).sqrt() + EPSILON;
            let step = &self.mean / scale * (learning_rate / correction(BETA1));
            let mut weights = weights.shallow_clone();
            weights *= 1.0 - learning_rate * weight_decay;
            weights -= step;
        });
    }
}

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
    use tch::nn::OptimizerConfig;
    use tch::{Device, Kind, nn};

    #[test]
    fn steps_are_those_of_libtorch() {
        tch::manual_seed(5);
        let variables = nn::VarStore::new(Device::Cpu);
        let theirs = variables.root().var("w", &[1000], nn::Init::Randn { mean: 0.0, stdev: 1.0 });
        let ours = theirs.detach().copy();
        let mut optimizer =
            nn::AdamW { wd: 0.01, ..nn::AdamW::default() }.build(&variables, 1e-2).unwrap();
        let mut adam = Adam::new(&ours);
        for _ in 0..20 {
            let slope = Tensor::randn([1000], (Kind::Float, Device::Cpu));
            optimizer.backward_step(&(&theirs * &slope).sum(Kind::Float));
            adam.step(&ours, &slope, 1e-2, 0.01);
        }
        // both round to float32 in another order
        assert!((theirs - ours).abs().max().double_value(&[]) < 1e-5);
    }

    #[test]
    fn one_cycle_rises_to_its_peak_and_falls_to_nothing() {
        let cycle = Schedule::OneCycle { warm_up: 0.2 };
        let factors: Vec<f64> = (0..1000).map(|step| cycle.factor(step, 1000)).collect();
        assert!(factors[..200].is_sorted() && factors[200..].is_sorted_by(|a, b| a >= b));
        assert!(factors[0] < 0.01 && factors[200] > 0.99 && factors[999] < 0.001);
        assert!((Schedule::Constant.factor(7, 10) - 1.0).abs() < f64::EPSILON);
    }
}
