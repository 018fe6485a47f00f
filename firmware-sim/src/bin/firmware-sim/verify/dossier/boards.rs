//! The model on emulated boards: whether every output is this computer's, and what it takes.

use anyhow::bail;
use firmware::Model;
use firmware_sim::board::{
    BoardBuilder, BoardError, BoardReport, InstructionBound, Machine, StackCase, laid_out,
    max_images,
};
use firmware_sim::memory::Memory;
use firmware_sim::{estimate, samples};
use maud::{Markup, html};
use serde_json::{Value, json};

use super::Subject;
use super::evidence::{Evidence, Finding};
use crate::board::ModelledCycles;
use crate::cli::Kind;
use crate::model;

/// Images that each board reads, unless another number is given.
const IMAGES: usize = 100;

/// A board that was to run.
struct Board {
    machine: Machine,
    /// What it did, or why it did nothing.
    result: Result<Run, String>,
    /// Whether it was asked for by name.
    is_named: bool,
    /// Whether it began and failed, which is another thing than having no tools.
    is_failure: bool,
}

/// What a board did.
pub(super) struct Run {
    pub(super) report: BoardReport,
    /// The deepest stack, by the linked code.
    pub(super) stack: StackCase,
    /// What counting each instruction shows; or why they were not counted.
    pub(super) counted: Result<CountedRun, String>,
}

/// What counting each instruction shows.
pub(super) struct CountedRun {
    /// An estimate of the maximum; or why there is none.
    pub(super) instructions: Result<InstructionBound, &'static str>,
    /// Nothing for cores whose makers publish no timing.
    pub(super) cycles: Option<ModelledCycles>,
}

/// All boards, in their order.
pub(super) struct Boards {
    boards: Vec<Board>,
    /// Which images they read, such as `100 of 10000, the first`.
    which: String,
}

impl Boards {
    /// Runs those that were asked for, or else all; progress is on standard error.
    ///
    /// # Errors
    /// If more images are asked for than there are.
    pub(super) fn run(subject: &Subject) -> anyhow::Result<Self> {
        let chosen = &subject.arguments.machine;
        let is_named = |machine: Machine| chosen.contains(&machine);
        let is_wanted = |machine: &Machine| chosen.is_empty() || is_named(*machine);
        let machines: Vec<Machine> = match subject.left_out(Kind::Boards) {
            Some(_) => vec![],
            None => Machine::ALL.into_iter().filter(is_wanted).collect(),
        };
        let all = subject.test.content.samples().len();
        let most = all.min(max_images(subject.report.int8.header().input.size()));
        let count = match subject.arguments.board_images {
            Some(count) if count.get() > most => {
                bail!(
                    "--board-images {count}: a board takes at most {most} of these {all} in one run"
                )
            }
            Some(count) => count.get(),
            None => IMAGES.min(most),
        };
        let numbers = subject.test.chosen(count);
        let frames =
            samples::frames(subject.report.int8, subject.test.content.samples(), &numbers)?;
        let bar = model::progress_bar(machines.len(), "boards");
        let run = |machine| {
            let result = run(machine, subject.q8, &frames);
            bar.inc(1);
            let is_failure = !matches!(
                result,
                Ok(_)
                    | Err(BoardError::Sources(_)
                        | BoardError::Target { .. }
                        | BoardError::Qemu { .. })
            );
            let result = result.map_err(|error| without_folders(&anyhow::Error::from(error)));
            Board { machine, result, is_named: is_named(machine), is_failure }
        };
        let boards = machines.into_iter().map(run).collect();
        bar.finish_and_clear();
        Ok(Self { boards, which: format!("{count} of {}", subject.test.selection(count)) })
    }

    /// Those that ran to their end.
    pub(super) fn ran(&self) -> impl Iterator<Item = (Machine, &Run)> {
        let ran = |board: &'_ Board| board.result.is_ok();
        let boards = self.boards.iter().filter(move |board| ran(board));
        boards.filter_map(|board| Some((board.machine, board.result.as_ref().ok()?)))
    }

    /// Of each that ran: images, and those of which every output is this computer's.
    pub(super) fn equality(&self) -> Value {
        let of_board = |(machine, Run { report, .. }): (Machine, &Run)| json!({ "machine": machine.name(), "images": report.images.len(), "equal": report.agreements() });
        self.ran().map(of_board).collect()
    }

