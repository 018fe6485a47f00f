//! The test images that the network is most wrong about.

use super::colour::MUTED;
use super::render::{Area, BODY, DrawResult, MARGIN_PX, NOTE, Picture, Plot, TOP_PX, frame};
use super::text::{CENTER, LEFT, TextFormat};
use super::{Figures, grouped};
use crate::evaluate::Misclassification;
use plotters::prelude::DrawingBackend;

/// Maximum images shown.
pub(crate) const MAX_SHOWN: usize = 40;
const COLUMNS: usize = 8;
/// Side of an image, about.
const SIDE_PX: usize = 112;

pub(super) struct Worst<'a>(pub(super) &'a Figures<'a>);

impl Worst<'_> {
    fn shown(&self) -> &[Misclassification] {
        &self.0.misclassifications[..self.0.misclassifications.len().min(MAX_SHOWN)]
    }

    /// Side of a pixel of an image.
    fn square_px(&self) -> u32 {
        let [_, height, width] = self.shape();
        (SIDE_PX / height.max(width)).max(1) as u32
    }

    /// Channels, rows and columns of the images.
    fn shape(&self) -> [usize; 3] {
        self.0.test.images.first().map_or([1, 28, 28], dataset::Image::shape)
    }

    /// Width and height of an image.
    fn image_px(&self) -> (i32, i32) {
        let [_, height, width] = self.shape();
        let square = self.square_px() as i32;
        (width as i32 * square, height as i32 * square)
    }

    fn column_px(&self) -> i32 {
        self.image_px().0.max(SIDE_PX as i32) + 34
    }

    /// An image, its two lines, and air.
    fn row_px(&self) -> i32 {
        self.image_px().1 + 66
    }

    fn corners(&self) -> impl Iterator<Item = ((i32, i32), &Misclassification)> {
        self.shown().iter().enumerate().map(|(index, misclassified)| {
            let (x, y) = ((index % COLUMNS) as i32, (index / COLUMNS) as i32);
            let left = x * self.column_px() + (self.column_px() - self.image_px().0) / 2;
            let at = (MARGIN_PX + left, TOP_PX + y * self.row_px());
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
        let width = 2 * MARGIN_PX + COLUMNS as i32 * self.column_px();
        let rows = self.shown().len().div_ceil(COLUMNS) as i32;
        let rows_px = if self.shown().is_empty() { 80 } else { rows * self.row_px() };
        (width as u32, (TOP_PX + rows_px + MARGIN_PX / 2) as u32)
    }

    fn pictures(&self) -> Vec<Picture> {
        let image = |misclassified: &Misclassification| &self.0.test.images[misclassified.index];
        self.corners()
            .map(|(at, misclassified)| {
                Picture::of(image(misclassified), self.0.is_ink, at, self.square_px())
            })
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
        let room = self.column_px() - 8;
        let (width, height) = self.image_px();
        for ((x, y), misclassified) in self.corners() {
            frame(area, (x, y), (width, height))?;
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
            let middle = x + width / 2;
            area.draw_text(&verdict, &name.style(CENTER), (middle, y + height + 15))?;
            let detail =
                format!("{:.1} %  #{}", misclassified.probability * 100.0, misclassified.index);
            let detail = NOTE.fit(&detail, self.column_px());
            area.draw_text(&detail, &NOTE.style(CENTER), (middle, y + height + 36))?;
        }
        Ok(())
    }
}
