//! Takes printed lines out of the ink: ruled and squared paper, margins, the sides of a box.
//!
//! A printed line is straight, crosses the picture nearly along a side, and is thin. Where a stroke crosses it the
//! ink is wider than the line, and stays. One line alone may be the stroke of a 1 or the bar of a 7: it is
//! printed only if it is much thinner than the rest of the ink.

use image::{GrayImage, ImageBuffer, Luma, imageops};

use super::ink::Ink;
use super::quantile::quantile;

/// Maximum slope of a line, in pixels down per pixel along: 8 degrees, as paper lies askew under a camera.
const MAX_SLOPE: f32 = 0.14;
/// Minimum part of a line that is seen, where no stroke crosses it: prints fade and photographs blur.
const MIN_SEEN: f32 = 0.8;
/// Minimum part of the picture that it crosses. The bar of a 7 or of a 5 is shorter than that.
const MIN_CROSSED: f32 = 0.6;
/// Maximum width of a line, in parts of the longer side.
const MAX_WIDTH: f32 = 0.035;
/// The same in pixels, where that is more: in a small picture no line is thinner than its blur.
const MAX_WIDTH_PX: f32 = 3.0;
/// Maximum width of a single line, in parts of the pen's: a wider one is taken for a stroke.
const MAX_SINGLE_WIDTH: f32 = 0.6;
/// Minimum ink of a line on clean paper: printed lines are fainter than pens.
const MIN_INK: f32 = 0.2;
/// The same where paper is noisy, in standard deviations of its noise.
const MIN_INK_SIGMAS: f32 = 4.0;
/// Where noise would ask for more ink than this, lines of usual strength would be missed.
const MAX_MIN_INK: f32 = 0.45;
/// Columns in which lines are looked for. All pairs of ends are tried, so each column costs time.
const COLUMNS: u32 = 100;

/// Height of the run of ink at each pixel, 0 off the ink.
type Runs = ImageBuffer<Luma<u16>, Vec<u16>>;

/// Kinds of a pixel under a line: no ink, a run of ink that is thin enough for a line, a thicker one.
const PAPER: u8 = 0;
const THIN: u8 = 1;
const THICK: u8 = 2;

/// A line from the left side to the right one.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Line {
    /// Row in which it leaves the left side.
    left: f32,
    /// Row in which it meets the right side.
    right: f32,
    /// Part of it that is seen.
    seen: f32,
}

impl Line {
    /// Its row in a column of a picture of this width.
    fn row(&self, x: u32, width: u32) -> f32 {
        self.left + (self.right - self.left) * (x as f32 + 0.5) / width as f32
    }
}

/// Clears the lines along both sides of a picture whose paper has this background noise; the strokes stay.
pub(super) fn remove(ink: &Ink, noise: f32) -> Ink {
    let min_ink = (MIN_INK_SIGMAS * noise).clamp(MIN_INK, MAX_MIN_INK);
    let across = without_level_lines(ink, min_ink);
    imageops::rotate270(&without_level_lines(&imageops::rotate90(&across), min_ink))
}

fn without_level_lines(ink: &Ink, min_ink: f32) -> Ink {
    let (width, height) = ink.dimensions();
    let max_width = (width.max(height) as f32 * MAX_WIDTH).max(MAX_WIDTH_PX);
    let runs = runs(ink, min_ink);
    let kinds = GrayImage::from_fn(width, height, |x, y| {
        Luma([match runs.get_pixel(x, y).0[0] {
            0 => PAPER,
            run if f32::from(run) <= max_width => THIN,
            _ => THICK,
        }])
    });
    let mut cleared = ink.clone();
    let lines: Vec<(Line, f32)> = lines(&kinds, max_width)
        .into_iter()
        .map(|line| (line, line_width(&line, &runs, &kinds)))
        .collect();
    if lines.is_empty() {
        return cleared;
    }
    // what the strokes are like is measured away from the lines, or squares would pass for a thin pen
    let pen = pen_width(ink, min_ink, &runs, &lines);
    let may_be_a_stroke = matches!(lines[..], [(_, width)] if width > MAX_SINGLE_WIDTH * pen);
    // without ink beside them the lines are all that is drawn, so they are strokes
    if pen == 0.0 || may_be_a_stroke {
        return cleared;
    }
    for (line, line_width) in lines {
        // beside the line are the pixels that it covers in part
        let reach = (line_width * 0.75 + 1.5).ceil() as i64;
        for x in 0..width {
            let row = line.row(x, width).round() as i64;
            for y in (row - reach).max(0)..(row + reach + 1).min(i64::from(height)) {
                // 1.7 lines: a stroke that only touches the line makes it wider, and may lose that much
                let crossed = f32::from(runs.get_pixel(x, y as u32).0[0]) > line_width * 1.7 + 1.0;
                if !crossed {
                    cleared.put_pixel(x, y as u32, Luma([0.0]));
                }
            }
        }
    }
    cleared
}

