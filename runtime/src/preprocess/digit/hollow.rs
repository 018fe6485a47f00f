//! Fills hollow strokes: a digit that is drawn as its outline.
//!
//! A hollow stroke is paper that ink surrounds and that is itself like a stroke: much longer than wide. The holes of 0, 4,
//! 6, 8 and 9 are round.

use std::collections::{BTreeMap, BTreeSet};

use image::imageops;

use super::distance::squared_distances;
use super::regions::{self, Connectivity, Labels};
use super::strokes::Mask;

/// Minimum area of a hollow stroke, in squares of its width: a 1 has 6, and the hole of a slim 0 has 4.
const MIN_AREA: f32 = 6.0;
/// Maximum width of a hollow stroke, in parts of its longer side: what is wider is the inside of a frame.
const MAX_WIDTH: f32 = 0.28;
/// Minimum width of a hollow stroke, in widths of the line around it: less is a gap between strokes, such as beside the
/// slash of a 0.
const MIN_WIDTH: f32 = 3.0;
/// Minimum longer side, in parts of the picture's.
const MIN_SIDE: f32 = 0.12;

struct Region {
    area: u32,
    left: u32,
    top: u32,
    right: u32,
    bottom: u32,
    /// Distances of all its pixels from ink.
    distances: f32,
}

/// Fills the hollow strokes.
pub(super) fn fill(strokes: &mut Mask) {
    let (width, height) = strokes.dimensions();
    let mut paper = strokes.clone();
    imageops::invert(&mut paper);
    let labels = regions::label(&paper, Connectivity::Four);
    let to_ink = squared_distances(strokes);
    let mut found = BTreeMap::<u32, Region>::new();
    let mut outside = BTreeSet::new();
    for ((x, y, label), distance) in labels.enumerate_pixels().zip(to_ink.pixels()) {
        let label = label.0[0];
        if label == 0 {
            continue;
        }
        if x == 0 || y == 0 || x + 1 == width || y + 1 == height {
            outside.insert(label);
        }
        let region = found.entry(label).or_insert(Region {
            area: 0,
            left: x,
            top: y,
            right: x,
            bottom: y,
            distances: 0.0,
        });
        region.area += 1;
        (region.left, region.right) = (region.left.min(x), region.right.max(x));
        region.bottom = y;
        region.distances += distance.0[0].sqrt() - 0.5;
    }
    let line = line_width(strokes);
    let marked = regions_with_marks(strokes, &labels);
    found.retain(|label, region| {
        let side = ((region.right - region.left).max(region.bottom - region.top) + 1) as f32;
        // the points of a band are a quarter of its width from its edge, on average
        let wide = 4.0 * region.distances / region.area as f32;
        !outside.contains(label)
            && !marked.contains(label)
            && region.area as f32 > MIN_AREA * wide * wide
            && wide < MAX_WIDTH * side
            && wide > MIN_WIDTH * line
            && side > MIN_SIDE * width.max(height) as f32
    });
    for (pixel, label) in strokes.pixels_mut().zip(labels.pixels()) {
        if found.contains_key(&label.0[0]) {
            pixel.0[0] = 255;
        }
    }
}

/// Regions of paper that hold ink around which there is nothing else, and in which there is nothing: a dot or a slash in a
/// 0. The holes of hollow digits have outlines of their own.
fn regions_with_marks(strokes: &Mask, paper: &Labels) -> BTreeSet<u32> {
    let (width, height) = strokes.dimensions();
    let ink = regions::label(strokes, Connectivity::Eight);
    let mut beside = BTreeMap::<u32, BTreeSet<u32>>::new();
    for (x, y, label) in ink.enumerate_pixels().filter(|(_, _, label)| label.0[0] > 0) {
        let regions = beside.entry(label.0[0]).or_default();
        if x == 0 || y == 0 || x + 1 == width || y + 1 == height {
            regions.insert(0);
            continue;
        }
        for (x, y) in [(x + 1, y), (x - 1, y), (x, y + 1), (x, y - 1)] {
            match paper.get_pixel(x, y).0[0] {
                0 => {}
                region => _ = regions.insert(region),
            }
        }
    }
    beside.into_values().filter(|regions| regions.len() == 1).flatten().collect()
}

/// Width of thin strokes, in pixels: each has two edges.
fn line_width(strokes: &Mask) -> f32 {
    let (width, height) = strokes.dimensions();
    let inked = |x: u32, y: u32| x < width && y < height && strokes.get_pixel(x, y).0[0] > 0;
    let (mut area, mut edges) = (0, 0);
    for (x, y, _) in strokes.enumerate_pixels().filter(|(_, _, pixel)| pixel.0[0] > 0) {
        area += 1;
        let beside = [(x + 1, y), (x.wrapping_sub(1), y), (x, y + 1), (x, y.wrapping_sub(1))];
        edges += usize::from(!beside.into_iter().all(|(x, y)| inked(x, y)));
    }
    2.0 * area as f32 / (edges as f32).max(1.0)
}
