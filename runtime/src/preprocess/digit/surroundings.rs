//! What is drawn below, around and inside a digit and is none of it: underlines, boxes, windows, and the mark in a 0.

use std::collections::BTreeSet;

use image::Luma;

use super::group::Group;
use super::regions::{self, Connectivity, Labels};
use super::strokes::Mask;

/// Gap between a digit and its underline, in parts of the digit's height: what is nearer is the foot of a 1 or 2.
const UNDERLINE_GAP: [f32; 2] = [0.05, 0.5];
/// Minimum height of an underlined digit, in heights and in widths of the line.
const MIN_UNDERLINED: [f32; 2] = [3.0, 0.33];
/// Maximum distance between the middles of both, in parts of the line's width.
const MAX_ASIDE: f32 = 0.3;
/// How far from the picture's edge the sides of boxes and the bars of windows reach, in parts of the longer side.
const MAX_BAR: f32 = 0.2;
/// Minimum part of a bar that is so near, and minimum part of a side along which it goes.
const MIN_NEAR: f32 = 0.95;
const MIN_ALONG: f32 = 0.7;
/// Where the buttons of a window and notes on the margin are, in parts of the longer side.
const MARGIN: f32 = 0.12;
/// Minimum size of what is drawn inside of all that, in parts of the longer side.
const MIN_INSIDE: f32 = 0.15;
/// Minimum size of what is framed, in parts of the frame's: what is less is a speck.
const MIN_CONTENT: f32 = 0.25;
/// Minimum part of its box that a frame surrounds: the oval of a 0 has less than 0.8 of its own.
const MIN_FRAMED: f32 = 0.88;
/// Minimum aspect of a round frame, its shorter side to the longer: zeros are slimmer.
const MIN_ROUND: f32 = 0.85;

/// Whether a group is a flat stroke that lies below another one, a little apart, and is about as wide.
pub(super) fn is_underline(group: &Group, all: &[Group]) -> bool {
    let [min_gap, max_gap] = UNDERLINE_GAP;
    let [heights, widths] = MIN_UNDERLINED;
    let width = group.width() as f32;
    let lies_below = |other: &Group| {
        let common = (group.right.min(other.right) + 1).saturating_sub(group.left.max(other.left));
        let height = other.height() as f32;
        let gap = group.top.saturating_sub(other.bottom) as f32;
        let middle = |group: &Group| (group.left + group.right) as f32 / 2.0;
        2 * common > other.width()
            && (middle(group) - middle(other)).abs() < MAX_ASIDE * width
            && width > 0.5 * other.width() as f32
            && height > (heights * group.height() as f32).max(widths * width)
            && (min_gap * height..max_gap * height).contains(&gap)
    };
    group.is_flat() && all.iter().any(lies_below)
}

/// Whether a group is the side of a box, the bar of a window, or a table beside a sheet: it touches the picture's edge,
/// goes along most of one side, and leaves the middle to something else.
pub(super) fn is_bar(group: &Group, all: &[Group], labels: &Labels) -> bool {
    let (width, height) = labels.dimensions();
    let longer = width.max(height) as f32;
    let spans = group.width() as f32 > MIN_ALONG * width as f32
        || group.height() as f32 > MIN_ALONG * height as f32;
    if !group.touches_border || !spans || !all.iter().any(|other| is_inside(other, labels)) {
        return false;
    }
    let from_edge = |x: u32, y: u32| x.min(y).min(width - 1 - x).min(height - 1 - y) as f32;
    let near = labels
        .enumerate_pixels()
        .filter(|(x, y, label)| label.0[0] == group.label && from_edge(*x, *y) < MAX_BAR * longer)
        .count();
    near as f32 > MIN_NEAR * group.area as f32
}

/// Whether a group lies on the picture's margin, as the buttons of a window do, and something else inside of it.
pub(super) fn is_on_margin(group: &Group, all: &[Group], labels: &Labels) -> bool {
    lies_on_margin(group, labels) && all.iter().any(|other| is_inside(other, labels))
}

/// Whether a group is as large as a digit, and neither touches the picture's edge nor lies along it.
fn is_inside(group: &Group, labels: &Labels) -> bool {
    let longer = labels.width().max(labels.height()) as f32;
    !group.touches_border
        && group.size() as f32 > MIN_INSIDE * longer
        && !lies_on_margin(group, labels)
}

fn lies_on_margin(group: &Group, labels: &Labels) -> bool {
    let (width, height) = labels.dimensions();
    let margin = (width.max(height) as f32 * MARGIN) as u32;
    let furthest = [group.right, group.bottom, width - 1 - group.left, height - 1 - group.top];
    furthest.into_iter().any(|pixels| pixels < margin)
}

/// Whether a group is a box or a circle around one of the others.
pub(super) fn is_frame(group: &Group, others: &[Group], labels: &Labels) -> bool {
    let (width, height) = labels.dimensions();
    let min_size = MIN_CONTENT * group.size() as f32;
    let is_content = |other: &&Group| group.holds(other) && other.size() as f32 > min_size;
    let content: Vec<u32> = others.iter().filter(is_content).map(|other| other.label).collect();
    // a frame of less than half the picture may be a 0 or the loop of an 8 or 9 around a blot
    if content.is_empty() || 2 * group.size() < width.max(height) {
        return false;
    }
    let surrounded = surrounded(group, labels);
    let area = surrounded.pixels().filter(|pixel| pixel.0[0] > 0).count() as f32;
    let is_box = area > MIN_FRAMED * (group.width() * group.height()) as f32;
    let shorter = group.width().min(group.height());
    let is_round = shorter as f32 > MIN_ROUND * group.size() as f32;
    (is_box || is_round) && holds_any(&surrounded, labels, &content)
}

/// The groups in the holes of a digit, as the dot or the slash in a 0 is.
pub(super) fn marks_in(digit: &Group, others: &[Group], labels: &Labels) -> BTreeSet<u32> {
    if !others.iter().any(|other| digit.holds(other)) {
        return BTreeSet::new();
    }
    let surrounded = surrounded(digit, labels);
    let inside = labels.pixels().zip(surrounded.pixels()).filter(|(_, inside)| inside.0[0] > 0);
    inside.map(|(label, _)| label.0[0]).filter(|label| *label != digit.label).collect()
}

/// Whether pixels of one of these groups are set in the mask.
fn holds_any(mask: &Mask, labels: &Labels, groups: &[u32]) -> bool {
    let mut pixels = labels.pixels().zip(mask.pixels());
    pixels.any(|(label, pixel)| pixel.0[0] > 0 && groups.contains(&label.0[0]))
}

/// What cannot be reached from the picture's edge without crossing a group, and the group itself.
fn surrounded(group: &Group, labels: &Labels) -> Mask {
    let (width, height) = labels.dimensions();
    // one pixel more on each side, so that all that is outside hangs together
    let open = Mask::from_fn(width + 2, height + 2, |x, y| {
        let within = (1..=width).contains(&x) && (1..=height).contains(&y);
        let is_open = !within || labels.get_pixel(x - 1, y - 1).0[0] != group.label;
        Luma([if is_open { 255 } else { 0 }])
    });
    // by sides only: through the corners of a frame one pixel thin, the outside would leak in
    let regions = regions::label(&open, Connectivity::Four);
    let outside = regions.get_pixel(0, 0);
    Mask::from_fn(width, height, |x, y| {
        Luma([if regions.get_pixel(x + 1, y + 1) == outside { 0 } else { 255 }])
    })
}
