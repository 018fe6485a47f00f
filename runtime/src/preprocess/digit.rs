//! Any picture of a digit as the 28×28 pixels that MNIST would have made of it.
//!
//! `picture ──flat──▶ RGB ──paper, ink──▶ ink ──rulings, strokes──▶ strokes of the digit ──normalize──▶ 28×28`
//!
//! | module | what it does | what it assumes |
//! |---|---|---|
//! | flat | lays transparent pictures on paper, averages large ones down to 448 pixels | the digit is as long as a twentieth of the picture or more |
//! | specks | takes single pixels out of a picture that is strewn with them | strokes are wider than a pixel |
//! | canvas, paper | estimates the colour of the paper at each pixel: even, evenly lit, as around, or with the edges of shadows | most of the border is paper, or all is paper and ink |
//! | ink | measures how far each pixel is from the paper's colour towards the pen's | one pen |
//! | rulings | removes straight thin lines that cross the picture | the pen is thicker, or there are several lines |
//! | hollow | fills strokes that are drawn as outlines | the outline is closed |
//! | strokes, group | cuts ink from paper, joins the strokes of one digit, leaves out specks and neighbours | the digit is large and near the middle |
//! | surroundings | tells underlines, boxes, windows and the mark in a 0 from strokes | |
//! | `paper_sheet` | if the drawing is a sheet of paper on a table, starts again inside it | it lies nearly straight |
//! | loops, normalize | opens filled loops, brings the pen near MNIST's, scales into 20×20, puts the centre of mass in the middle | |
//!
//! A picture of 28×28 that stands as MNIST's do already, light on dark or dark on light, is not changed.
//! What this does not do: find digits on a page, turn what lies on its side, straighten perspective.

mod canvas;
mod distance;
mod flat;
mod group;
mod hollow;
mod ink;
mod least_squares;
mod loops;
mod median;
mod normalize;
mod paper;
mod paper_sheet;
mod quantile;
mod regions;
mod rulings;
mod specks;
mod strokes;
mod surroundings;

use image::{DynamicImage, GrayImage, Luma, imageops};

use dataset::{IMAGE_SIDE, Image, PIXELS};

use super::{Content, OnStep, Prepared};
use ink::Ink;
use normalize::Normalized;
use strokes::{Digit, Mask};

/// Minimum contrast of ink with its paper, in grey levels of a channel: less is blank paper.
const MIN_CONTRAST: f32 = 8.0;
/// Maximum background noise, in parts of the ink's contrast: what has more is no paper.
const MAX_NOISE: f32 = 0.22;
/// Minimum part of all ink that a digit has; frames, shadows and neighbours have the rest.
const MIN_SHARE: f32 = 0.4;
/// Maximum thickness of a stroke, in parts of the drawing's longer side; the boldest pens come to 0.4.
const MAX_THICKNESS: f32 = 0.45;
/// Minimum contrast of ink on a paper sheet, in parts of the sheet's contrast with the table.
const MIN_CONTRAST_ON_SHEET: f32 = 0.15;

/// All steps, up to the last.
pub(super) fn prepare(picture: &DynamicImage, on_step: &mut OnStep) -> Prepared {
    match as_in_mnist(picture) {
        Some(image) => Prepared { image, content: Content::Drawing },
        None => match look_closer(picture, on_step) {
            Found::Digit { digit, .. } => {
                on_step("digit", &|| digit.strokes.clone().into());
                let Normalized { image, thickness } = normalize::normalize(&digit.strokes);
                let content = if digit.several {
                    Content::Several
                } else if digit.share < MIN_SHARE || thickness > MAX_THICKNESS {
                    Content::Clutter
                } else {
                    Content::Drawing
                };
                Prepared { image, content }
            }
            Found::Blank => Prepared { image: Image::mnist([0; PIXELS]), content: Content::Blank },
            Found::Clutter => {
                Prepared { image: Image::mnist([0; PIXELS]), content: Content::Clutter }
            }
        },
    }
}

