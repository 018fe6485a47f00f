//! `runtime evaluate --find-normalization`: which of the usual normalizations a model with float input was trained with.

use std::cmp::Reverse;
use std::fmt;
use std::io::{self, Write};
use std::path::Path;

use anyhow::{bail, ensure};
use dataset::Interval;
use dataset::folder::Picture;
use image::DynamicImage;
use runtime::evaluate::BATCH;
use runtime::labelled::decode_each;
use runtime::picture::Limits;
use runtime::{Classifier, FloatInput, Image};
use safe_io::SingleLine;
use safe_io::print::print_error;
use serde_json::{Value, json};

use crate::cli;
use crate::evaluate::test_split;
use crate::hint::with_hint;
use crate::model;
use crate::progress;
use crate::test_pictures;

/// Maximum number of pictures that decide.
const MAX_PICTURES: usize = 2000;
/// Probabilities count as at least this, so that a single picture cannot make the loss infinite.
const MIN_PROBABILITY: f32 = 1e-6;

pub(crate) fn run(arguments: &cli::Evaluate) -> anyhow::Result<()> {
    let classifier = model::classifier(&arguments.model)?;
    if classifier.takes_pixels() {
        let file = arguments.model.file.as_deref().unwrap_or(Path::new("the model"));
        bail!(
            "{} takes pixels as they are and normalizes them by itself: there is nothing to find",
            SingleLine(file.display())
        );
    }
    let (pictures, all) = if let Some(path) = arguments.pictures() {
        listed(arguments, path, &classifier)?
    } else {
        let split = test_split(arguments, &classifier)?;
        let all = split.images.len();
        let labels = split.labels.into_iter().map(usize::from);
        (spread(split.images.into_iter().zip(labels).collect()), all)
    };
    let trial = Trial::of(&classifier, &pictures, all);
    let mut output = io::stdout().lock();
    if arguments.json {
        writeln!(output, "{}", trial.json())?;
    } else {
        write!(output, "{trial}")?;
    }
    Ok(())
}

/// Of more than [`MAX_PICTURES`], some from everywhere.
fn spread<T>(all: Vec<T>) -> Vec<T> {
    let count = all.len().max(1);
    let taken = count.min(MAX_PICTURES);
    // those whose share of the taken is whole
    let is_taken = |index: usize| index * taken / count != (index + 1) * taken / count;
    all.into_iter().enumerate().filter(|(index, _)| is_taken(*index)).map(|(_, one)| one).collect()
}

/// Pictures of a class, prepared, and how many there were to take them from.
fn listed(
    arguments: &cli::Evaluate,
    list: &Path,
    classifier: &Classifier,
) -> anyhow::Result<(Vec<(Image, usize)>, usize)> {
    let listed = test_pictures::load(list, classifier.classes())?;
    listed.note_refused();
    let labelled: Vec<(Picture, usize)> =
        listed.of_classes().map(|(picture, label)| (picture.clone(), label)).collect();
    let all = labelled.len();
    let mut pictures = vec![];
    let (chosen, labels): (Vec<Picture>, Vec<usize>) = spread(labelled).into_iter().unzip();
    let prepare = |_, picture: &DynamicImage| classifier.preparation().prepare(picture).image;
    let read = decode_each(&chosen, Limits::from(&arguments.limits), prepare, |_| ());
    for (image, label) in read.into_iter().zip(labels) {
        match image {
            Ok(image) => pictures.push((image, label)),
            Err(error) => print_error(&with_hint(error)),
        }
    }
    ensure!(!pictures.is_empty(), "{} lists no picture of a class", SingleLine(list.display()));
    Ok((pictures, all))
}

/// One normalization on all pictures.
struct Candidate {
    name: &'static str,
    input: FloatInput,
    /// For each picture whether its answer is right; empty if the scores are no numbers.
    right: Vec<bool>,
    /// Mean cross-entropy: of the probability that the picture's class has.
    loss: f32,
}

impl Candidate {
    fn count(&self) -> usize {
        self.right.iter().filter(|&&right| right).count()
    }

