//! Fills hollow strokes: a digit that is drawn as its outline.
//!
//! A hollow stroke is paper that ink surrounds and that is itself like a stroke: much longer than wide. The holes of 0, 4,
//! 6, 8 and 9 are round.

use std::collections::{BTreeMap, BTreeSet};

use image::imageops;

use super::distance::squared_distances;
use super::group::{Group, groups};
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

/// Fills the hollow strokes.
pub(super) fn fill(strokes: &mut Mask) {
    let (width, height) = strokes.dimensions();
    let mut paper = strokes.clone();
    imageops::invert(&mut paper);
    let labels = regions::label(&paper, Connectivity::Four);
    let min_side = MIN_SIDE * width.max(height) as f32;
    let is_hole = |region: &Group| !region.touches_border && region.size() as f32 > min_side;
    let mut holes = groups(&labels);
    holes.retain(is_hole);
    if holes.is_empty() {
        return;
    }
    let line = line_width(strokes);
    let widths = widths(strokes, &labels);
    let marked = regions_with_marks(strokes, &labels);
    let is_hollow_stroke = |hole: &&Group| {
        let wide = widths[&hole.label];
        hole.area as f32 > MIN_AREA * wide * wide
            && wide < MAX_WIDTH * hole.size() as f32
            && wide > MIN_WIDTH * line
            && !marked.contains(&hole.label)
    };
    let hollow: Vec<u32> = holes.iter().filter(is_hollow_stroke).map(|hole| hole.label).collect();
    for (pixel, label) in strokes.pixels_mut().zip(labels.pixels()) {
        if hollow.contains(&label.0[0]) {
            pixel.0[0] = 255;
        }
    }
}

/// Mean width of each region of paper, in pixels: the points of a band are a quarter of its width from its edge, on
/// average.
fn widths(strokes: &Mask, paper: &Labels) -> BTreeMap<u32, f32> {
    let mut sums = BTreeMap::<u32, (f32, f32)>::new();
    let to_ink = squared_distances(strokes);
    for (label, distance) in paper.pixels().zip(to_ink.pixels()).filter(|(label, _)| label.0[0] > 0)
    {
        let (sum, count) = sums.entry(label.0[0]).or_default();
        *sum += distance.0[0].sqrt() - 0.5;
        *count += 1.0;
    }
    sums.into_iter().map(|(label, (sum, count))| (label, 4.0 * sum / count)).collect()
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

#[cfg(test)]
mod tests {
    use image::Luma;

    use super::*;

    /// The outlines, two pixels wide, of what is inside.
    fn outlines(inside: impl Fn(f32, f32) -> bool) -> Mask {
        Mask::from_fn(200, 200, |x, y| {
            let (x, y) = (x as f32, y as f32);
            let beside = [(x - 2.0, y), (x + 2.0, y), (x, y - 2.0), (x, y + 2.0)];
            let is_edge = inside(x, y) && !beside.into_iter().all(|(x, y)| inside(x, y));
            Luma([if is_edge { 255 } else { 0 }])
        })
    }

    fn solid(inside: impl Fn(f32, f32) -> bool) -> Mask {
        Mask::from_fn(200, 200, |x, y| Luma([if inside(x as f32, y as f32) { 255 } else { 0 }]))
    }

    fn oval(x: f32, y: f32) -> f32 {
        ((x - 100.0) * 1.5).hypot(y - 100.0)
    }

    #[test]
    fn hollow_digits_are_filled() {
        let seven = |x: f32, y: f32| {
            let bar = (30.0..60.0).contains(&y) && (50.0..150.0).contains(&x);
            bar || (125.0..150.0).contains(&x) && (30.0..170.0).contains(&y)
        };
        let zero = |x: f32, y: f32| (55.0..85.0).contains(&oval(x, y));
        let [mut hollow_seven, mut hollow_zero] = [outlines(seven), outlines(zero)];
        fill(&mut hollow_seven);
        fill(&mut hollow_zero);
        assert!(hollow_seven == solid(seven) && hollow_zero == solid(zero));
    }

    #[test]
    fn zeros_also_slim_slashed_and_dotted_ones_and_boxes_stay_as_they_are() {
        let ring = |x: f32, y: f32| (70.0..78.0).contains(&oval(x, y));
        let slim = |x: f32, y: f32| (70.0..78.0).contains(&((x - 100.0) * 4.0).hypot(y - 100.0));
        let slash = |x: f32, y: f32| (x - 100.0).abs() < 4.0 && (y - 100.0).abs() < 40.0;
        let long_slash = |x: f32, y: f32| (x - 100.0).abs() < 4.0 && (y - 100.0).abs() < 90.0;
        let side = |at: f32| (20.0..24.0).contains(&at) || (176.0..180.0).contains(&at);
        let boxed = |x: f32, y: f32| {
            let inside = (20.0..180.0).contains(&x) && (20.0..180.0).contains(&y);
            inside && (side(x) || side(y)) || long_slash(x, (y - 100.0) * 2.0 + 100.0)
        };
        for mut strokes in [
            solid(ring),
            solid(slim),
            solid(|x, y| ring(x, y) || slash(x, y)),
            solid(|x, y| ring(x, y) || long_slash(x, y)),
            solid(boxed),
        ] {
            let before = strokes.clone();
            fill(&mut strokes);
            assert!(strokes == before);
        }
    }
}
