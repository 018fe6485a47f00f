//! Arguments of the `firmware-sim` command; their help is their documentation.

mod evidence;

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::error::ErrorKind;
use clap::{Args, Parser, Subcommand, ValueEnum};
use firmware::format::Layout;
use firmware_sim::board::{MAX_ROW_PERIOD, Machine};
use firmware_sim::c_source::Name;
use firmware_sim::quantize::{Options, RangeEstimator};
use runtime::FloatInput;
use safe_io::SingleLine;

pub(crate) use evidence::{Inject, Kind, Prove, Robustness};

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
    /// Compare calibrations, on training images that they were not calibrated on and on the test images
    #[command(alias = "calibrate")]
    CompareCalibrations(CompareCalibrations),
    /// Compare an int8 model with the ONNX file that it was made from, on the test images
    Verify(Verify),
    /// Prove for how many test images no change of each pixel by a few grey levels changes the class
    Robustness(Robustness),
    /// Prove of an int8 model, for every sum that a channel may reach, that it is requantised as the definition says
    Prove(Prove),
    /// Flip bits of an int8 model and of its memory, and count what that does to its answers
    Inject(Inject),
    /// Run an int8 model on an emulated Cortex-M or RISC-V board, or on a real one, and compare every logit with this machine's
    Board(Board),
}

#[derive(Debug, Args)]
pub(crate) struct Quantize {
    /// ONNX file of a network that the firmware runs
    #[arg(value_name = "MODEL.onnx")]
    pub(crate) model: PathBuf,
    #[command(flatten)]
    pub(crate) data: Data,
    /// Where to write the int8 model: a file, or the folder of --emit c
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: PathBuf,
    /// In what form
    #[arg(long, value_name = "FORM", default_value = "q8")]
    pub(crate) emit: Form,
    /// Of --emit c: what the source's files, functions and macros begin with; so one program can hold several models
    #[arg(long, value_name = "NAME", default_value_t = Name::default())]
    pub(crate) name: Name,
    #[command(flatten)]
    pub(crate) input: Input,
    /// How to choose the largest activation of each layer; what is above saturates
    #[arg(long, value_name = "HOW", default_value = Options::default().range_estimator.name(), value_parser = range_estimator())]
    ranges: RangeEstimator,
    /// IDX file of what goes into the model, to calibrate on instead of training images: [item][value],
    /// [item][row][column] or [item][row][column][channel], of bytes or float32. Or one of the names that --ranges takes,
    /// for which this was the flag before
    #[arg(long, value_name = "FILE")]
    calibration: Option<PathBuf>,
    /// Lay the weights out for this board's core; other families of cores refuse the file [default: cores without DSP
    /// instructions]
    #[arg(long = "for", value_name = "BOARD", value_parser = machine())]
    target: Option<Machine>,
    /// Only round the biases; do not subtract the mean errors over the calibration images from them
    #[arg(long)]
    pub(crate) plain_biases: bool,
    /// Replace a file that this program did not write
    #[arg(long)]
    pub(crate) force: bool,
}

impl Quantize {
    /// The range estimator that either flag names.
    pub(crate) fn range_estimator(&self) -> RangeEstimator {
        self.named_calibration().unwrap_or(self.ranges)
    }

    /// What is to be calibrated on; a file that is called as a range estimator is written `./max`.
    pub(crate) fn given(&self) -> anyhow::Result<Given> {
        let file = self.calibration.as_ref().filter(|_| self.named_calibration().is_none());
        match (file, &self.data.folder) {
            (Some(file), Some(folder)) => bail!(
                "--calibration {} and --data {}: a model is calibrated on one of them, so leave one out",
                SingleLine(file.display()),
                SingleLine(folder.display())
            ),
            (Some(file), None) => Ok(Given::Calibration(file.clone())),
            (None, _) => self.data.given(),
        }
    }

