//! Normalizes a drawing to MNIST's frame: in a box of 20 pixels, centre of mass in the middle, with a pen that is
//! neither thick nor thin.
//!
//! Everything is done on the distance from the strokes' edge: moving the edge makes a pen thicker or thinner by
//! any part of a pixel, and the result is drawn from it once, at its final size.

use std::collections::BTreeMap;
use std::f32::consts::SQRT_2;

use image::{ImageBuffer, Luma, imageops};

use super::distance::squared_distances;
use super::loops;
use super::regions::{Connectivity, label};
use super::strokes::Mask;
use dataset::{IMAGE_SIDE, Image, PIXELS};

/// Longer side of the digits in MNIST, in pixels.
const BOX_PX: f32 = 20.0;
/// Where MNIST's digits have their centre of mass, in pixels from the edges: the mean of 3,000 training images is
/// 14.5, each within 0.51 of it.
const CENTRE_PX: f32 = 14.5;
/// Strokes as wide as this stay as they are, in pixels of the result. Half of MNIST's are 2.1 to 2.9 wide,
/// measured by [`stroke_width`] on the same training images, four times as large.
const WIDTHS_PX: [f32; 2] = [2.2, 3.0];
/// Maximum part of its radius by which a hole may shrink: an 8 must not close.
const MAX_HOLE_SHRINKAGE: f32 = 0.5;
/// Maximum radius of the holes that nobody would see, in pixels of the result.
const MAX_PINHOLE_PX: f32 = 0.5;
/// Minimum width of strokes even if a hole closes, in pixels of the result: fainter ones are not seen.
const MIN_WIDTH_PX: f32 = 1.7;
/// Maximum part of the pen's width that each side may lose: thin places must not break.
const MAX_THINNING: f32 = 0.3;

/// Distance from the strokes' edge at the middle of each pixel, in pixels, positive inside.
pub(super) type Field = ImageBuffer<Luma<f32>, Vec<f32>>;

/// A drawing in MNIST's frame.
pub(super) struct Normalized {
    pub(super) image: Image,
    /// Diameter of the largest circle inside the strokes, in parts of the drawing's longer side.
    pub(super) thickness: f32,
}

/// Normalizes `strokes`, of which there must be a pixel.
pub(super) fn normalize(strokes: &Mask) -> Normalized {
    let mut strokes = crop(strokes);
    let mut field = self::field(&strokes);
    if let Some(opened) = loops::open_filled(&strokes, &field) {
        field = self::field(&opened);
        strokes = opened;
    }
    let growth = growth(&field, &strokes);
    let radius = field.pixels().map(|distance| distance.0[0]).fold(0.0, f32::max);
    let thickness = 2.0 * radius / extent(&field, 0.0).0;
    let (size, centre) = extent(&field, growth);
    // pixels of the mask per pixel of the result
    let step = size / BOX_PX;
    let samples = (step.ceil() as u32).clamp(4, 16);
    let part = |sample: u32| (sample as f32 + 0.5) / samples as f32;
    // from a pixel's middle to its corners; from each to what is interpolated; what half an edge and rounding may add
    let far = step * SQRT_2 / 2.0 + 2.0 * SQRT_2 + 1.5 + growth.max(0.0);
    let mut image = [0; PIXELS];
    for (at, pixel) in image.iter_mut().enumerate() {
        let (x, y) = ((at % IMAGE_SIDE) as f32, (at / IMAGE_SIDE) as f32);
        let middle = [x, y].map(|at| (at + 0.5 - CENTRE_PX) * step);
        if is_paper(&field, middle[0] + centre[0], middle[1] + centre[1], far) {
            continue;
        }
        let ink: f32 = (0..samples * samples)
            .map(|sample| {
                let x = (x + part(sample % samples) - CENTRE_PX) * step + centre[0];
                let y = (y + part(sample / samples) - CENTRE_PX) * step + centre[1];
                cover(interpolate(&field, x, y) + growth)
            })
            .sum();
        *pixel = (ink / (samples * samples) as f32 * 255.0).round() as u8;
    }
    Normalized { image: Image::mnist(image), thickness }
}

/// Part of a pixel that is inside an edge at this distance from its middle.
fn cover(distance: f32) -> f32 {
    (distance + 0.5).clamp(0.0, 1.0)
}

/// Cuts away what is empty, but for a margin in which strokes may grow.
fn crop(strokes: &Mask) -> Mask {
    let (mut left, mut top, mut right, mut bottom) = (u32::MAX, u32::MAX, 0, 0);
    for (x, y, _) in strokes.enumerate_pixels().filter(|(_, _, pixel)| pixel.0[0] > 0) {
        (left, right) = (left.min(x), right.max(x));
        (top, bottom) = (top.min(y), bottom.max(y));
    }
    let (width, height) = (right - left + 1, bottom - top + 1);
    let margin = width.max(height) / 4 + 2;
    let mut cropped = Mask::new(width + 2 * margin, height + 2 * margin);
    let content = imageops::crop_imm(strokes, left, top, width, height);
    imageops::replace(&mut cropped, &*content, i64::from(margin), i64::from(margin));
    cropped
}

