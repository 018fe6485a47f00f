//! The report for a terminal.

use std::fmt::Write;

use comfy_table::Table;
use firmware_sim::verify::{Comparison, LayerFidelity, Reconstruction};
use safe_io::SingleLine;

use super::Report;
use crate::share::{Share, percent};
use crate::table::of_numbers;

/// Bins of the histogram of logit errors.
const BINS: usize = 15;
/// Images that are listed where none stands out.
const LISTED: usize = 5;
/// Width of its longest bar.
const BAR: u64 = 40;

pub(super) fn text(report: &Report) -> String {
    let verification = report.verification;
    let (about, what) = if report.is_classifier {
        (classes(report), "logits")
    } else {
        (outputs(report), "outputs")
    };
    let mut text = format!(
        "float    {}\nint8     {}\n{:<8} {}\n\n{about}\n{}\n",
        report.onnx,
        report.q8,
        if report.is_classifier { "images" } else { "data" },
        report.data,
        layers(&verification.layers),
    );
    let _ = writeln!(text, "\nint8 minus float of the {what}, up to");
    let bins = verification.logit_histogram::<BINS>();
    let max = bins.iter().map(|(_, count)| *count).max().unwrap_or(1).max(1);
    for (edge, count) in bins {
        let bar = "#".repeat((count * BAR).div_ceil(max) as usize);
        let _ = writeln!(text, "{edge:8.4}  {count:7}  {bar}");
    }
    if report.is_classifier {
        text + &disagreements(report)
    } else {
        let most = verification.most_different();
        text + &format!("\nlargest differences:\n{}", differences(&most[..LISTED.min(most.len())]))
    }
}

/// What is asked of a classifier.
fn classes(report: &Report) -> String {
    let verification = report.verification;
    let [min, hundredth, tenth, half] =
        [0.0, 0.01, 0.1, 0.5].map(|part| verification.margin_quantile(part));
    format!(
        "right, float     {}\nright, int8      {}\n{}{}\nlogits   differ by at most {:.4}, RMS {:.4}; margins of float: minimum \
         {min:.4}, 1 % below {hundredth:.2}, 10 % below {tenth:.2}, half below {half:.2}\n",
        report.among_labelled(verification.float_correct()),
        report.among_labelled(verification.int8_correct()),
        agreement(report),
        answers(report),
        verification.max_difference(),
        verification.rms_difference(),
    )
}

/// What is asked of outputs that are no classes: how far they are from float's, and from what went in, if that is what they
/// reconstruct.
fn outputs(report: &Report) -> String {
    let verification = report.verification;
    let mut text = format!(
        "outputs  {} of each of {} samples, int8 against float: differ by at most {:.4}, mean {:.4}, RMS {:.4}; SQNR {} dB\n",
        report.int8.outputs(),
        verification.images(),
        verification.max_difference(),
        verification.mean_difference(),
        verification.rms_difference(),
        known(verification.sqnr_db(), 2),
    );
    if let Some(Reconstruction { float, int8, max_change }) = verification.reconstruction() {
        let _ = writeln!(
            text,
            "reconstruction of what goes in, mean squared error: float {float:.4}, int8 {int8:.4}; of a sample it differs by at \
             most {}",
            percent(max_change)
        );
    }
    text
}

/// The images that the two models disagree on, or else the least certain.
fn disagreements(report: &Report) -> String {
    let verification = report.verification;
    let disagreements: Vec<Comparison> = verification.disagreements().copied().collect();
    if disagreements.is_empty() {
        let least = verification.least_certain();
        let table = comparisons(report, &least[..LISTED.min(least.len())]);
        return format!("\nno disagreements; least certain in int8:\n{table}");
    }
    let pairs = verification.confusion();
    let pairs = pairs.iter().map(|(&(float, int8), count)| {
        format!("{} as {} ({count})", report.class(float), report.class(int8))
    });
    let pairs = pairs.collect::<Vec<_>>().join(", ");
    format!("\ndisagreements: {pairs}\n{}", comparisons(report, &disagreements))
}

/// How often both give the same class, and whether that is enough; and how classes are called. Nothing, if the outputs
/// are no classes.
fn agreement(report: &Report) -> String {
    let Some(gate) = &report.gate else { return String::new() };
    let verdict = if gate.passes() { "passes" } else { "fails" };
    let min = percent(gate.min);
    let mut text = format!(
        "agreement        {}\n                 {verdict} --min-agreement {}, {min}\n",
        gate.found, gate.min
    );
    if report.assumes_classes {
        let names = SingleLine(report.classes.join(", "));
        let _ = writeln!(
            text,
            "classes          assumed, from the order of the folders' names: {names}; the ONNX file names none"
        );
    }
    text
}

/// What the device says of its answers, line by line.
fn answers(report: &Report) -> String {
    let answers = report.answers();
    let line = |(name, share): &(&str, Share)| format!("{name:<16} {share}\n");
    let mut text = String::new();
    if !answers.is_empty() {
        text += "\nthe device says\n";
        text.extend(answers.iter().map(line));
    }
    if let Some(verdicts) = report.verdicts_of_no_class() {
        text += "\nof pictures of no class, it says\n";
        text.extend(verdicts.iter().map(line));
    }
    text
}

fn layers(layers: &[LayerFidelity]) -> Table {
    let mut table = of_numbers(&[
        "layer",
        "SQNR dB",
        "cosine",
        "error LSB, mean",
        "max",
        "saturated",
        "dead",
        "acc bits",
        "proven",
        "limit",
    ]);
    for layer in layers {
        table.add_row([
            layer.layer.clone(),
            known(layer.sqnr_db, 2),
            known(layer.cosine, 6),
            format!("{:.3}", layer.mean_error_lsb),
            format!("{:.1}", layer.max_error_lsb),
            format!("{:.4} %", layer.saturated * 100.0),
            format!("{} of {}", layer.dead_channels, layer.channels),
            layer.accumulator_bits.to_string(),
            layer.bound_bits.to_string(),
            layer.limit_bits.to_string(),
        ]);
    }
    table
}

/// A number, or a dash: zeros have no direction, and no ratio.
pub(super) fn known(number: f64, digits: usize) -> String {
    if number.is_nan() { "-".into() } else { format!("{number:.digits$}") }
}

fn comparisons(report: &Report, comparisons: &[Comparison]) -> Table {
    let mut table =
        of_numbers(&["image", "label", "float", "int8", "margin float", "int8", "diverges at"]);
    for comparison in comparisons {
        table.add_row([
            comparison.image.to_string(),
            comparison.label.map_or(String::new(), |label| report.class(label.into()).to_string()),
            report.class(comparison.float).to_string(),
            report.class(comparison.int8).to_string(),
            format!("{:.4}", comparison.float_margin),
            format!("{:.4}", comparison.int8_margin),
            comparison.first_diverging_layer.map_or("", |index| report.layer(index)).to_owned(),
        ]);
    }
    table
}

fn differences(comparisons: &[Comparison]) -> Table {
    let mut table = of_numbers(&["sample", "difference", "reconstruction error, float", "int8"]);
    for comparison in comparisons {
        let [float, int8] = match comparison.reconstruction {
            Some(errors) => errors.map(|error| format!("{error:.4}")),
            None => ["-", "-"].map(str::to_owned),
        };
        let difference = format!("{:.4}", comparison.max_difference);
        table.add_row([comparison.image.to_string(), difference, float, int8]);
    }
    table
}
