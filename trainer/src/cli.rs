//! Arguments of the `trainer` command; their help is their documentation.

use std::path::PathBuf;

use anyhow::bail;
use clap::{Parser, Subcommand, ValueEnum};
use network::Topology;
use runtime::preprocess::{Color, Preprocess};
use trainer::augment::{Augmentation, Digits, Photo};
use trainer::data::{Dataset, MAX_SIDE, pictures};
use trainer::device::Choice;
use trainer::recipe::Name;
use trainer::train::{EvalSet, Options};

/// One training image in this many is held out for validation.
const VALIDATION_PART: usize = 12;
/// At most so many are: they place the thresholds of the verdicts, and every other image is worth more to learn from.
const MAX_VALIDATION: usize = 2500;

/// How many classes a network can tell apart: labels are bytes.
const CLASSES: std::ops::RangeInclusive<usize> = 2..=256;

/// Names of the classes.
#[derive(Debug, Clone)]
pub(crate) struct Classes(pub(crate) Vec<String>);

/// Train a small network on labelled images and export it to ONNX: LeNet on MNIST by default
#[derive(Debug, Parser)]
#[command(version, args_conflicts_with_subcommands = true)]
#[expect(clippy::struct_excessive_bools, reason = "one for each option that is given or not")]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    /// Where to write the ONNX file; without it, only train and report
    #[arg(long, value_name = "FILE")]
    pub(crate) export: Option<PathBuf>,
    /// lenet, small, tiny, or layers with - between, such as 32c3b-p2-32c3b-p2-256: convolutions of 32 maps, 3×3, with batch
    /// normalisation; poolings; a dense layer [default: lenet for 28×28 grey images, small for others]
    #[arg(long, value_name = "LAYERS")]
    pub(crate) network: Option<Topology>,
    /// How to train [default: best for 28×28 grey images, photo for others]
    #[arg(long, value_enum)]
    pub(crate) recipe: Option<Name>,
    /// How to change the training images at every step [default: the recipe's]
    #[arg(long, value_enum)]
    augment: Option<Augment>,
    /// Mirror half of the training images, left to right; for photographs of what has no left and right
    #[arg(long)]
    flip: bool,
    /// Count each class the same, however many images it has
    #[arg(long)]
    balance: bool,
    /// Steps at least: few images are passed over as often as that takes [default: the recipe's, or as --epochs says]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    steps: Option<u32>,
    /// Passes over the training images [default: the recipe's]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    epochs: Option<u32>,
    /// Images a step [default: the recipe's]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    batch_size: Option<u32>,
    /// Step size of Adam, at its peak; Muon's goes with it [default: the recipe's]
    #[arg(long, value_name = "F", value_parser = positive)]
    lr: Option<f64>,
    /// Training images to hold out for validation [default: one in twelve, at most 2,500; the original recipe evaluates on the test images]
    #[arg(long, value_name = "N")]
    validation: Option<u32>,
    /// Decides the validation images, the first weights and the order of the images
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Threads on a CPU [default: its cores]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
    /// auto, cpu, cuda or cuda:N
    #[arg(long, default_value = "auto")]
    pub(crate) device: Choice,
    /// Folder of pictures with a folder per class, CSV file of them, or folder with the four IDX files, plain or .gz
    /// [default: a folder of yours, shared by all clones, into which MNIST is fetched]
    #[arg(long, value_name = "PATH")]
    pub(crate) data: Option<PathBuf>,
    /// Height and width that pictures are brought to, such as 32x20 [default: what fits them, at most 64]
    #[arg(long, value_name = "HxW", value_parser = size)]
    size: Option<[usize; 2]>,
    /// grey or rgb [default: rgb if one picture in twenty has colour]
    #[arg(long, value_name = "COLOR")]
    color: Option<Color>,
    /// What becomes of a picture of another aspect: stretch it, crop its middle, or pad it with black bars
    #[arg(long, value_name = "FIT", default_value = "stretch", value_parser = fit)]
    fit: Preprocess,
    /// Fetch MNIST into the folder that --data names, if it has no dataset
    #[arg(long)]
    pub(crate) download: bool,
    /// Names of the classes, in the order of their labels, with commas between [default: the labels]
    #[arg(long, value_name = "NAMES", value_parser = classes)]
    pub(crate) classes: Option<Classes>,
    /// The class that is the answer "none of these": where it is the likeliest, the verdict is no match, and the accuracy on
    /// the others is reported beside
    #[arg(long, value_name = "NAME")]
    pub(crate) reject: Option<String>,
    /// Train this many times, each time without another part of the images, and report how many of that part are right:
    /// cross-validation, which exports nothing
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(2..=1000),
        conflicts_with_all = ["export", "checkpoint", "resume", "json", "plots", "report", "validation"])]
    pub(crate) folds: Option<u16>,
    /// Where to keep what it takes to go on after a stop [default: beside --export, ending in .checkpoint]
    #[arg(long, value_name = "FILE")]
    checkpoint: Option<PathBuf>,
    /// Go on from the checkpoint, to the same weights as without the stop
    #[arg(long)]
    pub(crate) resume: bool,
    /// Where to write loss and accuracy, a JSON object an epoch
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// Replace files that this program did not write
    #[arg(long)]
    pub(crate) force: bool,
    /// Folder for plots, each as PNG and SVG: samples, curves, confusion, worst errors, filters
    #[arg(long, value_name = "DIR")]
    pub(crate) plots: Option<PathBuf>,
    /// Where to write one HTML page about the run, with the plots in it
    #[arg(long, value_name = "FILE")]
    pub(crate) report: Option<PathBuf>,
}

