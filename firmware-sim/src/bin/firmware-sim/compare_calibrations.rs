//! `firmware-sim compare-calibrations`: how alike int8 and float are with each calibration.

use std::io::{self, Write};

use anyhow::{Context, ensure};
use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, Table};
use dataset::idx::Part;
use firmware_sim::Samples;
use firmware_sim::calibrations::{Fidelity, Outcome, best, compare, validation_images};
use firmware_sim::quantize::{CALIBRATION_IMAGES, Options};
use safe_io::SingleLine;
use serde_json::json;

use crate::data::{Content, Wanted};
use crate::model::{Onnx, with_hint};
use crate::{cli, data, model};

pub(crate) fn run(arguments: &cli::CompareCalibrations) -> anyhow::Result<()> {
    let float_input = arguments.input.float_input()?;
    let onnx = Onnx::read(&arguments.model, float_input)?;
    let given = arguments.data.given()?;
    let wanted = Wanted::of_onnx(&onnx).arrays_by_data();
    let training = data::load(&given, Part::Train, &wanted)?.content;
    let test = data::load(&given, Part::Test, &wanted)?.content;
    let count = training.samples().len();
    ensure!(
        count > CALIBRATION_IMAGES,
        "{} has {count} training images: more than {CALIBRATION_IMAGES} are needed, to judge by those that nothing was calibrated on",
        SingleLine(given.path().display()),
    );
    let calibration = training.calibration();
    let validation = match &training {
        Content::Images(images) => Content::Images(validation_images(images)),
        Content::Signals(signals) => Content::Signals(validation_images(signals)),
    };
    let samples: [Samples<'_>; 3] = [&calibration, &validation, &test].map(Content::samples);
    let [calibration, validation, test] = samples;
    let bar = model::progress_bar(Options::all(float_input).count(), "calibrations");
    let progress = || bar.inc(1);
    let outcomes = compare(&onnx.bytes, float_input, calibration, validation, test, progress);
    bar.finish_and_clear();
    let outcomes = outcomes
        .map_err(with_hint)
        .with_context(|| SingleLine(arguments.model.display()).to_string())?;
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
