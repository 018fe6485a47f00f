//! Which pixels are strokes, and which strokes are the digit.

use std::collections::{BTreeMap, BTreeSet};

use image::Luma;

use super::distance::squared_distances;
use super::ink::Ink;
use super::regions::{self, Connectivity, Labels};

/// Pixels that are strokes, 255, and that are not, 0.
pub(super) type Mask = image::GrayImage;

/// Minimum ink of a stroke: just under half of the pen's, so that pixels that touch at a corner hang together.
const MIN_INK: f32 = 0.42;
/// The same where paper is noisy, in standard deviations of its noise.
const MIN_INK_SIGMAS: f32 = 5.0;
/// More ink than this is never asked for, or thin strokes would break.
const MAX_MIN_INK: f32 = 0.6;

/// Maximum gap within a stroke, in parts of the picture's longer side: a dry pen skips.
const MAX_GAP_IN_STROKE: f32 = 0.015;
/// Maximum gap between strokes of one digit, in parts of its size: a 5 whose cap is apart.
const MAX_GAP_IN_DIGIT: f32 = 0.22;
/// The same for strokes that leave the picture: most belong to a neighbour.
const MAX_GAP_AT_BORDER: f32 = 0.08;
/// Minimum area of a stroke, in parts of the digit's main one: less is a speck.
const MIN_AREA: f32 = 0.04;
/// Minimum size and area of a second drawing, in parts of the digit's: what is smaller is a mark beside it. A 1 has a
/// fifth of the ink of a 0.
const MIN_OTHER_DRAWING: [f32; 2] = [0.45, 0.1];
/// Minimum height of a digit beside another one, and gap between them, in parts of the other's size: what is less is
/// a stroke of the same digit.
const MIN_BESIDE: [f32; 2] = [0.45, 0.07];
/// How far from the picture's edge sides of boxes and bars of windows reach, in parts of the longer side.
const BORDER: f32 = 0.2;
/// Minimum part of them that does, and minimum part of a side along which they go.
const MIN_NEAR: f32 = 0.95;
const MIN_ALONG: f32 = 0.7;
/// Minimum size of what is drawn inside, in parts of the picture's longer side.
const MIN_INSIDE: f32 = 0.15;
/// Minimum width of an underline, in its heights.
const MIN_UNDERLINE: u32 = 4;
/// Minimum part of its box that a frame surrounds; the oval of a 0 has less than 0.8.
const MIN_FRAMED: f32 = 0.88;
/// Minimum aspect of a round frame, its shorter side to the longer: zeros are slimmer.
const MIN_ROUND_FRAME: f32 = 0.85;

/// Cuts strokes from paper that has this background noise.
pub(super) fn threshold(ink: &Ink, noise: f32) -> Mask {
    let min_ink = MIN_INK.max(MIN_INK_SIGMAS * noise).min(MAX_MIN_INK);
    mask(ink.dimensions(), |x, y| ink.get_pixel(x, y).0[0] > min_ink)
}

fn mask((width, height): (u32, u32), inked: impl Fn(u32, u32) -> bool) -> Mask {
    Mask::from_fn(width, height, |x, y| Luma([if inked(x, y) { 255 } else { 0 }]))
}

/// The strokes that were taken for the digit.
pub(super) struct Digit {
    /// These alone.
    pub(super) strokes: Mask,
    /// Their part of all ink.
    pub(super) share: f32,
    /// Whether other drawings stand beside it.
    pub(super) several: bool,
}

/// Strokes that hang together, or nearly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Group {
    label: u32,
    area: u32,
    left: u32,
    top: u32,
    /// Inclusive, as is the next.
    right: u32,
    bottom: u32,
    touches_border: bool,
}

impl Group {
    const fn empty(label: u32) -> Self {
        let (left, top) = (u32::MAX, u32::MAX);
        Self { label, area: 0, left, top, right: 0, bottom: 0, touches_border: false }
    }

    fn add(&mut self, x: u32, y: u32, (width, height): (u32, u32)) {
        self.area += 1;
        (self.left, self.right) = (self.left.min(x), self.right.max(x));
        (self.top, self.bottom) = (self.top.min(y), self.bottom.max(y));
        self.touches_border |= x == 0 || y == 0 || x + 1 == width || y + 1 == height;
    }

    /// The smallest group that holds both.
    fn with(&self, other: &Self) -> Self {
        Self {
            label: self.label,
            area: self.area + other.area,
            left: self.left.min(other.left),
            top: self.top.min(other.top),
            right: self.right.max(other.right),
            bottom: self.bottom.max(other.bottom),
            touches_border: self.touches_border || other.touches_border,
        }
    }

