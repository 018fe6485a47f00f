//! `firmware-sim board`: the engine on an emulated board.

use std::io::{self, Write};
use std::iter;
use std::num::NonZeroUsize;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, anyhow, ensure};
use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, Table};
use dataset::idx::Part;
use firmware::{Logits, Model, Verdict};
use firmware_sim::board::{BoardBuilder, BoardError, BoardReport, Machine, laid_out, max_images};
use firmware_sim::memory::Memory;
use firmware_sim::quantize::{is_classifier, quantize};
use firmware_sim::{Error, estimate, identity, samples};
use safe_io::SingleLine;
use serde_json::json;

use crate::data::{self, Wanted};
use crate::model::{Onnx, with_hint as with_model_hint};
use crate::{cli, model};

/// Images that are read unless another number is given.
const DEFAULT_IMAGES: usize = 100;

/// A model with what the board made of it.
struct Run<'a> {
    machine: Machine,
    /// What a profile calls the model: its file's name.
    network: String,
    model: Model<'a>,
    memory: Memory,
    report: &'a BoardReport,
    /// Images that there are.
    all: usize,
    /// Which of them were read.
    of_all: String,
    /// Whether the classes have names.
    is_named: bool,
    /// Of those that were read, if the data have them.
    labels: &'a [u8],
    /// Folders that were taken for the classes, in this order.
    assumed_classes: Option<&'a [String]>,
    /// Whether the ONNX file was given, which may name them.
    has_onnx: bool,
}

