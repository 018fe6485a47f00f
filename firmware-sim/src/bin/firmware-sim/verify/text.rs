//! The report for a terminal.

use std::fmt::Write;

use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, Table};
use firmware_sim::verify::{LayerFidelity, Reading};

use super::Report;

/// Bins of the histogram of logit errors.
const BINS: usize = 15;
/// Width of its longest bar.
const BAR: u64 = 40;

pub(super) fn text(report: &Report) -> String {
    let verification = report.verification;
    let confident = verification.confident();
    let [least, hundredth, tenth, half] =
        [0.0, 0.01, 0.1, 0.5].map(|part| verification.margin_quantile(part));
    let mut text = format!(
        "float    {}\nint8     {}\nimages   {}\n\n\
         right, float  {}\nright, int8   {}\nequal         {}\nconfident     {}\n  right       {}\n  unequal     {}\n\
         \nlogits   differ by {:.4} at most, {:.4} RMS; float margins {least:.4} at least, \
         {hundredth:.2} for 1 %, {tenth:.2} for 10 %, {half:.2} for half\n\n{}\n",
        report.onnx,
        report.q8,
        report.data,
        report.share(verification.float_correct()),
        report.share(verification.int8_correct()),
        report.share(verification.equal()),
        report.share(confident),
        report.among_confident(verification.confident_correct()),
        verification.confident_unequal(),
        verification.largest_difference(),
        verification.rms_difference(),
        layers(&verification.layers),
    );
    text += "\nint8 minus float of the logits, up to\n";
    let bins = verification.logit_histogram::<BINS>();
    let most = bins.iter().map(|(_, count)| *count).max().unwrap_or(1).max(1);
    for (edge, count) in bins {
        let bar = "#".repeat((count * BAR).div_ceil(most) as usize);
        let _ = writeln!(text, "{edge:8.4}  {count:7}  {bar}");
    }
    let unequal: Vec<Reading> = verification.unequal().copied().collect();
    if unequal.is_empty() {
        text += "\nno image is read otherwise; least certain in int8:\n";
        let _ = write!(
            text,
            "{}",
            readings(&verification.least_certain()[..5.min(verification.readings.len())])
        );
    } else {
        let pairs = verification.confusion();
        let pairs =
            pairs.iter().map(|((float, int8), count)| format!("{float} as {int8}: {count}"));
        let _ = writeln!(text, "\nread otherwise, {}", pairs.collect::<Vec<_>>().join(", "));
        let _ = write!(text, "{}", readings(&unequal));
    }
    text
}

fn layers(layers: &[LayerFidelity]) -> Table {
    let mut table = table(&[
        "layer",
        "SQNR dB",
        "cosine",
        "error LSB, mean",
        "most",
        "saturated",
        "dead",
        "sum bits",
        "proven",
        "limit",
    ]);
    for layer in layers {
        table.add_row([
            layer.layer.name().to_owned(),
            format!("{:.2}", layer.sqnr_db),
            format!("{:.6}", layer.cosine),
            format!("{:.3}", layer.mean_error_lsb),
            format!("{:.1}", layer.largest_error_lsb),
            format!("{:.4} %", layer.saturated * 100.0),
            format!("{} of {}", layer.dead_channels, layer.channels),
            layer.sum_bits.to_string(),
            layer.bound_bits.to_string(),
            layer.limit_bits.to_string(),
        ]);
    }
    table
}

fn readings(readings: &[Reading]) -> Table {
    let mut table = table(&["image", "label", "float", "int8", "margin float", "int8", "turns at"]);
    for reading in readings {
        table.add_row([
            reading.image.to_string(),
            reading.label.to_string(),
            reading.float.to_string(),
            reading.int8.to_string(),
            format!("{:.4}", reading.float_margin),
            format!("{:.4}", reading.int8_margin),
            reading.turns_at.map_or("", |layer| layer.name()).to_owned(),
        ]);
    }
    table
}

fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(NOTHING).set_header(header);
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}
