//! `firmware-sim board`: the engine on an emulated board.

use std::io::{self, Write};
use std::iter;
use std::time::Instant;

use anyhow::{Context, ensure};
use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, Table};
use firmware::format::File;
use firmware::geometry::{CLASSES, FAN_IN2, FLAT, HIDDEN, MAPS1, MAPS2, TAPS};
use firmware::{Answer, Layer, format};
use firmware_sim::board::{Machine, Report, Workshop, macs};
use firmware_sim::quantize::{calibration_images, quantize};
use runtime::OneLine;
use runtime::idx::{self, Part};
use serde_json::json;

use crate::{cli, model};

const LAYERS: [(&str, Layer); 4] = [
    ("conv1", Layer::Conv1),
    ("conv2", Layer::Conv2),
    ("dense1", Layer::Dense1),
    ("dense2", Layer::Dense2),
];

pub(crate) fn run(arguments: &cli::Board) -> anyhow::Result<()> {
    let machine = arguments.machine;
    let folder = arguments.data.folder()?;
    let test = idx::load(&folder, Part::Test)?;
    let count = arguments.images.get();
    ensure!(
        count <= test.images.len(),
        "--images {count}: {} has {} test images",
        OneLine(folder.display()),
        test.images.len()
    );
    let file: Box<File> = if let Some(path) = &arguments.quantized {
        model::read(path)?
    } else {
        let training = idx::load(&folder, Part::Train)?;
        let calibration = calibration_images(&training.images);
        quantize(runtime::EMBEDDED_MODEL, &calibration, &training.images)?
    };
    let mut workshop = Workshop::of_this_build();
    if let Some(sources) = &arguments.sources {
        workshop.sources.clone_from(sources);
    }
    let row_period = arguments.row_period.unwrap_or(machine.row_period());
    let bar = model::progress_bar(count, "images");
    let started = Instant::now();
    let report = workshop.run(machine, &file, &test.images[..count], row_period, |done| {
        bar.set_position(done as u64);
    });
    bar.finish_and_clear();
    let named = || {
        arguments
            .quantized
            .as_ref()
            .map_or("embedded model".into(), |path| OneLine(path.display()).to_string())
    };
    let report = report.with_context(|| format!("{} with {}", machine.title(), named()))?;

    let labels = &test.labels[..count];
    let mut output = io::stdout().lock();
    if arguments.csv {
        output.write_all(csv(machine, &report).as_bytes())?;
    } else if arguments.json {
        writeln!(output, "{}", json_line(machine, &report, labels))?;
    } else {
        let seconds = started.elapsed().as_secs_f64();
        writeln!(output, "{}", text(machine, &report, labels, arguments.profile, seconds))?;
    }
    let equal = report.equal();
    ensure!(
        report.lost == 0,
        "{} rows were dropped, and {} images lost by it",
        report.dropped,
        report.lost
    );
    ensure!(
        equal == count,
        "{} of {count} images give other logits than on this machine",
        count - equal
    );
    Ok(())
}

/// Images with a confident answer, and those of them that are right.
fn confident(report: &Report, labels: &[u8]) -> (usize, usize) {
    let confident = || report.frames.iter().filter(|frame| frame.answer != Answer::Unsure);
    let right = confident().filter(|frame| frame.answer == Answer::Confident(labels[frame.number]));
    (confident().count(), right.count())
}

fn text(machine: Machine, report: &Report, labels: &[u8], profile: bool, seconds: f64) -> String {
    let (confident, right) = confident(report, labels);
    let read = report.frames.len();
    let summary = [
        ("board", format!("{}, in QEMU ({seconds:.1} s)", machine.title())),
        (
            "logits",
            format!("equal to this machine's, all ten, on {} of {read} images", report.equal()),
        ),
        (
            "answers",
            format!("{confident} confident, {right} of these right; {} unsure", read - confident),
        ),
        ("rows", format!("{} dropped, {} images lost by it", report.dropped, report.lost)),
        (
            "RAM",
            format!("{} bytes: {} static, {} of stack", report.ram(), report.statics, report.stack),
        ),
        (
            "flash",
            format!(
                "{} bytes: {} of weights and biases, {} of code and tables",
                report.flash,
                parameters(),
                report.flash - parameters()
            ),
        ),
    ];
    let mut table = Table::new();
    table.load_style(NOTHING);
    let mut header = vec!["instructions", "mean", "most", "share"];
    if profile {
        header.extend(["MACs", "each"]);
    }
    table.set_header(header);
    let (total, most) = report.total();
    let mut row = |name: &str, (mean, most): (f64, f64), macs: Option<usize>| {
        let mut cells = vec![
            name.to_owned(),
            format!("{mean:.0}"),
            format!("{most:.0}"),
            format!("{:.1} %", 100.0 * mean / total.max(1.0)),
        ];
        if profile && let Some(macs) = macs {
            cells.extend([macs.to_string(), format!("{:.2}", mean / macs as f64)]);
        }
        table.add_row(cells);
    };
    for (name, layer) in LAYERS {
        row(name, report.instructions(Some(layer)), Some(macs(layer)));
    }
    row("rows", report.instructions(None), None);
    row("all", (total, most), Some(LAYERS.iter().map(|&(_, layer)| macs(layer)).sum()));
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    let lines: Vec<String> =
        summary.iter().map(|(name, value)| format!("{name:<8} {value}")).collect();
    format!("{}\n\n{}", lines.join("\n"), table.trim_fmt())
}

/// Bytes of the weights, one each, and of the biases, four each: what any int8 build of this network needs.
const fn parameters() -> usize {
    let weights = MAPS1 * TAPS + MAPS2 * FAN_IN2 + HIDDEN * FLAT + CLASSES * HIDDEN;
    weights + size_of::<i32>() * (MAPS1 + MAPS2 + HIDDEN + CLASSES)
}

fn csv(machine: Machine, report: &Report) -> String {
    let line = |(name, layer)| {
        let (mean, most) = report.instructions(Some(layer));
        format!("{},{name},{},{mean:.0},{most:.0}\n", machine.name(), macs(layer))
    };
    iter::once("machine,layer,macs,mean,most\n".to_owned()).chain(LAYERS.map(line)).collect()
}

fn json_line(machine: Machine, report: &Report, labels: &[u8]) -> serde_json::Value {
    let (confident, right) = confident(report, labels);
    let spread = |(mean, most): (f64, f64)| json!({ "mean": mean, "most": most });
    let mut layers = serde_json::Map::new();
    for (name, layer) in LAYERS {
        layers.insert(name.into(), spread(report.instructions(Some(layer))));
    }
    layers.insert("rows".into(), spread(report.instructions(None)));
    layers.insert("all".into(), spread(report.total()));
    json!({
        "machine": machine.name(),
        "images": report.frames.len(),
        "equal": report.equal(),
        "confident": confident,
        "confident_right": right,
        "rows_dropped": report.dropped,
        "images_lost": report.lost,
        "ram": report.ram(),
        "statics": report.statics,
        "stack": report.stack,
        "flash": report.flash,
        "model": format::LEN,
        "instructions": layers,
    })
}
