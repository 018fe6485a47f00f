//! Training images, and what augmentation makes of them.

use dataset::idx::Split;
use plotters::prelude::DrawingBackend;
use runtime::Image;
use tch::{Device, Kind, Tensor};

use super::render::{Area, BODY, DrawResult, MARGIN_PX, NOTE, Picture, Plot, TOP_PX};
use super::text::{CENTER, LEFT, TextFormat};
use super::{Figures, grouped};
use crate::augment::{Augmentation, Augmenter};
use crate::evaluate::images_tensor;
use crate::seeding::{Purpose, with_rng};

/// Maximum columns of the plot, and so maximum classes that are shown.
const COLUMNS: usize = 12;
/// Pictures below one another.
const ROWS: usize = 6;

/// Some training images.
#[derive(Debug, Clone, PartialEq)]
pub struct Samples {
    /// In order of their classes.
    pub columns: Vec<Column>,
    /// Whether all pictures of a column but the first are changes of the first, rather than other images.
    pub augmented: bool,
    /// Number of training images.
    pub of: usize,
}

/// Images of one class.
#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    /// The class.
    pub label: u8,
    /// At least one.
    pub pictures: Vec<Image>,
}

impl Samples {
    /// Draws images of every class, or of classes evenly spaced where there are many, and changes of them.
    ///
    /// The draws are of their own: they change nothing about the run of this seed.
    ///
    /// # Panics
    /// Never: libtorch gives as many pixels as there are.
    #[must_use]
    pub fn draw(train: &Split, augmentation: Option<Augmentation>, seed: u64) -> Self {
        let each = if augmentation.is_some() { 1 } else { ROWS };
        let draws = ROWS as i64 - 1;
        let shape = train.images.first().map_or([1; 3], Image::shape);
        let augmenter = augmentation.map(|amounts| Augmenter::new(amounts, shape, Device::Cpu));
        let columns = with_rng(seed, Purpose::Samples, || {
            let mut columns = pick(train, each);
            let Some(augmenter) = &augmenter else { return columns };
            for column in &mut columns {
                let original = images_tensor(&column.pictures).expand([draws, -1, -1, -1], false);
                let changed = augmenter.draw(draws).apply(&original);
                let changed = changed.round().to_kind(Kind::Uint8).flatten(0, -1);
                let changed = Vec::<u8>::try_from(changed).expect("pixels of one axis");
                let changed = changed.chunks(shape.iter().product());
                let image = |pixels: &[u8]| Image::new(shape, pixels).expect("as many pixels");
                column.pictures.extend(changed.map(image));
            }
            columns
        });
        Self { columns, augmented: augmentation.is_some(), of: train.images.len() }
    }
}

/// Columns with `each` images or as many as there are, none twice.
fn pick(train: &Split, each: usize) -> Vec<Column> {
    let order = Tensor::randperm(train.images.len() as i64, (Kind::Int64, Device::Cpu));
    let mut of_class = vec![Vec::new(); 256];
    for index in Vec::<i64>::try_from(order).expect("numbers of one axis") {
        let index = index as usize;
        of_class[usize::from(train.labels[index])].push(index);
    }
    let present: Vec<usize> = (0..256).filter(|&class| !of_class[class].is_empty()).collect();
    let shown = present.len().min(COLUMNS);
    let columns_each = COLUMNS / shown.max(1);
    let mut columns = Vec::new();
    for at in 0..shown {
        let class = present[at * present.len() / shown];
        for chosen in of_class[class].chunks(each).take(columns_each) {
            let pictures = chosen.iter().map(|&index| train.images[index].clone()).collect();
            columns.push(Column { label: class as u8, pictures });
        }
    }
    columns
}

/// Side of an image, about.
const SIDE_PX: usize = 84;
/// Room for the names of the rows.
const LEFT_PX: i32 = MARGIN_PX + 116;
/// Room for the names of the classes.
const HEAD_PX: i32 = 30;
/// Between an image and its changes.
const GAP_PX: i32 = 12;

pub(super) struct SamplesPlot<'a>(pub(super) &'a Figures<'a>);

impl SamplesPlot<'_> {
    /// Side of a pixel of an image, and width and height of an image.
    fn image_px(&self) -> (u32, i32, i32) {
        let first = self.0.samples.columns.first().and_then(|column| column.pictures.first());
        let [_, height, width] = first.map_or([1, 28, 28], Image::shape);
        let square = (SIDE_PX / height.max(width)).max(1);
        (square as u32, (square * width) as i32, (square * height) as i32)
    }

    /// Width of a column, without the gap to the next.
    fn column_px(&self) -> i32 {
        self.image_px().1.max(SIDE_PX as i32)
    }

    fn corner(&self, column: usize, row: usize) -> (i32, i32) {
        let gap = if self.0.samples.augmented && row > 0 { GAP_PX } else { 0 };
        let (_, width, height) = self.image_px();
        let aside = (self.column_px() - width) / 2;
        (
            LEFT_PX + column as i32 * (self.column_px() + 10) + aside,
            TOP_PX + HEAD_PX + row as i32 * (height + 10) + gap,
        )
    }
}

