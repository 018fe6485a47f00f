//! A paper sheet on a table, which at first is taken for the drawing: it stands out from the table.

use image::{DynamicImage, Luma};

use super::regions::{Connectivity, label};
use super::strokes::Mask;

/// Minimum part of its box that a sheet fills, with what is drawn on it.
const MIN_FILLED: f32 = 0.85;
/// Minimum part of that which is paper: a bold 0 fills a box too, but for its hole.
const MIN_SOLID: f32 = 0.75;
/// Minimum part of the picture that a sheet takes.
const MIN_AREA: f32 = 0.15;
/// Maximum longer side of a sheet, in shorter ones: a thick 1 is longer.
const MAX_ASPECT: u32 = 3;

/// Part of the shorter side that is left out at each edge: a sheet may lie askew.
const EDGE: u32 = 16;

/// The inside of a sheet, cut from the picture that `strokes` were found in; `None` unless the strokes are a solid
/// rectangle that fills much of the picture.
pub(super) fn inside(picture: &DynamicImage, strokes: &Mask) -> Option<DynamicImage> {
    let (width, height) = strokes.dimensions();
    // one pixel more on each side, so that all that is outside hangs together
    let open = Mask::from_fn(width + 2, height + 2, |x, y| {
        let within = (1..=width).contains(&x) && (1..=height).contains(&y);
        let drawn = within && strokes.get_pixel(x - 1, y - 1).0[0] > 0;
        Luma([if drawn { 0 } else { 255 }])
    });
    let regions = label(&open, Connectivity::Four);
    let outside = regions.get_pixel(0, 0);
    let (mut left, mut top, mut right, mut bottom) = (u32::MAX, u32::MAX, 0, 0);
    let (mut filled, mut solid) = (0, 0);
    for (x, y, pixel) in strokes.enumerate_pixels() {
        if regions.get_pixel(x + 1, y + 1) == outside {
            continue;
        }
        filled += 1;
        solid += u32::from(pixel.0[0] > 0);
        (left, right) = (left.min(x), right.max(x));
        (top, bottom) = (top.min(y), bottom.max(y));
    }
    if filled == 0 {
        return None;
    }
    let (across, down) = (right - left + 1, bottom - top + 1);
    let (shorter, longer) = (across.min(down), across.max(down));
    let is_sheet = filled as f32 > MIN_FILLED * (across * down) as f32
        && solid as f32 > MIN_SOLID * filled as f32
        && (across * down) as f32 > MIN_AREA * (width * height) as f32
        && longer < MAX_ASPECT * shorter
        && shorter > EDGE;
    let inset = shorter / EDGE;
    let scaled = |at: u32, from: u32, to: u32| {
        (u64::from(at) * u64::from(to) / u64::from(from)).max(1) as u32
    };
    is_sheet.then(|| {
        picture.crop_imm(
            scaled(left + inset, width, picture.width()),
            scaled(top + inset, height, picture.height()),
            scaled(across - 2 * inset, width, picture.width()),
            scaled(down - 2 * inset, height, picture.height()),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::GrayImage;

    /// What is white inside a rectangle of a picture of 100 by 100.
    fn rectangle(left: u32, top: u32, width: u32, height: u32) -> Mask {
        Mask::from_fn(100, 100, |x, y| {
            let within = (left..left + width).contains(&x) && (top..top + height).contains(&y);
            Luma([if within { 255 } else { 0 }])
        })
    }

    #[test]
    fn the_inside_of_a_sheet_is_cut_from_the_large_picture() {
        let picture: DynamicImage = GrayImage::new(1000, 500).into();
        let mut sheet = rectangle(20, 10, 64, 80);
        // a stroke on it
        (30..60).for_each(|y| sheet.put_pixel(40, y, Luma([0])));
        let inside = inside(&picture, &sheet).unwrap();
        assert_eq!((inside.width(), inside.height()), (560, 360));
    }

    #[test]
    fn a_bold_zero_with_square_corners_is_no_sheet() {
        let mut zero = rectangle(20, 10, 60, 80);
        (36..64).for_each(|x| (26..74).for_each(|y| zero.put_pixel(x, y, Luma([0]))));
        assert!(inside(&GrayImage::new(100, 100).into(), &zero).is_none());
    }

    #[test]
    fn a_thick_one_a_small_square_and_a_blank_picture_are_no_sheets() {
        let picture: DynamicImage = GrayImage::new(100, 100).into();
        for strokes in [rectangle(40, 10, 20, 80), rectangle(40, 40, 20, 20), rectangle(0, 0, 0, 0)]
        {
            assert!(inside(&picture, &strokes).is_none());
        }
    }
}
