//! Synthetic pictures that MNIST lacks, of strokes and shapes: digits in other styles, and non-digits.
//!
//! Each stands as MNIST's digits do: in a box of 20 pixels, centre of mass in the middle, ink 255 on 0.

pub mod non_digits;
pub mod styles;

use dataset::idx::Split;
use rand::SeedableRng;
use rand::rngs::StdRng;
use runtime::{IMAGE_SIDE, Image, PIXELS};

/// Longer side of a drawing, in pixels.
const BOX_PX: f32 = 20.0;
/// Middle of a picture, in pixels from its edge; MNIST's centres of mass lie here.
const CENTRE_PX: f32 = IMAGE_SIDE as f32 / 2.0 + 0.5;

/// How many pictures are added to the training images of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Synthetic {
    /// Of each style of [`styles`].
    pub per_style: usize,
    /// Of [`non_digits`].
    pub non_digits: usize,
}

/// Digits with their labels, then what is no digit, with the label `non_digit`; equal seeds draw equally.
///
/// `digits` are MNIST's, for pictures that hold several.
#[must_use]
pub fn generate(amounts: Synthetic, digits: &[Image], non_digit: u8, seed: u64) -> Split {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut split = Split { images: vec![], labels: vec![] };
    for style in styles::STYLES {
        for _ in 0..amounts.per_style {
            split.images.push(style.draw(&mut rng));
            split.labels.push(style.digit);
        }
    }
    for _ in 0..amounts.non_digits {
        split.images.push(non_digits::draw(digits, &mut rng));
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

/// Draws paths of any size with a round pen of this width in pixels of the picture.
fn pen(paths: &[Vec<Point>], width_px: f32) -> Image {
    let points = || paths.iter().flatten();
    let extent = |c: usize| {
        points().fold([f32::MAX, f32::MIN], |[min, max], p| [min.min(p[c]), max.max(p[c])])
    };
    let [[left, right], [top, bottom]] = [extent(0), extent(1)];
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
    let mut nearest = [f32::MAX; PIXELS];
    for pair in paths.iter().flat_map(|path| path.windows(2)) {
        let [from, to] = [pair[0], pair[1]];
        let along = [to[0] - from[0], to[1] - from[1]];
        let length2 = (along[0] * along[0] + along[1] * along[1]).max(f32::MIN_POSITIVE);
        for (at, nearest) in nearest.iter_mut().enumerate() {
            let [x, y] = pixel_middle(at);
            let off = [x - from[0], y - from[1]];
            let t = ((off[0] * along[0] + off[1] * along[1]) / length2).clamp(0.0, 1.0);
            let [dx, dy] = [0, 1].map(|c| off[c] - t * along[c]);
            *nearest = nearest.min(dx.hypot(dy));
        }
    }
    Image::mnist(
        nearest.map(|distance| {
            ((width_px / 2.0 - distance + 0.5).clamp(0.0, 1.0) * 255.0).round() as u8
        }),
    )
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
    use super::*;

    fn digits() -> Vec<Image> {
        let square = |at: usize| {
            let [x, y] = pixel_middle(at);
            if (9.0..19.0).contains(&x) && (4.0..24.0).contains(&y) { 255 } else { 0 }
        };
        vec![Image::mnist(std::array::from_fn(square))]
    }

    #[test]
    fn synthetic_digits_stand_as_mnists_do() {
        let made = generate(Synthetic { per_style: 20, non_digits: 0 }, &digits(), 10, 1);
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
        let some = |seed| generate(Synthetic { per_style: 1, non_digits: 20 }, &digits(), 10, seed);
        let (one, again, other) = (some(1), some(1), some(2));
        assert!(one.images == again.images && one.labels == again.labels);
        assert!(one.images.iter().zip(&other.images).all(|(one, other)| one != other));
        assert!(one.labels.ends_with(&[10; 20]) && !one.labels[..20].contains(&10));
    }
}