/// Measures each pixel of strokes that do not reach the mask's edges.
pub(super) fn field(strokes: &Mask) -> Field {
    let mut paper = strokes.clone();
    imageops::invert(&mut paper);
    let to_strokes = squared_distances(strokes);
    let to_paper = squared_distances(&paper);
    Field::from_fn(strokes.width(), strokes.height(), |x, y| {
        let [to_strokes, to_paper] =
            [&to_strokes, &to_paper].map(|field| field.get_pixel(x, y).0[0].sqrt());
        // the edge is half a pixel from the middle of the pixels beside it
        Luma([if to_paper > 0.0 { to_paper - 0.5 } else { 0.5 - to_strokes }])
    })
}

/// Longer side of the box around the strokes, and their centre of mass, both in pixels.
fn extent(field: &Field, growth: f32) -> (f32, [f32; 2]) {
    let (mut left, mut top, mut right, mut bottom) = (u32::MAX, u32::MAX, 0, 0);
    let (mut mass, mut moments) = (0.0, [0.0; 2]);
    for (x, y, distance) in field.enumerate_pixels() {
        let ink = f64::from(cover(distance.0[0] + growth));
        mass += ink;
        moments[0] += ink * (f64::from(x) + 0.5);
        moments[1] += ink * (f64::from(y) + 0.5);
        if ink >= 0.5 {
            (left, right) = (left.min(x), right.max(x));
            (top, bottom) = (top.min(y), bottom.max(y));
        }
    }
    let size = (right + 1).saturating_sub(left).max((bottom + 1).saturating_sub(top));
    (size as f32, moments.map(|moment| (moment / mass) as f32))
}

/// How far to move the edge out, in pixels of the mask, for strokes as wide as MNIST's.
fn growth(field: &Field, strokes: &Mask) -> f32 {
    let (size, _) = extent(field, 0.0);
    let width = stroke_width(field);
    // the box grows with the strokes: width + 2 growth = wanted · (size + 2 growth) / BOX_PX
    let growth_to =
        |wanted: f32| (wanted * size / BOX_PX - width) / (2.0 * (1.0 - wanted / BOX_PX));
    let seen = width * BOX_PX / size;
    let growth = growth_to(seen.clamp(WIDTHS_PX[0], WIDTHS_PX[1]));
    if growth > 0.0 {
        let pinhole = MAX_PINHOLE_PX * size / BOX_PX;
        let max = MAX_HOLE_SHRINKAGE * smallest_hole(field, strokes, pinhole);
        growth.min(max.max(growth_to(MIN_WIDTH_PX)))
    } else {
        growth.max(-MAX_THINNING * width)
    }
}

/// Width of the strokes, in pixels: the points of a band are a quarter of its width from its edge, on average.
fn stroke_width(field: &Field) -> f32 {
    let (count, sum) = field
        .pixels()
        .filter(|distance| distance.0[0] > 0.0)
        .fold((0, 0.0), |(count, sum), distance| (count + 1, sum + distance.0[0]));
    4.0 * sum / count as f32
}

/// Radius of the largest disc in the smallest hole that the strokes enclose, but for pinholes; infinite without one.
fn smallest_hole(field: &Field, strokes: &Mask, pinhole: f32) -> f32 {
    let mut paper = strokes.clone();
    imageops::invert(&mut paper);
    let regions = label(&paper, Connectivity::Four);
    let outside = regions.get_pixel(0, 0).0[0];
    let mut radii = BTreeMap::new();
    for (region, distance) in regions.pixels().zip(field.pixels()) {
        let radius = radii.entry(region.0[0]).or_insert(0.0_f32);
        *radius = radius.max(-distance.0[0]);
    }
    radii.remove(&outside);
    radii.into_values().filter(|radius| *radius > pinhole).fold(f32::INFINITY, f32::min)
}

/// Whether there are no strokes within `distance` pixels; not asked at the field's edges.
fn is_paper(field: &Field, x: f32, y: f32, distance: f32) -> bool {
    let is_inside = |at: f32, length: u32| (1.0..length as f32 - 1.0).contains(&at);
    is_inside(x, field.width())
        && is_inside(y, field.height())
        && interpolate(field, x, y) < -distance
}

