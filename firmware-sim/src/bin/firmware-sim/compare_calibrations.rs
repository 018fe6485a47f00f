//! `firmware-sim compare-calibrations`: how alike int8 and float are with each calibration.

use std::io::{self, Write};

use anyhow::{Context, ensure};
use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, Table};
use dataset::idx::Part;
use firmware_sim::calibrations::{Fidelity, Outcome, best, compare};
use firmware_sim::quantize::{CALIBRATION_IMAGES, Options};
use safe_io::SingleLine;
use serde_json::json;

use crate::{cli, model};

pub(crate) fn run(arguments: &cli::CompareCalibrations) -> anyhow::Result<()> {
    let onnx = model::read_onnx(&arguments.model)?;
    let folder = arguments.data.folder()?;
    let training = model::load_data(&folder, Part::Train)?;
    let test = model::load_data(&folder, Part::Test)?;
    ensure!(
        training.images.len() > CALIBRATION_IMAGES,
        "{} has {} training images: more than {CALIBRATION_IMAGES} are needed, to judge by those that nothing was calibrated on",
        SingleLine(folder.display()),
        training.images.len()
    );
    let bar = model::progress_bar(Options::all().count(), "calibrations");
    let outcomes = compare(&onnx, &training.images, &test.images, || bar.inc(1));
    bar.finish_and_clear();
    let outcomes = outcomes.with_context(|| SingleLine(arguments.model.display()).to_string())?;
    let best = best(&outcomes);

    let mut output = io::stdout().lock();
    if arguments.json {
        for outcome in &outcomes {
            writeln!(output, "{}", json_line(outcome, Some(outcome) == best))?;
        }
    } else {
        writeln!(output, "{}", table(&outcomes, best))?;
    }
    Ok(())
}

fn table(outcomes: &[Outcome], best: Option<&Outcome>) -> Table {
    let mut table = Table::new();
    table.load_style(NOTHING).set_header([
        "calibration",
        "biases",
        "validation, disagreements",
        "SQNR dB",
        "test, disagreements",
        "SQNR dB",
        "",
    ]);
    for outcome in outcomes {
        let disagreements =
            |fidelity: &Fidelity| format!("{} of {}", fidelity.disagreements, fidelity.images);
        table.add_row([
            outcome.options.range_estimator.name().to_owned(),
            if outcome.options.correct_bias { "corrected" } else { "rounded" }.to_owned(),
            disagreements(&outcome.validation),
            format!("{:.2}", outcome.validation.sqnr_db),
            disagreements(&outcome.test),
            format!("{:.2}", outcome.test.sqnr_db),
            if Some(outcome) == best { "best on validation" } else { "" }.to_owned(),
        ]);
    }
    for column in table.column_iter_mut().skip(2).take(4) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

fn json_line(outcome: &Outcome, best: bool) -> serde_json::Value {
    let fidelity = |fidelity: &Fidelity| json!({ "images": fidelity.images, "unequal": fidelity.disagreements, "sqnr_db": fidelity.sqnr_db });
    json!({
        "calibration": outcome.options.range_estimator.name(),
        "correct_bias": outcome.options.correct_bias,
        "validation": fidelity(&outcome.validation),
        "test": fidelity(&outcome.test),
        "best": best,
    })
}