    pub(super) fn evidence(&self, subject: &Subject) -> Evidence {
        if let Some(left_out) = subject.left_out(Kind::Boards) {
            return left_out;
        }
        let reasons: Vec<String> = self
            .boards
            .iter()
            .filter_map(|board| Some((board, board.result.as_ref().err()?)))
            .map(|(board, reason)| format!("{}: {reason}", board.machine.title()))
            .collect();
        let is_demanded =
            |board: &&Board| board.is_named || board.is_failure || board.result.is_ok();
        let demanded: Vec<&Board> = self.boards.iter().filter(is_demanded).collect();
        if demanded.is_empty() {
            return Evidence::not_run(reasons.join("; "));
        }
        let json = json!({
            "images": self.which,
            "boards": self.boards.iter().map(json).collect::<Value>(),
        });
        let mut finding = Finding::new(self.html(), json);
        for board in demanded {
            let (found, is_met) = verdict(board);
            let title = board.machine.title();
            finding = finding
                .demand(format!("{title}: every output is this computer's: {found}"), is_met);
        }
        for reason in reasons {
            finding =
                finding.limit(format!("What this board takes, and that it is equal: {reason}"));
        }
        let left_out = Machine::ALL
            .into_iter()
            .filter(|machine| self.boards.iter().all(|it| it.machine != *machine));
        for machine in left_out {
            finding = finding.limit(format!("{}: it was not asked for", machine.title()));
        }
        finding
            .limit(format!(
                "Other images on boards than these {}: more are read with `--board-images`",
                self.which
            ))
            .into()
    }

    fn html(&self) -> Markup {
        html! {
            p {
                "The firmware's engine with this model, built for each core and run in QEMU, which read test images from an emulated camera, row by row: " (self.which) "."
                " Weights are laid out for the core, which changes no bit of the outputs. Instructions are counted by QEMU; "
                "they are not cycles. Cycles are modelled, not measured: by the timing that the core's maker publishes, from flash and RAM without wait "
                "states. RAM is all that has a fixed place, and the deepest stack of any inference, found by painting it."
            }
            table {
                tr {
                    th { "board" } th { "equal outputs" } th { "flash, bytes" } th { "RAM, bytes" } th { "static" } th { "stack" }
                    th { "instructions, mean" } th { "maximum" } th { "cycles, mean, modelled" }
                }
                @for board in &self.boards {
                    tr {
                        td { (board.machine.title()) }
                        @match &board.result {
                            Ok(Run { report, counted, .. }) => {
                                td {
                                    (report.agreements()) " of " (report.images.len() + report.lost)
                                    @if report.dropped > 0 { "; " (report.dropped) " rows dropped" }
                                }
                                td { (report.flash) } td { (report.ram()) } td { (report.statics) } td { (report.stack) }
                                td { (format!("{:.0}", report.total().0)) } td { (format!("{:.0}", report.total().1)) }
                                td { @match counted.as_ref().ok().and_then(|it| it.cycles.as_ref()) { Some(cycles) => (cycles.range()), None => "-" } }
                            }
                            Err(reason) => td.names colspan="8" { "not run: " (reason) },
                        }
                    }
                }
            }
            @let sources: Vec<_> = self.ran().filter_map(|(machine, run)| Some((machine, run.counted.as_ref().ok()?.cycles.as_ref()?))).collect();
            @if !sources.is_empty() {
                p { "Timing: " @for (index, (machine, cycles)) in sources.iter().enumerate() { @if index > 0 { "; " } (machine.title()) ", as " (cycles.model()) } "." }
            }
            @if let Some((machine, Run { report, .. })) = self.ran().next() {
                p { "Instructions of each layer on " (machine.title()) ", mean and maximum:" }
                (by_layer(report))
            }
        }
    }
}

fn by_layer(report: &BoardReport) -> Markup {
    let layers =
        report.layers.iter().enumerate().map(|(layer, name)| (&name[..], report.of_layer(layer)));
    let rows = layers.chain([("taking rows in", report.of_rows()), ("all", report.total())]);
    html! {
        table {
            tr { th { "layer" } th { "mean" } th { "maximum" } }
            @for (name, (mean, max)) in rows {
                tr { td { (name) } td { (format!("{mean:.0}")) } td { (format!("{max:.0}")) } }
            }
        }
    }
}

