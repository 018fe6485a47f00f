//! What people also point a reader at: several digits, letters, signs, doodles, clothes, hills, scribbles, noise.

use std::f32::consts::TAU;

use image::{GrayImage, Luma};
use rand::RngExt;
use rand::rngs::StdRng;
use runtime::preprocess::{Content, Prepared, prepare};
use runtime::{IMAGE_SIDE, Image, PIXELS};

use super::{CENTRE_PX, Point, drawn, figures, pen, pixel_middle, smooth};

/// One picture of any kind that holds no single digit.
pub(super) fn draw(digits: &[Image], rng: &mut StdRng) -> Image {
    match rng.random_range(0..14) {
        0 => several(digits, rng),
        1 => scribble(rng),
        2 => silhouette(rng),
        3 => blobs(rng),
        4 => noise(rng),
        5 => scene(rng),
        _ => figure(rng),
    }
}

/// Two to four digits in a row.
fn several(digits: &[Image], rng: &mut StdRng) -> Image {
    let count = rng.random_range(2..=4);
    let step = 24.0 / (count as f32 + 0.3);
    let scale = step / rng.random_range(13.0..17.0);
    let mut ink = [0.0_f32; PIXELS];
    for place in 0..count {
        let digit = &digits[rng.random_range(0..digits.len())];
        let x = CENTRE_PX + (place as f32 - (count - 1) as f32 / 2.0) * step;
        let y = CENTRE_PX + rng.random_range(-1.5..1.5);
        for (at, ink) in ink.iter_mut().enumerate() {
            let [column, row] = pixel_middle(at);
            let from = [(column - x) / scale + CENTRE_PX, (row - y) / scale + CENTRE_PX];
            *ink = ink.max(between(digit, from, 0.5 / scale));
        }
    }
    Image::mnist(ink.map(|ink| ink as u8))
}

/// Mean of the four points at ±`reach` around `at`: half a pixel of the smaller picture.
fn between(image: &Image, at: Point, reach: f32) -> f32 {
    let side = IMAGE_SIDE as f32;
    let pixel = |x: f32, y: f32| {
        let inside = (0.0..side).contains(&x) && (0.0..side).contains(&y);
        if inside { f32::from(image.pixels()[y as usize * IMAGE_SIDE + x as usize]) } else { 0.0 }
    };
    let [low, high] = [-reach / 2.0, reach / 2.0];
    let sum: f32 = [(low, low), (low, high), (high, low), (high, high)]
        .iter()
        .map(|(dx, dy)| pixel(at[0] + dx, at[1] + dy))
        .sum();
    sum / 4.0
}

/// A line with too many turns for a digit.
fn scribble(rng: &mut StdRng) -> Image {
    let turns = rng.random_range(9..20);
    let points: Vec<Point> =
        (0..turns).map(|_| [rng.random_range(0.0..1.0), rng.random_range(0.0..1.0)]).collect();
    pen(&[smooth(&points)], rng.random_range(1.2..3.0))
}

/// A letter, a sign or a doodle.
fn figure(rng: &mut StdRng) -> Image {
    loop {
        let paths = figures::draw(rng);
        let hand = [
            rng.random_range(-0.2..0.3),
            rng.random_range(0.7..1.2),
            rng.random_range(-0.25..0.25),
        ];
        let image = drawn(&paths, hand, rng);
        // the reader may leave a stroke of `!` alone
        if !is_one(&image) {
            return image;
        }
    }
}

/// Whether all of it may be a 1: one stroke downwards.
fn is_one(image: &Image) -> bool {
    const MAX_STROKE_PX: usize = 7;
    let spans: Vec<usize> = image
        .pixels()
        .chunks(IMAGE_SIDE)
        .map(|row| {
            let inked = || (0..IMAGE_SIDE).filter(|&at| row[at] > 100);
            inked().max().map_or(0, |last| last + 1 - inked().min().unwrap_or(last))
        })
        .collect();
    let inked = || (0..IMAGE_SIDE).filter(|&row| spans[row] > 0);
    let (Some(first), Some(last)) = (inked().min(), inked().max()) else { return false };
    spans[first..=last].iter().all(|span| (1..=MAX_STROKE_PX).contains(span)) && last > first + 8
}

/// A filled shape, the same to the left and to the right, often parted in the middle: clothes, vases, people.
fn silhouette(rng: &mut StdRng) -> Image {
    let knots: [f32; 6] = std::array::from_fn(|_| rng.random_range(1.0..10.0));
    let parted_from = rng.random_range(6.0..34.0);
    let parted = rng.random_range(0.8..2.5);
    let shade: [f32; 3] = std::array::from_fn(|_| rng.random_range(0.0..1.0));
    Image::mnist(std::array::from_fn(|at| {
        let [x, y] = pixel_middle(at);
        let height = (y - 4.0) / 20.0;
        if !(0.0..1.0).contains(&height) {
            return 0;
        }
        let knot = height * 5.0;
        let (below, part) = (knot as usize, knot.fract());
        let width = knots[below] * (1.0 - part) + knots[(below + 1).min(5)] * part;
        let off = (x - CENTRE_PX).abs();
        let gap = if y > parted_from { off - parted } else { f32::MAX };
        let cover = (width - off).min(gap).clamp(-0.5, 0.5) + 0.5;
        let light = 0.5 + 0.5 * (shade[0] + shade[1] * (x * shade[2]).sin().abs()).min(1.0);
        (cover * light * 255.0) as u8
    }))
}

