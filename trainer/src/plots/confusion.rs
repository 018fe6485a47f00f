//! The confusion matrix, from 2 to 256 classes.

use plotters::element::{PathElement, Rectangle};
use plotters::prelude::DrawingBackend;
use plotters::style::{Color, WHITE};

use super::colour::{count, text_on};
use super::render::{Area, BODY, DrawResult, MARGIN_PX, NOTE, Picture, Plot, TOP_PX};
use super::text::{CENTER, LEFT, MIN_EM_PX, RIGHT, TextFormat};
use super::{Figures, grouped};

/// Side of a matrix of many classes, in pixels.
const ROOM_PX: i32 = 720;
/// Side of a cell of few classes.
const MAX_CELL_PX: i32 = 96;
/// Side of a cell of 256 classes.
const MIN_CELL_PX: i32 = 3;
/// Longest name of a class.
const NAME_PX: i32 = 120;
/// What stands to the right of the matrix.
const KEY_PX: i32 = 230;

pub(super) struct Confusion<'a>(pub(super) &'a Figures<'a>);

impl Confusion<'_> {
    fn classes(&self) -> usize {
        self.0.report.counts().len()
    }

    fn cell_px(&self) -> i32 {
        (ROOM_PX / self.classes().max(1) as i32).clamp(MIN_CELL_PX, MAX_CELL_PX)
    }

    fn max(&self) -> u64 {
        self.0.report.counts().iter().flatten().copied().max().unwrap_or(0)
    }

    /// Of the names of the classes.
    fn format(&self) -> TextFormat {
        TextFormat { em_px: f64::from(self.cell_px() - 2).clamp(MIN_EM_PX, 16.0), ..BODY }
    }

    /// Every so many classes have room for their names.
    fn named_step(&self) -> usize {
        (MIN_EM_PX as usize + 2).div_ceil(self.cell_px() as usize)
    }

    /// Classes with their names, where there is room.
    fn names(&self) -> Vec<(usize, String)> {
        let fit = |class| self.format().fit(&self.0.class(class), NAME_PX);
        (0..self.classes()).step_by(self.named_step()).map(|class| (class, fit(class))).collect()
    }

    /// Length of the longest name.
    fn names_px(&self) -> i32 {
        let widths = self.names().into_iter().map(|(_, name)| self.format().width_px(&name));
        widths.max().unwrap_or(0)
    }

    /// Whether names across the top have to stand on their sides.
    fn upward(&self) -> bool {
        self.names_px() > self.cell_px() * self.named_step() as i32 - 4
    }

    /// Upper left corner of the matrix.
    fn corner(&self) -> (i32, i32) {
        let above = if self.upward() { self.names_px() } else { 16 };
        (MARGIN_PX + 34 + self.names_px() + 10, TOP_PX + 28 + above + 10)
    }

    fn side_px(&self) -> i32 {
        self.cell_px() * self.classes() as i32
    }

    fn axes<B: DrawingBackend>(&self, area: &Area<B>) -> DrawResult<B> {
        let ((left, top), side, cell) = (self.corner(), self.side_px(), self.cell_px());
        let axis = TextFormat { bold: true, ..BODY };
        area.draw_text("prediction", &axis.style(CENTER), (left + side / 2, TOP_PX + 10))?;
        area.draw_text("label", &axis.upward(CENTER), (MARGIN_PX + 10, top + side / 2))?;
        let format = self.format();
        for (class, name) in self.names() {
            let middle = class as i32 * cell + cell / 2;
            area.draw_text(&name, &format.style(RIGHT), (left - 10, top + middle))?;
            if self.upward() {
                area.draw_text(&name, &format.upward(LEFT), (left + middle, top - 10))?;
            } else {
                area.draw_text(&name, &format.style(CENTER), (left + middle, top - 16))?;
            }
        }
        Ok(())
    }

    fn counts<B: DrawingBackend>(&self, area: &Area<B>) -> DrawResult<B> {
        let ((left, top), cell) = (self.corner(), self.cell_px());
        // a digit of Noto Sans is 0.572 em wide
        let max = self.max();
        let digits = f64::from(max.max(10).ilog10() + 1);
        let em_px = (f64::from(cell - 6) / (digits * 0.572)).min(f64::from(cell) * 0.5).min(17.0);
        if em_px < MIN_EM_PX {
            return Ok(());
        }
        for (label, row) in self.0.report.counts().iter().enumerate() {
            for (predicted, &counted) in row.iter().enumerate().filter(|(_, counted)| **counted > 0)
            {
                let colour = text_on(count(counted, max, label == predicted));
                let style = TextFormat { em_px, bold: label == predicted, colour }.style(CENTER);
                let middle = |class: usize| class as i32 * cell + cell / 2;
                let at = (left + middle(predicted), top + middle(label));
                area.draw_text(&counted.to_string(), &style, at)?;
            }
        }
        Ok(())
    }

    /// Which colour is which count.
    fn key<B: DrawingBackend>(&self, area: &Area<B>) -> DrawResult<B> {
        const STEP_PX: i32 = 30;
        let (left, top) = (self.corner().0 + self.side_px() + 40, self.corner().1);
        let max = self.max();
        // a power too near the greatest count would look like it
        let powers = (0..19).map(|power| 10_u64.pow(power)).take_while(|count| count * 2 < max);
        let counts: Vec<u64> = [0].into_iter().chain(powers).chain([max]).collect();
        area.draw_text("images", &NOTE.style(LEFT), (left, top + 8))?;
        for (column, (name, right)) in [("right", true), ("wrong", false)].into_iter().enumerate() {
            let x = left + column as i32 * 48;
            area.draw_text(name, &NOTE.style(LEFT), (x, top + 30))?;
            for (row, &counted) in counts.iter().enumerate() {
                let y = top + 46 + row as i32 * STEP_PX;
                let colour = count(counted, max, right);
                area.draw(&Rectangle::new([(x, y), (x + 40, y + STEP_PX - 4)], colour.filled()))?;
                if column == 1 {
                    let at = (x + 50, y + STEP_PX / 2 - 2);
                    area.draw_text(&grouped(counted), &BODY.style(LEFT), at)?;
                }
            }
        }
        Ok(())
    }
}

