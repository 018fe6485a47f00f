//! The description for people.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use network::lowering::Step;
use network::onnx::{Graph, GraphFault};
use safe_io::SingleLine;

use super::text::{WIDTH, rows, wrapped};
use super::{Description, Fault, Holds, engine};

/// Steps that are named in one line.
const MAX_NAMES: usize = 4;
/// Operators of one step that are listed.
const MAX_OPERATORS: usize = 16;
/// Faults that are listed.
const MAX_FAULTS: usize = 50;

impl fmt::Display for Description {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&rows(&self.facts()))?;
        if !self.faults.is_empty() {
            writeln!(f, "\nwhat keeps it from running here:")?;
            for fault in lines(&self.faults) {
                for (number, line) in wrapped(&fault, WIDTH - 4).into_iter().enumerate() {
                    writeln!(f, "{}{line}", if number == 0 { "  - " } else { "    " })?;
                }
            }
        }
        if let Some(lowered) = self.lowered.as_ref().filter(|lowered| !lowered.steps.is_empty()) {
            write!(f, "\n{}", Table(self.steps(), &lowered.steps))?;
        }
        let notes = self.metadata().iter().filter(|(key, _)| *key != "classes");
        let notes: Vec<_> =
            notes.map(|(key, value)| (SingleLine(key).to_string(), value.clone())).collect();
        if !notes.is_empty() {
            write!(f, "\nnotes in the file (metadata):\n{}", rows(&notes))?;
        }
        Ok(())
    }
}

impl Description {
    fn facts(&self) -> Vec<(String, String)> {
        let mut rows = vec![];
        let mut row = |name: &str, value: String| rows.push((name.to_owned(), value));
        row("file", format!("{}, {} bytes", self.name, self.bytes));
        row("sha256", self.identity.clone());
        match &self.holds {
            Holds::Onnx { graph, used } => {
                row(
                    "format",
                    format!("ONNX, IR version {}, opset {}", graph.ir_version, graph.opset),
                );
                row("producer", graph.producer.clone());
                for input in &graph.inputs {
                    row("input", format!("{}: {input}", input.name));
                }
                for output in &graph.outputs {
                    let is_unused =
                        used.as_ref().is_some_and(|used| used.outputs[0].name != output.name);
                    let note = if is_unused { " (not read here)" } else { "" };
                    row("output", format!("{}: {output}{note}", output.name));
                }
                row("operators", operators(used.as_ref().unwrap_or(graph)));
            }
            Holds::Baked(baked) => {
                let source = base16ct::lower::encode_string(&baked.identity());
                row("format", "baked, from the ONNX file of this SHA-256:".into());
                row("", source);
                let [channels, height, width] = baked.network().architecture().input();
                let values = if baked.takes_pixels() { "pixels" } else { "float32" };
                row("input", format!("{values} [{channels}, {height}, {width}]"));
                let outputs = baked.network().architecture().outputs();
                row("output", format!("float32 [{outputs}]"));
            }
        }
        if let Some(classes) = &self.classes {
            row("classes", classes.join(", "));
        }
        if let Some(preparation) = &self.preparation {
            let (preprocess, color) = (preparation.preprocess().name(), preparation.color().name());
            row("pictures", format!("preprocess {preprocess}, color {color}"));
        }
        row("parameters", self.parameters().to_string());
        if let Some(lowered) = &self.lowered {
            let macs: usize = lowered.steps.iter().map(Step::macs).sum();
            row("MACs", format!("{macs} multiply-accumulates for one picture"));
            let peak = lowered.peak_values();
            let bytes = peak * size_of::<f32>();
            row("activations", format!("at most {peak} values at a time, {bytes} bytes"));
        }
        row("runs here", self.engines());
        row("firmware", self.firmware());
        rows
    }

    fn engines(&self) -> String {
        let in_tract = self.no_layers();
        let steps = self.steps().len();
        if !self.runs() {
            "no, for the reasons below".into()
        } else if in_tract.is_empty() {
            "yes, natively".into()
        } else if in_tract.len() == steps {
            "yes, all of it in tract".into()
        } else {
            format!("yes; {} of {steps} steps in tract: {}", in_tract.len(), named(&in_tract))
        }
    }

    fn firmware(&self) -> String {
        let no_layers = self.no_layers();
        let is_layers = self.lowered.as_ref().is_some_and(|lowered| lowered.network().is_some());
        if !self.runs() {
            "no, since it does not run here".into()
        } else if is_layers {
            "layers only; `firmware-sim quantize` says whether they fit".into()
        } else if no_layers.is_empty() {
            "no: its layers do not take just what others give".into()
        } else {
            format!("no, since these steps are no layers: {}", named(&no_layers))
        }
    }
}