/// Kinds of augmentation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Augment {
    /// Turned, slanted and bent strokes, thicker and thinner, fainter
    Digits,
    /// Taken from a little beside, blurred, in other light and other colours
    Photo,
    /// Only taken from a little beside
    Shift,
    /// No change
    None,
}

/// Anything but training.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Say what this machine has for training, and how to mend what is wrong
    Doctor {
        /// Folder with the four IDX files [default: as in training]
        #[arg(long, value_name = "DIR")]
        data: Option<PathBuf>,
    },
}

impl Cli {
    /// Where the checkpoint is; none without `--export` or `--checkpoint`.
    pub(crate) fn checkpoint(&self) -> Option<PathBuf> {
        let beside = || self.export.as_ref().map(|path| path.with_extension("checkpoint"));
        self.checkpoint.clone().or_else(beside)
    }

    /// How pictures become images.
    pub(crate) fn pictures(&self) -> pictures::Options {
        pictures::Options {
            size: self.size,
            color: self.color,
            fit: self.fit,
            seed: self.seed,
            divided: self.folds.is_none(),
        }
    }

    /// The recipe that they name, or the one that suits the data.
    pub(crate) fn recipe(&self, dataset: &Dataset) -> Name {
        let usual = if dataset.is_ink() { Name::Best } else { Name::Photo };
        self.recipe.unwrap_or(usual)
    }

    /// Whether images are only shifted because of what they are, and not because it was asked for: other things than
    /// strokes do not become thicker and bend.
    pub(crate) fn only_shifts(&self, dataset: &Dataset) -> bool {
        self.augment.is_none()
            && self.recipe(dataset) == Name::Best
            && !dataset.is_black_and_white()
    }