    /// Whether the other is right more often than chance makes it, with 95 % confidence, by the pictures on which one
    /// alone is right.
    ///
    /// Source: `McNemar` 1947, "Note on the sampling error of the difference between correlated proportions".
    fn is_worse_than(&self, other: &Self) -> bool {
        /// Of the χ² distribution with one degree of freedom, 95 %.
        const CRITICAL: f64 = 3.841;
        if self.right.is_empty() {
            return !other.right.is_empty();
        }
        let pairs = self.right.iter().zip(&other.right);
        let (mut own, mut others) = (0.0, 0.0);
        for (&this, &that) in pairs {
            own += f64::from(u8::from(this && !that));
            others += f64::from(u8::from(that && !this));
        }
        let difference: f64 = others - own;
        difference > 0.0 && difference.powi(2) > CRITICAL * (own + others)
    }

    /// `--mean 0.1307 --std 0.3081`
    fn flags(&self) -> String {
        let list =
            |values: Vec<f32>| values.iter().map(f32::to_string).collect::<Vec<_>>().join(",");
        let (means, stds) = self.input.channels().unzip();
        format!("--mean {} --std {}", list(means), list(stds))
    }
}

/// Puts those first that are not clearly worse than the most accurate, by their loss, and gives how many they are. The
/// others follow by accuracy.
fn rank(candidates: &mut Vec<Candidate>) -> usize {
    candidates.sort_by_key(|candidate| Reverse(candidate.count()));
    let Some(first) = candidates.first() else { return 0 };
    let is_worse: Vec<bool> = candidates.iter().map(|other| other.is_worse_than(first)).collect();
    let (worse, mut good): (Vec<_>, Vec<_>) =
        is_worse.into_iter().zip(candidates.drain(..)).partition(|(is_worse, _)| *is_worse);
    good.sort_by(|(_, a), (_, b)| a.loss.total_cmp(&b.loss));
    let count = good.len();
    candidates.extend(good.into_iter().chain(worse).map(|(_, candidate)| candidate));
    count
}

/// All normalizations on the same pictures, the best first.
struct Trial {
    candidates: Vec<Candidate>,
    /// How many of the first are not clearly worse than the most accurate.
    near_best: usize,
    pictures: usize,
    /// How many there were to take them from.
    all: usize,
    /// Pictures of the commonest class.
    of_one_class: usize,
}

impl Trial {
    fn of(classifier: &Classifier, pictures: &[(Image, usize)], all: usize) -> Self {
        let usual = FloatInput::usual(classifier.input_shape()[0]);
        let images: Vec<Image> = pictures.iter().map(|(image, _)| image.clone()).collect();
        let bar = progress::bar(usual.len() * images.len());
        let candidates = usual.into_iter().map(|(name, input)| {
            let (mut right, mut losses) = (vec![], 0.0);
            // one under which it gives no numbers is not the one that it was trained with
            if let Ok(classifier) = classifier.with_float_input(input) {
                for (images, labelled) in images.chunks(BATCH).zip(pictures.chunks(BATCH)) {
                    let predictions = classifier.predict_batch(images);
                    for (prediction, (_, label)) in predictions.iter().zip(labelled) {
                        right.push(prediction.class() == *label);
                        losses -= prediction.probabilities[*label].max(MIN_PROBABILITY).ln();
                    }
                    bar.inc(images.len() as u64);
                }
            }
            let loss = losses / right.len() as f32;
            Candidate { name, input, right, loss }
        });
        let mut candidates: Vec<Candidate> = candidates.collect();
        bar.finish_and_clear();
        let near_best = rank(&mut candidates);
        let mut counts = vec![0; classifier.classes().len()];
        for (_, label) in pictures {
            counts[*label] += 1;
        }
        let of_one_class = counts.into_iter().max().unwrap_or_default();
        Self { candidates, near_best, pictures: pictures.len(), all, of_one_class }
    }

    /// Whether the best is better than to name one class always.
    fn fits(&self) -> bool {
        let right = Interval::wilson(self.candidates[0].count() as u64, self.pictures as u64);
        right.low > self.of_one_class as f64 / self.pictures as f64
    }

    /// Those after the best that are not clearly worse than the most accurate.
    fn ties(&self) -> &[Candidate] {
        &self.candidates[1..self.near_best.max(1)]
    }

    fn accuracy(&self, candidate: &Candidate) -> f64 {
        candidate.count() as f64 / self.pictures as f64
    }

