//! Arguments of the `firmware-sim` command; their help is their documentation.

use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, Parser, Subcommand};

/// Turn an ONNX model into one for a microcontroller, and prove that they agree
#[derive(Debug, Parser)]
#[command(version)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make an int8 model, calibrated on training images
    Quantize(Quantize),
    /// Compare an int8 model with the ONNX file that it was made from, on the test images
    Verify(Verify),
}

#[derive(Debug, Args)]
pub(crate) struct Quantize {
    /// ONNX file that trainer exported
    #[arg(value_name = "MODEL.onnx")]
    pub(crate) model: PathBuf,
    #[command(flatten)]
    pub(crate) data: Data,
    /// Where to write the int8 model
    #[arg(long, short, value_name = "OUT.q8")]
    pub(crate) output: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct Verify {
    /// ONNX file
    #[arg(long, value_name = "MODEL.onnx")]
    pub(crate) model: PathBuf,
    /// Int8 model that `quantize` made from it
    #[arg(long, value_name = "MODEL.q8")]
    pub(crate) quantized: PathBuf,
    #[command(flatten)]
    pub(crate) data: Data,
    /// Fail if fewer predictions than this fraction are equal
    #[arg(long, value_name = "F", default_value_t = 0.998, value_parser = fraction)]
    pub(crate) min_agreement: f64,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Data {
    /// Folder with the four IDX files, plain or .gz [default: the folder that trainer fills]
    #[arg(long = "data", value_name = "DIR")]
    folder: Option<PathBuf>,
}

impl Data {
    /// The folder given, or the one that `trainer` uses without one.
    pub(crate) fn folder(&self) -> anyhow::Result<PathBuf> {
        let folder = self.folder.clone().or_else(runtime::idx::default_folder);
        folder.context("you have no home folder to look for images in: give one with --data DIR")
    }
}

fn fraction(text: &str) -> Result<f64, String> {
    let value = text.parse().ok().filter(|value| (0.0..=1.0).contains(value));
    value.ok_or_else(|| "not a number from 0 to 1".into())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_arguments_are_consistent() {
        super::Cli::command().debug_assert();
    }
}
