//! Arguments of the `runtime` command; their help is their documentation.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::slice;

use clap::error::ErrorKind;
use clap::{Args, Parser, Subcommand};
use network::onnx::Graph;
use runtime::{Classifier, EMBEDDED_MODEL, Error, FloatInput, Kernels, Options, picture};

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
    /// Time predictions of a dataset's test images
    Bench(Bench),
}

#[derive(Debug, Args)]
pub(crate) struct Predict {
    /// Picture files (PNG, JPEG, GIF, BMP, WebP, PNM), folders of them, or - for standard input
    #[arg(required_unless_present = "show", value_name = "IMG")]
    images: Vec<PathBuf>,
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
    /// Draw what the network sees beside the original; with a FILE.png, write a picture of every step there
    #[arg(long, value_name = "FILE.png", num_args = 0..=1, default_missing_value = TERMINAL)]
    show: Option<PathBuf>,
}

/// In place of a file: the drawing goes where the lines go.
const TERMINAL: &str = "-";

/// Where to show what the network sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Show {
    /// Between the lines.
    Terminal,
    /// In a picture file.
    File(PathBuf),
}

impl Predict {
    /// The pictures, and where to show them.
    ///
    /// Without another picture, `--show PICTURE` shows that one in the terminal.
    ///
    /// # Errors
    /// Wrong usage that the parser cannot see.
    pub(crate) fn task(&self) -> Result<(&[PathBuf], Option<Show>), clap::Error> {
        let wrong = |kind, reason| {
            let command = clap::Command::new("runtime predict");
            Err(Self::augment_args(command).error(kind, reason))
        };
        let (images, show) = match (&self.images[..], &self.show) {
            (images, None) => (images, None),
            ([], Some(path)) if path == Path::new(TERMINAL) => {
                return wrong(ErrorKind::MissingRequiredArgument, "no pictures were named");
            }
            ([], Some(picture)) => (slice::from_ref(picture), Some(Show::Terminal)),
            (images, Some(path)) if path == Path::new(TERMINAL) => (images, Some(Show::Terminal)),
            (images, Some(path)) => (images, Some(Show::File(path.clone()))),
        };
        if self.json && matches!(show, Some(Show::Terminal)) {
            let reason =
                "--show draws between the lines of --json: give it a file after the pictures";
            return wrong(ErrorKind::ArgumentConflict, reason);
        }
        Ok((images, show))
    }
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
pub(crate) struct Bench {
    /// Images a call
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_value = "1,64,256", value_parser = count::<65_536>)]
    pub(crate) batch: Vec<NonZeroUsize>,
    /// Threads that share a batch [default: 1, and as many as there are cores]
    #[arg(long, value_name = "N,…", value_delimiter = ',', value_parser = count::<1_024>)]
    pub(crate) threads: Vec<NonZeroUsize>,
    /// Time of each measurement
    #[arg(long, value_name = "S", default_value_t = 1.0, value_parser = an_hour)]
    pub(crate) seconds: f32,
    /// Print the time of each operator instead, at the first batch and on one thread
    #[arg(long)]
    pub(crate) profile: bool,
    /// Folder with the four IDX files, plain or .gz [default: the folder that trainer fills]
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) model: Model,
    /// Print one JSON object a line
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
    /// What computes the layers: tract, or our kernels on portable, avx2, avx512 or neon instructions
    /// [default: our kernels on the best of them]
    #[arg(long, value_name = "K")]
    kernels: Option<Kernels>,
}

impl Model {
    pub(crate) fn kernels(&self) -> Kernels {
        self.kernels.unwrap_or_default()
    }

    pub(crate) fn load(&self) -> Result<Classifier, Error> {
        let default = FloatInput::default();
        let float_input = (self.mean.is_some() || self.std.is_some()).then(|| FloatInput {
            mean: self.mean.unwrap_or(default.mean),
            std: self.std.unwrap_or(default.std),
        });
        let options = Options { float_input, kernels: self.kernels() };
        match &self.file {
            Some(path) => {
                Classifier::new(&Graph::load(path)?, options).map_err(|error| error.in_file(path))
            }
            None => Classifier::new(&Graph::parse(EMBEDDED_MODEL)?, options),
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct Limits {
    /// Refuse pictures of more pixels, before decoding them
    #[arg(long, value_name = "N", default_value_t = picture::Limits::default().pixels,
        value_parser = clap::value_parser!(u64).range(1..=picture::Limits::MOST_PIXELS))]
    max_pixels: u64,
    /// Refuse longer picture files
    #[arg(long, value_name = "N", default_value_t = picture::Limits::default().bytes,
        value_parser = clap::value_parser!(u64).range(1..=1 << 32))]
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

/// A number of things, of `MOST` at most.
fn count<const MOST: usize>(text: &str) -> Result<NonZeroUsize, String> {
    let number = text.parse().ok().filter(|number: &NonZeroUsize| number.get() <= MOST);
    number.ok_or_else(|| format!("not a whole number from 1 to {MOST}"))
}

/// Seconds of one measurement, whose calls are all remembered.
fn an_hour(text: &str) -> Result<f32, String> {
    positive(text).ok().filter(|&s| s <= 3600.0).ok_or_else(|| "not above 0 and up to 3600".into())
}

fn positive(text: &str) -> Result<f32, String> {
    finite(text).ok().filter(|value| *value > 0.0).ok_or_else(|| "not a number above 0".into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    fn task(arguments: &[&str]) -> Result<(Vec<PathBuf>, Option<Show>), ErrorKind> {
        let arguments = ["runtime", "predict"].iter().chain(arguments);
        let cli = Cli::try_parse_from(arguments).map_err(|error| error.kind())?;
        let Command::Predict(predict) = cli.command else { unreachable!("the command is given") };
        let (images, show) = predict.task().map_err(|error| error.kind())?;
        Ok((images.to_vec(), show))
    }

    #[test]
    fn what_is_shown_where_is_as_people_type_it() {
        let file = |name: &str| Some(Show::File(name.into()));
        for (arguments, images, show) in [
            (&["a.png"][..], &["a.png"][..], None),
            (&["a.png", "--show"], &["a.png"], Some(Show::Terminal)),
            (&["--show", "a.png"], &["a.png"], Some(Show::Terminal)),
            (&["a.png", "--show", "page.png"], &["a.png"], file("page.png")),
            (&["a.png", "--show=page.png", "b.png"], &["a.png", "b.png"], file("page.png")),
            (&["--show", "page.png", "a.png"], &["a.png"], file("page.png")),
            (&["--json", "a.png", "--show", "page.png"], &["a.png"], file("page.png")),
        ] {
            let images = images.iter().map(PathBuf::from).collect();
            assert_eq!(task(arguments), Ok((images, show)), "{arguments:?}");
        }
        for arguments in [&[][..], &["--show"], &["--json", "--show", "a.png"]] {
            assert!(task(arguments).is_err(), "{arguments:?}");
        }
    }

    #[test]
    fn the_arguments_are_consistent() {
        Cli::command().debug_assert();
    }
}