    fn width(&self) -> u32 {
        self.right - self.left + 1
    }

    fn height(&self) -> u32 {
        self.bottom - self.top + 1
    }

    fn size(&self) -> u32 {
        self.width().max(self.height())
    }

    /// Whether it is a flat stroke below one of the others, and reaches about as far to both sides.
    fn underlines(&self, others: &[Self]) -> bool {
        self.width() >= MIN_UNDERLINE * self.height()
            && others.iter().any(|other| {
                let overlap =
                    (self.right.min(other.right) + 1).saturating_sub(self.left.max(other.left));
                let gap = self.top.saturating_sub(other.bottom);
                2 * overlap > other.width()
                    && 3 * other.height() > self.width()
                    && 2 * self.width() > other.width()
                    && other.height() > 3 * self.height()
                    && other.bottom < self.top
                    && (20 * gap > other.height() && 2 * gap < other.height())
            })
    }

    /// Whether it stands left or right of `other` as another digit would, `gap` pixels away.
    fn stands_beside(&self, other: &Self, gap: f32) -> bool {
        let [height, min_gap] = MIN_BESIDE;
        (self.right < other.left || self.left > other.right)
            && self.height() as f32 > height * other.height() as f32
            && gap > min_gap * other.size() as f32
    }

    fn holds(&self, other: &Self) -> bool {
        other.left > self.left
            && other.right < self.right
            && other.top > self.top
            && other.bottom < self.bottom
    }

    /// How likely it is the digit: large, in the middle, and not cut off.
    fn score(&self, (width, height): (u32, u32)) -> f32 {
        let x = (self.left + self.right) as f32 / 2.0 / width as f32 - 0.5;
        let y = (self.top + self.bottom) as f32 / 2.0 / height as f32 - 0.5;
        let central = (1.0 - x.hypot(y)).max(0.1);
        // a neighbour that the picture cuts is often the largest
        let whole = if self.touches_border { 0.4 } else { 1.0 };
        // area alone would prefer a blot to a thin digit, size alone a frame
        self.area as f32 * (self.size() as f32).sqrt() * central * whole
    }
}

/// Finds the digit with all its strokes, and leaves out specks, frames, and what comes in from the border.
pub(super) fn digit(strokes: &Mask) -> Option<Digit> {
    let size = strokes.dimensions();
    let labels = label(strokes);
    let mut groups = groups(&labels);
    let all = groups.clone();
    groups.retain(|group| !group.underlines(&all) && !runs_along_border(group, &all, &labels));
    let drawn: u32 = groups.iter().map(|group| group.area).sum();
    let main = loop {
        let scores = groups.iter().map(|group| group.score(size)).enumerate().rev();
        let (best, _) = scores.max_by(|(_, a), (_, b)| a.total_cmp(b))?;
        let best = groups.remove(best);
        // a frame is larger than what it frames; there may be two, one in the other
        if groups.is_empty() || !frames(best, &groups, &labels) {
            break best;
        }
    };
    let mut rest = groups;
    // a dot or a slash in a 0
    rest.retain(|group| !frames_mark(main, group, &labels));
    let mut whole = main;
    let mut chosen = BTreeSet::from([main.label]);
    let digit = loop {
        let digit = mask(size, |x, y| chosen.contains(&labels.get_pixel(x, y).0[0]));
        let gaps = gaps(&digit, &labels);
        // all at once: what joins only brings others nearer, so their order does not matter
        let joining: Vec<Group> = rest
            .extract_if(.., |group| belongs(group, gaps[&group.label], &main, &whole))
            .collect();
        if joining.is_empty() {
            break digit;
        }
        for group in joining {
            whole = whole.with(&group);
            chosen.insert(group.label);
        }
    };
    let [size, area] = MIN_OTHER_DRAWING;
    // what touches the border belongs to a neighbour that is not in the picture, and does not count
    let several = rest.iter().any(|group| {
        group.size() as f32 > size * main.size() as f32
            && group.area as f32 > area * main.area as f32
            && !group.touches_border
            && group.width() < MIN_UNDERLINE * group.height()
    });
    let area = |mask: &Mask| mask.pixels().filter(|pixel| pixel.0[0] > 0).count() as f32;
    let share = area(&digit) / drawn as f32;
    Some(Digit { strokes: digit, share, several })
}

