//! Which bits matter: a line for each part of memory, a column for each bit.

use firmware_sim::soft_errors::{Counts, SoftErrors};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::verify::page::plots::{Area, CAPTION, ORANGE, draw_result, plot};

/// Of a cell, in pixels.
const CELL: [i32; 2] = [24, 18];
/// Above the cells: caption and numbers of bits.
const TOP: i32 = 56;
/// Left of the cells: names.
const LEFT: i32 = 170;
/// Letters of a name that have room.
const MAX_LETTERS: usize = 24;
const LABEL: (&str, u32) = ("sans-serif", 12);
const NUMBER: (&str, u32) = ("sans-serif", 10);

/// The share of flips after which an image has another class, other outputs if these are no classes, or no answer.
///
/// # Errors
/// If it cannot be drawn; none is known.
pub(super) fn svg(found: &SoftErrors) -> anyhow::Result<String> {
    let columns = found.groups.iter().map(|group| group.by_bit.len()).max().unwrap_or(0) as i32;
    let width = LEFT + CELL[0] * columns.max(24) + 16;
    let height = TOP + CELL[1] * found.groups.len() as i32 + 12;
    plot((width as u32, height as u32), |area| draw(area, found, columns))
}

/// What a cell shows.
fn changed(found: &SoftErrors, counts: &Counts) -> u64 {
    counts.wrong() + if found.is_classifier { 0 } else { counts.outputs }
}

fn draw(area: &Area, found: &SoftErrors, columns: i32) -> anyhow::Result<()> {
    draw_result(area.fill(&WHITE))?;
    let what = if found.is_classifier { "the class" } else { "outputs" };
    let caption =
        format!("Flips that change {what} or leave no answer, %, by bit (0 counts least)");
    draw_result(area.draw(&Text::new(caption, (10, 10), CAPTION.into_font())))?;
    let centred = Pos::new(HPos::Center, VPos::Center);
    let number = |text: String, [x, y]: [i32; 2]| {
        let at = (LEFT + CELL[0] * x + CELL[0] / 2, y);
        Text::new(text, at, NUMBER.into_text_style(area).pos(centred))
    };
    for column in 0..columns {
        draw_result(area.draw(&number(column.to_string(), [column, TOP - 10])))?;
    }
    for (line, group) in found.groups.iter().enumerate() {
        let top = TOP + CELL[1] * line as i32;
        let name = match &group.layer {
            Some(layer) => format!("{layer} {}", group.part.name()),
            None => group.part.name().into(),
        };
        let name: String = name.chars().take(MAX_LETTERS).collect();
        let right = Pos::new(HPos::Right, VPos::Center);
        let style = LABEL.into_text_style(area).pos(right);
        draw_result(area.draw(&Text::new(name, (LEFT - 8, top + CELL[1] / 2), style)))?;
        for (column, counts) in (0..).zip(&group.by_bit) {
            let share = changed(found, counts) as f64 / counts.flips.max(1) as f64;
            let left = LEFT + CELL[0] * column;
            let cell = [(left + 1, top + 1), (left + CELL[0] - 1, top + CELL[1] - 1)];
            let colour = if counts.flips == 0 { WHITE } else { shade(share) };
            draw_result(area.draw(&Rectangle::new(cell, colour.filled())))?;
            if share > 0.0 {
                let percent = format!("{:.0}", (100.0 * share).max(1.0));
                draw_result(area.draw(&number(percent, [column, top + CELL[1] / 2])))?;
            }
        }
    }
    Ok(())
}

/// From light grey to orange.
fn shade(share: f64) -> RGBColor {
    let mix =
        |from: u8, to: u8| (f64::from(from) + share * (f64::from(to) - f64::from(from))) as u8;
    RGBColor(mix(238, ORANGE.0), mix(238, ORANGE.1), mix(238, ORANGE.2))
}
