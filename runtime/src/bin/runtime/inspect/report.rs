//! The description for people.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use network::lowering::Step;
use network::onnx::{Graph, GraphFault, NodeCost};
use safe_io::SingleLine;

use super::text::{WIDTH, rows, wrapped};
use super::{Description, Fault, Holds, engine};

/// Steps that are named in one line.
const MAX_NAMES: usize = 4;
/// Operators of one step that are listed.
const MAX_OPERATORS: usize = 16;
/// Nodes that are listed of a graph that cannot run.
const MAX_NODES: usize = 200;
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
        let steps: Vec<Row> = self.steps().into_iter().map(Row::of_step).collect();
        if !steps.is_empty() {
            write!(f, "\n{}", Table::new("step", steps))?;
        } else if let Holds::Onnx { graph, .. } = &self.holds {
            let nodes = graph.node_costs();
            let rows = nodes.iter().enumerate().take(MAX_NODES).map(Row::of_node).collect();
            write!(f, "\n{}", Table::new("node", rows))?;
            if nodes.len() > MAX_NODES {
                writeln!(f, "of {} nodes the first; --json lists all", nodes.len())?;
            }
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
        if let Some(normalization) = &self.normalization {
            row("pixels", normalization.clone());
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
        let reasons = self.not_in_firmware();
        if reasons.is_empty() {
            "its layers run; `firmware-sim quantize` checks their sizes".into()
        } else {
            format!("no: {}", reasons.join("; "))
        }
    }
}

/// Names, of which the first are listed.
pub(super) fn named(names: &[String]) -> String {
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

/// Rows of steps or nodes, with the names of the columns above and sums below.
struct Table(Vec<[String; 7]>);

impl Table {
    fn new(first: &str, rows: Vec<Row>) -> Self {
        let head = [first, "output", "MACs", "parameters", "bytes", "engine", "what it does"];
        let mut table = vec![head.map(String::from)];
        let sum = |number: fn(&Row) -> usize| rows.iter().map(number).sum::<usize>().to_string();
        let sums =
            [sum(|row| row.macs.unwrap_or(0)), sum(|row| row.parameters), sum(|row| row.bytes)];
        let is_known = rows.iter().all(|row| row.macs.is_some());
        table.extend(rows.into_iter().map(|row| {
            [
                row.name,
                row.output,
                row.macs.map_or("?".into(), |macs| macs.to_string()),
                row.parameters.to_string(),
                row.bytes.to_string(),
                row.engine.into(),
                row.description,
            ]
        }));
        let [macs, parameters, bytes] = sums;
        let macs = if is_known { macs } else { "?".into() };
        let none = String::new;
        table.push(["total".into(), none(), macs, parameters, bytes, none(), none()]);
        Self(table)
    }
}

/// What a row tells; of what is not known, a question mark.
struct Row {
    name: String,
    output: String,
    macs: Option<usize>,
    parameters: usize,
    bytes: usize,
    engine: &'static str,
    description: String,
}

impl Row {
    fn of_step((name, step): (String, &Step)) -> Self {
        Self {
            name,
            output: shape(step.shape),
            macs: Some(step.macs()),
            parameters: step.parameters(),
            bytes: step.parameter_bytes(),
            engine: engine(step),
            description: description(step),
        }
    }

    fn of_node((number, node): (usize, &NodeCost)) -> Self {
        // the axis of the batch says nothing
        let lengths = node.output.as_ref().map(|lengths| match &lengths[..] {
            [1, rest @ ..] if !rest.is_empty() => lengths_of(rest),
            lengths => lengths_of(lengths),
        });
        Self {
            name: (number + 1).to_string(),
            output: lengths.unwrap_or("?".into()),
            macs: node.macs,
            parameters: node.parameters,
            bytes: node.bytes,
            engine: if node.is_supported { "" } else { "none" },
            description: SingleLine(&node.op).to_string(),
        }
    }
}

fn lengths_of(lengths: &[usize]) -> String {
    lengths.iter().map(usize::to_string).collect::<Vec<_>>().join("x")
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(table) = self;
        let width = |column: usize| {
            table.iter().map(|row| row[column].chars().count()).max().unwrap_or_default()
        };
        let widths: [usize; 6] = std::array::from_fn(width);
        let indent: usize = widths.iter().map(|width| width + 2).sum();
        let last = WIDTH.saturating_sub(indent).max(MIN_LAST);
        for row in table {
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
