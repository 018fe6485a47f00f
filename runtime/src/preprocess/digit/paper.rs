//! The colour that the paper would have at each pixel if nothing were drawn on it.

use image::imageops::{self, FilterType};
use image::{Rgb, Rgb32FImage, RgbImage};

use super::canvas;
use super::ink::strong_part;
use super::least_squares::{self, Products, Vector};
use super::median::medians;
use super::quantile::quantile;

/// Part of the strongest difference that is still paper, and the part from which it is ink.
const PAPER_UP_TO: f32 = 0.15;
const INK_FROM: f32 = 0.6;
/// Maximum part of a border that may stand out from its paper: a stroke that runs over it.
const MAX_BORDER_INK: f32 = 0.06;
/// A less simple paper must leave at most this part unexplained of what a simpler one does, less this by itself.
const BETTER: [f32; 2] = [0.8, 0.003];
/// The same for [`shadows`], which may explain bold strokes too.
const BETTER_WITH_SHADOWS: [f32; 2] = [0.55, 0.003];
/// Width of the border, in parts of the shorter side.
const BORDER: u32 = 16;
/// Longer side of the picture on which [`surroundings`] looks around.
const COARSE_SIDE: u32 = 56;
/// How far it looks, in parts of that side: further than a stroke is wide.
const AROUND: u32 = 5;
/// The same for [`shadows`], which must know on which side of an edge it is.
const FINE_SIDE: u32 = 112;
const AROUND_EDGE: u32 = 6;
/// How far, in pixels of that picture, strokes may move the edge of a shadow in the medians.
const EDGE_REACH: u32 = 5;
/// Minimum part of the picture's outline in a shadow, or in the light beside one; strokes cross less of it.
const MIN_CROSSING: f32 = 0.12;

/// Estimates the paper of a picture from it and from the places at its border.
type Estimate = fn(&RgbImage, &[usize]) -> Rgb32FImage;

/// Paper minus picture at each pixel and channel, in parts of the range that the paper leaves to ink, times 255:
/// so strokes in a shadow are as strong as those in the light.
///
/// The paper is the simplest that explains the picture: one colour, light that falls off evenly, what is
/// around, or that on both sides of a shadow's edge.
pub(super) fn differences(picture: &RgbImage) -> Vec<[f32; 3]> {
    if let Some(canvas) = canvas::commonest_colour(picture) {
        let (width, height) = picture.dimensions();
        return against(picture, &Rgb32FImage::from_pixel(width, height, canvas));
    }
    let border = border(picture);
    let mut best = against(picture, &one_colour(picture, &border));
    let mut smallest = Unexplained::of(&best, &border);
    if smallest.at_border < MAX_BORDER_INK || canvas::is_evenly_lit(picture, &best) {
        return best;
    }
    let crossed = crosses_border(picture, &best);
    let papers: [(Estimate, bool); 3] =
        [(even_light, false), (surroundings, false), (shadows, true)];
    for (paper, is_of_shadows) in papers {
        let is_needed = if is_of_shadows { crossed } else { smallest.at_border >= MAX_BORDER_INK };
        if !is_needed {
            continue;
        }
        let differences = against(picture, &paper(picture, &border));
        let unexplained = Unexplained::of(&differences, &border);
        let [part, less] = if is_of_shadows { BETTER_WITH_SHADOWS } else { BETTER };
        if unexplained.sum() < part * smallest.sum() - less {
            (best, smallest) = (differences, unexplained);
        }
    }
    best
}

/// Indices of the pixels along the sides.
fn border(picture: &RgbImage) -> Vec<usize> {
    let (width, height) = picture.dimensions();
    let broad = (width.min(height) / BORDER).max(1);
    let at_border =
        |(x, y): (u32, u32)| x < broad || y < broad || x >= width - broad || y >= height - broad;
    let places = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
    places.enumerate().filter(|(_, place)| at_border(*place)).map(|(at, _)| at).collect()
}

fn against(picture: &RgbImage, paper: &Rgb32FImage) -> Vec<[f32; 3]> {
    let pairs = picture.pixels().zip(paper.pixels());
    pairs
        .map(|(pixel, paper)| {
            [0, 1, 2].map(|c| {
                let paper = paper.0[c];
                (paper - f32::from(pixel.0[c])) * 255.0 / paper.max(255.0 - paper)
            })
        })
        .collect()
}