/// Names, of which the first are listed.
fn named(names: &[String]) -> String {
    match names.len() {
        all if all > MAX_NAMES => {
            format!("{} and {} more", names[..MAX_NAMES].join(", "), all - MAX_NAMES)
        }
        _ => names.join(", "),
    }
}

/// How often each operator occurs, the commonest first: `Conv 20, Relu 19`.
fn operators(graph: &Graph) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for node in &graph.nodes {
        *counts.entry(&node.op).or_default() += 1;
    }
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by_key(|(op, count)| (Reverse(*count), *op));
    let counts: Vec<String> = counts.iter().map(|(op, count)| format!("{op} {count}")).collect();
    counts.join(", ")
}

/// One line for each fault; of nodes with the same unsupported operator, the first stands for all.
fn lines(faults: &[Fault]) -> Vec<String> {
    let unsupported = |fault: &Fault| match fault {
        Fault::Graph(GraphFault::Operator { op, .. }) => Some(op.clone()),
        _ => None,
    };
    let mut seen = BTreeSet::new();
    let firsts = faults.iter().filter(|fault| unsupported(fault).is_none_or(|op| seen.insert(op)));
    let line = |fault: &Fault| {
        let alike = unsupported(fault).map_or(1, |op| {
            faults.iter().filter(|other| unsupported(other).as_ref() == Some(&op)).count()
        });
        match alike {
            1 => SingleLine(fault).to_string(),
            2 => format!("{} (and 1 more such node)", SingleLine(fault)),
            more => format!("{} (and {} more such nodes)", SingleLine(fault), more - 1),
        }
    };
    let mut lines: Vec<String> = firsts.map(line).collect();
    let more = lines.len().saturating_sub(MAX_FAULTS);
    if more > 0 {
        lines.truncate(MAX_FAULTS);
        lines.push(format!("and {more} more, which --json lists"));
    }
    lines
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Graph(fault) => fault.fmt(f),
            Self::Model(reason) => f.write_str(reason),
        }
    }
}

/// The steps, a row each, and their sums.
struct Table<'a>(Vec<(String, &'a Step)>, &'a [Step]);

impl fmt::Display for Table<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(named, steps) = self;
        let sum = |part: fn(&Step) -> usize| steps.iter().map(part).sum::<usize>().to_string();
        let mut table = vec![
            ["step", "output", "MACs", "parameters", "bytes", "engine", "what it does"]
                .map(String::from),
        ];
        table.extend(named.iter().map(|(name, step)| {
            [
                name.clone(),
                shape(step.shape),
                step.macs().to_string(),
                step.parameters().to_string(),
                step.parameter_bytes().to_string(),
                engine(step).into(),
                description(step),
            ]
        }));
        table.push([
            "total".into(),
            String::new(),
            sum(Step::macs),
            sum(Step::parameters),
            sum(Step::parameter_bytes),
            String::new(),
            String::new(),
        ]);
        let width = |column: usize| {
            table.iter().map(|row| row[column].chars().count()).max().unwrap_or_default()
        };
        let widths: [usize; 6] = std::array::from_fn(width);
        let indent: usize = widths.iter().map(|width| width + 2).sum();
        let last = WIDTH.saturating_sub(indent).max(MIN_LAST);
        for row in &table {
            let cells = row.iter().zip(widths).enumerate().map(|(column, (cell, width))| {
                let is_number = (2..5).contains(&column);
                if is_number { format!("{cell:>width$}") } else { format!("{cell:width$}") }
            });
            let cells = cells.collect::<Vec<_>>().join("  ");
            for (number, part) in wrapped(&row[6], last).into_iter().enumerate() {
                let start = if number == 0 { &cells[..] } else { "" };
                writeln!(f, "{}", format!("{start:w$}  {part}", w = indent - 2).trim_end())?;
            }
        }
        Ok(())
    }
}

/// Minimum width of the last column.
const MIN_LAST: usize = 22;

/// `20x12x12`, or the length of a vector.
fn shape([channels, height, width]: [usize; 3]) -> String {
    match [height, width] {
        [1, 1] => channels.to_string(),
        _ => format!("{channels}x{height}x{width}"),
    }
}

/// What a step does; of a long list of operators, the first.
fn description(step: &Step) -> String {
    let text = SingleLine(step).to_string();
    let operators: Vec<&str> = text.split(" → ").collect();
    match operators.len() {
        all if all > MAX_OPERATORS => {
            format!("{} → … ({all} operators)", operators[..MAX_OPERATORS].join(" → "))
        }
        _ => text,
    }
}