    fn json(&self) -> Value {
        let candidate = |candidate: &Candidate| {
            let (means, stds): (Vec<f32>, Vec<f32>) = candidate.input.channels().unzip();
            json!({
                "name": candidate.name,
                "mean": means,
                "std": stds,
                "flags": candidate.flags(),
                "right": candidate.count(),
                "accuracy": self.accuracy(candidate),
                "loss": Some(candidate.loss).filter(|loss| loss.is_finite()),
            })
        };
        json!({
            "pictures": self.pictures,
            "all": self.all,
            "normalizations": self.candidates.iter().map(candidate).collect::<Vec<_>>(),
            "best": self.fits().then(|| self.candidates[0].name),
            "ties": self.ties().iter().map(|candidate| candidate.name).collect::<Vec<_>>(),
        })
    }
}

impl fmt::Display for Trial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "accuracy       loss  normalization       flags")?;
        for candidate in &self.candidates {
            let percent = 100.0 * self.accuracy(candidate);
            let score = if candidate.right.is_empty() {
                format!("{:19}", "no numbers")
            } else {
                format!("{percent:6.2} %  {:9.4}", candidate.loss)
            };
            writeln!(f, "{score}  {:18}  {}", candidate.name, candidate.flags())?;
        }
        writeln!(f, "\non {} of {} pictures", self.pictures, self.all)?;
        let best = &self.candidates[0];
        if !self.fits() {
            return writeln!(
                f,
                "none fits: the best is not clearly better than to answer one class always"
            );
        }
        writeln!(f, "best: {}, so give {}", best.name, best.flags())?;
        match self.near_best {
            0 | 1 => writeln!(f, "chosen by its accuracy: all others are clearly less accurate"),
            count => writeln!(
                f,
                "chosen by its loss, the smallest of the first {count}: their accuracies differ no more than by chance"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(right: &[(bool, usize)]) -> Candidate {
        let right = right.iter().flat_map(|&(right, count)| vec![right; count]).collect();
        Candidate { name: "", input: FloatInput::default(), right, loss: 0.0 }
    }

    #[test]
    fn of_those_that_are_as_accurate_the_one_with_the_smallest_loss_is_the_best() {
        let trial = [(900, 0.1), (990, 0.4), (991, 0.5), (989, 0.3)];
        let mut candidates: Vec<Candidate> = trial
            .iter()
            .map(|&(right, loss)| Candidate {
                loss,
                ..candidate(&[(true, right), (false, 1000 - right)])
            })
            .collect();
        assert_eq!(rank(&mut candidates), 3);
        let counts: Vec<usize> = candidates.iter().map(Candidate::count).collect();
        assert_eq!(counts, [989, 990, 991, 900]);
    }

    #[test]
    fn one_is_worse_if_the_pictures_on_which_they_differ_say_so() {
        let all = candidate(&[(true, 1000)]);
        assert!(candidate(&[(true, 990), (false, 10)]).is_worse_than(&all));
        // three in a row are chance
        assert!(!candidate(&[(true, 997), (false, 3)]).is_worse_than(&all));
        assert!(!all.is_worse_than(&all) && !all.is_worse_than(&candidate(&[(false, 1000)])));
        // as often right, on other pictures
        let [first, second] = [true, false].map(|right| candidate(&[(right, 500), (!right, 500)]));
        assert!(!first.is_worse_than(&second) && !second.is_worse_than(&first));
        assert!(candidate(&[]).is_worse_than(&all));
    }

    #[test]
    fn some_pictures_from_everywhere_are_taken() {
        assert_eq!(spread(vec![1, 2, 3]), [1, 2, 3]);
        assert!(spread(Vec::<u8>::new()).is_empty());
        let taken = spread((0..10_000).collect());
        assert_eq!(taken.len(), MAX_PICTURES);
        assert!(taken.windows(2).all(|pair| pair[1] - pair[0] == 5));
        assert_eq!(spread((0..2001).collect::<Vec<_>>()).len(), MAX_PICTURES);
    }

    #[test]
    fn flags_name_each_channel() {
        let (_, input) = FloatInput::usual(3)[5];
        let candidate = Candidate { name: "", input, right: vec![], loss: 0.0 };
        assert_eq!(candidate.flags(), "--mean 0.485,0.456,0.406 --std 0.229,0.224,0.225");
    }
}
