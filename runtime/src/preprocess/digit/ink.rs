//! How much ink each pixel holds: a picture's colours measured against those of its paper.
//!
//! Nothing here knows which is lighter, ink or paper. Paper is what the border is made of; ink is what differs
//! from it, in the direction of colour in which most of the drawing does.

use image::imageops::{self, FilterType};
use image::{ImageBuffer, Luma, RgbImage};

use super::paper::{differences, dot, length};
use super::quantile::quantile;

/// Ink at each pixel, 0 = paper, 1 = as strong as the drawing is.
pub(super) type Ink = ImageBuffer<Luma<f32>, Vec<f32>>;

/// Minimum longer side: smaller pictures are enlarged, so that an outline can be moved by a part of their pixels.
const MIN_SIDE: u32 = 112;
/// How much a colour counts against ink, which is not on the line from the paper's colour to the pen's.
const OTHER_COLOUR: f32 = 0.5;
/// Minimum part of the pixels that are ink, in the thinnest drawing that is large.
const MIN_INK: f32 = 0.002;
/// The same in pixels, for small pictures and small drawings.
const MIN_INK_PX: f32 = 8.0;
/// Minimum contrast of a small drawing with its paper, in grey levels of a channel, and in standard deviations of its
/// noise: less may be dust.
const MIN_SMALL_CONTRAST: [f32; 2] = [24.0, 12.0];

/// The picture's ink, and how strong it is against the background noise.
pub(super) struct Measured {
    pub(super) ink: Ink,
    /// Difference of the drawing's colour from the paper's, in grey levels.
    pub(super) contrast: f32,
    /// Background noise: a robust standard deviation of the paper, in parts of the contrast.
    pub(super) noise: f32,
}

/// Measures each pixel against its paper.
pub(super) fn measure(picture: &RgbImage) -> Measured {
    let differences = differences(picture);
    let lengths: Vec<f32> = differences.iter().map(|d| length(*d)).collect();
    let strong_part = strong_part(&lengths);
    let strongest = quantile(&lengths, strong_part);
    let direction = main_direction(&differences, &lengths, strongest / 2.0);
    let along: Vec<f32> = differences
        .iter()
        .map(|difference| {
            let along = dot(*difference, direction);
            let across = [0, 1, 2].map(|c| difference[c] - along * direction[c]);
            along - length(across) * OTHER_COLOUR
        })
        .collect();
    let inkiest = quantile(&along, strong_part);
    let pen: Vec<f32> = along.iter().copied().filter(|&ink| ink >= inkiest / 2.0).collect();
    let contrast = (pen.iter().sum::<f32>() / pen.len() as f32).max(0.0);
    let background: Vec<f32> =
        along.iter().map(|ink| ink.abs()).filter(|ink| *ink < contrast / 2.0).collect();
    let noise = 1.4826 * quantile(&background, 0.5) / contrast.max(1.0);
    let ink = along.iter().map(|ink| (ink / contrast.max(1.0)).clamp(0.0, 1.0)).collect();
    let (width, height) = picture.dimensions();
    let ink = Ink::from_raw(width, height, ink).expect("one value per pixel");
    Measured { ink, contrast, noise }
}

/// The part of the pixels that are less inked than the pen's: nearly all, and all but a few if the drawing is small.
pub(super) fn strong_part(lengths: &[f32]) -> f32 {
    let count = |range: std::ops::Range<f32>| {
        lengths.iter().filter(|length| range.contains(*length)).count() as f32
    };
    let few = MIN_INK_PX / lengths.len() as f32;
    let [usual, small] = [few.max(MIN_INK), few].map(|part| 1.0 - part);
    let strongest = quantile(lengths, small);
    let noise = 1.4826 * quantile(lengths, 0.5);
    let [grey_levels, sigmas] = MIN_SMALL_CONTRAST;
    let is_seen = strongest > grey_levels.max(sigmas * noise);
    let inked = count(strongest / 2.0..f32::INFINITY);
    // beside a small drawing lie its edges alone; beside a black spot, a large and paler drawing
    let beside = count(strongest / 8.0..strongest / 2.0);
    let is_small = inked < 2.0 * MIN_INK * lengths.len() as f32 && beside < 2.0 * inked;
    if is_seen && is_small { small } else { usual }
}

