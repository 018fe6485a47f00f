//! What a run is told, what it tells, and what it takes to go on.

use std::time::Duration;

use network::Topology;
use tch::{Device, Tensor};

use crate::evaluate::Score;
#[cfg(doc)]
use crate::model::Model;
use crate::recipe::Recipe;
#[cfg(doc)]
use crate::train::Run;

/// Everything that decides a run but its data.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// How to train.
    pub recipe: Recipe,
    /// What to train: it fits the images and the classes.
    pub topology: Topology,
    /// Number of classes.
    pub classes: i64,
    /// What to evaluate on after every epoch.
    pub eval_set: EvalSet,
    /// Decides the validation images, the first weights, the order of the images, their changes, and the dropout.
    pub seed: u64,
    /// Where to train.
    pub device: Device,
    /// Threads on a CPU; other numbers add up in another order.
    pub threads: usize,
}

/// What is evaluated on after every epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EvalSet {
    /// So many of the training images, which are not trained on.
    Validation(usize),
    /// The validation images that the dataset has.
    Own,
    /// The test images, as the original article does: for its figures, not to choose by.
    Test,
}

impl EvalSet {
    /// What to call it in a table.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Validation(_) | Self::Own => "validation",
            Self::Test => "test",
        }
    }
}

/// Result of [`Run::advance`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Progress {
    /// A step.
    Step {
        /// Epoch, from 1.
        epoch: u32,
        /// Images seen in this epoch.
        images: usize,
        /// Images of an epoch.
        of: usize,
        /// Mean cross-entropy in this epoch so far; none on a GPU, for which it would mean a wait.
        loss: Option<f64>,
    },
    /// The last step of an epoch.
    Epoch(Epoch),
}

/// Results of one epoch; every figure is a mean over images.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Epoch {
    /// Which, from 1.
    pub epoch: u32,
    /// Over the training images, as they were met: changed, and with dropout.
    pub training: Score,
    /// Over the images of [`EvalSet`], after the epoch; none if there are none.
    pub eval: Option<Score>,
    /// Training and evaluation.
    pub took: Duration,
}

impl Epoch {
    /// Whether its evaluation is better than another's: more right answers, or as many and a lower loss.
    pub(super) fn beats(&self, other: &Self) -> bool {
        let Some(ours) = self.eval else { return false };
        other.eval.is_none_or(|theirs| {
            let rank = ours.accuracy.total_cmp(&theirs.accuracy);
            rank.then(theirs.loss.total_cmp(&ours.loss)).is_gt()
        })
    }
}

/// A run after some step: what it takes to go on.
#[derive(Debug)]
pub struct State {
    /// Steps so far.
    pub step: u64,
    /// As [`Model::weights`], and as long as the others.
    pub weights: Tensor,
    /// Average of the weights.
    pub average: Tensor,
    /// The optimiser's mean gradient.
    pub mean: Tensor,
    /// The optimiser's mean squared gradient.
    pub square: Tensor,
    /// The weights of the best epoch so far, if the recipe keeps them.
    pub best: Option<Tensor>,
    /// The epoch so far.
    pub partial: Partial,
    /// The epochs so far.
    pub history: Vec<Epoch>,
}

/// Sums over the images of an epoch that is not over.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Partial {
    /// Of the cross-entropies.
    pub loss: f64,
    /// Right answers.
    pub correct: i64,
    /// Time so far.
    pub took: Duration,
}