impl Plot for Confusion<'_> {
    fn title(&self) -> String {
        let report = self.0.report;
        let (right, of) = (grouped(report.correct()), grouped(report.total()));
        format!("{right} of {of} test images are right: {:.2} %", report.accuracy() * 100.0)
    }

    fn note(&self) -> String {
        format!(
            "Confusion matrix on {}: truth down, prediction across, images in the cells.",
            self.0.dataset
        )
    }

    fn size(&self) -> (u32, u32) {
        let ((left, top), side) = (self.corner(), self.side_px());
        ((left + side + KEY_PX).max(900) as u32, (top + side.max(280) + MARGIN_PX) as u32)
    }

    fn pictures(&self) -> Vec<Picture> {
        let (max, mut squares) = (self.max(), Vec::new());
        for (label, row) in self.0.report.counts().iter().enumerate() {
            for (predicted, &counted) in row.iter().enumerate() {
                squares.push(count(counted, max, label == predicted));
            }
        }
        let (at, square_px, width) = (self.corner(), self.cell_px() as u32, self.classes());
        vec![Picture { at, square_px, width, squares }]
    }

    fn draw<B: DrawingBackend>(&self, area: &Area<B>) -> DrawResult<B> {
        let ((left, top), side, cell) = (self.corner(), self.side_px(), self.cell_px());
        if cell >= 8 {
            for line in (0..=side).step_by(cell as usize) {
                let down = vec![(left + line, top), (left + line, top + side)];
                let across = vec![(left, top + line), (left + side, top + line)];
                area.draw(&PathElement::new(down, WHITE))?;
                area.draw(&PathElement::new(across, WHITE))?;
            }
        }
        self.axes(area)?;
        self.counts(area)?;
        self.key(area)
    }
}