fn runs(ink: &Ink, min_ink: f32) -> Runs {
    let (width, height) = ink.dimensions();
    let mut runs = Runs::new(width, height);
    for x in 0..width {
        let mut top = 0;
        for y in 0..=height {
            if y == height || ink.get_pixel(x, y).0[0] <= min_ink {
                for row in top..y {
                    runs.put_pixel(x, row, Luma([(y - top) as u16]));
                }
                top = y + 1;
            }
        }
    }
    runs
}

/// Median height of the ink along a line: a median, since strokes cross it.
fn line_width(line: &Line, runs: &Runs, kinds: &GrayImage) -> f32 {
    let (width, height) = runs.dimensions();
    let along = (0..width).filter_map(|x| {
        let row = line.row(x, width).round() as i64;
        // two rows beside, since a line that bends leaves the straight one that was found
        ((row - 2).max(0)..(row + 3).min(i64::from(height)))
            .map(|y| (x, y as u32))
            .filter(|&(x, y)| kinds.get_pixel(x, y).0[0] == THIN)
            .map(|(x, y)| f32::from(runs.get_pixel(x, y).0[0]))
            .reduce(f32::max)
    });
    quantile(&along.collect::<Vec<_>>(), 0.5)
}

/// Width of the strokes that lie on no line, where they are thin; 0 if there are none.
fn pen_width(ink: &Ink, min_ink: f32, runs: &Runs, lines: &[(Line, f32)]) -> f32 {
    let (width, height) = runs.dimensions();
    let beside = width as f32 * 0.02 + 2.0;
    // a slanted stroke is longer down than it is wide, or longer across
    let across = self::runs(&imageops::rotate90(ink), min_ink);
    let widths = runs.enumerate_pixels().filter_map(|(x, y, down)| {
        let inked = down.0[0] > 0;
        let on_a_line =
            lines.iter().any(|(line, _)| (line.row(x, width) - y as f32).abs() <= beside);
        let across = across.get_pixel(height - 1 - y, x);
        (inked && !on_a_line).then(|| f32::from(down.0[0].min(across.0[0])))
    });
    // a low quantile: where strokes meet, and in their bends, runs are longer than the pen is wide
    quantile(&widths.collect::<Vec<_>>(), 0.25)
}

/// Straight lines of at most this width that cross the picture, the clearest first, each once.
fn lines(kinds: &GrayImage, max_width: f32) -> Vec<Line> {
    let (width, height) = kinds.dimensions();
    let columns: Vec<u32> = (0..width).step_by((width / COLUMNS).max(1) as usize).collect();
    // a row beside the line counts too: printed lines bend a little
    let near: Vec<Vec<u8>> = columns
        .iter()
        .map(|&x| {
            let kind = |y: u32| {
                let rows = y.saturating_sub(1)..(y + 2).min(height);
                let kinds = rows.map(|row| kinds.get_pixel(x, row).0[0]);
                if kinds.clone().any(|kind| kind == THIN) {
                    THIN
                } else {
                    kinds.max().unwrap_or(PAPER)
                }
            };
            (0..height).map(kind).collect()
        })
        .collect();
    // a line that stays within the picture misses what has no ink, wherever it goes
    let blank = near.iter().filter(|column| column.iter().all(|kind| *kind == PAPER)).count();
    let inside_is_seen = blank <= max_misses(columns.len());
    let stays_inside = |line: f32| (0.0..height as f32).contains(&line);
    // lines may enter and leave through the upper and lower side, so their ends may lie outside
    let rise = (width as f32 * MAX_SLOPE) as i32;
    let mut found: Vec<Line> = (-rise..height as i32 + rise)
        .flat_map(|left| (left - rise..=left + rise).map(move |right| (left as f32, right as f32)))
        .filter(|(left, right)| left.max(*right) >= 0.0 && left.min(*right) < height as f32)
        .filter(|(left, right)| inside_is_seen || !stays_inside(*left) || !stays_inside(*right))
        .filter_map(|(left, right)| {
            let line = Line { left: left + 0.5, right: right + 0.5, seen: 0.0 };
            let seen = seen(&line, width, &columns, &near)?;
            Some(Line { seen, ..line })
        })
        .collect();
    let mut lines: Vec<Line> = vec![];
    // the first of the clearest
    while let Some(line) =
        found.iter().copied().rev().max_by(|one, other| one.seen.total_cmp(&other.seen))
    {
        // lines that cross, or run close, are the same line met at another slope
        found.retain(|other| {
            let (left, right) = (line.left - other.left, line.right - other.right);
            left * right > 0.0 && left.abs().min(right.abs()) >= max_width + 3.0
        });
        lines.push(line);
    }
    lines
}

