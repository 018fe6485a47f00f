//! Arguments of the commands that show more of a model than that it agrees: proofs, soft errors, robustness.

use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Args, ValueEnum};
use firmware_sim::robustness::{self, Effort};
use firmware_sim::soft_errors::Part;

use super::{Input, TestData};

/// Evidence that takes its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// The model on emulated boards
    Boards,
    /// Every accumulator of every channel, requantised as the definition says
    Proofs,
    /// What flipped bits do, 64 of each part of each layer
    SoftErrors,
    /// Whether a few grey levels change the class, on 100 images
    Robustness,
}

#[derive(Debug, Args)]
pub(crate) struct Robustness {
    /// ONNX file, which says how pictures are prepared and what the classes are
    #[arg(long, value_name = "MODEL.onnx")]
    pub(crate) model: PathBuf,
    /// Int8 model that `quantize` made from it
    #[arg(long, value_name = "MODEL.q8")]
    pub(crate) quantized: PathBuf,
    #[command(flatten)]
    pub(crate) data: TestData,
    #[command(flatten)]
    pub(crate) input: Input,
    /// Grey levels by which each pixel may change, up or down
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_value = "1,2,4", value_parser = clap::value_parser!(u8).range(1..))]
    levels: Vec<u8>,
    /// Test images to look at, evenly spread [default: 1000, or all if there are fewer]
    #[arg(long, value_name = "N")]
    pub(crate) images: Option<NonZeroUsize>,
    /// Where random starts of attacks come from: equal seeds give equal results
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// How far to go for a proof [default: the farthest that takes seconds for each image]
    #[arg(long, value_name = "HOW", value_parser = effort())]
    effort: Option<Effort>,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

impl Robustness {
    /// What is asked.
    pub(crate) fn options(&self) -> robustness::Options {
        robustness::Options { levels: self.levels.clone(), seed: self.seed, effort: self.effort }
    }
}

#[derive(Debug, Args)]
pub(crate) struct Prove {
    /// Int8 model
    #[arg(long, value_name = "MODEL.q8")]
    pub(crate) quantized: PathBuf,
    /// Print one JSON object; its fields are described in the library's module `proof`
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Inject {
    /// Int8 model
    #[arg(long, value_name = "MODEL.q8")]
    pub(crate) quantized: PathBuf,
    #[command(flatten)]
    pub(crate) data: TestData,
    /// Test images to show after each flip, chosen as those of `board`
    #[arg(long, value_name = "N", default_value = "20")]
    pub(crate) images: NonZeroUsize,
    /// Bits that flip at once: 1, or 2 of the same 32
    #[arg(long, value_name = "N", default_value = "1", value_parser = clap::value_parser!(u8).range(1..=2))]
    pub(crate) flips: u8,
    /// Flips to try of each part of each layer; of one with fewer bits all of them
    #[arg(long, value_name = "N", default_value = "256")]
    pub(crate) samples: NonZeroU32,
    /// Try every bit of flash; memory is always sampled
    #[arg(long, conflicts_with = "samples")]
    pub(crate) all: bool,
    /// Only of these parts
    #[arg(long = "part", value_name = "PART,…", value_delimiter = ',', value_parser = part())]
    pub(crate) parts: Vec<Part>,
    /// What the samples follow from
    #[arg(long, value_name = "N", default_value = "1")]
    pub(crate) seed: u64,
    /// Print one JSON object; its fields are described in the library's module `soft_errors`
    #[arg(long)]
    pub(crate) json: bool,
    /// Also draw which bits matter
    #[arg(long, value_name = "FILE.svg")]
    pub(crate) picture: Option<PathBuf>,
    /// Replace a file that this program did not write
    #[arg(long)]
    pub(crate) force: bool,
}

/// An [`Effort`] by its name.
fn effort() -> impl TypedValueParser<Value = Effort> {
    PossibleValuesParser::new(
        Effort::ALL.map(|effort| PossibleValue::new(effort.name()).help(effort.title())),
    )
    .map(|name| {
        let named = |effort: &Effort| effort.name() == name;
        Effort::ALL.into_iter().find(named).expect("only names of efforts are possible")
    })
}

/// A [`Part`] of memory by its name.
fn part() -> impl TypedValueParser<Value = Part> {
    PossibleValuesParser::new(Part::ALL.map(Part::name)).map(|name| {
        let named = |part: &Part| part.name() == name;
        Part::ALL.into_iter().find(named).expect("only names of parts are possible")
    })
}
