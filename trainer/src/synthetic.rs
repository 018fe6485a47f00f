//! Synthetic pictures that MNIST lacks, of strokes and shapes: digits in other styles, and non-digits.
//!
//! Each stands as MNIST's digits do: in a box of 20 pixels, centre of mass in the middle, ink 255 on 0. Many are drawn
//! on a page and taken from it by the reader of pictures, so that they look as what it makes of photographs.

mod figures;
pub mod non_digits;
mod page;
mod rewritten;
mod rounded;
pub mod styles;

use std::f32::consts::TAU;

use dataset::idx::Split;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use runtime::{IMAGE_SIDE, Image};

/// Longer side of a drawing, in pixels.
const BOX_PX: f32 = 20.0;
/// Middle of a picture, in pixels from its edge; MNIST's centres of mass lie here.
const CENTRE_PX: f32 = IMAGE_SIDE as f32 / 2.0 + 0.5;

/// How many pictures are added to the training images of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Synthetic {
    /// Of each style of [`styles`].
    pub per_style: usize,
    /// MNIST's digits in pictures of few pixels, stretched or large.
    pub rewritten: usize,
    /// Of [`non_digits`].
    pub non_digits: usize,
}

/// Digits with their labels, then what is no digit, with the label `non_digit`; equal seeds draw equally.
///
/// `digits` are MNIST's, to be written again, and for pictures that hold several.
#[must_use]
pub fn generate(amounts: Synthetic, digits: &Split, non_digit: u8, seed: u64) -> Split {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut split = Split { images: vec![], labels: vec![] };
    for style in styles::STYLES {
        for _ in 0..amounts.per_style {
            split.images.push(style.draw(&mut rng));
            split.labels.push(style.digit);
        }
    }
    for _ in 0..amounts.rewritten {
        let at = rng.random_range(0..digits.images.len());
        split.images.push(rewritten::draw(&digits.images[at], &mut rng));
        split.labels.push(digits.labels[at]);
    }
    for _ in 0..amounts.non_digits {
        split.images.push(non_digits::draw(&digits.images, &mut rng));
        split.labels.push(non_digit);
    }
    split
}

/// A point, x to the right and y down.
type Point = [f32; 2];

/// A curve from point to point (Catmull and Rom 1974); a point given twice in a row is a corner.
fn smooth(points: &[Point]) -> Vec<Point> {
    const PARTS: usize = 8;
    let mut path = vec![];
    for (at, pair) in points.windows(2).enumerate() {
        let [from, to] = [pair[0], pair[1]];
        if from.iter().eq(&to) {
            continue;
        }
        let before = if at == 0 { from } else { points[at - 1] };
        let after = points.get(at + 2).copied().unwrap_or(to);
        for part in 0..=PARTS {
            let t = part as f32 / PARTS as f32;
            let [t2, t3] = [t * t, t * t * t];
            path.push([0, 1].map(|c| {
                let [leaving, arriving] = [(to[c] - before[c]) / 2.0, (after[c] - from[c]) / 2.0];
                (2.0 * t3 - 3.0 * t2 + 1.0) * from[c]
                    + (t3 - 2.0 * t2 + t) * leaving
                    + (3.0 * t2 - 2.0 * t3) * to[c]
                    + (t3 - t2) * arriving
            }));
        }
    }
    path
}

/// An ellipse from a part of a turn after its top, clockwise, over so many turns.
fn ellipse(middle: Point, radii: Point, start: f32, turns: f32) -> Vec<Point> {
    const PARTS: usize = 32;
    let point = |part: usize| {
        let (sine, cosine) = ((start + part as f32 / PARTS as f32 * turns) * TAU).sin_cos();
        [middle[0] + radii[0] * sine, middle[1] - radii[1] * cosine]
    };
    (0..=PARTS).map(point).collect()
}

/// Smaller copies of a closed path inside it: with a pen they fill it.
fn filled(path: &[Point]) -> Vec<Vec<Point>> {
    let count = path.len().max(1) as f32;
    let middle = [0, 1].map(|c| path.iter().map(|p| p[c]).sum::<f32>() / count);
    let smaller = |part: f32| {
        let shrink = |p: &Point| [0, 1].map(|c| middle[c] + (p[c] - middle[c]) * part);
        path.iter().map(shrink).collect()
    };
    (0..8).map(|part| smaller(part as f32 / 8.0)).collect()
}

/// Slants, narrows and turns paths of about 1 by 1, and draws them as MNIST's digits stand: directly, or through the
/// reader.
fn drawn(paths: &[Vec<Point>], [slant, breadth, turn]: [f32; 3], rng: &mut StdRng) -> Image {
    let (sine, cosine) = turn.sin_cos();
    let moved = |p: &Point| {
        let [x, y] = [p[0] * breadth - p[1] * slant, p[1]];
        [x * cosine - y * sine, x * sine + y * cosine]
    };
    let paths: Vec<Vec<Point>> =
        paths.iter().map(|path| path.iter().map(moved).collect()).collect();
    let read = if rng.random_range(0..3) == 0 { page::read(&paths, rng) } else { None };
    read.unwrap_or_else(|| pen(&paths, rng.random_range(1.5..3.4)))
}

/// Smallest and largest x, and y.
fn extent(paths: &[Vec<Point>]) -> [[f32; 2]; 2] {
    [0, 1].map(|c| {
        let each = paths.iter().flatten().map(|p| p[c]);
        each.fold([f32::MAX, f32::MIN], |[min, max], at| [min.min(at), max.max(at)])
    })
}