/// In how many of these columns a line may be missed.
fn max_misses(columns: usize) -> usize {
    ((1.0 - MIN_SEEN) * columns as f32) as usize
}

/// Part of a line that is seen; `None` if it is not a printed line.
fn seen(line: &Line, width: u32, columns: &[u32], near: &[Vec<u8>]) -> Option<f32> {
    let max_misses = max_misses(columns.len());
    let mut met = [0; 3];
    for (&x, column) in columns.iter().zip(near) {
        let row = line.row(x, width);
        if row >= 0.0 && (row as usize) < column.len() {
            met[usize::from(column[row as usize])] += 1;
            if met[usize::from(PAPER)] > max_misses {
                return None;
            }
        }
    }
    let [misses, hits, crossings] = met;
    // crossings say nothing: below a stroke the line may go on or not
    let seen = hits as f32 / (hits + misses).max(1) as f32;
    let crosses = (hits + misses + crossings) as f32 > MIN_CROSSED * columns.len() as f32;
    (seen >= MIN_SEEN && hits > crossings && crosses).then_some(seen)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ink by a function of the pixel's place, on 200 by 160 pixels.
    fn synthetic(ink: impl Fn(f32, f32) -> f32) -> Ink {
        Ink::from_fn(200, 160, |x, y| Luma([ink(x as f32, y as f32)]))
    }

    fn pen(x: f32, y: f32) -> bool {
        // a V, 12 wide: no part of it runs along a side
        (20.0..140.0).contains(&y) && ((x - 100.0).abs() - (140.0 - y) / 3.0).abs() < 6.0
    }

    fn squared(x: f32, y: f32) -> bool {
        // squares of 25 pixels, askew by 3 degrees
        (x + 0.05 * y).rem_euclid(25.0) < 2.0 || (y - 0.05 * x).rem_euclid(25.0) < 2.0
    }

    #[test]
    fn squares_go_and_strokes_stay() {
        let cleared = remove(
            &synthetic(|x, y| {
                if pen(x, y) {
                    1.0
                } else if squared(x, y) {
                    0.7
                } else {
                    0.0
                }
            }),
            0.0,
        );
        let (mut strokes, mut kept, mut left) = (0, 0, 0);
        for (x, y, ink) in cleared.enumerate_pixels() {
            let inked = ink.0[0] > 0.0;
            if pen(x as f32, y as f32) {
                strokes += 1;
                kept += u32::from(inked);
            } else {
                left += u32::from(inked);
            }
        }
        assert!(kept * 100 > strokes * 97, "{kept} of {strokes} pixels of the strokes");
        assert!(left * 100 < 200 * 160, "{left} pixels of the squares");
    }

    #[test]
    fn a_stroke_across_the_whole_picture_is_no_printed_line() {
        let one = synthetic(|x, _| if (90.0..96.0).contains(&x) { 1.0 } else { 0.0 });
        assert!(remove(&one, 0.0) == one);
        let seven = synthetic(|x, y| {
            let bar = (20.0..26.0).contains(&y);
            let leg = (y - 20.0) * 0.6 + x > 195.0 && (y - 20.0) * 0.6 + x < 202.0 && y > 20.0;
            if bar || leg { 1.0 } else { 0.0 }
        });
        assert!(remove(&seven, 0.0) == seven);
    }

    #[test]
    fn one_thin_line_under_a_digit_goes() {
        let ruled = |x: f32, y: f32| {
            if pen(x, y) {
                1.0
            } else if (142.0..144.0).contains(&y) {
                0.8
            } else {
                0.0
            }
        };
        let cleared = remove(&synthetic(ruled), 0.0);
        assert!(cleared == synthetic(|x, y| if pen(x, y) { 1.0 } else { 0.0 }));
    }

    #[test]
    fn blank_and_tiny_pictures_stay_as_they_are() {
        for (width, height) in [(1, 1), (1, 300), (300, 1), (40, 40)] {
            let blank = Ink::new(width, height);
            assert!(remove(&blank, 0.0) == blank);
        }
    }
}