/// What was found, and whether that is all that was to be found.
fn verdict(board: &Board) -> (String, bool) {
    match &board.result {
        Ok(Run { report, .. }) => {
            let all = report.images.len() + report.lost;
            let lost =
                if report.lost > 0 { format!(", {} lost", report.lost) } else { String::new() };
            (format!("{} of {all} images{lost}", report.agreements()), report.agreements() == all)
        }
        Err(reason) => (format!("not run: {reason}"), false),
    }
}

fn json(board: &Board) -> Value {
    let machine = board.machine.name();
    match &board.result {
        Err(reason) => json!({ "machine": machine, "has_run": false, "reason": reason }),
        Ok(Run { report, counted, .. }) => {
            let spread = |(mean, max): (f64, f64)| json!({ "mean": mean, "maximum": max });
            let layers = report.layers.iter().enumerate();
            let layers: serde_json::Map<String, Value> = layers
                .map(|(layer, name)| (name.clone(), spread(report.of_layer(layer))))
                .collect();
            json!({
                "machine": machine, "title": board.machine.title(), "has_run": true,
                "images": report.images.len(), "equal": report.agreements(), "images_lost": report.lost, "rows_dropped": report.dropped,
                "flash": report.flash, "ram": report.ram(), "statics": report.statics, "stack": report.stack,
                "instructions": spread(report.total()), "instructions_by_layer": layers,
                "modelled_cycles": counted.as_ref().ok().and_then(|it| it.cycles.as_ref()).map(ModelledCycles::json),
            })
        }
    }
}

fn run(machine: Machine, q8: &[u8], frames: &[Vec<u8>]) -> Result<Run, BoardError> {
    let file = laid_out(q8, machine.layout())?;
    let model = Model::parse(&file)?;
    let builder = BoardBuilder::of_this_build();
    let row_period = estimate::row_period(machine, model);
    let reason = match run_counted(&builder, machine, model, frames, row_period) {
        Ok(run) => return Ok(run),
        Err(error) => without_folders(&anyhow::Error::from(error)),
    };
    // what can be shown without counting; or what is wrong with the board itself
    let (report, program) = builder.run_with_program(machine, &file, frames, row_period, |_| ())?;
    Ok(Run { report, stack: StackCase::of(&program, model), counted: Err(reason) })
}

fn run_counted(
    builder: &BoardBuilder,
    machine: Machine,
    model: Model<'_>,
    frames: &[Vec<u8>],
    row_period: u32,
) -> Result<Run, BoardError> {
    let file = model.bytes();
    let (report, counts) = builder.run_counted(machine, file, frames, row_period, |_| ())?;
    let worst = builder.worst_case(machine, file, row_period, &counts)?;
    let cycles = machine.timing().map(|timing| ModelledCycles::of(timing, &counts, &report, 0));
    let counted = CountedRun { instructions: worst.instructions, cycles };
    Ok(Run { report, stack: worst.stack, counted: Ok(counted) })
}

/// An error in one line that names no folder: those of a build are somebody's.
fn without_folders(error: &anyhow::Error) -> String {
    let text = format!("{error:#}");
    // of paths with spaces, what is quoted
    let text = text.replace("\"/", "\u{0}/");
    let text = text.split('\u{0}').enumerate().map(|(index, part)| match part.split_once('"') {
        Some((_, rest)) if index > 0 => format!("…{rest}"),
        _ => part.to_owned(),
    });
    let text: String = text.collect();
    let line = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default().to_owned();
    let word = |word: &str| {
        let is_path =
            word.trim_matches(|c: char| !c.is_alphanumeric() && c != '/').starts_with('/');
        if is_path { "…".to_owned() } else { word.to_owned() }
    };
    line.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

/// Bytes of parameters of the model, which no build can do without.
pub(super) fn parameter_bytes(model: Model<'_>) -> usize {
    Memory::of(model).parameter_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_in_a_dossier_names_no_folder() {
        let error = |text: &'static str| without_folders(&anyhow::anyhow!(text));
        assert_eq!(error("no file /home/jane/x.so here"), "no file … here");
        assert_eq!(error("at path \"/home/Jane Doe/.tmp1\": why"), "at path …: why");
        assert_eq!(error("\n  says \"no\" of '/home/jane'\nmore"), "  says \"no\" of …");
    }
}