    /// # Errors
    /// Wrong usage that the parser cannot see.
    pub(crate) fn check_usage(&self) -> Result<(), clap::Error> {
        if self.emit == Form::C && self.target.is_some() {
            let command = clap::Command::new("firmware-sim quantize");
            let reason = "C source is for all cores: leave --for out, or --emit c";
            return Err(Self::augment_args(command).error(ErrorKind::ArgumentConflict, reason));
        }
        if self.emit != Form::C && self.name != Name::default() {
            let command = clap::Command::new("firmware-sim quantize");
            let reason = "only C source has a --name: leave it out, or add --emit c";
            return Err(Self::augment_args(command).error(ErrorKind::ArgumentConflict, reason));
        }
        Ok(())
    }

    /// The layout of weights for the board that is named.
    pub(crate) fn layout(&self) -> Layout {
        self.target.map_or(Layout::Bytes, Machine::layout)
    }

    fn named_calibration(&self) -> Option<RangeEstimator> {
        let name = self.calibration.as_ref()?.to_str()?;
        RangeEstimator::ALL.into_iter().find(|estimator| estimator.name() == name)
    }
}

/// What pixels become before a model with float input.
#[derive(Debug, Args)]
pub(crate) struct Input {
    /// For models with float input: it is pixels from 0 to N, such as 1 or 255
    #[arg(long, value_name = "N", value_parser = positive, conflicts_with_all = ["mean", "std"])]
    pixels: Option<f32>,
    /// For models with float input: subtracted from pixels in 0 to 1, one number or one per channel [default: 0]
    #[arg(long, value_name = "F,…", value_delimiter = ',', allow_negative_numbers = true)]
    mean: Vec<f32>,
    /// For models with float input: divides the difference, one number or one per channel; below 0 it inverts
    /// [default: 1]
    #[arg(long, value_name = "F,…", value_delimiter = ',', allow_negative_numbers = true)]
    std: Vec<f32>,
}

