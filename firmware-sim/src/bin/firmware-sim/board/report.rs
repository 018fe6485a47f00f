//! What is printed of a run.

use std::iter;

use comfy_table::Table;
use firmware::link::Counter;
use firmware::{Logits, Model, Verdict};
use firmware_sim::board::{BoardInfo, BoardReport, Machine, SerialBoard};
use firmware_sim::estimate;
use firmware_sim::memory::Memory;
use firmware_sim::quantize::is_classifier;
use safe_io::SingleLine;
use serde_json::json;

use super::Device;
use super::counted::Counted;
use super::cycles::ModelledCycles;
use super::worst_case;

use crate::table::of_numbers;

/// A model with what the board made of it.
pub(super) struct Run<'a> {
    pub(super) device: &'a Device,
    /// What a profile calls the model: its file's name.
    pub(super) network: String,
    pub(super) model: Model<'a>,
    pub(super) memory: Memory,
    pub(super) report: &'a BoardReport,
    pub(super) counted: Counted,
    /// Images that there are.
    pub(super) all: usize,
    /// Which of them were read.
    pub(super) of_all: String,
    /// Whether the classes have names.
    pub(super) is_named: bool,
    /// Of those that were read, if the data have them.
    pub(super) labels: &'a [u8],
    /// Folders that were taken for the classes, in this order.
    pub(super) assumed_classes: Option<&'a [String]>,
    /// Whether the ONNX file was given, which may name them.
    pub(super) has_onnx: bool,
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

    pub(super) fn text(&self, profile: bool, seconds: f64) -> String {
        let report = self.report;
        let read = report.images.len();
        let mut summary = vec![
            ("board", self.title(seconds)),
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
        match self.device {
            Device::Emulated(_) => {
                let (dropped, lost) = (report.dropped, report.lost);
                summary.push(("rows", format!("{dropped} dropped, {lost} images lost to that")));
            }
            Device::Real(_, board) => summary.extend(self.of_line(board)),
        }
        summary.extend([("RAM", self.ram()), ("flash", self.flash())]);
        let lines: Vec<String> =
            summary.iter().map(|(name, value)| format!("{name:<8} {value}")).collect();
        let mut parts = vec![lines.join("\n"), self.table(profile).trim_fmt()];
        let Counted { cycles, worst_case } = &self.counted;
        parts.extend(cycles.as_ref().map(ModelledCycles::text));
        parts.extend(worst_case.as_ref().map(|worst| worst_case::text(worst, report)));
        parts.join("\n\n")
    }

    /// Which board, and how long it took.
    fn title(&self, seconds: f64) -> String {
        let (port, board) = match self.device {
            Device::Emulated(machine) => {
                return format!("{}, in QEMU ({seconds:.1} s)", machine.title());
            }
            Device::Real(port, board) => (port, board.info()),
        };
        let clock = match board.clock_hz {
            0 => String::new(),
            clock => format!(" at {} MHz", f64::from(clock) / 1e6),
        };
        format!("{}{clock}, on {port} ({seconds:.1} s)", SingleLine(&board.core))
    }

    /// How well the line is, and how fast the board.
    fn of_line(&self, board: &SerialBoard) -> Vec<(&'static str, String)> {
        let (sent, shown) = (board.sent_again(), board.shown_again());
        let mut lines =
            vec![("line", format!("{sent} requests sent again, {shown} images shown again"))];
        let BoardInfo { clock_hz, counter, .. } = *board.info();
        if clock_hz > 0 && counter != Counter::None {
            let [mean, max] = <[f64; 2]>::from(self.report.total())
                .map(|cycles| 1e3 * cycles / f64::from(clock_hz));
            lines.push(("time", format!("{mean:.1} ms per image, {max:.1} at most, by its clock")));
        }
        lines
    }

    /// What is known of it: a real board need not say it.
    fn ram(&self) -> String {
        let BoardReport { statics, stack, .. } = *self.report;
        match (statics, stack) {
            (0, 0) => "not known: the board does not say".into(),
            (0, stack) => format!("{stack} bytes of stack; static: the board does not say"),
            (statics, 0) => format!("{statics} bytes static; stack: the board does not say"),
            _ => format!("{} bytes: {statics} static, {stack} of stack", self.report.ram()),
        }
    }

    fn flash(&self) -> String {
        let parameters = self.memory.parameter_bytes();
        let flash = self.report.flash;
        match flash.checked_sub(parameters) {
            Some(rest) => format!(
                "{flash} bytes: {parameters} of weights and biases, {rest} of code and tables"
            ),
            None => {
                format!("{parameters} bytes of weights and biases; in all: the board does not say")
            }
        }
    }

    /// What is counted.
    fn unit(&self) -> &'static str {
        match self.device {
            Device::Emulated(_) => "instructions",
            Device::Real(..) => "cycles",
        }
    }

    /// Instructions, or cycles, of each layer.
    fn table(&self, profile: bool) -> Table {
        let unit = match self.device {
            Device::Emulated(_) => self.unit().to_owned(),
            Device::Real(_, board) => {
                format!("{}, by {}", self.unit(), board.info().counter.name())
            }
        };
        let mut header = vec![&*unit, "mean", "max", "share"];
        if profile {
            header.extend(["MACs", "per MAC"]);
        }
        let mut table = of_numbers(&header);
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
        table
    }

    /// Names and multiply-accumulates of the layers.
    fn layers(&self) -> impl Iterator<Item = (&str, usize)> {
        self.memory.rows.iter().skip(1).map(|row| (row.name.as_str(), row.macs))
    }

    pub(super) fn csv(&self, machine: Machine) -> String {
        let measured = estimate::measured(machine, &self.network, self.model, self.report);
        let lines = measured.iter().map(|measured| measured.line() + "\n");
        iter::once(format!("{}\n", estimate::HEADER)).chain(lines).collect()
    }

    pub(super) fn json(&self) -> serde_json::Value {
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
        let machine = match self.device {
            Device::Emulated(machine) => Some(machine.name()),
            Device::Real(..) => None,
        };
        let board = match self.device {
            Device::Emulated(_) => None,
            Device::Real(port, board) => Some(json!({
                "port": port.to_string(),
                "core": board.info().core,
                "clock_hz": board.info().clock_hz,
                "counter": board.info().counter.name(),
                "stack": (board.info().stack > 0).then_some(board.info().stack),
                "sent_again": board.sent_again(),
                "shown_again": board.shown_again(),
            })),
        };
        // a real board need not say them
        let known = |bytes: usize| (bytes > 0).then_some(bytes);
        let ram = known(report.statics).and(known(report.stack)).map(|_| report.ram());
        let mut object = json!({
            "machine": machine,
            "board": board,
            "images": report.images.len(),
            "of_images": self.all,
            "equal": report.agreements(),
            "answers": answers,
            "assumed_classes": self.assumed_classes,
            "rows_dropped": report.dropped,
            "images_lost": report.lost,
            "ram": ram,
            "statics": known(report.statics),
            "stack": known(report.stack),
            "flash": known(report.flash),
            "model": self.memory.file_bytes,
            self.unit(): layers,
        });
        let Counted { cycles, worst_case } = &self.counted;
        if let Some(cycles) = cycles {
            object["modelled_cycles"] = cycles.json();
        }
        if let Some(worst_case) = worst_case {
            object["worst_case"] = worst_case::json(worst_case, report);
        }
        object
    }
}
