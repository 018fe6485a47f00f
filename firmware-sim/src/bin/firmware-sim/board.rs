//! `firmware-sim board`: the engine on an emulated board.

use std::io::{self, Write};
use std::iter;
use std::time::Instant;

use anyhow::{Context, anyhow, ensure};
use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, Table};
use dataset::MNIST_SHAPE;
use dataset::idx::{self, Part};
use firmware::format::File;
use firmware::geometry::{CLASSES, FAN_IN2, FLAT, HIDDEN, KERNEL_ELEMENTS, MAPS1, MAPS2};
use firmware::rows::Model;
use firmware::{Answer, LayerId, format};
use firmware_sim::board::{BoardBuilder, BoardError, BoardReport, Machine, macs, version_2};
use firmware_sim::quantize::{calibration_images, quantize};
use safe_io::SingleLine;
use serde_json::json;

use crate::{cli, model};

const LAYERS: [(&str, LayerId); 4] = [
    ("conv1", LayerId::Conv1),
    ("conv2", LayerId::Conv2),
    ("dense1", LayerId::Dense1),
    ("dense2", LayerId::Dense2),
];

pub(crate) fn run(arguments: &cli::Board) -> anyhow::Result<()> {
    let machine = arguments.machine;
    let folder = arguments.data.folder()?;
    let test = idx::load_of_shape(&folder, Part::Test, MNIST_SHAPE)?;
    let count = arguments.images.get();
    ensure!(
        count <= test.images.len(),
        "--images {count}: {} has {} test images",
        SingleLine(folder.display()),
        test.images.len()
    );
    let named = || {
        arguments
            .quantized
            .as_ref()
            .map_or("embedded model".into(), |path| SingleLine(path.display()).to_string())
    };
    let bytes = if let Some(path) = &arguments.quantized {
        model::read(path)?
    } else {
        let training = idx::load_of_shape(&folder, Part::Train, MNIST_SHAPE)?;
        let calibration = calibration_images(&training.images);
        quantize(runtime::EMBEDDED_MODEL, &calibration, &training.images)?
    };
    // the boards' programs read version 2 so far
    let file: Box<File> =
        version_2(Model::parse(&bytes).with_context(named)?).with_context(named)?;
    let mut builder = BoardBuilder::of_this_build();
    if let Some(sources) = &arguments.sources {
        builder.sources.clone_from(sources);
    }
    let row_period = arguments.row_period.unwrap_or(machine.row_period());
    let bar = model::progress_bar(count, "images");
    let started = Instant::now();
    let report = builder.run(machine, &file, &test.images[..count], row_period, |done| {
        bar.set_position(done as u64);
    });
    bar.finish_and_clear();
    let report = report
        .map_err(with_hint)
        .with_context(|| format!("{} with {}", machine.title(), named()))?;

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
    let agreements = report.agreements();
    ensure!(
        report.lost == 0,
        "{} rows were dropped, and {} images lost to that",
        report.dropped,
        report.lost
    );
    ensure!(
        agreements == count,
        "{} of {count} images give other logits than on this machine",
        count - agreements
    );
    Ok(())
}

/// Adds what a user of this command can do about it.
fn with_hint(error: BoardError) -> anyhow::Error {
    let hint = match &error {
        BoardError::Sources(_) => {
            "run this from a clone, or give --sources DIR/firmware-sim/boards".into()
        }
        BoardError::Target { target } => {
            format!("run firmware-sim/boards/setup, or `rustup target add {target}`")
        }
        BoardError::Qemu { package, .. } => {
            format!("run firmware-sim/boards/setup, or `apt install {package}`")
        }
        _ => return error.into(),
    };
    anyhow!("{error}: {hint}")
}

/// Images with a confident answer, and those of them that are right.
fn confident(report: &BoardReport, labels: &[u8]) -> (usize, usize) {
    let confident = || report.images.iter().filter(|image| image.answer != Answer::Unsure);
    let right = confident().filter(|image| image.answer == Answer::Confident(labels[image.number]));
    (confident().count(), right.count())
}

fn text(
    machine: Machine,
    report: &BoardReport,
    labels: &[u8],
    profile: bool,
    seconds: f64,
) -> String {
    let (confident, right) = confident(report, labels);
    let read = report.images.len();
    let summary = [
        ("board", format!("{}, in QEMU ({seconds:.1} s)", machine.title())),
        (
            "logits",
            format!(
                "agree with this machine's, all ten, on {} of {read} images",
                report.agreements()
            ),
        ),
        (
            "answers",
            format!("{confident} confident, {right} of these right; {} unsure", read - confident),
        ),
        ("rows", format!("{} dropped, {} images lost to that", report.dropped, report.lost)),
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
    let mut header = vec!["instructions", "mean", "max", "share"];
    if profile {
        header.extend(["MACs", "per MAC"]);
    }
    table.set_header(header);
    let (total, total_max) = report.total();
    let mut row = |name: &str, (mean, max): (f64, f64), macs: Option<usize>| {
        let mut cells = vec![
            name.to_owned(),
            format!("{mean:.0}"),
            format!("{max:.0}"),
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
    row("all", (total, total_max), Some(LAYERS.iter().map(|&(_, layer)| macs(layer)).sum()));
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    let lines: Vec<String> =
        summary.iter().map(|(name, value)| format!("{name:<8} {value}")).collect();
    format!("{}\n\n{}", lines.join("\n"), table.trim_fmt())
}

/// Bytes of the weights, one each, and of the biases, four each: what any int8 build of this network needs.
const fn parameters() -> usize {
    let weights = MAPS1 * KERNEL_ELEMENTS + MAPS2 * FAN_IN2 + HIDDEN * FLAT + CLASSES * HIDDEN;
    weights + size_of::<i32>() * (MAPS1 + MAPS2 + HIDDEN + CLASSES)
}

fn csv(machine: Machine, report: &BoardReport) -> String {
    let line = |(name, layer)| {
        let (mean, max) = report.instructions(Some(layer));
        format!("{},{name},{},{mean:.0},{max:.0}\n", machine.name(), macs(layer))
    };
    iter::once("machine,layer,macs,mean,most\n".to_owned()).chain(LAYERS.map(line)).collect()
}

fn json_line(machine: Machine, report: &BoardReport, labels: &[u8]) -> serde_json::Value {
    let (confident, right) = confident(report, labels);
    let spread = |(mean, max): (f64, f64)| json!({ "mean": mean, "most": max });
    let mut layers = serde_json::Map::new();
    for (name, layer) in LAYERS {
        layers.insert(name.into(), spread(report.instructions(Some(layer))));
    }
    layers.insert("rows".into(), spread(report.instructions(None)));
    layers.insert("all".into(), spread(report.total()));
    json!({
        "machine": machine.name(),
        "images": report.images.len(),
        "equal": report.agreements(),
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