/// Whether a group is the side of a box, the bar of a window or the edge of a sheet: it is near the sides of the
/// picture alone, and goes along most of one, while something else is drawn inside.
fn runs_along_border(group: &Group, all: &[Group], labels: &Labels) -> bool {
    let (width, height) = labels.dimensions();
    let longer = width.max(height) as f32;
    let is_inside = |other: &Group| {
        !other.touches_border && other.size() as f32 > MIN_INSIDE * longer.min(group.size() as f32)
    };
    if !group.touches_border || !all.iter().any(is_inside) {
        return false;
    }
    let margin = (longer * BORDER) as u32;
    let from_side = |x: u32, y: u32| x.min(y).min(width - 1 - x).min(height - 1 - y);
    let near = labels
        .enumerate_pixels()
        .filter(|(x, y, label)| label.0[0] == group.label && from_side(*x, *y) < margin)
        .count();
    let spans = group.width() as f32 > MIN_ALONG * width as f32
        || group.height() as f32 > MIN_ALONG * height as f32;
    spans && near as f32 > MIN_NEAR * group.area as f32
}

/// Whether `group`, `gap` pixels from the digit, is part of it: of `main` and what joined that, together `whole`.
fn belongs(group: &Group, gap: f32, main: &Group, whole: &Group) -> bool {
    let reach = if group.touches_border && !main.touches_border {
        MAX_GAP_AT_BORDER
    } else {
        MAX_GAP_IN_DIGIT
    };
    group.area as f32 > MIN_AREA * main.area as f32
        && gap < reach * whole.size() as f32
        && !group.stands_beside(main, gap)
}

/// Numbers the strokes, those of a dashed line alike.
fn label(strokes: &Mask) -> Labels {
    let (width, height) = strokes.dimensions();
    // strokes grow by the gap that is allowed, so that those nearer than that touch and get one number
    let reach = f64::from(width.max(height) as f32 * MAX_GAP_IN_STROKE);
    let away = squared_distances(strokes);
    let near = mask((width, height), |x, y| f64::from(away.get_pixel(x, y).0[0]) <= reach * reach);
    let mut labels = regions::label(&near, Connectivity::Eight);
    // and the paper between them gets none
    for (label, stroke) in labels.pixels_mut().zip(strokes.pixels()) {
        if stroke.0[0] == 0 {
            label.0[0] = 0;
        }
    }
    labels
}

fn groups(labels: &Labels) -> Vec<Group> {
    let mut groups = BTreeMap::<u32, Group>::new();
    for (x, y, label) in labels.enumerate_pixels().filter(|(_, _, label)| label.0[0] > 0) {
        let label = label.0[0];
        groups.entry(label).or_insert(Group::empty(label)).add(x, y, labels.dimensions());
    }
    groups.into_values().collect()
}

/// Minimum distance of each group from the digit, in pixels.
fn gaps(digit: &Mask, labels: &Labels) -> BTreeMap<u32, f32> {
    let away = squared_distances(digit);
    let mut gaps = BTreeMap::new();
    for (label, away) in labels.pixels().zip(away.pixels()).filter(|(label, _)| label.0[0] > 0) {
        let gap = gaps.entry(label.0[0]).or_insert(f32::MAX);
        *gap = gap.min(away.0[0].sqrt());
    }
    gaps
}

/// Whether `frame` is drawn around one of the others: that lies in a hole of it, and is no speck.
fn frames(frame: Group, others: &[Group], labels: &Labels) -> bool {
    let (width, height) = labels.dimensions();
    let inside: Vec<u32> = others
        .iter()
        .filter(|other| frame.holds(other) && 4 * other.size() > frame.size())
        .map(|other| other.label)
        .collect();
    // a frame of less than half the picture may be a 0 or the loop of an 8 or 9 around a blot
    if inside.is_empty() || 2 * frame.size() < width.max(height) {
        return false;
    }
    let surrounded = surrounded(frame, labels);
    let area = surrounded.pixels().filter(|pixel| pixel.0[0] > 0).count() as f32;
    let is_box = area > MIN_FRAMED * (frame.width() * frame.height()) as f32;
    let [shorter, longer] = [frame.width().min(frame.height()), frame.size()];
    let is_round = shorter as f32 > MIN_ROUND_FRAME * longer as f32;
    (is_box || is_round)
        && labels
            .pixels()
            .zip(surrounded.pixels())
            .any(|(label, surrounded)| inside.contains(&label.0[0]) && surrounded.0[0] > 0)
}

/// Whether `mark` lies in the hole of `ring`: a dot or a slash in a 0.
fn frames_mark(ring: Group, mark: &Group, labels: &Labels) -> bool {
    ring.holds(mark) && {
        let surrounded = surrounded(ring, labels);
        labels
            .pixels()
            .zip(surrounded.pixels())
            .any(|(label, surrounded)| label.0[0] == mark.label && surrounded.0[0] > 0)
    }
}