/// How badly a paper explains a picture.
struct Unexplained {
    /// Part of the pixels that are neither paper nor ink. Where the paper is right, only the edges of strokes are.
    inside: f32,
    /// Part of the border that is not paper.
    at_border: f32,
}

impl Unexplained {
    fn of(differences: &[[f32; 3]], border: &[usize]) -> Self {
        let lengths: Vec<f32> = differences.iter().map(|d| length(*d)).collect();
        let strongest = quantile(&lengths, strong_part(&lengths).max(0.995));
        let (paper, ink) = (PAPER_UP_TO * strongest, INK_FROM * strongest);
        let between = lengths.iter().filter(|length| (paper..ink).contains(*length)).count();
        let inked = border.iter().filter(|at| lengths[**at] > paper).count();
        Self {
            inside: between as f32 / lengths.len() as f32,
            at_border: inked as f32 / border.len() as f32,
        }
    }

    fn sum(&self) -> f32 {
        self.inside + self.at_border
    }
}

/// Whether more than a stroke runs over the picture's edge: a part of its outline that is too long for that is not paper
/// of one colour.
fn crosses_border(picture: &RgbImage, differences: &[[f32; 3]]) -> bool {
    let (width, height) = picture.dimensions();
    if width.max(height) < FINE_SIDE {
        return false;
    }
    let lengths: Vec<f32> = differences.iter().map(|d| length(*d)).collect();
    let paper = PAPER_UP_TO * quantile(&lengths, strong_part(&lengths).max(0.995));
    let right = (0..height).map(|y| (width - 1, y));
    let left = (0..height).rev().map(|y| (0, y));
    let top = (0..width).map(|x| (x, 0));
    let bottom = (0..width).rev().map(|x| (x, height - 1));
    let around: Vec<bool> = top
        .chain(right)
        .chain(bottom)
        .chain(left)
        .map(|(x, y)| lengths[(y * width + x) as usize] > paper)
        .collect();
    let (mut run, mut longest) = (0, 0);
    // twice around, for what runs over the first corner
    for is_inked in around.iter().chain(&around) {
        run = if *is_inked { run + 1 } else { 0 };
        longest = longest.max(run);
    }
    longest as f32 > MIN_CROSSING * around.len() as f32
}

/// Median colour of the border.
fn one_colour(picture: &RgbImage, border: &[usize]) -> Rgb32FImage {
    let colour = [0, 1, 2].map(|c| {
        let values = border.iter().map(|at| f32::from(picture.as_raw()[3 * at + c]));
        quantile(&values.collect::<Vec<_>>(), 0.5)
    });
    Rgb32FImage::from_pixel(picture.width(), picture.height(), Rgb(colour))
}

/// A quadratic surface per channel, by least squares; what stands out from it, the drawing, loses its weight from
/// round to round (Holland and Welsch 1977, with the square of Cauchy's weights).
fn even_light(picture: &RgbImage, border: &[usize]) -> Rgb32FImage {
    const ROUNDS: usize = 12;
    const SAMPLES: u32 = 64;
    let (width, height) = picture.dimensions();
    let terms = |x: u32, y: u32| {
        let (x, y) = (x as f32 / width as f32 - 0.5, y as f32 / height as f32 - 0.5);
        [1.0, x, y, x * x, x * y, y * y]
    };
    let stride = (width.max(height) / SAMPLES).max(1) as usize;
    let samples: Vec<(Vector, [f32; 3])> = (0..height)
        .step_by(stride)
        .flat_map(|y| (0..width).step_by(stride).map(move |x| (x, y)))
        .map(|(x, y)| (terms(x, y), picture.get_pixel(x, y).0.map(f32::from)))
        .collect();
    let start = one_colour(picture, border).get_pixel(0, 0).0;
    let mut surfaces = start.map(|level| [level, 0.0, 0.0, 0.0, 0.0, 0.0]);
    for _ in 0..ROUNDS {
        let residuals: Vec<f32> = samples
            .iter()
            .map(|(terms, colour)| {
                length([0, 1, 2].map(|c| colour[c] - least_squares::dot(&surfaces[c], terms)))
            })
            .collect();
        let scale = 1.5 * quantile(&residuals, 0.5).max(1.0);
        let mut products = Products::new();
        let mut moments = [Vector::default(); 3];
        for ((terms, colour), residual) in samples.iter().zip(residuals) {
            let weighted = terms.map(|term| term / (1.0 + (residual / scale).powi(2)).powi(2));
            products.add(&weighted, terms);
            for (moments, level) in moments.iter_mut().zip(colour) {
                moments.iter_mut().zip(weighted).for_each(|(moment, term)| *moment += term * level);
            }
        }
        if let Some(factors) = products.factors() {
            surfaces = moments.map(|moments| factors.solve(moments));
        }
    }
    Rgb32FImage::from_fn(width, height, |x, y| {
        let terms = terms(x, y);
        Rgb(surfaces.each_ref().map(|surface| least_squares::dot(surface, &terms)))
    })
}

