//! The plan of memory as a table, and what cores a model is for.

use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, Table};
use firmware::Model;
use firmware_sim::board::{Machine, laid_out};
use firmware_sim::estimate;
use firmware_sim::memory::{Memory, Row};

/// Layers with the rows that are held of each, then totals.
pub(crate) fn text(model: Model<'_>) -> String {
    let memory = Memory::of(model);
    let mut table = Table::new();
    table.load_style(NOTHING).set_header([
        "layer",
        "",
        "gives",
        "rows held",
        "RAM bytes",
        "flash bytes",
        "MACs",
    ]);
    for row in &memory.rows {
        let Row { shape: [channels, height, width], rows, .. } = row;
        table.add_row([
            row.name.clone(),
            row.layer.clone(),
            format!("{channels}x{height}x{width}"),
            format!("{rows} of {height}"),
            row.bytes.to_string(),
            row.weight_bytes.to_string(),
            row.macs.to_string(),
        ]);
    }
    for column in table.column_iter_mut().skip(2) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    format!(
        "{}\n\nRAM    {} bytes, besides stack: {} of rows, some of which share a place\n\
         flash  {} bytes, besides code\nMACs   {}\ncores  {}\n\
         million instructions, an estimate before it runs on a board: {}",
        table.trim_fmt(),
        memory.scratch_bytes,
        memory.row_bytes,
        memory.file_bytes,
        memory.macs(),
        cores(model),
        estimates(model)
    )
}

/// Those that take the file as it is laid out, and that others do not.
fn cores(model: Model<'_>) -> String {
    let names = |takes: bool| -> Vec<&'static str> {
        let has_layout =
            |machine: &Machine| (machine.layout().code() == model.header().layout) == takes;
        Machine::ALL.into_iter().filter(has_layout).map(Machine::name).collect()
    };
    let (taking, other) = (names(true), names(false));
    format!("{}; for {} lay it out otherwise, by --for", taking.join(", "), other.join(", "))
}

/// Of each core, laid out for it.
fn estimates(model: Model<'_>) -> String {
    let of_core = |machine: Machine| -> Option<String> {
        let file = laid_out(model.bytes(), machine.layout()).ok()?;
        let instructions = estimate::instructions(machine, Model::parse(&file).ok()?);
        Some(format!("{} {:.2}", machine.name(), instructions / 1e6))
    };
    Machine::ALL.into_iter().filter_map(of_core).collect::<Vec<_>>().join(", ")
}