/// What cannot be reached from the picture's edge without crossing a group, and the group itself.
fn surrounded(group: Group, labels: &Labels) -> Mask {
    let (width, height) = labels.dimensions();
    // one pixel more on each side, so that all that is outside hangs together
    let open = mask((width + 2, height + 2), |x, y| {
        let within = (1..=width).contains(&x) && (1..=height).contains(&y);
        !within || labels.get_pixel(x - 1, y - 1).0[0] != group.label
    });
    // by sides only: through the corners of a frame one pixel thin, the outside would leak in
    let regions = regions::label(&open, Connectivity::Four);
    let outside = regions.get_pixel(0, 0);
    mask((width, height), |x, y| regions.get_pixel(x + 1, y + 1) != outside)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Draws filled rectangles, each left, top, width and height.
    fn rectangles(rectangles: &[[u32; 4]]) -> Mask {
        mask((100, 100), |x, y| {
            rectangles.iter().any(|&[left, top, width, height]| {
                (left..left + width).contains(&x) && (top..top + height).contains(&y)
            })
        })
    }

    fn area(strokes: &Mask) -> usize {
        strokes.pixels().filter(|pixel| pixel.0[0] > 0).count()
    }

    #[test]
    fn the_strokes_of_one_digit_are_joined() {
        // a 5 whose cap is apart, and a broken bar below
        let five = [[30, 20, 6, 30], [40, 18, 25, 6], [30, 60, 30, 6], [30, 53, 6, 4]];
        let found = digit(&rectangles(&five)).unwrap();
        assert_eq!(area(&found.strokes), area(&rectangles(&five)));
        assert!(!found.several);
    }

    #[test]
    fn hundreds_of_dots_that_lead_from_one_to_the_next_are_joined() {
        let dots = mask((448, 448), |x, y| {
            let line = (60..124).contains(&x) && y == 225;
            let beside_it = (47..140).contains(&x) && (212..239).contains(&y);
            line || x % 15 < 2 && y % 15 < 2 && !beside_it
        });
        let found = digit(&dots).unwrap();
        assert!(found.strokes == dots);
        assert!(!found.several);
    }

    #[test]
    fn strokes_are_joined_as_if_one_by_one_whatever_comes_first() {
        let mut state = 1_u32;
        let mut below = |most: u32| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 16) % most
        };
        for _ in 0..50 {
            let strokes =
                rectangles(&[(); 12].map(|()| [90, 90, 12, 12].map(|most| 1 + below(most))));
            let labels = label(&strokes);
            let mut rest = groups(&labels);
            let size = strokes.dimensions();
            rest.sort_by(|a, b| a.score(size).total_cmp(&b.score(size)));
            let main = rest.pop().unwrap();
            let (mut whole, mut chosen) = (main, vec![main.label]);
            let joined = loop {
                let joined = mask(size, |x, y| chosen.contains(&labels.get_pixel(x, y).0[0]));
                let gaps = gaps(&joined, &labels);
                let next =
                    rest.iter().position(|group| belongs(group, gaps[&group.label], &main, &whole));
                let Some(next) = next else { break joined };
                let next = rest.remove(next);
                whole = whole.with(&next);
                chosen.push(next.label);
            };
            assert!(digit(&strokes).unwrap().strokes == joined);
        }
    }

    #[test]
    fn specks_and_what_comes_in_from_the_border_are_left_out() {
        let one = [45, 20, 8, 60];
        let found =
            digit(&rectangles(&[one, [20, 20, 3, 3], [0, 0, 100, 4], [94, 30, 6, 40]])).unwrap();
        assert_eq!(area(&found.strokes), area(&rectangles(&[one])));
        assert!(!found.several);
    }

    #[test]
    fn digits_side_by_side_are_several() {
        assert!(digit(&rectangles(&[[15, 30, 6, 40], [75, 30, 6, 40]])).unwrap().several);
    }

    #[test]
    fn a_frame_around_the_digit_is_left_out_and_a_zero_is_none() {
        let frame = [[5, 5, 90, 3], [5, 92, 90, 3], [5, 5, 3, 90], [92, 5, 3, 90]];
        let one = [45, 30, 8, 40];
        let framed = digit(&rectangles(&[frame.as_slice(), &[one]].concat())).unwrap();
        assert_eq!(area(&framed.strokes), area(&rectangles(&[one])));
        let zero = digit(&rectangles(&frame)).unwrap();
        assert_eq!(area(&zero.strokes), area(&rectangles(&frame)));
    }

    #[test]
    fn a_blank_picture_holds_no_digit() {
        assert!(digit(&rectangles(&[])).is_none());
    }
}
