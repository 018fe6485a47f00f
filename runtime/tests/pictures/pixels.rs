//! What was decoded, compared with the drawing.

use image::DynamicImage;
use runtime::picture::{self, Limits};

use crate::drawing::BLOCKS;

/// JPEG and lossy WebP round the colour of a flat block when they convert and quantise it.
pub(crate) const LOSSY: u8 = 4;

pub(crate) fn decode(bytes: &[u8]) -> DynamicImage {
    picture::decode(bytes, Limits::default()).unwrap()
}

/// The colours in the middle of the blocks, row by row, of a picture that holds `columns` × `rows` of them.
pub(crate) fn middles(picture: &DynamicImage, columns: u32, rows: u32) -> Vec<[u8; 3]> {
    let pixels = picture.to_rgb8();
    let middle = |length: u32, n: u32, of: u32| length * (2 * n + 1) / (2 * of);
    let places = (0..rows).flat_map(|row| (0..columns).map(move |column| (column, row)));
    let (width, height) = pixels.dimensions();
    places
        .map(|(x, y)| pixels.get_pixel(middle(width, x, columns), middle(height, y, rows)).0)
        .collect()
}

#[track_caller]
pub(crate) fn assert_drawing(picture: &DynamicImage, tolerance: u8, name: &str) {
    let found = middles(picture, 3, 2);
    let far = |(found, drawn): (&[u8; 3], &[u8; 3])| {
        found.iter().zip(drawn).any(|(found, drawn)| found.abs_diff(*drawn) > tolerance)
    };
    assert!(!found.iter().zip(&BLOCKS).any(far), "{name}: {found:?}");
}