impl Input {
    /// What the flags say, if they say anything.
    pub(crate) fn float_input(&self) -> Result<Option<FloatInput>, runtime::Error> {
        let or =
            |values: &[f32], usual| if values.is_empty() { vec![usual] } else { values.to_vec() };
        match self.pixels {
            Some(largest) => FloatInput::new(&[0.0], &[1.0 / largest]).map(Some),
            None if self.mean.is_empty() && self.std.is_empty() => Ok(None),
            None => FloatInput::new(&or(&self.mean, 0.0), &or(&self.std, 1.0)).map(Some),
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct CompareCalibrations {
    /// ONNX file of a network that the firmware runs
    #[arg(value_name = "MODEL.onnx")]
    pub(crate) model: PathBuf,
    #[command(flatten)]
    pub(crate) data: Data,
    #[command(flatten)]
    pub(crate) input: Input,
    /// Print one JSON object for each
    #[arg(long)]
    pub(crate) json: bool,
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
    pub(crate) data: TestData,
    #[command(flatten)]
    pub(crate) input: Input,
    /// Fail if the images show that predictions agree on less than this fraction: where the 95 % interval of what was
    /// found lies below it [default: 0.998, if the outputs are classes]
    #[arg(long, value_name = "F", value_parser = fraction)]
    pub(crate) min_agreement: Option<f64>,
    /// Print one JSON object; its fields are described in verify/json.rs
    #[arg(long)]
    pub(crate) json: bool,
    /// Also write a page with plots and pictures: one file, for any browser
    #[arg(long, value_name = "FILE.html")]
    pub(crate) report: Option<PathBuf>,
    /// Also write a folder for a reviewer: a page and JSON with all that is shown of the model and what is not, logs, and
    /// a bill of materials. It also runs boards; without a date, unless `SOURCE_DATE_EPOCH` is set
    #[arg(long, value_name = "DIR")]
    pub(crate) dossier: Option<PathBuf>,
    /// Kinds of evidence that the dossier is to leave out; it says that they were
    #[arg(long, value_name = "KIND,…", value_delimiter = ',', requires = "dossier")]
    pub(crate) without: Vec<Kind>,
    /// Boards that the dossier is about: those that are named must run [default: all whose tools are here]
    #[arg(long, value_name = "BOARD,…", value_delimiter = ',', requires = "dossier", value_parser = machine())]
    pub(crate) machine: Vec<Machine>,
    /// Images that each board reads for the dossier [default: 100, or all if there are fewer]
    #[arg(long, value_name = "N", requires = "dossier")]
    pub(crate) board_images: Option<NonZeroUsize>,
    /// Replace a file that this program did not write
    #[arg(long)]
    pub(crate) force: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Board {
    /// Test images to read: of a folder of pictures as many of each class as of another, as far as there are; of other
    /// data the first ones [default: 100, or all if there are fewer]
    #[arg(long, value_name = "N")]
    pub(crate) images: Option<NonZeroUsize>,
    /// Board
    #[arg(long, value_name = "BOARD", default_value = "m4", value_parser = machine())]
    pub(crate) machine: Machine,
    /// A real board instead, whose program uses `firmware::link`: a serial port such as /dev/ttyACM0, or tcp:HOST:PORT. Cycles
    /// are counted instead of instructions
    #[arg(long, value_name = "PORT", conflicts_with_all = ["machine", "row_period", "csv", "sources"])]
    pub(crate) serial: Option<PathBuf>,
    /// Speed of the serial port, as the board's program sets it; over USB any
    #[arg(long, value_name = "N", default_value_t = 115_200, requires = "serial", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) baud: u32,
    /// Int8 model [default: the embedded model, calibrated on the training images]
    #[arg(long, value_name = "MODEL.q8")]
    pub(crate) quantized: Option<PathBuf>,
    /// ONNX file that the int8 model was made from, for a folder of pictures: it says how they are prepared and which
    /// class is which [default: they are only resized, and the folders are the classes in the order of their names]
    #[arg(long, value_name = "MODEL.onnx", requires = "quantized")]
    pub(crate) model: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) data: TestData,
    /// Instructions from a row of the camera to the next [default: three times what the model is estimated to take after
    /// the row that makes most of it possible]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1_000..=i64::from(MAX_ROW_PERIOD)))]
    pub(crate) row_period: Option<u32>,
    /// Also show multiply-accumulates (MACs), and instructions per MAC
    #[arg(long)]
    pub(crate) profile: bool,
    #[command(flatten)]
    pub(crate) counted: Counted,
    /// Print the counts as CSV, as boards/profile.csv has them: of each layer what it has to do, and mean and maximum of
    /// its instructions
    #[arg(long, conflicts_with_all = ["profile", "json"])]
    pub(crate) csv: bool,
    /// Print one JSON object
    #[arg(long, conflicts_with = "profile")]
    pub(crate) json: bool,
    /// Folder firmware-sim/boards of this project [default: that of the clone this was built in]
    #[arg(long, value_name = "DIR")]
    pub(crate) sources: Option<PathBuf>,
}

/// What is shown of each instruction's counts.
#[derive(Debug, Args)]
pub(crate) struct Counted {
    /// Also show worst cases for any image: a bound of the stack, by the code as it is linked, and an estimate of the
    /// maximum of instructions. Needs gcc
    #[arg(long, conflicts_with_all = ["csv", "serial"])]
    pub(crate) worst_case: bool,
    /// Also show modelled cycles, by what the makers of the cores publish: of m3, m4, v6m (as Cortex-M0+) and rv32imac (as
    /// Hazard3). Needs gcc
    #[arg(long, conflicts_with_all = ["csv", "serial"])]
    pub(crate) cycles: bool,
    /// Cycles that each word from flash takes more, for --cycles
    #[arg(long, value_name = "N", requires = "cycles", default_value_t = 0, value_parser = clap::value_parser!(u32).range(..=255))]
    pub(crate) wait_states: u32,
}

/// Forms of one int8 model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Form {
    /// The file that firmware uses in place, and that verify and board take
    Q8,
    /// ONNX in its QDQ form, for other engines
    Onnx,
    /// A module of Rust source with the file's bytes, for firmware that is built without a file
    Rust,
    /// A folder of C99 source that runs this one model on any core, with what Arduino, ESP-IDF and Zephyr need of it
    C,
}

impl Verify {
    /// Refuses boards that must run and are left out.
    ///
    /// # Errors
    /// As clap has them.
    pub(crate) fn check_usage(&self) -> Result<(), clap::Error> {
        if !self.machine.is_empty() && self.without.contains(&Kind::Boards) {
            let command = clap::Command::new("firmware-sim verify");
            let reason = "boards that --machine names must run, and --without leaves them out: give one of both";
            return Err(Self::augment_args(command).error(ErrorKind::ArgumentConflict, reason));
        }
        Ok(())
    }
}

/// A [`RangeEstimator`] by its name.
fn range_estimator() -> impl TypedValueParser<Value = RangeEstimator> {
    PossibleValuesParser::new(
        RangeEstimator::ALL
            .map(|estimator| PossibleValue::new(estimator.name()).help(estimator.title())),
    )
    .map(|name| {
        let named = |estimator: &RangeEstimator| estimator.name() == name;
        RangeEstimator::ALL.into_iter().find(named).expect("only names of estimators are possible")
    })
}

/// A [`Machine`] by its name.
fn machine() -> impl TypedValueParser<Value = Machine> {
    PossibleValuesParser::new(Machine::ALL.map(|machine| {
        let aliases = machine.aliases();
        let title = match aliases {
            [] => machine.title().to_owned(),
            // help shows no aliases by itself
            aliases => format!("{}; also called {}", machine.title(), aliases.join(", ")),
        };
        PossibleValue::new(machine.name()).aliases(aliases.iter().copied()).help(title)
    }))
    .map(|name| Machine::named(&name).expect("only names of machines are possible"))
}

#[derive(Debug, Args)]
pub(crate) struct Data {
    /// Folder with the four IDX files, plain or .gz, or with a folder of pictures for each class; or an IDX file of what
    /// goes into the model, without labels [default: the folder that trainer fills]
    #[arg(long = "data", value_name = "DIR")]
    folder: Option<PathBuf>,
}

impl Data {
    /// The folder given, or the one that `trainer` uses without one.
    pub(crate) fn given(&self) -> anyhow::Result<Given> {
        let folder = self.folder.clone().or_else(safe_io::default_data_folder);
        let folder = folder
            .context("you have no home folder to look for images in: give one with --data DIR")?;
        Ok(Given::Data(folder))
    }
}

/// What a model is shown that was calibrated before.
#[derive(Debug, Args)]
pub(crate) struct TestData {
    #[command(flatten)]
    data: Data,
    /// IDX file of what goes into the model, without labels, as `quantize --calibration` takes it
    #[arg(long, value_name = "FILE", conflicts_with = "folder")]
    calibration: Option<PathBuf>,
}

impl TestData {
    /// What is given by either flag.
    pub(crate) fn given(&self) -> anyhow::Result<Given> {
        match &self.calibration {
            Some(file) => Ok(Given::Calibration(file.clone())),
            None => self.data.given(),
        }
    }
}

/// Where data are, by the flag that says so.
#[derive(Debug, Clone)]
pub(crate) enum Given {
    /// Whatever is there.
    Data(PathBuf),
    /// An IDX file of what goes into the model.
    Calibration(PathBuf),
}

impl Given {
    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        match self {
            Self::Data(path) | Self::Calibration(path) => path,
        }
    }
}

fn positive(text: &str) -> Result<f32, String> {
    let value = text.parse().ok().filter(|value: &f32| *value > 0.0 && value.is_finite());
    value.ok_or_else(|| "not a number above 0".into())
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
