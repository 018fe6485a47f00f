//! The optimiser: Adam for all weights, or Muon for the hidden layers' and Adam for the rest.

use tch::Tensor;

use crate::model::{Block, Model, Role};
use crate::muon;
use crate::workers::Workers;

/// Decay of Adam's mean gradient.
const BETA1: f64 = 0.9;
/// Usual decay of Adam's mean squared gradient.
pub const BETA2: f64 = 0.999;
/// Keeps Adam's division finite.
const EPSILON: f64 = 1e-8;

/// How a gradient becomes a step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Rule {
    /// Adam (Kingma and Ba 2015, algorithm 1) with decoupled weight decay (Loshchilov and Hutter 2019).
    Adam {
        /// Decay of the mean squared gradient.
        beta2: f64,
    },
    /// Muon (Jordan et al. 2024, <https://kellerjordan.github.io/posts/muon/>) for the matrices of all layers but
    /// the last, whose step is so many times as large as Adam's for the rest.
    Muon {
        /// See above.
        ratio: f64,
    },
}

/// A rule with what it remembers.
///
/// libtorch's own Adam would do, but it does not let its state out, and a run could not be resumed.
#[derive(Debug)]
pub(crate) struct Optimizer {
    rule: Rule,
    blocks: Vec<Block>,
    /// Steps so far.
    pub(crate) steps: u64,
    /// Mean gradient, of the length of [`Model::weights`].
    pub(crate) mean: Tensor,
    /// Mean squared gradient, as long; 0 where Muon steps.
    pub(crate) square: Tensor,
}

impl Optimizer {
    /// Before the first step of this network.
    pub(crate) fn new(rule: Rule, network: &Model) -> Self {
        let zeros = || network.weights().zeros_like();
        Self { rule, blocks: network.blocks(), steps: 0, mean: zeros(), square: zeros() }
    }

    /// Moves `weights` against `gradient`, `float32 [parameters]`; statistics after the parameters stay.
    pub(crate) fn step(
        &mut self,
        weights: &Tensor,
        gradient: &Tensor,
        learning_rate: f64,
        weight_decay: f64,
        workers: &Workers,
    ) {
        self.steps += 1;
        let beta2 = match self.rule {
            Rule::Adam { beta2 } => beta2,
            Rule::Muon { .. } => BETA2,
        };
        let _no_graph = tch::no_grad_guard();
        for &Block { start, rows, columns, role } in &self.blocks {
            let part = |tensor: &Tensor| tensor.narrow(0, start, rows * columns);
            let [mut weights, gradient, mut mean, square] =
                [weights, gradient, &self.mean, &self.square].map(part);
            match (self.rule, role) {
                (Rule::Muon { ratio }, Role::Hidden) => {
                    let step = muon::step(&gradient, &mut mean, [rows, columns], workers);
                    weights *= 1.0 - learning_rate * ratio * weight_decay;
                    weights -= step * (learning_rate * ratio);
                }
                (_, Role::Hidden | Role::Depthwise | Role::Last) => {
                    weights *= 1.0 - learning_rate * weight_decay;
                    weights -= adam(&gradient, mean, square, beta2, self.steps) * learning_rate;
                }
                (_, Role::Bias) => {
                    weights -= adam(&gradient, mean, square, beta2, self.steps) * learning_rate;
                }
            }
        }
    }
}

/// Adam's step for a learning rate of 1; `mean` and `square` are changed in place.
fn adam(gradient: &Tensor, mut mean: Tensor, mut square: Tensor, beta2: f64, steps: u64) -> Tensor {
    let correction = |beta: f64| 1.0 - beta.powi(steps as i32);
    let _ = mean.lerp_(gradient, 1.0 - BETA1);
    square *= beta2;
    square += gradient.square() * (1.0 - beta2);
    let scale = (square / correction(beta2)).sqrt() + EPSILON;
    mean / scale / correction(BETA1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::nn::OptimizerConfig;
    use tch::{Device, Kind, nn};

    /// Both round to float32 in another order.
    const ROUNDING: f64 = 1e-5;

    #[test]
    fn adams_steps_are_those_of_libtorch() {
        let _rng = crate::seeding::lock_rng(5);
        let network = crate::model::tests::lenet(10);
        let workers = Workers::new(&network, 1);
        let ours = network.weights().copy();
        let variables = nn::VarStore::new(Device::Cpu);
        let theirs = variables.root().var_copy("w", &ours);
        let mut reference = nn::Adam::default().build(&variables, 1e-2).unwrap();
        let mut optimizer = Optimizer::new(Rule::Adam { beta2: BETA2 }, &network);
        for _ in 0..20 {
            let slope = Tensor::randn(ours.size(), (Kind::Float, Device::Cpu));
            reference.backward_step(&(&theirs * &slope).sum(Kind::Float));
            optimizer.step(&ours, &slope, 1e-2, 0.0, &workers);
        }
        assert!((theirs - ours).abs().max().double_value(&[]) < ROUNDING);
    }

    #[test]
    fn decay_shrinks_the_matrices_and_spares_the_biases() {
        let _rng = crate::seeding::lock_rng(5);
        let network = crate::model::tests::lenet(10);
        let workers = Workers::new(&network, 1);
        let weights = network.weights().ones_like();
        let still = weights.zeros_like();
        for rule in [Rule::Adam { beta2: BETA2 }, Rule::Muon { ratio: 1.0 }] {
            let _ = weights.shallow_clone().fill_(1.0);
            Optimizer::new(rule, &network).step(&weights, &still, 0.1, 0.5, &workers);
            for Block { start, rows, columns, role } in network.blocks() {
                let part = weights.narrow(0, start, rows * columns);
                let expected = if role == Role::Bias { 1.0 } else { 0.95 };
                assert!(
                    (part - expected).abs().max().double_value(&[]) < 1e-6,
                    "{rule:?} {role:?}"
                );
            }
        }
    }
}