/// Median of a window that is wider than a stroke.
fn surroundings(picture: &RgbImage, _border: &[usize]) -> Rgb32FImage {
    let (width, height) = picture.dimensions();
    let medians = coarse_medians(picture, COARSE_SIDE, AROUND);
    let share = |level: u8| f32::from(level) / 255.0;
    let medians = Rgb32FImage::from_fn(medians.width(), medians.height(), |x, y| {
        Rgb(medians.get_pixel(x, y).0.map(share))
    });
    let mut paper = imageops::resize(&medians, width, height, FilterType::Triangle);
    paper.pixels_mut().for_each(|pixel| pixel.0 = pixel.0.map(|level| level * 255.0));
    paper
}

/// Of the median around a pixel and the lightest and darkest ones near it the one whose colour is nearest to it: so
/// paper is explained by the light on its own side of a shadow's edge, however sharp that is.
fn shadows(picture: &RgbImage, _border: &[usize]) -> Rgb32FImage {
    let (width, height) = picture.dimensions();
    let medians = coarse_medians(picture, FINE_SIDE, AROUND_EDGE);
    let lightest = extremes(&medians, |light, than| light > than);
    let darkest = extremes(&medians, |light, than| light < than);
    Rgb32FImage::from_fn(width, height, |x, y| {
        let (column, row) = (x * medians.width() / width, y * medians.height() / height);
        let pixel = picture.get_pixel(x, y).0.map(f32::from);
        let lights = [&medians, &lightest, &darkest]
            .map(|lights| lights.get_pixel(column, row).0.map(f32::from));
        let away = |light: &[f32; 3]| length([0, 1, 2].map(|c| light[c] - pixel[c]));
        let nearest = lights.into_iter().min_by(|a, b| away(a).total_cmp(&away(b)));
        Rgb(nearest.unwrap_or(pixel))
    })
}

/// The pixel around each that is further than all others in the sum of its channels.
fn extremes(picture: &RgbImage, is_further: impl Fn(u32, u32) -> bool) -> RgbImage {
    let sum = |pixel: &Rgb<u8>| pixel.0.into_iter().map(u32::from).sum();
    let further = |a: Rgb<u8>, b: Rgb<u8>| if is_further(sum(&b), sum(&a)) { b } else { a };
    let (width, height) = picture.dimensions();
    let around = |at: u32, end: u32| at.saturating_sub(EDGE_REACH)..(at + EDGE_REACH + 1).min(end);
    let along = |picture: &RgbImage, pixels: &dyn Fn(u32, u32) -> Vec<(u32, u32)>| {
        RgbImage::from_fn(width, height, |x, y| {
            let pixels = pixels(x, y).into_iter().map(|(x, y)| *picture.get_pixel(x, y));
            pixels.reduce(further).unwrap_or(*picture.get_pixel(x, y))
        })
    };
    let rows = along(picture, &|x, y| around(x, width).map(|x| (x, y)).collect());
    along(&rows, &|x, y| around(y, height).map(|y| (x, y)).collect())
}

/// Medians around the pixels of a smaller picture of this longer side; a window reaches as far as this part of it.
fn coarse_medians(picture: &RgbImage, side: u32, part: u32) -> RgbImage {
    let (width, height) = picture.dimensions();
    let longer = width.max(height).max(side);
    let coarse = |length: u32| (length * side).div_ceil(longer);
    let small = imageops::thumbnail(picture, coarse(width), coarse(height));
    let radius = (small.width().max(small.height()) / part).max(1);
    medians(&mirrored(&small, radius), radius)
}

/// Adds a margin in which the picture goes on backwards.
pub(super) fn mirrored(picture: &RgbImage, margin: u32) -> RgbImage {
    let (width, height) = picture.dimensions();
    let inside = |at: u32, length: u32| {
        let folded = (i64::from(at) - i64::from(margin)).rem_euclid(2 * i64::from(length)) as u32;
        folded.min(2 * length - 1 - folded)
    };
    RgbImage::from_fn(width + 2 * margin, height + 2 * margin, |x, y| {
        *picture.get_pixel(inside(x, width), inside(y, height))
    })
}