/// The field between the middles of pixels; far outside beyond its edges.
fn interpolate(field: &Field, x: f32, y: f32) -> f32 {
    let (x, y) = (x - 0.5, y - 0.5);
    let (left, top) = (floor(x), floor(y));
    let at = |x: f32, y: f32| {
        let inside = x >= 0.0 && y >= 0.0 && x < field.width() as f32 && y < field.height() as f32;
        if inside { field.get_pixel(x as u32, y as u32).0[0] } else { -(field.width() as f32) }
    };
    let (right_part, bottom_part) = (x - left, y - top);
    let upper = at(left, top) * (1.0 - right_part) + at(left + 1.0, top) * right_part;
    let lower = at(left, top + 1.0) * (1.0 - right_part) + at(left + 1.0, top + 1.0) * right_part;
    upper * (1.0 - bottom_part) + lower * bottom_part
}

/// [`f32::floor`] of a place in a picture, which is a call into the C library on processors of 2003.
fn floor(at: f32) -> f32 {
    let truncated = at as i32 as f32;
    if truncated > at { truncated - 1.0 } else { truncated }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Strokes where `inked` says so, on 200 by 200 pixels.
    fn synthetic(inked: impl Fn(f32, f32) -> bool) -> Mask {
        Mask::from_fn(200, 200, |x, y| {
            Luma([if inked(x as f32 + 0.5, y as f32 + 0.5) { 255 } else { 0 }])
        })
    }

    fn inked_columns(image: &Image, row: usize) -> Vec<u8> {
        image.pixels()[row * IMAGE_SIDE..][..IMAGE_SIDE]
            .iter()
            .copied()
            .filter(|&ink| ink > 0)
            .collect()
    }

    fn ring(inner: f32, outer: f32) -> Mask {
        synthetic(|x, y| (inner..outer).contains(&(x - 60.0).hypot(y - 120.0)))
    }

    #[test]
    fn the_box_has_20_pixels_and_the_mass_is_in_the_middle() {
        // an L: its mass is not in the middle of its box
        let Normalized { image, thickness } = normalize(&synthetic(|x, y| {
            (20.0..35.0).contains(&x) && (10.0..130.0).contains(&y)
                || (20.0..80.0).contains(&x) && (115.0..130.0).contains(&y)
        }));
        // 15 of 120, and the corner a little more
        assert!((0.12..0.16).contains(&thickness), "{thickness}");
        let rows: Vec<usize> = (0..28).filter(|&y| !inked_columns(&image, y).is_empty()).collect();
        assert!((20..=21).contains(&rows.len()), "{image:?}");
        let (mut mass, mut moments) = (0.0, [0.0; 2]);
        for (at, &ink) in image.pixels().iter().enumerate() {
            mass += f32::from(ink);
            moments[0] += f32::from(ink) * ((at % 28) as f32 + 0.5);
            moments[1] += f32::from(ink) * ((at / 28) as f32 + 0.5);
        }
        for moment in moments {
            assert!((moment / mass - CENTRE_PX).abs() < 0.1, "{}\n{image:?}", moment / mass);
        }
    }

    #[test]
    fn thin_and_thick_pens_become_alike() {
        // across the middle of a ring the pen is met twice; its ink is its width
        let pen = |image: &Image| {
            let ink: u32 = inked_columns(image, 14).iter().map(|&ink| u32::from(ink)).sum();
            ink as f32 / 255.0 / 2.0
        };
        let (thin, thick) =
            (pen(&normalize(&ring(49.0, 50.0)).image), pen(&normalize(&ring(30.0, 50.0)).image));
        assert!((thin - WIDTHS_PX[0]).abs() < 0.3, "{thin}");
        assert!((thick - WIDTHS_PX[1]).abs() < 0.3, "{thick}");
    }

    #[test]
    fn a_small_hole_stays_open() {
        let ring_in_a_long_digit = synthetic(|x, y| {
            (12.0..13.5).contains(&(x - 60.0).hypot(y - 20.0))
                || (59.0..60.5).contains(&x) && (33.0..180.0).contains(&y)
        });
        let Normalized { image, .. } = normalize(&ring_in_a_long_digit);
        let ink = |x: usize, y: usize| image.pixels()[y * IMAGE_SIDE + x];
        let is_hole = |x, y| {
            let around = [ink(x - 1, y), ink(x + 1, y), ink(x, y - 1), ink(x, y + 1)];
            ink(x, y) < 160 && around.into_iter().all(|beside| beside > ink(x, y))
        };
        assert!((5..23).any(|x| (3..10).any(|y| is_hole(x, y))), "{image:?}");
    }

    #[test]
    fn a_dot_and_a_full_picture_are_drawn_too() {
        for strokes in [synthetic(|x, y| x < 1.0 && y < 1.0), synthetic(|_, _| true)] {
            assert!(normalize(&strokes).image.pixels().iter().any(|&ink| ink > 100));
        }
    }
}
