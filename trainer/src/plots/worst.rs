//! The test images that the network is most wrong about.

use plotters::prelude::DrawingBackend;
use runtime::IMAGE_SIDE;

use super::canvas::{Area, BODY, Drawn, MARGIN_PX, NOTE, Picture, Plot, TOP_PX, frame};
use super::colour::MUTED;
use super::lettering::{CENTER, LEFT, Lettering};
use super::{Figures, grouped};
use crate::evaluate::Mistake;

/// Most images shown.
const SHOWN: usize = 40;
const COLUMNS: usize = 8;
const SQUARE_PX: u32 = 4;
const SIDE_PX: i32 = SQUARE_PX as i32 * IMAGE_SIDE as i32;
const COLUMN_PX: i32 = SIDE_PX + 34;
/// An image, its two lines, and air.
const ROW_PX: i32 = SIDE_PX + 66;

pub(super) struct Worst<'a>(pub(super) &'a Figures<'a>);

impl Worst<'_> {
    fn shown(&self) -> &[Mistake] {
        &self.0.mistakes[..self.0.mistakes.len().min(SHOWN)]
    }

    fn corners(&self) -> impl Iterator<Item = ((i32, i32), &Mistake)> {
        self.shown().iter().enumerate().map(|(index, mistake)| {
            let (x, y) = ((index % COLUMNS) as i32, (index / COLUMNS) as i32);
            let at = (MARGIN_PX + x * COLUMN_PX + (COLUMN_PX - SIDE_PX) / 2, TOP_PX + y * ROW_PX);
            (at, mistake)
        })
    }
}

impl Plot for Worst<'_> {
    fn title(&self) -> String {
        let images = grouped(self.0.report.total());
        match self.0.mistakes.len() {
            0 => format!("No error on {images} test images"),
            1 => format!("The one error on {images} test images"),
            all if all <= SHOWN => format!("All {all} errors on {images} test images"),
            all => {
                format!(
                    "The worst {SHOWN} of {} errors on {images} test images",
                    grouped(all as u64)
                )
            }
        }
    }

    fn note(&self) -> String {
        if self.0.mistakes.is_empty() {
            return format!("Test images of {}.", self.0.dataset);
        }
        "Label → prediction, its probability, and the image's number, from 0; the greatest loss comes first."
            .into()
    }

    fn size(&self) -> (u32, u32) {
        let width = 2 * MARGIN_PX + COLUMNS as i32 * COLUMN_PX;
        let rows = self.shown().len().div_ceil(COLUMNS) as i32;
        let rows_px = if self.shown().is_empty() { 80 } else { rows * ROW_PX };
        (width as u32, (TOP_PX + rows_px + MARGIN_PX / 2) as u32)
    }

    fn pictures(&self) -> Vec<Picture> {
        let image = |mistake: &Mistake| &self.0.test.images[mistake.index];
        self.corners().map(|(at, mistake)| Picture::of(image(mistake), at, SQUARE_PX)).collect()
    }

    fn draw<B: DrawingBackend>(&self, area: &Area<B>) -> Drawn<B> {
        if self.shown().is_empty() {
            let text = Lettering { em_px: 20.0, colour: MUTED, ..BODY };
            let at = (MARGIN_PX, TOP_PX + 40);
            return area.draw_text(
                "Every test image is classified as labelled.",
                &text.style(LEFT),
                at,
            );
        }
        let name = Lettering { bold: true, ..BODY };
        let room = COLUMN_PX - 8;
        for ((x, y), mistake) in self.corners() {
            frame(area, (x, y), SIDE_PX)?;
            let [label, predicted] =
                [mistake.label, mistake.predicted].map(|class| self.0.class(class));
            let name = name.shrunk(&format!("{label} → {predicted}"), room - 4);
            let half = (room - name.width_px(" → ")) / 2;
            // a short name leaves its room to a long one
            let room_of = |other: &str| half + (half - name.width_px(other)).max(0);
            let verdict = format!(
                "{} → {}",
                name.fit(&label, room_of(&predicted)),
                name.fit(&predicted, room_of(&label))
            );
            let middle = x + SIDE_PX / 2;
            area.draw_text(&verdict, &name.style(CENTER), (middle, y + SIDE_PX + 15))?;
            let detail = format!("{:.1} %  #{}", mistake.probability * 100.0, mistake.index);
            let detail = NOTE.fit(&detail, COLUMN_PX);
            area.draw_text(&detail, &NOTE.style(CENTER), (middle, y + SIDE_PX + 36))?;
        }
        Ok(())
    }
}
