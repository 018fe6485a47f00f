//! Tables for a terminal.

use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, Table};

/// A table whose first column has names, and whose others have numbers, which end below each other.
pub(crate) fn of_numbers(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(NOTHING).set_header(header);
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}