/// The picture itself, or its inverse, if it stands as all of MNIST's 60,000 training images do: 28×28, the box
/// around its ink 20 pixels long, its centre of mass within 0.51 pixels of the middle.
fn as_in_mnist(picture: &DynamicImage) -> Option<Image> {
    let side = IMAGE_SIDE as u32;
    if (picture.width(), picture.height()) != (side, side) || picture.color().has_alpha() {
        return None;
    }
    let grey = picture.to_luma8();
    let mut inverse = grey.clone();
    imageops::invert(&mut inverse);
    let standing = [grey, inverse].into_iter().find(stands_as_in_mnist)?;
    standing.into_raw().try_into().ok().map(Image::mnist)
}

fn stands_as_in_mnist(grey: &GrayImage) -> bool {
    const BOX_PX: u32 = 20;
    const CENTRE_PX: f32 = 14.0;
    const OFF_PX: f32 = 0.52;
    let (mut left, mut top, mut right, mut bottom) = (u32::MAX, u32::MAX, 0, 0);
    let (mut mass, mut moments) = (0, [0; 2]);
    for (x, y, pixel) in grey.enumerate_pixels().filter(|(_, _, pixel)| pixel.0[0] > 0) {
        let ink = u32::from(pixel.0[0]);
        (left, right) = (left.min(x), right.max(x));
        (top, bottom) = (top.min(y), bottom.max(y));
        mass += ink;
        moments[0] += ink * x;
        moments[1] += ink * y;
    }
    let centred = |moment: u32| (moment as f32 / mass as f32 - CENTRE_PX).abs() < OFF_PX;
    mass > 0 && (right - left).max(bottom - top) + 1 == BOX_PX && moments.into_iter().all(centred)
}

/// What is drawn on a picture.
enum Found {
    Digit { digit: Digit, contrast: f32 },
    Blank,
    Clutter,
}

/// Looks at the picture, and if it shows a sheet of paper, at what is on that.
fn look_closer(picture: &DynamicImage, on_step: &mut OnStep) -> Found {
    let found = look(picture, on_step);
    if let Found::Digit { digit, contrast } = &found
        && let Some(sheet) = paper_sheet::inside(picture, &digit.strokes)
    {
        let on_sheet = look(&sheet, on_step);
        let is_ink = |ink: f32| ink > MIN_CONTRAST_ON_SHEET * contrast;
        if matches!(on_sheet, Found::Digit { contrast: ink, .. } if is_ink(ink)) {
            return on_sheet;
        }
    }
    found
}

fn look(picture: &DynamicImage, on_step: &mut OnStep) -> Found {
    let flat = flat::flatten(picture);
    let flat = specks::remove(&flat).unwrap_or(flat);
    let measured = ink::measure(&flat);
    if measured.contrast < MIN_CONTRAST {
        return Found::Blank;
    }
    if measured.noise > MAX_NOISE {
        return Found::Clutter;
    }
    let ink = ink::enlarge(&measured.ink);
    on_step("ink", &|| gray(&ink).into());
    let ink = rulings::remove(&ink, measured.noise);
    on_step("rulings", &|| gray(&ink).into());
    let mut strokes: Mask = strokes::threshold(&ink, measured.noise);
    hollow::fill(&mut strokes);
    on_step("strokes", &|| strokes.clone().into());
    match strokes::digit(&strokes) {
        Some(digit) => Found::Digit { digit, contrast: measured.contrast },
        None => Found::Blank,
    }
}

