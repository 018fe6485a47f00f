//! The test images that the network is most wrong about.

use plotters::prelude::DrawingBackend;
use runtime::IMAGE_SIDE;

use super::colour::MUTED;
use super::render::{Area, BODY, DrawResult, MARGIN_PX, NOTE, Picture, Plot, TOP_PX, frame};
use super::text::{CENTER, LEFT, TextFormat};
use super::{Figures, grouped};
use crate::evaluate::Misclassification;

/// Maximum images shown.
const MAX_SHOWN: usize = 40;
const COLUMNS: usize = 8;
const SQUARE_PX: u32 = 4;
const SIDE_PX: i32 = SQUARE_PX as i32 * IMAGE_SIDE as i32;
const COLUMN_PX: i32 = SIDE_PX + 34;
/// An image, its two lines, and air.
const ROW_PX: i32 = SIDE_PX + 66;

pub(super) struct Worst<'a>(pub(super) &'a Figures<'a>);

impl Worst<'_> {
    fn shown(&self) -> &[Misclassification] {
        &self.0.misclassifications[..self.0.misclassifications.len().min(MAX_SHOWN)]
    }

    fn corners(&self) -> impl Iterator<Item = ((i32, i32), &Misclassification)> {
        self.shown().iter().enumerate().map(|(index, misclassified)| {
            let (x, y) = ((index % COLUMNS) as i32, (index / COLUMNS) as i32);
            let at = (MARGIN_PX + x * COLUMN_PX + (COLUMN_PX - SIDE_PX) / 2, TOP_PX + y * ROW_PX);
            (at, misclassified)
        })
    }
}

impl Plot for Worst<'_> {
    fn title(&self) -> String {
        let images = grouped(self.0.report.total());
        match self.0.misclassifications.len() {
            0 => format!("No error on {images} test images"),
            1 => format!("The one error on {images} test images"),
            all if all <= MAX_SHOWN => format!("All {all} errors on {images} test images"),
            all => {
                format!(
                    "The worst {MAX_SHOWN} of {} errors on {images} test images",
                    grouped(all as u64)
                )
            }
        }
    }

    fn note(&self) -> String {
        if self.0.misclassifications.is_empty() {
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
        let image = |misclassified: &Misclassification| &self.0.test.images[misclassified.index];
        self.corners()
            .map(|(at, misclassified)| Picture::of(image(misclassified), at, SQUARE_PX))
            .collect()
    }

    fn draw<B: DrawingBackend>(&self, area: &Area<B>) -> DrawResult<B> {
        if self.shown().is_empty() {
            let text = TextFormat { em_px: 20.0, colour: MUTED, ..BODY };
            let at = (MARGIN_PX, TOP_PX + 40);
            return area.draw_text(
                "Every test image is classified as labelled.",
                &text.style(LEFT),
                at,
            );
        }
        let name = TextFormat { bold: true, ..BODY };
        let room = COLUMN_PX - 8;
        for ((x, y), misclassified) in self.corners() {
            frame(area, (x, y), SIDE_PX)?;
            let [label, predicted] =
                [misclassified.label, misclassified.predicted].map(|class| self.0.class(class));
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
            let detail =
                format!("{:.1} %  #{}", misclassified.probability * 100.0, misclassified.index);
            let detail = NOTE.fit(&detail, COLUMN_PX);
            area.draw_text(&detail, &NOTE.style(CENTER), (middle, y + SIDE_PX + 36))?;
        }
        Ok(())
    }
}
