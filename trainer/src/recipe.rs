//! What a network is trained with: everything but the data and the seed.

use clap::ValueEnum;

use crate::augment::{Augmentation, Digits, Photo};
use crate::optimizer::{BETA2, Rule};
use crate::schedule::Schedule;
use crate::synthetic::Synthetic;

/// Names of the recipes, as on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Name {
    /// Augmentation, one-cycle Muon and Adam, label smoothing, averaged weights
    Best,
    /// The original article's: Adam and dropout on all training images, evaluated on the test images after every epoch
    Original,
    /// For photographs: other augmentation, Adam, as many steps as it takes where there are few, the best by validation
    Photo,
}

impl Name {
    /// As on the command line and in a model's metadata.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Best => "best",
            Self::Original => "original",
            Self::Photo => "photo",
        }
    }

    /// The recipe.
    #[must_use]
    pub const fn recipe(self) -> Recipe {
        match self {
            Self::Best => Recipe::BEST,
            Self::Original => Recipe::ORIGINAL,
            Self::Photo => Recipe::PHOTO,
        }
    }
}

/// How to train.
#[derive(Debug, Clone, PartialEq)]
pub struct Recipe {
    /// Times to evaluate; each follows a pass over the training images, or several.
    pub epochs: u32,
    /// Steps, at least: where images are few, an epoch passes over them as often as that takes.
    pub min_steps: u64,
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
    /// Whether each class counts the same, however many images it has.
    pub balanced: bool,
    /// Probability that a value is left out of what the last layer takes in a step, if there are many.
    pub dropout: f64,
    /// Decay of the average of the weights, which is the result; without it the last weights are.
    pub averaging: Option<f64>,
    /// Whether the result is of the epoch that was best in its evaluation, if it was clearly better than the last.
    pub keep_best: bool,
    /// What happens to the training images.
    pub augmentation: Option<Augmentation>,
    /// What is added to the training images of digits.
    pub synthetic: Option<Synthetic>,
}

impl Recipe {
    /// The original article's.
    pub const ORIGINAL: Self = Self {
        epochs: 12,
        min_steps: 0,
        batch_size: 512,
        rule: Rule::Adam { beta2: BETA2 },
        learning_rate: 1e-3,
        schedule: Schedule::Constant,
        weight_decay: 0.0,
        label_smoothing: 0.0,
        balanced: false,
        dropout: 0.5,
        averaging: None,
        keep_best: false,
        augmentation: None,
        synthetic: None,
    };

    /// Chosen on validation images; the README has the figures.
    pub const BEST: Self = Self {
        epochs: 12,
        min_steps: 1000,
        batch_size: 512,
        rule: Rule::Muon { ratio: 5.0 },
        learning_rate: 6e-3,
        schedule: Schedule::OneCycle { warm_up: 0.2 },
        weight_decay: 0.1,
        label_smoothing: 0.05,
        balanced: false,
        dropout: 0.3,
        averaging: Some(0.999),
        keep_best: false,
        augmentation: Some(Augmentation::Digits(Digits::USUAL)),
        synthetic: Some(Synthetic { per_style: 180, rewritten: 2500, non_digits: 7000 }),
    };

    /// Chosen by cross-validation within 901 photographs of meters' digits, by hand; `--folds` measures it.
    pub const PHOTO: Self = Self {
        epochs: 20,
        min_steps: 3000,
        batch_size: 64,
        rule: Rule::Adam { beta2: 0.99 },
        learning_rate: 3e-3,
        schedule: Schedule::OneCycle { warm_up: 0.15 },
        weight_decay: 0.05,
        label_smoothing: 0.05,
        balanced: false,
        dropout: 0.4,
        averaging: Some(0.998),
        keep_best: true,
        augmentation: Some(Augmentation::Photo(Photo::USUAL)),
        synthetic: None,
    };

    /// [`Self::dropout`] where the last layer takes so many values: few of them do not stand in for each other.
    #[must_use]
    pub fn dropout_of(&self, values: i64) -> f64 {
        const MIN_VALUES: i64 = 128;
        if values < MIN_VALUES { 0.0 } else { self.dropout }
    }

    /// How often an epoch passes over so many images.
    #[must_use]
    pub fn passes(&self, images: usize) -> usize {
        let once = u64::from(self.epochs) * (images as u64).div_ceil(self.batch_size as u64);
        if self.min_steps <= once {
            return 1;
        }
        let of_an_epoch = self.min_steps.div_ceil(u64::from(self.epochs)) as usize;
        (of_an_epoch * self.batch_size).div_ceil(images.max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_images_are_passed_over_until_the_steps_are_enough() {
        let photo = Recipe { epochs: 20, min_steps: 3000, batch_size: 64, ..Recipe::PHOTO };
        assert_eq!(photo.passes(1_000_000), 1);
        for images in [2, 20, 63, 64, 65, 800, 9_000] {
            let passes = photo.passes(images);
            let steps = 20 * (passes * images / 64);
            assert!(steps >= 3000, "{steps} steps of {images} images");
            assert!(20 * ((passes - 1) * images / 64) < 3000, "{passes} passes of {images}");
        }
        assert!(Recipe::BEST.dropout_of(32) < f64::EPSILON && Recipe::BEST.dropout_of(500) > 0.2);
        assert_eq!(Recipe::BEST.passes(60_000), 1);
        assert_eq!(Recipe::ORIGINAL.passes(10), 1);
    }
}
