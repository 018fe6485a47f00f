//! Arguments of the `trainer` command; their help is their documentation.

use std::path::PathBuf;

use clap::Parser;
use trainer::device::Choice;
use trainer::recipe::Name;
use trainer::train::{Options, Watch};

/// One training image in this many is held out for validation: 5,000 of MNIST's 60,000.
const VALIDATION_PART: usize = 12;

/// Train LeNet on MNIST and export it to ONNX
#[derive(Debug, Parser)]
#[command(version)]
pub(crate) struct Cli {
    /// Where to write the ONNX file; without it, only train and report
    #[arg(long, value_name = "FILE")]
    pub(crate) export: Option<PathBuf>,
    /// How to train
    #[arg(long, value_enum, default_value_t = Name::Best)]
    pub(crate) recipe: Name,
    /// Passes over the training images [default: the recipe's]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    epochs: Option<u32>,
    /// Images a step [default: the recipe's]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    batch_size: Option<u32>,
    /// Step size of Adam, at its peak [default: the recipe's]
    #[arg(long, value_name = "F", value_parser = positive)]
    lr: Option<f64>,
    /// Training images to hold out for validation [default: one in twelve; the original recipe watches the test images]
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
    /// Folder with the four IDX files, plain or .gz; MNIST is fetched into it if it is empty
    /// [default: a folder of yours, shared by all clones]
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// Where to keep what it takes to go on after a stop [default: beside --export, ending in .checkpoint]
    #[arg(long, value_name = "FILE")]
    checkpoint: Option<PathBuf>,
    /// Go on from the checkpoint, to the same weights as without the stop
    #[arg(long)]
    pub(crate) resume: bool,
    /// Where to write loss and accuracy, a JSON object an epoch
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
}

impl Cli {
    /// Where the checkpoint is; none without `--export` or `--checkpoint`.
    pub(crate) fn checkpoint(&self) -> Option<PathBuf> {
        let beside = || self.export.as_ref().map(|path| path.with_extension("checkpoint"));
        self.checkpoint.clone().or_else(beside)
    }

    /// The run that these arguments ask for, on so many training images.
    pub(crate) fn options(&self, device: tch::Device, images: usize) -> Options {
        let mut recipe = self.recipe.recipe();
        recipe.epochs = self.epochs.unwrap_or(recipe.epochs);
        recipe.batch_size = self.batch_size.map_or(recipe.batch_size, |size| size as usize);
        recipe.learning_rate = self.lr.unwrap_or(recipe.learning_rate);
        let watch = match (self.validation, self.recipe) {
            (Some(images), _) => Watch::Validation(images as usize),
            (None, Name::Original) => Watch::Test,
            (None, Name::Best) => Watch::Validation(images / VALIDATION_PART),
        };
        let threads =
            self.threads.map_or_else(|| tch::get_num_threads().max(1) as usize, usize::from);
        Options { recipe, classes: 10, watch, seed: self.seed, device, threads }
    }
}

fn positive(text: &str) -> Result<f64, String> {
    let value = text.parse().ok().filter(|value: &f64| value.is_finite() && *value > 0.0);
    value.ok_or_else(|| "not a number above 0".into())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_arguments_are_consistent() {
        super::Cli::command().debug_assert();
    }
}