pub(crate) fn run(arguments: &cli::Board) -> anyhow::Result<()> {
    let machine = arguments.machine;
    let given = arguments.data.given()?;
    let path = given.path();
    let named = || {
        arguments
            .quantized
            .as_ref()
            .map_or("embedded model".into(), |path| SingleLine(path.display()).to_string())
    };
    let bytes = if let Some(path) = &arguments.quantized {
        model::read(path)?
    } else {
        let wanted = Wanted::of_onnx(&Onnx::embedded()?);
        let training = data::load(&given, Part::Train, &wanted)?.content;
        let data::Content::Images(training) = training else {
            return Err(anyhow!("{} holds no images", SingleLine(path.display())));
        };
        let calibration = firmware_sim::quantize::calibration_images(&training);
        quantize(runtime::EMBEDDED_MODEL, &calibration, &training)?
    };
    // what the board gets, so that its lengths are those of the report
    let bytes = laid_out(&bytes, machine.layout()).with_context(named)?;
    let model = Model::parse(&bytes).with_context(named)?;
    let wanted = wanted(arguments, model)?;
    let test = data::load(&given, Part::Test, &wanted)?;
    data::ensure_any(&test, path)?;
    let (all, most) = (test.content.samples().len(), max_images(model.header().input.size()));
    let count = arguments.images.map_or(DEFAULT_IMAGES.min(all).min(most), NonZeroUsize::get);
    ensure!(
        count <= all,
        "--images {count}: {} has {all} {}, so give at most {}",
        SingleLine(path.display()),
        test.source.what(),
        all.min(most)
    );
    ensure!(
        count <= most,
        "--images {count}: a board takes at most {most} of this size in one run"
    );
    let chosen = test.chosen(count);
    let images = samples::frames(model, test.content.samples(), &chosen)?;
    let mut builder = BoardBuilder::of_this_build();
    if let Some(sources) = &arguments.sources {
        builder.sources.clone_from(sources);
    }
    let memory = Memory::of(model);
    let row_period = arguments.row_period.unwrap_or_else(|| estimate::row_period(machine, model));
    let bar = model::progress_bar(count, "images");
    let started = Instant::now();
    let report = builder.run(machine, &bytes, &images, row_period, |done| {
        bar.set_position(done as u64);
    });
    bar.finish_and_clear();
    let report = report
        .map_err(with_hint)
        .with_context(|| format!("{} with {}", machine.title(), named()))?;

    let labels = chosen.iter().filter_map(|&index| test.labels.get(index).copied());
    let labels: Vec<u8> = labels.collect();
    let of_all = test.selection(count);
    let assumed_classes = test.assumed_classes.as_deref();
    let file_name = arguments.quantized.as_deref().and_then(Path::file_stem);
    let network = file_name.map_or("lenet".into(), |name| name.to_string_lossy().replace(',', "_"));
    let (has_onnx, is_named) = (arguments.model.is_some(), wanted.has_names());
    let run = Run {
        machine,
        network,
        model,
        memory,
        report: &report,
        all,
        of_all,
        is_named,
        labels: &labels,
        assumed_classes,
        has_onnx,
    };
    let mut output = io::stdout().lock();
    if arguments.csv {
        output.write_all(run.csv().as_bytes())?;
    } else if arguments.json {
        writeln!(output, "{}", run.json())?;
    } else {
        let seconds = started.elapsed().as_secs_f64();
        writeln!(output, "{}", run.text(arguments.profile, seconds))?;
    }
    let agreements = report.agreements();
    ensure!(
        report.lost == 0,
        "{} rows were dropped, and {} images lost to that: give the board more time, by --row-period above {row_period}",
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

/// What the images must be: an ONNX file says more of it than the int8 model that was made from it.
fn wanted(arguments: &cli::Board, model: Model<'_>) -> anyhow::Result<Wanted> {
    let onnx = match (&arguments.model, &arguments.quantized) {
        (Some(path), _) => Onnx::read(path, None)?,
        (None, None) => Onnx::embedded()?,
        (None, Some(_)) => return Ok(Wanted::of_model(model)),
    };
    let (stated, given) = (model.header().identity, identity(&onnx.bytes));
    if stated != given {
        let error = with_model_hint(Error::Origin { stated, given });
        let path = arguments.model.as_deref().unwrap_or(Path::new("embedded model"));
        return Err(error.context(SingleLine(path.display()).to_string()));
    }
    Ok(Wanted::of_onnx(&onnx))
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

/// How many answers are of each kind.
#[derive(Debug, Default)]
struct Answers {
    sure: usize,
    sure_right: usize,
    unsure: usize,
    none: usize,
    agree: usize,
}

impl Run<'_> {
    /// `None` if the outputs are no classes.
    fn answers(&self) -> Option<Answers> {
        let inputs = self.model.header().input.size();
        let is_named = self.is_named || !self.labels.is_empty();
        if !is_classifier(self.model.outputs(), inputs, is_named) {
            return None;
        }
        let mut answers = Answers::default();
        for image in &self.report.images {
            let answer = Logits(&image.logits).answer(self.model);
            answers.agree += usize::from(answer.agrees);
            match answer.verdict {
                Verdict::Sure => {
                    answers.sure += 1;
                    let label = self.labels.get(image.number).copied().map(u16::from);
                    answers.sure_right += usize::from(label == Some(answer.class));
                }
                Verdict::Unsure => answers.unsure += 1,
                Verdict::None => answers.none += 1,
            }
        }
        Some(answers)
    }

    fn text(&self, profile: bool, seconds: f64) -> String {
        let Self { report, memory, .. } = self;
        let read = report.images.len();
        let mut summary = vec![
            ("board", format!("{}, in QEMU ({seconds:.1} s)", self.machine.title())),
            ("images", format!("{read} of {}", self.of_all)),
            (
                "logits",
                format!(
                    "agree with this machine's, all {}, on {} of {read} images",
                    self.model.outputs(),
                    report.agreements()
                ),
            ),
        ];
        if let Some(answers) = self.answers() {
            let Answers { sure, sure_right, unsure, none, agree } = answers;
            let right = if self.labels.is_empty() {
                String::new()
            } else {
                format!(", {sure_right} of these right")
            };
            summary.push(("verdicts", format!("{sure} sure{right}; {unsure} unsure; {none} none")));
            let by_margin = format!(
                "{agree} answers are above the margin from which on float gives the same class"
            );
            summary.push(("agrees", by_margin));
        }
        if let Some(classes) = self.assumed_classes {
            let classes = SingleLine(classes.join(", "));
            let known = if self.has_onnx {
                "the ONNX file names none"
            } else {
                "--model MODEL.onnx says which is which"
            };
            let assumed =
                format!("assumed, from the order of the folders' names: {classes}; {known}");
            summary.push(("classes", assumed));
        }
        let dropped = format!("{} dropped, {} images lost to that", report.dropped, report.lost);
        let ram =
            format!("{} bytes: {} static, {} of stack", report.ram(), report.statics, report.stack);
        let parameters = memory.parameter_bytes();
        let flash = format!(
            "{} bytes: {parameters} of weights and biases, {} of code and tables",
            report.flash,
            report.flash - parameters
        );
        summary.extend([("rows", dropped), ("RAM", ram), ("flash", flash)]);
        let lines: Vec<String> =
            summary.iter().map(|(name, value)| format!("{name:<8} {value}")).collect();
        format!("{}\n\n{}", lines.join("\n"), self.table(profile).trim_fmt())
    }

    /// Instructions of each layer.
    fn table(&self, profile: bool) -> Table {
        let mut table = Table::new();
        table.load_style(NOTHING);
        let mut header = vec!["instructions", "mean", "max", "share"];
        if profile {
            header.extend(["MACs", "per MAC"]);
        }
        table.set_header(header);
        let (total, total_max) = self.report.total();
        let mut row = |name: &str, (mean, max): (f64, f64), macs: usize| {
            let mut cells = vec![
                name.to_owned(),
                format!("{mean:.0}"),
                format!("{max:.0}"),
                format!("{:.1} %", 100.0 * mean / total.max(1.0)),
            ];
            if profile && macs > 0 {
                cells.extend([macs.to_string(), format!("{:.2}", mean / macs as f64)]);
            }
            table.add_row(cells);
        };
        for (layer, (name, macs)) in self.layers().enumerate() {
            row(name, self.report.of_layer(layer), macs);
        }
        row("rows", self.report.of_rows(), 0);
        row("all", (total, total_max), self.memory.macs());
        for column in table.column_iter_mut().skip(1) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        table
    }

    /// Names and multiply-accumulates of the layers.
    fn layers(&self) -> impl Iterator<Item = (&str, usize)> {
        self.memory.rows.iter().skip(1).map(|row| (row.name.as_str(), row.macs))
    }

    fn csv(&self) -> String {
        let measured = estimate::measured(self.machine, &self.network, self.model, self.report);
        let lines = measured.iter().map(|measured| measured.line() + "\n");
        iter::once(format!("{}\n", estimate::HEADER)).chain(lines).collect()
    }

    fn json(&self) -> serde_json::Value {
        let report = self.report;
        let spread = |(mean, max): (f64, f64)| json!({ "mean": mean, "most": max });
        let mut layers = serde_json::Map::new();
        for (layer, (name, _)) in self.layers().enumerate() {
            layers.insert(name.into(), spread(report.of_layer(layer)));
        }
        layers.insert("rows".into(), spread(report.of_rows()));
        layers.insert("all".into(), spread(report.total()));
        let answers = self.answers().map(|answers| {
            json!({
                "sure": answers.sure,
                "sure_right": answers.sure_right,
                "unsure": answers.unsure,
                "none": answers.none,
                "agree": answers.agree,
            })
        });
        json!({
            "machine": self.machine.name(),
            "images": report.images.len(),
            "of_images": self.all,
            "equal": report.agreements(),
            "answers": answers,
            "assumed_classes": self.assumed_classes,
            "rows_dropped": report.dropped,
            "images_lost": report.lost,
            "ram": report.ram(),
            "statics": report.statics,
            "stack": report.stack,
            "flash": report.flash,
            "model": self.memory.file_bytes,
            "instructions": layers,
        })
    }
}
