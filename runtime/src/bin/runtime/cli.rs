//! Arguments of the `runtime` command; their help is their documentation.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use runtime::{Classifier, Error, Normalization, picture};

/// Read handwritten digits with an ONNX model
#[derive(Debug, Parser)]
#[command(version)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Print the digit in each picture
    Predict(Predict),
    /// Print how good a model is: on a dataset's test split, or on pictures
    Evaluate(Evaluate),
    /// Print what a model takes, gives, holds, and how it was made
    Inspect(Inspect),
}

#[derive(Debug, Args)]
pub(crate) struct Predict {
    /// Picture files (PNG, JPEG, GIF, BMP, WebP, PNM), folders of them, or - for standard input
    #[arg(required = true, value_name = "IMG")]
    pub(crate) images: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) model: Model,
    #[command(flatten)]
    pub(crate) limits: Limits,
    /// Print one JSON object a line
    #[arg(long)]
    pub(crate) json: bool,
    /// Print the K likeliest classes
    #[arg(long, value_name = "K", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(crate) top: u16,
    /// Draw what the network sees beside the original; with =FILE.png, write a picture of every step instead
    #[arg(long, value_name = "FILE.png", num_args = 0..=1, require_equals = true)]
    pub(crate) show: Option<Option<PathBuf>>,
}

#[derive(Debug, Args)]
pub(crate) struct Evaluate {
    /// Folder with the four IDX files, plain or .gz [default: the folder that trainer fills]
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// Picture files instead, listed in a CSV file with the columns path, label (or none) and, at will, source
    #[arg(long, value_name = "CSV", conflicts_with = "data")]
    pub(crate) images: Option<PathBuf>,
    /// Where to write a contact sheet of the misread pictures
    #[arg(long, value_name = "FILE.png", requires = "images")]
    pub(crate) sheet: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) limits: Limits,
    #[command(flatten)]
    pub(crate) model: Model,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Inspect {
    /// ONNX file; without it, the model inside this program
    pub(crate) model: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Model {
    /// ONNX file; without it, the model inside this program
    #[arg(long = "model", value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    /// For models with float input: subtracted from pixels in 0 to 1 [default: 0]
    #[arg(long, value_name = "F", requires = "file", allow_negative_numbers = true, value_parser = finite)]
    mean: Option<f32>,
    /// For models with float input: divides the difference [default: 1]
    #[arg(long, value_name = "F", requires = "file", value_parser = positive)]
    std: Option<f32>,
}

impl Model {
    pub(crate) fn load(&self) -> Result<Classifier, Error> {
        let Some(path) = &self.file else { return Ok(Classifier::embedded()) };
        if self.mean.is_none() && self.std.is_none() {
            return Classifier::load(path);
        }
        let default = Normalization::default();
        let normalization = Normalization {
            mean: self.mean.unwrap_or(default.mean),
            std: self.std.unwrap_or(default.std),
        };
        Classifier::load_normalized(path, normalization)
    }
}

#[derive(Debug, Args)]
pub(crate) struct Limits {
    /// Refuse pictures of more pixels, before decoding them
    #[arg(long, value_name = "N", default_value_t = picture::Limits::default().pixels,
        value_parser = clap::value_parser!(u64).range(1..=picture::Limits::MOST_PIXELS))]
    max_pixels: u64,
    /// Refuse longer picture files
    #[arg(long, value_name = "N", default_value_t = picture::Limits::default().bytes)]
    max_bytes: u64,
}

impl From<&Limits> for picture::Limits {
    fn from(limits: &Limits) -> Self {
        Self { bytes: limits.max_bytes, pixels: limits.max_pixels }
    }
}

fn finite(text: &str) -> Result<f32, String> {
    text.parse().ok().filter(|value: &f32| value.is_finite()).ok_or_else(|| "not a number".into())
}

fn positive(text: &str) -> Result<f32, String> {
    finite(text).ok().filter(|value| *value > 0.0).ok_or_else(|| "not a number above 0".into())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_arguments_are_consistent() {
        super::Cli::command().debug_assert();
    }
}
