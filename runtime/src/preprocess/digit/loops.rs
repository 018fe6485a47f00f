//! Opens loops that were filled with ink: a 6 whose loop is a blot is read as a 0 or as nothing.
//!
//! A blot is where the strokes are much thicker than the pen is wide. All of it that is further from its edge than the
//! pen's width becomes paper, so what stays is the loop that the pen would have drawn around it.

use super::normalize::Field;
use super::quantile::quantile;
use super::regions::{self, Connectivity};
use super::strokes::Mask;
use image::Luma;
use std::collections::BTreeMap;

/// Maximum slope of the distance from the edge in the middle of a stroke, in pixels per pixel: at its flanks it is 1.
const MAX_RIDGE_SLOPE: f32 = 0.6;
/// Minimum radius of a blot, in half widths of the pen: corners and crossings come to 2.
const MIN_BLOT: f32 = 2.6;

/// The strokes with their filled loops opened; `None` if there are none. The field is that of the strokes.
pub(super) fn open_filled(strokes: &Mask, field: &Field) -> Option<Mask> {
    let pen_radius = pen_radius(field);
    let deep = Mask::from_fn(strokes.width(), strokes.height(), |x, y| {
        Luma([if field.get_pixel(x, y).0[0] > 2.0 * pen_radius { 255 } else { 0 }])
    });
    let blots = regions::label(&deep, Connectivity::Eight);
    let mut radii = BTreeMap::new();
    for (blot, distance) in blots.pixels().zip(field.pixels()).filter(|(blot, _)| blot.0[0] > 0) {
        let radius = radii.entry(blot.0[0]).or_insert(0.0_f32);
        *radius = radius.max(distance.0[0]);
    }
    radii.retain(|_, radius| *radius > MIN_BLOT * pen_radius);
    if radii.is_empty() {
        return None;
    }
    let mut opened = strokes.clone();
    for (pixel, blot) in opened.pixels_mut().zip(blots.pixels()) {
        if radii.contains_key(&blot.0[0]) {
            pixel.0[0] = 0;
        }
    }
    Some(opened)
}

/// Half the width of the strokes, in pixels: a median along their middle, where a blot is short.
fn pen_radius(field: &Field) -> f32 {
    let (width, height) = field.dimensions();
    let at = |x: u32, y: u32| field.get_pixel(x, y).0[0];
    let middle = (1..height - 1).flat_map(|y| (1..width - 1).map(move |x| (x, y)));
    let radii = middle.filter(|&(x, y)| at(x, y) > 0.0).filter_map(|(x, y)| {
        let slope = (at(x + 1, y) - at(x - 1, y)).hypot(at(x, y + 1) - at(x, y - 1)) / 2.0;
        (slope <= MAX_RIDGE_SLOPE).then(|| at(x, y))
    });
    let radii: Vec<f32> = radii.collect();
    // a square has no stroke
    if radii.is_empty() { f32::INFINITY } else { quantile(&radii, 0.5) }
}

#[cfg(test)]
mod tests {
    use super::super::normalize::field;
    use super::*;

    /// A stroke of this width from the upper left to a disc of this radius: a 6.
    fn six(pen: f32, radius: f32) -> Mask {
        Mask::from_fn(120, 160, |x, y| {
            let (x, y) = (x as f32 - 60.0, y as f32 - 110.0);
            let stem = (x + 25.0).abs() < pen / 2.0 && (-100.0..0.0).contains(&y);
            Luma([if stem || x.hypot(y) < radius { 255 } else { 0 }])
        })
    }

    #[test]
    fn a_filled_loop_becomes_a_ring_as_wide_as_the_pen() {
        for pen in [4.0, 10.0] {
            let filled = six(pen, 35.0);
            let opened = open_filled(&filled, &field(&filled)).unwrap();
            let row: Vec<u8> = (61..95).map(|x| opened.get_pixel(x, 110).0[0]).collect();
            let wall = row.iter().filter(|pixel| **pixel > 0).count() as f32;
            assert!((wall - pen).abs() <= 2.0, "{wall} of {pen}");
            assert_eq!((row[0], opened.get_pixel(35, 30).0[0]), (0, 255));
        }
    }

    #[test]
    fn bends_crossings_and_shapes_without_a_stroke_stay_as_they_are() {
        let bold_cross = Mask::from_fn(100, 100, |x, y| {
            Luma([if x.abs_diff(50) < 10 || x.abs_diff(y) < 14 { 255 } else { 0 }])
        });
        let disc = six(0.0, 35.0);
        let square = Mask::from_fn(100, 100, |x, y| {
            Luma([if x.abs_diff(50) < 30 && y.abs_diff(50) < 30 { 255 } else { 0 }])
        });
        for strokes in [bold_cross, disc, square, six(10.0, 12.0)] {
            assert!(open_filled(&strokes, &field(&strokes)).is_none());
        }
    }
}
