//! Arguments of the `runtime` command; their help is their documentation.

mod model;

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::slice;

use clap::error::ErrorKind;
use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;
use dataset::folder;
use runtime::picture;

use crate::stdin;
use model::finite;
pub(crate) use model::{Model, Preparation};

/// Classify pictures with an ONNX model, by default handwritten digits
#[derive(Debug, Parser)]
#[command(version)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Print the digit, or the model's class, of each picture
    Predict(Predict),
    /// Print how good a model is: on a dataset's test split, or on pictures
    Evaluate(Evaluate),
    /// Print what a model takes, gives, holds, and how it was made
    Inspect(Inspect),
    /// Make a model that loads without an ONNX reader
    Bake(Bake),
    /// Time predictions of a dataset's test images
    Bench(Bench),
    /// Print what makes a shell complete this command's arguments
    Completions(Completions),
    /// Print the manual page
    Man,
}

#[derive(Debug, Args)]
pub(crate) struct Completions {
    /// The shell
    #[arg(value_enum)]
    pub(crate) shell: Shell,
}

#[derive(Debug, Args)]
pub(crate) struct Predict {
    /// Picture files (PNG, JPEG, GIF, BMP, WebP, PNM), folders of them, or - for standard input, which is also read
    /// where nothing is named and a file or a pipe is there
    #[arg(value_name = "IMG")]
    images: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) model: Model,
    #[command(flatten)]
    pub(crate) limits: Limits,
    /// Print one JSON object per line
    #[arg(long)]
    pub(crate) json: bool,
    /// Print the K likeliest classes
    #[arg(long, value_name = "K", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(crate) top: u16,
    /// Draw what the network sees beside the original; with a FILE.png, write a picture of every step there
    #[arg(long, value_name = "FILE.png", num_args = 0..=1, default_missing_value = TERMINAL)]
    show: Option<PathBuf>,
    /// Let --show replace a file that this program did not write
    #[arg(long)]
    pub(crate) force: bool,
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
    /// Without another picture, `--show PICTURE` shows that one in the terminal. Where no picture is named, standard
    /// input is read if `stdin_is_data`.
    ///
    /// # Errors
    /// Wrong usage that the parser cannot see.
    pub(crate) fn task(
        &self,
        stdin_is_data: bool,
    ) -> Result<(&[PathBuf], Option<Show>), clap::Error> {
        let wrong = |kind, reason| {
            let command = clap::Command::new("runtime predict");
            Err(Self::augment_args(command).error(kind, reason))
        };
        let in_terminal = self.show.as_deref() == Some(Path::new(TERMINAL));
        let (images, show) = match (&self.images[..], &self.show) {
            ([], Some(picture)) if !in_terminal => (slice::from_ref(picture), Some(Show::Terminal)),
            (images, None) => (images, None),
            (images, Some(_)) if in_terminal => (images, Some(Show::Terminal)),
            (images, Some(path)) => (images, Some(Show::File(path.clone()))),
        };
        let model_is_stdin = self.model.file.as_deref().is_some_and(stdin::is_meant);
        let images = match images {
            [] if stdin_is_data && !model_is_stdin => stdin::PATHS.as_slice(),
            [] => {
                let reason = "no pictures were named: name files or folders, or pipe a picture in";
                return wrong(ErrorKind::MissingRequiredArgument, reason);
            }
            images => images,
        };
        if model_is_stdin && images.iter().any(|image| stdin::is_meant(image)) {
            let reason = "the model and a picture cannot both come from standard input";
            return wrong(ErrorKind::ArgumentConflict, reason);
        }
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
    /// Folder with the four IDX files, plain or .gz; or a folder with a folder of pictures for each class, of which those in
    /// a folder test are taken if there is one; or a CSV file with the columns path, label (a class's name or number, or
    /// none) and, at will, split and source [default: the folder that trainer fills]
    #[arg(long, value_name = "DIR|CSV")]
    pub(crate) data: Option<PathBuf>,
    /// The same, for pictures alone
    #[arg(long, value_name = "DIR|CSV", conflicts_with = "data")]
    pub(crate) images: Option<PathBuf>,
    /// Where to write a contact sheet of the misread pictures
    #[arg(long, value_name = "FILE.png")]
    pub(crate) sheet: Option<PathBuf>,
    /// Let --sheet replace a file that this program did not write
    #[arg(long, requires = "sheet")]
    pub(crate) force: bool,
    /// Find out with which normalization a model with float input was trained: try the usual ones on up to 2000 pictures
    #[arg(long, requires = "file", conflicts_with_all = ["mean", "std", "sheet"])]
    pub(crate) find_normalization: bool,
    #[command(flatten)]
    pub(crate) limits: Limits,
    #[command(flatten)]
    pub(crate) model: Model,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

impl Evaluate {
    /// The folder or the CSV file of pictures, if it is not IDX files that are meant.
    pub(crate) fn pictures(&self) -> Option<&Path> {
        let is_meant = |path: &&Path| folder::is_meant(path) || folder::is_empty(path);
        let data = self.data.as_deref().filter(is_meant);
        self.images.as_deref().or(data)
    }
}

#[derive(Debug, Args)]
pub(crate) struct Inspect {
    /// ONNX or baked file, or - for standard input; without it, the model inside this program
    #[arg(value_name = "FILE")]
    model: Option<PathBuf>,
    /// The same, as the other commands name it
    #[arg(long = "model", value_name = "FILE", conflicts_with = "model")]
    model_option: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

impl Inspect {
    /// The file, by whichever argument; `None` for the model inside this program.
    pub(crate) fn model(&self) -> Option<&Path> {
        self.model.as_deref().or(self.model_option.as_deref())
    }
}

#[derive(Debug, Args)]
pub(crate) struct Bake {
    /// ONNX file, or - for standard input
    #[arg(value_name = "MODEL.onnx")]
    pub(crate) model: PathBuf,
    /// Where to write the baked model
    #[arg(long, short, value_name = "MODEL.baked")]
    pub(crate) output: PathBuf,
    #[command(flatten)]
    pub(crate) preparation: Preparation,
    /// Replace a file that this program did not write
    #[arg(long)]
    pub(crate) force: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Bench {
    /// Images per call
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_value = "1,64,256", value_parser = count::<65_536>)]
    pub(crate) batch: Vec<NonZeroUsize>,
    /// Threads that share a batch; on a busy machine the first takes back what others are late with [default: 1, and as many as there are cores]
    #[arg(long, value_name = "N,…", value_delimiter = ',', value_parser = count::<1_024>)]
    pub(crate) threads: Vec<NonZeroUsize>,
    /// Time of each measurement
    #[arg(long, value_name = "S", default_value_t = 1.0, value_parser = measurement_seconds)]
    pub(crate) seconds: f32,
    /// Print the time of each operator instead, at the first batch and on one thread
    #[arg(long)]
    pub(crate) profile: bool,
    /// Folder with the four IDX files, plain or .gz [default: the folder that trainer fills; noise for a model of other
    /// images than 28x28 grey]
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) model: Model,
    /// Print one JSON object per line
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Limits {
    /// Refuse pictures of more pixels, before decoding them
    #[arg(long, value_name = "N", default_value_t = picture::Limits::default().pixels,
        value_parser = clap::value_parser!(u64).range(1..=picture::Limits::MAX_PIXELS))]
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

