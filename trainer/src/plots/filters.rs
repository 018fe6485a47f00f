//! The kernels of the first layer.

use plotters::element::Rectangle;
use plotters::prelude::DrawingBackend;
use plotters::style::Color;

use super::Figures;
use super::colour::diverging;
use super::render::{Area, BODY, DrawResult, MARGIN_PX, NOTE, Picture, Plot, TOP_PX, frame};
use super::text::{CENTER, LEFT, RIGHT};

const COLUMNS: usize = 10;
const SQUARE_PX: u32 = 18;
/// Between two filters.
const GAP_PX: i32 = 20;
/// A filter's number below it.
const NUMBER_PX: i32 = 18;
const BAR_PX: (i32, i32) = (400, 18);

pub(super) struct Filters<'a>(pub(super) &'a Figures<'a>);

impl Filters<'_> {
    /// Rows and columns of a filter.
    fn side(&self) -> usize {
        self.0.filter_side
    }

    fn side_px(&self) -> i32 {
        SQUARE_PX as i32 * self.side() as i32
    }

    /// From a filter to the one beside it.
    fn step_px(&self) -> i32 {
        self.side_px() + GAP_PX
    }

    /// From a row of filters to the next.
    fn row_px(&self) -> i32 {
        self.step_px() + NUMBER_PX
    }

    fn kernels(&self) -> impl Iterator<Item = (usize, (i32, i32), &[f32])> {
        self.0.filters.chunks(self.side().pow(2)).enumerate().map(|(index, kernel)| {
            let (x, y) = ((index % COLUMNS) as i32, (index / COLUMNS) as i32);
            (index, (MARGIN_PX + x * self.step_px(), TOP_PX + y * self.row_px()), kernel)
        })
    }

    /// Largest weight, without its sign.
    fn max(&self) -> f64 {
        let max = self.0.filters.iter().map(|weight| f64::from(weight.abs()));
        max.filter(|max| max.is_finite()).fold(0.0, f64::max).max(f64::MIN_POSITIVE)
    }

    fn below(&self) -> i32 {
        let rows = self.0.filters.len().div_ceil(self.side().pow(2)).div_ceil(COLUMNS);
        TOP_PX + rows as i32 * self.row_px() + 12
    }
}

impl Plot for Filters<'_> {
    fn title(&self) -> String {
        let count = self.0.filters.len() / self.side().pow(2);
        let side = self.side();
        format!("The {count} filters of the first layer, {side}×{side} weights each")
    }

    fn note(&self) -> String {
        "Red looks for ink, blue for background; all filters share one scale.".into()
    }

    fn size(&self) -> (u32, u32) {
        let width = 2 * MARGIN_PX + COLUMNS as i32 * self.step_px() - GAP_PX;
        (width as u32, (self.below() + 80) as u32)
    }

    fn pictures(&self) -> Vec<Picture> {
        let max = self.max();
        let kernels = self.kernels().map(|(_, at, kernel)| Picture {
            at,
            square_px: SQUARE_PX,
            width: self.side(),
            squares: kernel.iter().map(|&weight| diverging(f64::from(weight) / max)).collect(),
        });
        kernels.collect()
    }

    fn draw<B: DrawingBackend>(&self, area: &Area<B>) -> DrawResult<B> {
        for (index, (x, y), _) in self.kernels() {
            frame(area, (x, y), self.side_px())?;
            let at = (x + self.side_px() / 2, y + self.side_px() + 14);
            area.draw_text(&(index + 1).to_string(), &NOTE.style(CENTER), at)?;
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
            "for pixels of −1 (background) to 1 (ink)",
            &NOTE.style(LEFT),
            (left + width + 14, beside),
        )
    }
}
