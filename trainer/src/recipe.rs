//! What a network is trained with: everything but the data and the seed.

use clap::ValueEnum;

use crate::augment::Augmentation;
use crate::optimizer::Rule;
use crate::schedule::Schedule;
use crate::synthetic::Synthetic;

/// Names of the recipes, as on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Name {
    /// Augmentation, one-cycle Muon and Adam, label smoothing, averaged weights
    Best,
    /// The original article's: Adam and dropout on all training images, evaluated on the test images after every epoch
    Original,
}

impl Name {
    /// As on the command line and in a model's metadata.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Best => "best",
            Self::Original => "original",
        }
    }

    /// The recipe.
    #[must_use]
    pub const fn recipe(self) -> Recipe {
        match self {
            Self::Best => Recipe::BEST,
            Self::Original => Recipe::ORIGINAL,
        }
    }
}

/// How to train.
#[derive(Debug, Clone, PartialEq)]
pub struct Recipe {
    /// Passes over the training images.
    pub epochs: u32,
    /// Images a step.
    pub batch_size: usize,
    /// How a gradient becomes a step.
    pub rule: Rule,
    /// Adam's step size, at its peak.
    pub learning_rate: f64,
    /// Its course.
    pub schedule: Schedule,
    /// Part of every weight that is lost a step, times the learning rate.
    pub weight_decay: f64,
    /// Part of the target that goes to all classes evenly.
    pub label_smoothing: f64,
    /// Probability that a hidden feature is left out of a step.
    pub dropout: f64,
    /// Decay of the average of the weights, which is the result; without it the last weights are.
    pub averaging: Option<f64>,
    /// What happens to the training images.
    pub augmentation: Option<Augmentation>,
    /// What is added to the training images of digits.
    pub synthetic: Option<Synthetic>,
}

impl Recipe {
    /// The original article's.
    pub const ORIGINAL: Self = Self {
        epochs: 12,
        batch_size: 512,
        rule: Rule::Adam,
        learning_rate: 1e-3,
        schedule: Schedule::Constant,
        weight_decay: 0.0,
        label_smoothing: 0.0,
        dropout: 0.5,
        averaging: None,
        augmentation: None,
        synthetic: None,
    };

    /// Chosen on validation images; the README has the figures.
    pub const BEST: Self = Self {
        epochs: 12,
        batch_size: 512,
        rule: Rule::Muon { ratio: 5.0 },
        learning_rate: 6e-3,
        schedule: Schedule::OneCycle { warm_up: 0.2 },
        weight_decay: 0.1,
        label_smoothing: 0.05,
        dropout: 0.3,
        averaging: Some(0.999),
        augmentation: Some(Augmentation {
            rotation_degrees: 10.0,
            scale: 0.12,
            shear: 0.15,
            shift_px: 2.0,
            bend_px: 0.5,
            thickness: 0.4,
            gamma: 0.5,
            noise: 0.1,
        }),
        synthetic: Some(Synthetic { per_style: 250, non_digits: 5000 }),
    };
}