/// Draws paths of any size with a round pen of this width in pixels of the picture.
fn pen(paths: &[Vec<Point>], width_px: f32) -> Image {
    let [[left, right], [top, bottom]] = extent(paths);
    let scale = (BOX_PX - width_px) / (right - left).max(bottom - top).max(f32::MIN_POSITIVE);
    let middle = [f32::midpoint(left, right), f32::midpoint(top, bottom)];
    let placed = |shift: Point| -> Vec<Vec<Point>> {
        let place = |p: &Point| [0, 1].map(|c| (p[c] - middle[c]) * scale + CENTRE_PX + shift[c]);
        paths.iter().map(|path| path.iter().map(place).collect()).collect()
    };
    let [x, y] = centre_of_mass(&ink_along(&placed([0.0; 2]), width_px));
    ink_along(&placed([CENTRE_PX - x, CENTRE_PX - y]), width_px)
}

fn ink_along(paths: &[Vec<Point>], width_px: f32) -> Image {
    let ink = inked(paths, width_px, [IMAGE_SIDE; 2]);
    Image::mnist(std::array::from_fn(|at| (ink[at] * 255.0).round() as u8))
}

/// Part of each pixel that a pen covers, row by row, in a picture of this width and height.
fn inked(paths: &[Vec<Point>], width_px: f32, [width, height]: [usize; 2]) -> Vec<f32> {
    let mut nearest = vec![f32::MAX; width * height];
    // pixels from a point on a side; beyond it there is no ink
    let reach = width_px / 2.0 + 1.0;
    let range = |a: f32, b: f32, side: usize| {
        (a.min(b) - reach).max(0.0) as usize..((a.max(b) + reach).max(0.0) as usize + 1).min(side)
    };
    for pair in paths.iter().flat_map(|path| path.windows(2)) {
        let [from, to] = [pair[0], pair[1]];
        let along = [to[0] - from[0], to[1] - from[1]];
        let length2 = (along[0] * along[0] + along[1] * along[1]).max(f32::MIN_POSITIVE);
        for row in range(from[1], to[1], height) {
            for column in range(from[0], to[0], width) {
                let off = [column as f32 + 0.5 - from[0], row as f32 + 0.5 - from[1]];
                let t = ((off[0] * along[0] + off[1] * along[1]) / length2).clamp(0.0, 1.0);
                let [dx, dy] = [0, 1].map(|c| off[c] - t * along[c]);
                let nearest = &mut nearest[row * width + column];
                *nearest = nearest.min(dx.hypot(dy));
            }
        }
    }
    nearest.into_iter().map(|distance| (width_px / 2.0 - distance + 0.5).clamp(0.0, 1.0)).collect()
}

fn pixel_middle(at: usize) -> Point {
    [(at % IMAGE_SIDE) as f32 + 0.5, (at / IMAGE_SIDE) as f32 + 0.5]
}

/// In pixels from the edges; the middle of an empty picture.
fn centre_of_mass(image: &Image) -> Point {
    let mass: f32 = image.pixels().iter().map(|&ink| f32::from(ink)).sum();
    if mass == 0.0 {
        return [CENTRE_PX; 2];
    }
    [0, 1].map(|c| {
        let moment = |(at, &ink): (usize, &u8)| f32::from(ink) * pixel_middle(at)[c];
        image.pixels().iter().enumerate().map(moment).sum::<f32>() / mass
    })
}

#[cfg(test)]
mod tests {
    use runtime::PIXELS;

    use super::*;

    fn digits() -> Split {
        let square = |at: usize| {
            let [x, y] = pixel_middle(at);
            if (9.0..19.0).contains(&x) && (4.0..24.0).contains(&y) { 255 } else { 0 }
        };
        Split { images: vec![Image::mnist(std::array::from_fn(square))], labels: vec![1] }
    }

    #[test]
    fn synthetic_digits_stand_as_mnists_do() {
        let amounts = Synthetic { per_style: 20, rewritten: 0, non_digits: 0 };
        let made = generate(amounts, &digits(), 10, 1);
        assert_eq!(made.images.len(), 20 * styles::STYLES.len());
        for (image, label) in made.images.iter().zip(&made.labels) {
            let inked: Vec<Point> =
                (0..PIXELS).filter(|&at| image.pixels()[at] > 0).map(pixel_middle).collect();
            let side = |c: usize| {
                let [min, max] =
                    inked.iter().fold([f32::MAX, f32::MIN], |[l, m], p| [l.min(p[c]), m.max(p[c])]);
                max - min + 1.0
            };
            // a pixel that is touched at both ends
            let longer = side(0).max(side(1));
            assert!((19.0..=22.0).contains(&longer), "{label}: {longer}\n{image:?}");
            for c in centre_of_mass(image) {
                assert!((c - CENTRE_PX).abs() < 0.3, "{label}: {c}\n{image:?}");
            }
        }
    }

    #[test]
    fn equal_seeds_give_equal_pictures_and_others_different_ones() {
        let amounts = Synthetic { per_style: 1, rewritten: 0, non_digits: 20 };
        let some = |seed| generate(amounts, &digits(), 10, seed);
        let (one, again, other) = (some(1), some(1), some(2));
        assert!(one.images == again.images && one.labels == again.labels);
        assert!(one.images.iter().zip(&other.images).all(|(one, other)| one != other));
        assert!(one.labels.ends_with(&[10; 20]) && !one.labels[..20].contains(&10));
    }
}
