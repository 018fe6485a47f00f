//! `firmware-sim verify`: how much the int8 model differs from the float model.

use std::io::{self, Write};
use std::time::Instant;

use anyhow::{Context, ensure};
use firmware_sim::Model;
use firmware_sim::host::verify::{FloatModel, Verification, compare};
use runtime::idx::{self, Part};
use runtime::read_model;
use serde_json::json;

use crate::{cli, model};

pub(crate) fn run(arguments: &cli::Verify) -> anyhow::Result<()> {
    let (onnx_path, q8_path) = (arguments.model.display(), arguments.quantized.display());
    let onnx = read_model(&arguments.model)?;
    let float = FloatModel::parse(&onnx).with_context(|| onnx_path.to_string())?;
    let file = model::read(&arguments.quantized)?;
    let int8 = Model::new(&file).with_context(|| q8_path.to_string())?;
    let split = idx::load(&arguments.data.folder()?, Part::Test)?;

    let bar = model::progress_bar(split.images.len());
    let started = Instant::now();
    let verification = compare(&float, int8, &split, |done| bar.set_position(done as u64));
    bar.finish_and_clear();
    let verification = verification.with_context(|| format!("{q8_path} against {onnx_path}"))?;

    let mut output = io::stdout().lock();
    if arguments.json {
        writeln!(output, "{}", json_line(&verification))?;
    } else {
        writeln!(output, "{}", text(&verification, started.elapsed().as_secs_f64()))?;
    }
    ensure!(
        verification.agreement() >= arguments.min_agreement,
        "{q8_path} and {onnx_path} agree on {} of {} images, below --min-agreement {}",
        verification.equal,
        verification.images,
        arguments.min_agreement
    );
    Ok(())
}

fn text(verification: &Verification, seconds: f64) -> String {
    let Verification { images, equal, float_correct, int8_correct, largest_difference, .. } =
        verification;
    let Verification { confident, confident_unequal, .. } = verification;
    format!(
        "float   {:.2} % right  ({float_correct} of {images})\n\
         int8    {:.2} % right  ({int8_correct} of {images})\n\
         equal   {:.2} % of predictions  ({equal} of {images}, {seconds:.1} s)\n\
         guard   {:.2} % of answers confident  ({confident}), {:.2} % of these right, {confident_unequal} unequal\n\
         logits  differ by {largest_difference:.4} at most, {:.4} RMS; SQNR {:.1} dB",
        verification.float_accuracy() * 100.0,
        verification.int8_accuracy() * 100.0,
        verification.agreement() * 100.0,
        verification.coverage() * 100.0,
        verification.confident_accuracy() * 100.0,
        verification.rms_difference(),
        verification.sqnr_db(),
    )
}

fn json_line(verification: &Verification) -> serde_json::Value {
    json!({
        "images": verification.images,
        "float_accuracy": verification.float_accuracy(),
        "int8_accuracy": verification.int8_accuracy(),
        "equal": verification.equal,
        "agreement": verification.agreement(),
        "confident": verification.confident,
        "confident_correct": verification.confident_correct,
        "confident_unequal": verification.confident_unequal,
        "largest_logit_difference": verification.largest_difference,
        "rms_logit_difference": verification.rms_difference(),
        "sqnr_db": verification.sqnr_db(),
    })
}
