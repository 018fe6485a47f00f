//! The kernels of the first layer.

use plotters::element::Rectangle;
use plotters::prelude::DrawingBackend;
use plotters::style::Color;

use plotters::style::RGBColor;

use super::Figures;
use super::colour::{MUTED, diverging};
use super::render::{Area, BODY, DrawResult, MARGIN_PX, NOTE, Picture, Plot, TOP_PX, frame};
use super::text::{CENTER, LEFT, RIGHT};

const COLUMNS: usize = 10;
/// Maximum filters that are shown.
const MAX_SHOWN: usize = 120;
/// Side of a weight, in small filters.
const SQUARE_PX: u32 = 18;
/// Between two filters.
const GAP_PX: i32 = 20;
/// A filter's number below it.
const NUMBER_PX: i32 = 18;
const BAR_PX: (i32, i32) = (400, 18);

pub(super) struct Filters<'a>(pub(super) &'a Figures<'a>);

impl Filters<'_> {
    /// Weights of a filter.
    fn weights(&self) -> usize {
        self.0.filter_shape.iter().product::<usize>().max(1)
    }

    fn is_in_colour(&self) -> bool {
        self.0.filter_shape[0] == 3
    }

    /// Side of a weight.
    fn square_px(&self) -> u32 {
        let [_, rows, columns] = self.0.filter_shape;
        (5 * SQUARE_PX / rows.max(columns).max(1) as u32).clamp(4, 30)
    }

    /// Width and height of a filter.
    fn filter_px(&self) -> (i32, i32) {
        let [_, rows, columns] = self.0.filter_shape;
        let square = self.square_px() as i32;
        (square * columns as i32, square * rows as i32)
    }

    /// From a filter to the one beside it: what the smallest has room for a number and the plot for its heading.
    fn step_px(&self) -> i32 {
        self.filter_px().0.max(5 * SQUARE_PX as i32) + GAP_PX
    }

    /// From a row of filters to the next.
    fn row_px(&self) -> i32 {
        self.filter_px().1 + GAP_PX + NUMBER_PX
    }

    fn kernels(&self) -> impl Iterator<Item = (usize, (i32, i32), &[f32])> {
        let kernels = self.0.filters.chunks(self.weights()).take(MAX_SHOWN);
        kernels.enumerate().map(|(index, kernel)| {
            let (x, y) = ((index % COLUMNS) as i32, (index / COLUMNS) as i32);
            (index, (MARGIN_PX + x * self.step_px(), TOP_PX + y * self.row_px()), kernel)
        })
    }

    /// The colours of a filter's squares, row by row.
    fn squares(&self, kernel: &[f32]) -> Vec<RGBColor> {
        let max = self.max();
        let [channels, rows, columns] = self.0.filter_shape;
        let weight = |channel: usize, at: usize| f64::from(kernel[channel * rows * columns + at]);
        let colour = |at: usize| {
            if self.is_in_colour() {
                let [red, green, blue] = [0, 1, 2].map(|channel| {
                    let part = f64::midpoint(weight(channel, at) / max, 1.0);
                    (part * 255.0).round() as u8
                });
                return RGBColor(red, green, blue);
            }
            let mean = (0..channels).map(|channel| weight(channel, at)).sum::<f64>();
            diverging(mean / channels as f64 / max)
        };
        (0..rows * columns).map(colour).collect()
    }

    /// Largest weight, without its sign.
    fn max(&self) -> f64 {
        let max = self.0.filters.iter().map(|weight| f64::from(weight.abs()));
        max.filter(|max| max.is_finite()).fold(0.0, f64::max).max(f64::MIN_POSITIVE)
    }

    fn below(&self) -> i32 {
        let rows = self.kernels().count().div_ceil(COLUMNS).max(1);
        TOP_PX + rows as i32 * self.row_px() + 12
    }
}

impl Plot for Filters<'_> {
    fn title(&self) -> String {
        let count = self.0.filters.len() / self.weights();
        let [channels, rows, columns] = self.0.filter_shape;
        let colours = if channels > 1 { format!(" of {channels} channels") } else { String::new() };
        match count {
            0 => "The first layer has no filters".into(),
            _ => format!(
                "The {count} filters of the first layer, {rows}×{columns} weights each{colours}"
            ),
        }
    }

    fn note(&self) -> String {
        if self.is_in_colour() {
            return "A square's colour is what it looks for, grey is nothing; all filters share one scale.".into();
        }
        let found = if self.0.is_ink { ["ink", "background"] } else { ["light", "dark"] };
        let [high, low] = found;
        format!("Red looks for {high}, blue for {low}; all filters share one scale.")
    }

    fn size(&self) -> (u32, u32) {
        let width = 2 * MARGIN_PX + COLUMNS as i32 * self.step_px() - GAP_PX;
        (width as u32, (self.below() + 80) as u32)
    }

    fn pictures(&self) -> Vec<Picture> {
        let kernels = self.kernels().map(|(_, at, kernel)| Picture {
            at,
            square_px: self.square_px(),
            width: self.0.filter_shape[2],
            squares: self.squares(kernel),
        });
        kernels.collect()
    }

    fn draw<B: DrawingBackend>(&self, area: &Area<B>) -> DrawResult<B> {
        let (filter_width, filter_height) = self.filter_px();
        for (index, (x, y), _) in self.kernels() {
            frame(area, (x, y), (filter_width, filter_height))?;
            let at = (x + filter_width / 2, y + filter_height + 14);
            area.draw_text(&(index + 1).to_string(), &NOTE.style(CENTER), at)?;
        }
        if self.0.filters.is_empty() {
            let text = super::text::TextFormat { colour: MUTED, ..BODY };
            let at = (MARGIN_PX, TOP_PX + 40);
            return area.draw_text("It is no convolution.", &text.style(LEFT), at);
        }
        if self.is_in_colour() {
            return Ok(()); // a colour is a weight for each channel
        }
        let (width, height) = BAR_PX;
        let (left, top) = (area.dim_in_pixel().0 as i32 / 2 - width / 2, self.below());
        for x in 0..width {
            let colour = diverging(f64::from(2 * x + 1) / f64::from(width) - 1.0);
            let stripe = [(left + x, top), (left + x + 1, top + height)];
            area.draw(&Rectangle::new(stripe, colour.filled()))?;
        }
        let max = self.max();
        let ends = [(format!("−{max:.2}"), 0), ("0".into(), 1), (format!("+{max:.2}"), 2)];
        for (text, half) in ends {
            let at = (left + half * width / 2, top + height + 16);
            area.draw_text(&text, &BODY.style(CENTER), at)?;
        }
        let beside = top + height / 2;
        area.draw_text("weight", &NOTE.style(RIGHT), (left - 14, beside))?;
        area.draw_text(
            if self.0.is_ink {
                "for pixels of −1 (background) to 1 (ink)"
            } else {
                "for pixels of −1 (black) to 1 (white)"
            },
            &NOTE.style(LEFT),
            (left + width + 14, beside),
        )
    }
}