/// A count of at most `MAX`.
fn count<const MAX: usize>(text: &str) -> Result<NonZeroUsize, String> {
    let number = text.parse().ok().filter(|number: &NonZeroUsize| number.get() <= MAX);
    number.ok_or_else(|| format!("not a whole number from 1 to {MAX}"))
}

/// Seconds of one measurement, whose calls are all remembered.
fn measurement_seconds(text: &str) -> Result<f32, String> {
    positive(text).ok().filter(|&s| s <= 3600.0).ok_or_else(|| "not above 0 and up to 3600".into())
}

fn positive(text: &str) -> Result<f32, String> {
    finite(text).ok().filter(|value| *value > 0.0).ok_or_else(|| "not a number above 0".into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    fn task(
        arguments: &[&str],
        stdin_is_data: bool,
    ) -> Result<(Vec<PathBuf>, Option<Show>), ErrorKind> {
        let arguments = ["runtime", "predict"].iter().chain(arguments);
        let cli = Cli::try_parse_from(arguments).map_err(|error| error.kind())?;
        let Command::Predict(predict) = cli.command else { unreachable!("the command is given") };
        let (images, show) = predict.task(stdin_is_data).map_err(|error| error.kind())?;
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
            let images: Vec<PathBuf> = images.iter().map(PathBuf::from).collect();
            for stdin_is_data in [false, true] {
                let task = task(arguments, stdin_is_data);
                assert_eq!(task, Ok((Vec::clone(&images), show.clone())), "{arguments:?}");
            }
        }
        for arguments in [&[][..], &["--show"], &["--json", "--show", "a.png"]] {
            assert!(task(arguments, false).is_err(), "{arguments:?}");
        }
    }

    #[test]
    fn standard_input_is_read_by_name_or_where_nothing_is_named_and_once() {
        let stdin = vec![PathBuf::from("-")];
        for arguments in [&["-"][..], &[], &["--json"], &["--model", "m.onnx"]] {
            assert_eq!(task(arguments, true), Ok((stdin.clone(), None)), "{arguments:?}");
        }
        assert_eq!(task(&["--show"], true), Ok((stdin, Some(Show::Terminal))));
        let five = (vec![PathBuf::from("5.png")], None);
        assert_eq!(task(&["5.png", "--model", "-"], true), Ok(five));
        assert_eq!(task(&["--model", "-", "5.png", "-"], true), Err(ErrorKind::ArgumentConflict));
        assert_eq!(task(&["--model", "-"], true), Err(ErrorKind::MissingRequiredArgument));
    }

    #[test]
    fn the_arguments_are_consistent() {
        Cli::command().debug_assert();
    }
}
