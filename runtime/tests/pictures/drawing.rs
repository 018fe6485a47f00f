//! What the pictures show: six flat blocks, three in a row, different however they are turned.

use image::{Rgb, RgbImage};
use runtime::picture::{self, Limits};

pub(crate) const BLOCKS: [[u8; 3]; 6] =
    [[220, 30, 40], [30, 160, 60], [40, 60, 200], [10, 10, 10], [250, 250, 250], [240, 200, 40]];

/// The blocks, each `side` pixels wide and high.
pub(crate) fn drawing(side: u32) -> RgbImage {
    RgbImage::from_fn(3 * side, 2 * side, |x, y| Rgb(BLOCKS[(y / side * 3 + x / side) as usize]))
}

/// Why a picture is refused.
pub(crate) fn refusal(bytes: &[u8]) -> String {
    picture::decode(bytes, Limits::default()).unwrap_err().to_string()
}
