//! Which pixels are strokes, and which strokes are the digit.

use std::collections::{BTreeMap, BTreeSet};

use image::Luma;

use super::distance::squared_distances;
use super::group::{Group, groups};
use super::ink::Ink;
use super::regions::{self, Connectivity, Labels};
use super::surroundings::{is_bar, is_frame, is_on_margin, is_underline, marks_in};

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
    /// Their part of all ink but that of underlines, boxes and windows.
    pub(super) share: f32,
    /// Whether other drawings stand beside it.
    pub(super) several: bool,
}

/// Finds the digit with all its strokes, and leaves out specks, frames, and what comes in from the border.
pub(super) fn digit(strokes: &Mask) -> Option<Digit> {
    let size = strokes.dimensions();
    let labels = label(strokes);
    let all = groups(&labels);
    let is_drawn = |group: &&Group| !is_underline(group, &all) && !is_bar(group, &all, &labels);
    let (on_margin, mut drawn): (Vec<Group>, Vec<Group>) =
        all.iter().filter(is_drawn).partition(|group| is_on_margin(group, &all, &labels));
    let ink: u32 = drawn.iter().map(|group| group.area).sum();
    let main = loop {
        let scores = drawn.iter().map(|group| group.score(size)).enumerate().rev();
        let (best, _) = scores.max_by(|(_, a), (_, b)| a.total_cmp(b))?;
        let best = drawn.remove(best);
        // a frame is larger than what it frames; there may be two, one in the other
        if drawn.is_empty() || !is_frame(&best, &drawn, &labels) {
            break best;
        }
    };
    let mut rest = drawn;
    rest.extend(on_margin.into_iter().map(|group| Group { touches_border: true, ..group }));
    let marks = marks_in(&main, &rest, &labels);
    rest.retain(|group| !marks.contains(&group.label));
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
            && !group.is_flat()
    });
    let area = |mask: &Mask| mask.pixels().filter(|pixel| pixel.0[0] > 0).count() as f32;
    let share = area(&digit) / ink as f32;
    Some(Digit { strokes: digit, share, several })
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
    fn a_mark_in_a_zero_is_none_of_it_and_a_zero_is_no_frame() {
        let slim = |x: f32, y: f32| ((x - 50.0) * 1.5).hypot(y - 50.0);
        let zero = mask((100, 100), |x, y| (36.0..42.0).contains(&slim(x as f32, y as f32)));
        let slash = |x: u32, y: u32| x.abs_diff(50) < 3 && y.abs_diff(50) < 14;
        let marked = mask((100, 100), |x, y| zero.get_pixel(x, y).0[0] > 0 || slash(x, y));
        let found = digit(&marked).unwrap();
        assert!(found.strokes == zero && !found.several);
    }

    #[test]
    fn an_underline_is_left_out_and_the_foot_of_a_one_is_not() {
        let (one, foot, line) = ([47, 20, 6, 50], [35, 71, 30, 5], [25, 80, 50, 5]);
        let found = digit(&rectangles(&[one, line])).unwrap();
        assert_eq!(area(&found.strokes), area(&rectangles(&[one])));
        assert!(!found.several && found.share > 0.99);
        let found = digit(&rectangles(&[one, foot])).unwrap();
        assert_eq!(area(&found.strokes), area(&rectangles(&[one, foot])));
    }

    #[test]
    fn a_short_one_beside_a_zero_is_another_digit() {
        let zero = [[50, 20, 5, 60], [75, 20, 5, 60], [50, 20, 30, 5], [50, 75, 30, 5]];
        // as near as the strokes of one digit may be
        for one in [[38, 48, 5, 30], [25, 45, 5, 30]] {
            assert!(digit(&rectangles(&[zero.as_slice(), &[one]].concat())).unwrap().several);
        }
    }

    #[test]
    fn a_box_that_the_picture_cuts_is_left_out() {
        let seven = [[40, 30, 25, 5], [60, 30, 5, 45]];
        for sides in [[[0, 4, 100, 5], [92, 4, 5, 96]], [[3, 0, 4, 95], [3, 91, 97, 4]]] {
            let found = digit(&rectangles(&[seven, sides].concat())).unwrap();
            assert_eq!(area(&found.strokes), area(&rectangles(&seven)));
            assert!(found.share > 0.99);
        }
    }

    #[test]
    fn bars_and_buttons_of_a_window_are_left_out() {
        let one = [[55, 40, 3, 30]];
        let bars = [[0, 0, 100, 12], [0, 12, 8, 88]];
        let buttons = [[10, 95, 4, 4], [30, 95, 4, 4], [50, 94, 5, 5], [70, 94, 5, 5]];
        let window = [one.as_slice(), &bars, &buttons].concat();
        let found = digit(&rectangles(&window)).unwrap();
        assert_eq!(area(&found.strokes), area(&rectangles(&one)));
        assert!(found.share > 0.99 && !found.several);
    }

    #[test]
    fn a_blank_picture_holds_no_digit() {
        assert!(digit(&rectangles(&[])).is_none());
    }
}
