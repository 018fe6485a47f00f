//! Arguments that say which model, what goes into it, and what runs it.

use std::path::PathBuf;
use std::str::FromStr;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::error::ErrorKind;
use clap::{Args, ValueEnum};
use runtime::preprocess::{Color, Preprocess};
use runtime::{FloatInput, Instructions, Kernels, Options};

#[derive(Debug, Args)]
pub(crate) struct Model {
    /// ONNX or baked file, or - for standard input; without it, the model inside this program
    #[arg(long = "model", value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) preparation: Preparation,
    /// What runs the model: layers natively and the rest in tract, all natively or not at all, or all in tract
    #[arg(long, value_enum, value_name = "ENGINE", default_value_t)]
    engine: Engine,
    /// Instructions of the native layers: portable, avx2, avx512 or neon [default: the fastest that the processor has]
    #[arg(long, value_name = "K")]
    kernels: Option<Instructions>,
}

/// What the model's file does not say, or says otherwise.
#[derive(Debug, Args)]
pub(crate) struct Preparation {
    /// For models with float input: subtracted from pixels in 0 to 1, one number or one per channel
    /// [default: what the model's metadata say, or 0]
    #[arg(long, value_name = "F,…", value_delimiter = ',', allow_negative_numbers = true, value_parser = finite)]
    mean: Vec<f32>,
    /// For models with float input: divides the difference, one number or one per channel; below 0 it inverts
    /// [default: what the model's metadata say, or 1]
    #[arg(long, value_name = "F,…", value_delimiter = ',', allow_negative_numbers = true, value_parser = nonzero)]
    std: Vec<f32>,
    /// What becomes of a picture of another size than the model's: the digit on it is found, all of it is stretched, its
    /// middle is cropped, or it is padded with black [default: what the model's metadata say]
    #[arg(long, value_name = "HOW", value_parser = name_of::<Preprocess>(&["digit", "stretch", "crop", "pad"]))]
    preprocess: Option<Preprocess>,
    /// Whether the model sees colours [default: what the model's metadata say]
    #[arg(long, value_name = "COLOR", value_parser = name_of::<Color>(&["grey", "rgb"]))]
    color: Option<Color>,
    /// Names of the classes in the order of the scores: a list with commas, or a file with one name per line or a JSON
    /// array [default: what the model's metadata say, or numbers from 0]
    #[arg(long, value_name = "A,B,…|FILE")]
    pub(crate) classes: Option<String>,
}

/// What runs a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum Engine {
    /// Layers run natively, and what is no layer in tract
    #[default]
    Auto,
    /// All runs natively; a model that needs tract is refused
    Native,
    /// All runs in tract
    Tract,
}

impl Model {
    pub(crate) fn kernels(&self) -> Kernels {
        match self.engine {
            Engine::Tract => Kernels::Tract,
            Engine::Auto | Engine::Native => Kernels::Fused(self.kernels.unwrap_or_default()),
        }
    }

    /// # Errors
    /// Wrong usage that the parser cannot see.
    pub(crate) fn check(&self) -> Result<(), clap::Error> {
        if self.engine != Engine::Tract || self.kernels.is_none() {
            return Ok(());
        }
        let reason = "--engine tract runs no native layers, whose instructions --kernels chooses";
        let mut command = Self::augment_args(clap::Command::new("runtime"));
        Err(command.error(ErrorKind::ArgumentConflict, reason))
    }

    /// How the model is to be run.
    pub(crate) fn options(&self) -> Result<Options, runtime::Error> {
        Ok(Options {
            kernels: self.kernels(),
            native_only: self.engine == Engine::Native,
            ..self.preparation.options()?
        })
    }
}

impl Preparation {
    /// What is to become of pictures.
    pub(crate) fn options(&self) -> Result<Options, runtime::Error> {
        let or = |values: &[f32], default| match values {
            [] => vec![default],
            values => values.to_vec(),
        };
        let is_named = !self.mean.is_empty() || !self.std.is_empty();
        let float_input = || FloatInput::new(&or(&self.mean, 0.0), &or(&self.std, 1.0));
        Ok(Options {
            float_input: is_named.then(float_input).transpose()?,
            preprocess: self.preprocess,
            color: self.color,
            ..Options::default()
        })
    }
}

/// One of `names`, each of which parses.
fn name_of<T: FromStr<Err = String> + Clone + Send + Sync + 'static>(
    names: &'static [&'static str],
) -> impl TypedValueParser<Value = T> {
    PossibleValuesParser::new(names).try_map(|name| name.parse::<T>())
}

pub(super) fn finite(text: &str) -> Result<f32, String> {
    text.parse().ok().filter(|value: &f32| value.is_finite()).ok_or_else(|| "not a number".into())
}

fn nonzero(text: &str) -> Result<f32, String> {
    finite(text).ok().filter(|value| *value != 0.0).ok_or_else(|| "not a number but 0".into())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::{Cli, Command};

    #[test]
    fn an_engine_has_no_kernels_of_another() {
        let model = |arguments: &[&str]| {
            let arguments = ["runtime", "bench"].iter().chain(arguments);
            let Command::Bench(bench) = Cli::parse_from(arguments).command else { unreachable!() };
            bench.model
        };
        let refused = model(&["--engine", "tract", "--kernels", "portable"]).check().unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ArgumentConflict);
        for (arguments, kernels) in [
            (&["--engine", "tract"][..], Kernels::Tract),
            (&["--engine", "native"], Kernels::default()),
            (&["--engine", "auto"], Kernels::default()),
            (&["--kernels", "portable"], Kernels::Fused(Instructions::Portable)),
        ] {
            let model = model(arguments);
            assert!(model.check().is_ok());
            assert_eq!(model.kernels(), kernels, "{arguments:?}");
        }
    }
}
