//! Drawings, whose paper has one colour whatever strokes run over their edges: light changes on photographs alone.

use image::{Rgb, RgbImage};

use super::distance::squared_distances;
use super::paper::length;
use super::quantile::quantile;
use super::strokes::Mask;

/// Part of the strongest difference that is still paper, and the part from which it is ink: the darkest shadows come to
/// 0.85 of the ink on them.
const PAPER_UP_TO: f32 = 0.15;
const INK_FROM: f32 = 0.9;
/// Maximum part of a picture of two colours that is neither of them nor the edge between them.
const MAX_OTHER: f32 = 0.02;
/// Width of that edge, in parts of the longer side, and at least in pixels: cameras and scaling blur.
const EDGE: f32 = 0.008;
const MIN_EDGE_PX: f32 = 1.5;
/// Maximum radius of ink on it, in parts of the longer side: what is thicker is a shadow, or the light beside one.
const MAX_INK_RADIUS: f32 = 0.19;
/// Minimum part of a picture that has exactly one colour if that is a canvas: more than half, for a shadow may be as
/// even as paper.
const MIN_CANVAS: f32 = 0.6;
/// Longer side of the pictures that are too small for light to change on them.
const TINY_SIDE: u32 = 32;

/// The colour that most pixels have exactly: the canvas of a program, never of a camera.
pub(super) fn commonest_colour(picture: &RgbImage) -> Option<Rgb<f32>> {
    // what has a majority is the median too
    let median = [0, 1, 2].map(|c| {
        let mut counts = [0_usize; 256];
        picture.pixels().for_each(|pixel| counts[usize::from(pixel.0[c])] += 1);
        let mut below = 0;
        let is_median = |count: &usize| {
            below += count;
            2 * below > picture.len() / 3
        };
        counts.iter().position(is_median).unwrap_or(0) as u8
    });
    let count = picture.pixels().filter(|pixel| pixel.0 == median).count();
    (count as f32 > MIN_CANVAS * (picture.len() / 3) as f32).then(|| Rgb(median.map(f32::from)))
}

/// Whether a picture is too small for light to change on it, or holds nothing but strokes on one colour; `differences` are
/// those from that colour.
pub(super) fn is_evenly_lit(picture: &RgbImage, differences: &[[f32; 3]]) -> bool {
    picture.width().max(picture.height()) <= TINY_SIDE || is_two_colours(picture, differences)
}

/// Whether a picture holds paper, thin ink, and the edges between them alone. Then what is ink at the border are strokes
/// that leave the picture.
fn is_two_colours(picture: &RgbImage, differences: &[[f32; 3]]) -> bool {
    let (width, height) = picture.dimensions();
    let lengths: Vec<f32> = differences.iter().map(|d| length(*d)).collect();
    let strongest = quantile(&lengths, 0.995);
    let is_paper = |length: f32| length < PAPER_UP_TO * strongest;
    let is_ink = |length: f32| length >= INK_FROM * strongest;
    let distances = |is: &dyn Fn(f32) -> bool| {
        let mask = lengths.iter().map(|length| if is(*length) { 255 } else { 0 }).collect();
        squared_distances(&Mask::from_raw(width, height, mask).expect("one value per pixel"))
    };
    let [to_paper, to_ink] = [distances(&is_paper), distances(&is_ink)];
    let reach = (width.max(height) as f32 * EDGE).max(MIN_EDGE_PX).powi(2);
    let near = to_paper.pixels().zip(to_ink.pixels());
    let edges = near.map(|(paper, ink)| paper.0[0] <= reach && ink.0[0] <= reach);
    let others = lengths
        .iter()
        .zip(edges)
        .filter(|(length, is_edge)| !(*is_edge || is_paper(**length) || is_ink(**length)))
        .count();
    let thickest = to_paper.pixels().map(|distance| distance.0[0]).fold(0.0, f32::max).sqrt();
    (others as f32) < MAX_OTHER * lengths.len() as f32
        && thickest < MAX_INK_RADIUS * width.max(height) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A 7 of this pen whose strokes fill a square of so many pixels.
    fn seven(side: u32, pen: u32) -> RgbImage {
        RgbImage::from_fn(side, side, |x, y| {
            let stem = (x + y * 3 / 4).abs_diff(side * 7 / 8) < pen / 2;
            Rgb([if y < pen || stem { 10 } else { 240 }; 3])
        })
    }

    fn is_even(picture: &RgbImage) -> bool {
        let paper = [240.0, 240.0, 240.0];
        let differences: Vec<[f32; 3]> = picture
            .pixels()
            .map(|pixel| [0, 1, 2].map(|c| paper[c] - f32::from(pixel.0[c])))
            .collect();
        is_evenly_lit(picture, &differences)
    }

    #[test]
    fn bold_strokes_that_fill_a_picture_lie_on_one_colour() {
        assert!(is_even(&seven(28, 5)) && is_even(&seven(200, 30)));
    }

    #[test]
    fn a_shadow_over_a_quarter_of_a_picture_is_no_ink() {
        let mut shadow = seven(200, 6);
        for (x, y, pixel) in shadow.enumerate_pixels_mut() {
            if x < 100 && y > 100 {
                pixel.0 = [20; 3];
            }
        }
        assert!(!is_even(&shadow));
        // nor is light that falls off
        let slope = RgbImage::from_fn(200, 100, |x, _| Rgb([240 - x as u8; 3]));
        assert!(!is_even(&slope));
    }

    #[test]
    fn a_canvas_has_the_colour_of_most_pixels_and_a_photograph_has_none() {
        assert_eq!(commonest_colour(&seven(100, 8)), Some(Rgb([240.0; 3])));
        let photograph =
            RgbImage::from_fn(100, 100, |x, y| Rgb([200 + ((x * 7 + y) % 16) as u8; 3]));
        assert_eq!(commonest_colour(&photograph), None);
    }
}