/// Waves cut at a level: hills, clouds, foliage, stains.
fn blobs(rng: &mut StdRng) -> Image {
    let waves: Vec<[f32; 4]> = (0..5)
        .map(|_| {
            let turn = rng.random_range(0.0..TAU);
            let short = rng.random_range(0.1..0.7);
            [turn.cos() * short, turn.sin() * short, rng.random_range(0.0..TAU), 1.0 / short]
        })
        .collect();
    let level = rng.random_range(-2.0..3.0);
    let sharp = rng.random_range(0.2..2.0);
    Image::mnist(std::array::from_fn(|at| {
        let [x, y] = pixel_middle(at);
        let framed = [x, y].iter().all(|c| (4.0..24.5).contains(c));
        let height: f32 =
            waves.iter().map(|[a, b, c, size]| size * (a * x + b * y + c).sin()).sum();
        let ink = ((height - level) * sharp + 0.5).clamp(0.0, 1.0);
        if framed { (ink * 255.0) as u8 } else { 0 }
    }))
}

/// What the reader of pictures makes of flat shapes in front of clouds.
fn scene(rng: &mut StdRng) -> Image {
    const SIDE: u32 = 112;
    loop {
        let rough = rng.random_range(0.3..0.8);
        let layers: Vec<Clouds> = (0..5).map(|octave| Clouds::new(octave, rough, rng)).collect();
        let shapes: Vec<Shape> = (0..rng.random_range(0..6)).map(|_| Shape::new(rng)).collect();
        let picture = GrayImage::from_fn(SIDE, SIDE, |x, y| {
            let at = [x, y].map(|c| (c as f32 + 0.5) / SIDE as f32);
            let clouds = 128.0 + layers.iter().map(|layer| layer.at(at)).sum::<f32>();
            let shape = shapes.iter().rev().find(|shape| shape.holds(at));
            Luma([shape.map_or(clouds, |shape| shape.light + 0.3 * (clouds - 128.0)) as u8])
        });
        let Prepared { image, content } = prepare(&picture.into());
        if content == Content::Drawing {
            return image;
        }
    }
}

/// Brightness that goes smoothly from one random value to the next.
struct Clouds {
    cells: usize,
    values: Vec<f32>,
}

impl Clouds {
    /// Of twice as many cells an octave, each `rough` times as strong as the one before.
    fn new(octave: i32, rough: f32, rng: &mut StdRng) -> Self {
        let cells = 2 << octave;
        let strength = 90.0 * rough.powi(octave);
        let values = 0..(cells + 1) * (cells + 1);
        let values = values.map(|_| rng.random_range(-strength..strength)).collect();
        Self { cells, values }
    }

    fn at(&self, [x, y]: Point) -> f32 {
        let [x, y] = [x, y].map(|c| c * self.cells as f32);
        let value = |x: usize, y: usize| self.values[y * (self.cells + 1) + x];
        let (left, top) = (x as usize, y as usize);
        let (right_part, bottom_part) = (x.fract(), y.fract());
        let upper = value(left, top) * (1.0 - right_part) + value(left + 1, top) * right_part;
        let lower =
            value(left, top + 1) * (1.0 - right_part) + value(left + 1, top + 1) * right_part;
        upper * (1.0 - bottom_part) + lower * bottom_part
    }
}

/// A box or an ellipse of one brightness.
struct Shape {
    middle: Point,
    size: Point,
    round: bool,
    light: f32,
}

impl Shape {
    fn new(rng: &mut StdRng) -> Self {
        Self {
            middle: [0; 2].map(|_| rng.random_range(0.1..0.9)),
            size: [0; 2].map(|_| rng.random_range(0.03..0.4)),
            round: rng.random_range(0..2) == 0,
            light: rng.random_range(0.0..255.0),
        }
    }

    fn holds(&self, at: Point) -> bool {
        let [x, y] = [0, 1].map(|c| (at[c] - self.middle[c]).abs() / self.size[c]);
        if self.round { x.hypot(y) < 1.0 } else { x.max(y) < 1.0 }
    }
}

/// Dots.
fn noise(rng: &mut StdRng) -> Image {
    let dense = rng.random_range(0.0..0.6);
    let margin = rng.random_range(0.0..8.0);
    Image::mnist(std::array::from_fn(|at| {
        let [x, y] = pixel_middle(at);
        let side = IMAGE_SIDE as f32;
        let framed = [x, y].iter().all(|c| (margin..side - margin).contains(c));
        let (lot, ink) = (rng.random_range(0.0..1.0), rng.random_range(0..=255));
        if framed && lot < dense { ink } else { 0 }
    }))
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    #[test]
    fn a_bar_may_be_a_one_and_what_is_parted_or_wide_is_none() {
        let mut rng = StdRng::seed_from_u64(1);
        assert!(is_one(&pen(&[vec![[0.0, 0.0], [0.1, 1.0]]], 3.0)));
        let marked = [vec![[0.0, 0.0], [0.0, 0.68]], vec![[0.0, 0.95], [0.0, 1.0]]];
        assert!(!is_one(&pen(&marked, 2.0)));
        assert!(!is_one(&pen(&[vec![[0.0, 0.0], [1.0, 0.1]]], 3.0)));
        assert!(!is_one(&Image::mnist([0; PIXELS])));
        assert!((0..200).all(|_| !is_one(&figure(&mut rng))));
    }
}
