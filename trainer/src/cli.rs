//! Arguments of the `trainer` command; their help is their documentation.

use std::path::PathBuf;

use clap::Parser;
use trainer::device::Choice;
use trainer::train::Options;

/// Train LeNet on MNIST and export it to ONNX
#[derive(Debug, Parser)]
#[command(version)]
pub(crate) struct Cli {
    /// Where to write the ONNX file; without it, only train and report
    #[arg(long, value_name = "FILE")]
    pub(crate) export: Option<PathBuf>,
    /// Passes over the training images
    #[arg(long, default_value_t = 12, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    epochs: u32,
    /// Images a step
    #[arg(long, default_value_t = 512, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    batch_size: u32,
    /// Step size of Adam
    #[arg(long, value_name = "F", default_value_t = 1e-3, value_parser = positive)]
    lr: f64,
    /// Decides the validation images, the first weights and the order of the images
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// auto, cpu, cuda or cuda:N
    #[arg(long, default_value = "auto")]
    pub(crate) device: Choice,
    /// Folder with the four IDX files, plain or .gz; MNIST is fetched into it if it is empty
    /// [default: a folder of yours, shared by all clones]
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// Where to write loss and accuracy, a JSON object an epoch
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
}

impl Cli {
    pub(crate) fn options(&self, device: tch::Device) -> Options {
        Options {
            epochs: self.epochs,
            batch_size: self.batch_size as usize,
            learning_rate: self.lr,
            seed: self.seed,
            device,
        }
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