/// Enlarges small ink smoothly.
pub(super) fn enlarge(ink: &Ink) -> Ink {
    let longer = ink.width().max(ink.height());
    let times = MIN_SIDE.div_ceil(longer);
    if times == 1 {
        return ink.clone();
    }
    imageops::resize(ink, ink.width() * times, ink.height() * times, FilterType::CatmullRom)
}

fn main_direction(differences: &[[f32; 3]], lengths: &[f32], min_length: f32) -> [f32; 3] {
    let mut sum = [0.0; 3];
    for (difference, _) in
        differences.iter().zip(lengths).filter(|(_, length)| **length > min_length)
    {
        for c in 0..3 {
            sum[c] += difference[c];
        }
    }
    let total = length(sum);
    if total > 0.0 { sum.map(|c| c / total) } else { [1.0 / 3.0_f32.sqrt(); 3] }
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::Rgb;

    /// Three columns of a pen and two of a printed line, on paper.
    fn pen_and_print(paper: [u8; 3], pen: [u8; 3], print: [u8; 3]) -> Measured {
        measure(&RgbImage::from_fn(60, 60, |x, _| {
            Rgb(match x {
                28..=30 => pen,
                45 | 46 => print,
                _ => paper,
            })
        }))
    }

    #[test]
    fn a_pen_is_ink_whatever_its_colour_and_the_papers() {
        for (paper, pen) in [
            ([255; 3], [0; 3]),
            ([40, 60, 50], [220, 225, 210]),
            ([230, 210, 180], [40, 50, 160]),
            ([128, 128, 128], [180, 90, 90]),
        ] {
            let Measured { ink, noise, .. } = pen_and_print(paper, pen, paper);
            assert!(ink.get_pixel(29, 20).0[0] > 0.95, "{pen:?} on {paper:?}");
            assert!(ink.get_pixel(10, 20).0[0] < 0.05, "{pen:?} on {paper:?}");
            assert!(noise < 0.01);
        }
    }

    #[test]
    fn print_of_another_colour_is_less_than_its_strength() {
        let red_on_blue = pen_and_print([250; 3], [200, 40, 50], [150, 180, 230]);
        assert!(red_on_blue.ink.get_pixel(29, 20).0[0] > 0.95);
        assert!(red_on_blue.ink.get_pixel(45, 20).0[0] < 0.25);
    }

    #[test]
    fn a_drawing_of_a_few_pixels_on_a_clean_page_is_measured_by_itself() {
        let one = RgbImage::from_fn(448, 300, |x, y| {
            let is_ink = (200..202).contains(&x) && (140..162).contains(&y);
            Rgb([if is_ink { 10 } else { 250 - (x % 2) as u8 }; 3])
        });
        let Measured { ink, contrast, noise } = measure(&one);
        assert!(contrast > 400.0 && noise < 0.01, "{contrast} {noise}");
        assert!(ink.get_pixel(200, 150).0[0] > 0.95 && ink.get_pixel(100, 150).0[0] < 0.05);
    }

    #[test]
    fn a_black_spot_beside_a_pale_drawing_is_not_its_strength() {
        let pencil = RgbImage::from_fn(300, 200, |x, y| {
            let is_spot = x < 6 && y < 6;
            let is_pencil = (100..200).contains(&x) && (90..100).contains(&y);
            Rgb([if is_spot {
                0
            } else if is_pencil {
                150
            } else {
                220
            }; 3])
        });
        let Measured { ink, .. } = measure(&pencil);
        assert!(ink.get_pixel(150, 95).0[0] > 0.8);
    }

    #[test]
    fn blank_paper_has_no_contrast() {
        assert!(pen_and_print([200; 3], [200; 3], [200; 3]).contrast < 1.0);
    }

    #[test]
    fn small_ink_is_enlarged_and_keeps_its_amount() {
        let dot =
            Ink::from_fn(28, 20, |x, y| image::Luma([if (x, y) == (14, 10) { 1.0 } else { 0.0 }]));
        let large = enlarge(&dot);
        assert_eq!(large.dimensions(), (112, 80));
        let sum: f32 = large.pixels().map(|pixel| pixel.0[0]).sum();
        // what the filter would take away around the dot is less than nothing, and stays
        assert!((1.0..1.25).contains(&(sum / 16.0)), "{sum}");
        assert_eq!(enlarge(&Ink::new(300, 10)).dimensions(), (300, 10));
    }
}