    /// The run that these arguments ask for, on this data with so many classes.
    pub(crate) fn options(
        &self,
        device: tch::Device,
        dataset: &Dataset,
        classes: usize,
    ) -> anyhow::Result<Options> {
        let images = dataset.train.images.len();
        let name = self.recipe(dataset);
        let mut recipe = name.recipe();
        recipe.min_steps = match (self.steps, self.epochs) {
            (Some(steps), _) => steps.into(),
            (None, Some(_)) => 0,
            (None, None) => recipe.min_steps,
        };
        recipe.epochs = self.epochs.unwrap_or(recipe.epochs);
        recipe.batch_size = self.batch_size.map_or(recipe.batch_size, |size| size as usize);
        recipe.learning_rate = self.lr.unwrap_or(recipe.learning_rate);
        recipe.balanced |= self.balance;
        match self.augment {
            Some(Augment::Digits) => {
                recipe.augmentation = Some(Augmentation::Digits(Digits::USUAL));
            }
            Some(Augment::Photo) => recipe.augmentation = Some(Augmentation::Photo(Photo::USUAL)),
            Some(Augment::Shift) => recipe.augmentation = Some(Augmentation::Photo(Photo::SHIFTED)),
            Some(Augment::None) => recipe.augmentation = None,
            None if self.only_shifts(dataset) => {
                recipe.augmentation = Some(Augmentation::Photo(Photo::SHIFTED));
            }
            None => {}
        }
        match &mut recipe.augmentation {
            Some(Augmentation::Photo(photo)) => photo.flip |= self.flip,
            _ if self.flip => {
                bail!("--flip changes photographs: say --augment photo or --augment shift with it")
            }
            _ => {}
        }
        let eval_set = match (self.validation, name) {
            (Some(images), _) => EvalSet::Validation(images as usize),
            (None, _) if !dataset.validation.images.is_empty() => EvalSet::Own,
            (None, Name::Original) => EvalSet::Test,
            (None, Name::Best | Name::Photo) => {
                EvalSet::Validation((images / VALIDATION_PART).min(MAX_VALIDATION))
            }
        };
        let threads =
            self.threads.map_or_else(|| tch::get_num_threads().max(1) as usize, usize::from);
        let topology =
            self.network.clone().unwrap_or_else(|| Topology::default_for(dataset.shape()));
        let classes = classes as i64;
        Ok(Options { recipe, topology, classes, eval_set, seed: self.seed, device, threads })
    }
}

/// Names that fit the comma-separated list in a model's metadata.
fn classes(text: &str) -> Result<Classes, String> {
    let names: Vec<String> = text.split(',').map(|name| name.trim().to_owned()).collect();
    if !CLASSES.contains(&names.len()) {
        return Err(format!("{} names, expected 2 to 256 with commas between", names.len()));
    }
    if let Some(name) = names.iter().find(|name| name.is_empty() || name.contains(char::is_control))
    {
        return Err(format!("{name:?} is no name"));
    }
    match names.iter().enumerate().find(|(index, name)| names[..*index].contains(name)) {
        Some((_, name)) => Err(format!("{name} is named twice")),
        None => Ok(Classes(names)),
    }
}

fn size(text: &str) -> Result<[usize; 2], String> {
    let sides = text.split_once('x').and_then(|(rows, columns)| {
        let side = |text: &str| text.parse().ok().filter(|side| (1..=MAX_SIDE).contains(side));
        Some([side(rows)?, side(columns)?])
    });
    sides.ok_or_else(|| format!("expected height and width of 1 to {MAX_SIDE}, such as 32x20"))
}

fn fit(text: &str) -> Result<Preprocess, String> {
    let fit = text.parse().ok().filter(|fit| *fit != Preprocess::Digit);
    fit.ok_or_else(|| "expected stretch, crop or pad".into())
}

fn positive(text: &str) -> Result<f64, String> {
    let value = text.parse().ok().filter(|value: &f64| value.is_finite() && *value > 0.0);
    value.ok_or_else(|| "not a number above 0".into())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn classes_are_two_names_or_more_all_different() {
        assert_eq!(super::classes("cat, dog").unwrap().0, ["cat", "dog"]);
        for text in ["", "cat", "cat,cat", "cat,,dog", "cat,d\nog"] {
            assert!(super::classes(text).is_err(), "{text}");
        }
        let many = |count: usize| (0..count).map(|n| n.to_string()).collect::<Vec<_>>().join(",");
        assert!(super::classes(&many(256)).is_ok() && super::classes(&many(257)).is_err());
    }

    #[test]
    fn sizes_are_heights_and_widths_within_bounds() {
        assert_eq!(super::size("32x20"), Ok([32, 20]));
        for text in ["", "32", "32x", "0x9", "129x9", "1e1x2", "9x9x9"] {
            assert!(super::size(text).is_err(), "{text}");
        }
        assert!(super::fit("digit").is_err() && super::fit("pad").is_ok());
    }

    #[test]
    fn the_arguments_are_consistent() {
        super::Cli::command().debug_assert();
    }
}