/// Scalar product of two colours.
pub(super) fn dot(a: [f32; 3], b: [f32; 3]) -> f32 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

/// Euclidean length of a colour.
pub(super) fn length(a: [f32; 3]) -> f32 {
    dot(a, a).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A black bar in the middle of paper whose level is `paper` of x and y in 0 to 1.
    fn bar_on(paper: impl Fn(f32, f32) -> f32) -> RgbImage {
        RgbImage::from_fn(120, 80, |x, y| {
            let ink = if is_bar(x, y) { 0.1 } else { 1.0 };
            Rgb([(paper(x as f32 / 120.0, y as f32 / 80.0) * ink) as u8; 3])
        })
    }

    fn is_bar(x: u32, y: u32) -> bool {
        (55..65).contains(&x) && (20..60).contains(&y)
    }

    /// Least difference on the bar, and the largest off it, two pixels from its edges and more.
    fn separation(picture: &RgbImage) -> [f32; 2] {
        let differences = differences(picture);
        let (mut ink, mut paper) = (f32::MAX, 0.0_f32);
        for (at, difference) in differences.iter().enumerate() {
            let (x, y) = (at as u32 % 120, at as u32 / 120);
            if is_bar(x, y) {
                ink = ink.min(length(*difference));
            } else {
                paper = paper.max(length(*difference));
            }
        }
        [ink, paper]
    }

    #[test]
    fn one_colour_explains_even_paper() {
        let [ink, paper] = separation(&bar_on(|_, _| 200.0));
        assert!(ink > 350.0 && paper < 1.0, "{ink} {paper}");
    }

    #[test]
    fn a_slope_of_light_and_dark_corners_are_paper() {
        let sloped = bar_on(|x, y| 230.0 - 120.0 * x - 40.0 * y);
        let vignette = bar_on(|x, y| 240.0 - 250.0 * ((x - 0.5).powi(2) + (y - 0.5).powi(2)));
        for picture in [sloped, vignette] {
            let [ink, paper] = separation(&picture);
            assert!(ink > 300.0 && paper < 40.0, "{ink} {paper}");
        }
    }

    #[test]
    fn the_edge_of_a_shadow_is_paper_and_ink_in_it_is_as_strong_as_in_the_light() {
        let picture = bar_on(|_, y| if y > 0.52 { 110.0 } else { 220.0 });
        let [ink, _] = separation(&picture);
        assert!(ink > 250.0, "{ink}");
        let differences = differences(&picture);
        let off: Vec<f32> = differences.iter().map(|d| length(*d)).collect();
        // all but the bar and the shadow's edge
        assert!(quantile(&off, 0.9) < 30.0);
    }

    #[test]
    fn the_edge_of_a_shadow_is_as_sharp_as_it_is_seen() {
        // a thin bar across the edge, the shadow in a corner
        let is_bar = |x: u32, y: u32| (146..154).contains(&x) && (40..160).contains(&y);
        let picture = RgbImage::from_fn(300, 200, |x, y| {
            let light = if 2 * y > x + 40 { 120 } else { 230 };
            Rgb([if is_bar(x, y) { light / 5 } else { light + (x % 2) as u8 }; 3])
        });
        let differences = differences(&picture);
        let off = differences.iter().enumerate().filter(|(at, _)| {
            let (x, y) = (*at as u32 % 300, *at as u32 / 300);
            !is_bar(x, y)
        });
        let wrong = off.filter(|(_, d)| length(**d) > 60.0).count();
        assert!(wrong < 30, "{wrong}");
        let ink = |x: usize, y: usize| length(differences[y * 300 + x]);
        assert!(ink(150, 60) > 200.0 && ink(150, 94) > 100.0 && ink(150, 140) > 150.0);
    }

    #[test]
    fn chalk_on_a_board_differs_the_other_way() {
        let board = RgbImage::from_fn(40, 40, |x, _| Rgb([if x == 20 { 230 } else { 40 }; 3]));
        let differences = differences(&board);
        assert!(differences[20][0] < -200.0 && differences[0][0].abs() < 1.0);
    }

    #[test]
    fn a_pixel_and_a_line_of_pixels_have_a_paper() {
        for (width, height) in [(1, 1), (1, 500), (500, 1)] {
            let picture = RgbImage::from_pixel(width, height, Rgb([9, 9, 9]));
            assert!(differences(&picture).iter().all(|d| length(*d) == 0.0));
        }
    }
}