fn gray(ink: &Ink) -> GrayImage {
    GrayImage::from_fn(ink.width(), ink.height(), |x, y| {
        Luma([(ink.get_pixel(x, y).0[0] * 255.0).round() as u8])
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::preprocess::{prepare, trace};
    use image::{Rgb, RgbImage};

    /// A one as MNIST's: 20 pixels high, in the middle.
    fn one() -> GrayImage {
        GrayImage::from_fn(28, 28, |x, y| {
            let stroke = (13..16).contains(&x) && (4..24).contains(&y);
            Luma([match (stroke, x) {
                (true, 14) => 255,
                (true, _) => 120,
                _ => 0,
            }])
        })
    }

    #[test]
    fn a_picture_that_stands_as_mnists_do_is_not_changed() {
        // rows 4 to 23 have their middle at 13.5
        assert_eq!(prepare(&one().into()).image.pixels(), one().into_raw());
    }

    #[test]
    fn its_inverse_does_too() {
        let mut paper = one();
        imageops::invert(&mut paper);
        assert_eq!(prepare(&paper.into()).image.pixels(), one().into_raw());
    }

    #[test]
    fn size_place_and_colours_of_a_digit_do_not_matter() {
        let expected = prepare(&ring(200, [0; 3], [255; 3])).image;
        for (side, paper, pen) in [
            (60, [255; 3], [0; 3]),
            (700, [230, 220, 200], [40, 50, 160]),
            (300, [90, 90, 90], [30, 30, 30]),
            (1500, [30, 60, 40], [220, 220, 200]),
        ] {
            let found = prepare(&ring(side, paper, pen));
            assert_eq!(found.content, Content::Drawing);
            let differences = found.image.pixels().iter().zip(expected.pixels());
            let mean: f32 =
                differences.map(|(&a, &b)| f32::from(a.abs_diff(b))).sum::<f32>() / PIXELS as f32;
            // pixels of the small one are 1.5 pixels of the result
            assert!(mean < 6.0, "{side}: {mean}\n{:?}\n{expected:?}", found.image);
        }
    }

    /// A zero, not in the middle.
    fn ring(side: u32, paper: [u8; 3], pen: [u8; 3]) -> DynamicImage {
        let part = side as f32 / 100.0;
        RgbImage::from_fn(side, side * 3 / 4, |x, y| {
            let (x, y) = ((x as f32 + 0.5) / part - 60.0, (y as f32 + 0.5) / part - 34.0);
            Rgb(if (16.0..20.0).contains(&(x * 1.4).hypot(y)) { pen } else { paper })
        })
        .into()
    }

    #[test]
    fn blank_noisy_solid_and_several_drawings_are_recognised() {
        let blank = RgbImage::from_pixel(300, 200, Rgb([240, 240, 230]));
        assert_eq!(prepare(&blank.into()).content, Content::Blank);
        let mut state = 1_u32;
        let noise = GrayImage::from_fn(300, 200, |_, _| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            Luma([(state >> 24) as u8])
        });
        assert_eq!(prepare(&noise.into()).content, Content::Clutter);
        let disc = GrayImage::from_fn(200, 150, |x, y| {
            Luma([if (x as f32 - 90.0).hypot(y as f32 - 80.0) < 40.0 { 0 } else { 255 }])
        });
        assert_eq!(prepare(&disc.into()).content, Content::Clutter);
        let eleven = GrayImage::from_fn(200, 150, |x, y| {
            let strokes = (50..58).contains(&x) || (140..148).contains(&x);
            Luma([if strokes && (40..110).contains(&y) { 0 } else { 255 }])
        });
        assert_eq!(prepare(&eleven.into()).content, Content::Several);
    }

    #[test]
    fn a_digit_on_a_sheet_on_a_table_is_found() {
        let table_colour = [90, 60, 40];
        let sheet = ring(300, [245; 3], [20; 3]).to_rgb8();
        let mut table = RgbImage::from_pixel(500, 400, Rgb(table_colour));
        imageops::replace(&mut table, &sheet, 80, 70);
        let (found, expected) = (prepare(&table.into()), prepare(&sheet.into()));
        let differences = found.image.pixels().iter().zip(expected.image.pixels());
        assert!(differences.map(|(&a, &b)| u32::from(a.abs_diff(b))).max() < Some(80), "{found:?}");
    }

    #[test]
    fn every_step_is_shown_the_original_first_and_the_result_last() {
        let picture = ring(200, [255; 3], [0; 3]);
        let (steps, prepared) = trace(&picture);
        assert_eq!(prepared, prepare(&picture));
        let names: Vec<&str> = steps.iter().map(|step| &*step.name).collect();
        assert_eq!(names, ["picture", "ink", "rulings", "strokes", "digit", "normalize, 28x28"]);
        assert_eq!(steps[5].picture.to_luma8().into_raw(), prepared.image.pixels());
    }

    #[test]
    fn no_size_is_too_odd() {
        for (width, height) in [(1, 1), (1, 5000), (5000, 1), (2, 3), (28, 28), (449, 2)] {
            for level in [0, 100, 255] {
                let plain = GrayImage::from_pixel(width, height, Luma([level]));
                assert_eq!(prepare(&plain.into()).content, Content::Blank, "{width}x{height}");
                let edge = GrayImage::from_fn(width, height, |x, y| {
                    Luma([if x + y == 0 { 0 } else { 255 }])
                });
                assert_ne!(prepare(&edge.into()).content, Content::Several);
            }
        }
    }
}