impl Plot for SamplesPlot<'_> {
    fn title(&self) -> String {
        let changed =
            if self.0.samples.augmented { ", and what augmentation makes of them" } else { "" };
        format!("Training images of {}{changed}", self.0.dataset)
    }

    fn note(&self) -> String {
        let of = grouped(self.0.samples.of as u64);
        if self.0.samples.augmented {
            format!(
                "Drawn from {of}. Every step of training changes each image by a draw of its own."
            )
        } else {
            format!("Drawn from {of}. This recipe trains on them as they are.")
        }
    }

    fn size(&self) -> (u32, u32) {
        let columns = &self.0.samples.columns;
        let rows = columns.iter().map(|column| column.pictures.len());
        let (width, height) = self.corner(columns.len().max(8), rows.max().unwrap_or(1));
        ((width + MARGIN_PX) as u32, (height + MARGIN_PX) as u32)
    }

    fn pictures(&self) -> Vec<Picture> {
        let mut pictures = Vec::new();
        for (x, column) in self.0.samples.columns.iter().enumerate() {
            for (y, image) in column.pictures.iter().enumerate() {
                pictures.push(Picture::of(
                    image,
                    self.0.is_ink,
                    self.corner(x, y),
                    self.image_px().0,
                ));
            }
        }
        pictures
    }

    fn draw<B: DrawingBackend>(&self, area: &Area<B>) -> DrawResult<B> {
        let (_, width, height) = self.image_px();
        let room = self.column_px() + 4;
        let class = TextFormat { bold: true, ..BODY };
        for (index, column) in self.0.samples.columns.iter().enumerate() {
            let (x, y) = self.corner(index, 0);
            let name = self.0.class(column.label.into());
            let class = class.shrunk(&name, room);
            let name = class.fit(&name, room);
            area.draw_text(&name, &class.style(CENTER), (x + width / 2, y - 18))?;
            for row in 0..column.pictures.len() {
                let corner = self.corner(index, row);
                super::render::frame(area, corner, (width, height))?;
            }
        }
        let row_name = |text: &str, row: usize, down: i32| {
            let at = (MARGIN_PX, self.corner(0, row).1 + height / 2 + down);
            area.draw_text(text, &NOTE.style(LEFT), at)
        };
        if self.0.samples.augmented {
            row_name("as stored", 0, 0)?;
            row_name("as trained on,", 1, -10)?;
            row_name(&format!("{} draws", ROWS - 1), 1, 10)
        } else {
            row_name("as stored", 0, 0)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::Recipe;

    /// So many images of each class, each with its own index as its first pixel.
    fn train(classes: u8, each: u8) -> Split {
        let labels: Vec<u8> = (0..each).flat_map(|_| 0..classes).collect();
        let image =
            |index| Image::mnist(std::array::from_fn(|at| if at == 0 { index as u8 } else { 90 }));
        Split { images: (0..labels.len()).map(image).collect(), labels }
    }

    #[test]
    fn every_class_has_a_column_of_its_own_images_without_augmentation() {
        let train = train(10, 20);
        let samples = Samples::draw(&train, None, 3);
        assert!(samples.columns.iter().map(|column| column.label).eq(0..10));
        for Column { label, pictures } in &samples.columns {
            let mut indices: Vec<u8> = pictures.iter().map(|picture| picture.pixels()[0]).collect();
            assert!(indices.iter().all(|index| train.labels[usize::from(*index)] == *label));
            indices.sort_unstable();
            indices.dedup();
            assert_eq!(indices.len(), ROWS);
        }
        assert_eq!(samples, Samples::draw(&train, None, 3));
        assert_ne!(samples, Samples::draw(&train, None, 4));
    }

    #[test]
    fn an_image_is_followed_by_changes_of_it_none_like_another() {
        let samples = Samples::draw(&train(3, 1), Recipe::BEST.augmentation, 1);
        assert!(samples.augmented);
        for Column { label, pictures } in &samples.columns {
            assert_eq!((pictures.len(), pictures[0].pixels()[0]), (ROWS, *label));
            for (index, picture) in pictures.iter().enumerate() {
                assert!(!pictures[..index].contains(picture));
            }
        }
    }

    #[test]
    fn few_classes_fill_the_columns_and_many_are_sampled_evenly() {
        let labels = |classes, each| -> Vec<u8> {
            let samples = Samples::draw(&train(classes, each), None, 1);
            samples.columns.iter().map(|column| column.label).collect()
        };
        assert_eq!(labels(2, 40), [0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1]);
        assert_eq!(labels(2, 1), [0, 1]);
        assert_eq!(labels(240, 1), (0..12).map(|at| at * 20).collect::<Vec<u8>>());
        assert!(labels(0, 0).is_empty());
    }
}
