//! From a picture file to the 28×28 pixels that a model reads.
//!
//! `picture ──ink──▶ grey, 0 = background ──fit──▶ Image28`
//!
//! For now the digit is assumed to fill the picture and to stand out from a plain background; it is not
//! looked for, and neither shadows nor ruled paper are taken away.

use std::path::Path;

use image::imageops::{self, FilterType};
use image::{DynamicImage, GrayImage};

use crate::error::Error;
use crate::image28::{IMAGE_SIDE, Image28};
use crate::picture::{self, Limits};

/// Middle of the grey scale: what is lighter counts as paper.
const HALF: u8 = 127;

/// What a picture holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// One drawing, which may be a digit.
    Drawing,
    /// Nothing stands out from the background.
    Blank,
    /// Several drawings side by side.
    Several,
    /// No strokes on a background: a photograph of something else.
    Clutter,
}

/// A picture made ready for a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prepared {
    /// What the model sees.
    pub image: Image28,
    /// What was found on the picture.
    pub content: Content,
}

/// What a step made of a picture, for people to look at.
#[derive(Debug, Clone)]
pub struct Step {
    /// A word or two: `ink`, `strokes`, ….
    pub name: &'static str,
    /// Its result, of any size.
    pub picture: DynamicImage,
}

/// Reads and prepares a picture file within the default [`Limits`].
///
/// # Errors
/// As [`picture::load`].
pub fn load(path: &Path) -> Result<Prepared, Error> {
    Ok(prepare(&picture::load(path, Limits::default())?))
}

/// All steps, for a picture that is decoded already.
#[must_use]
pub fn prepare(picture: &DynamicImage) -> Prepared {
    trace(picture).1
}

/// Like [`prepare`], with what each step made, the upright original first and the 28×28 last.
#[must_use]
pub fn trace(picture: &DynamicImage) -> (Vec<Step>, Prepared) {
    let ink = ink(picture);
    let image = fit(&ink);
    let side = IMAGE_SIDE as u32;
    let seen = GrayImage::from_raw(side, side, image.0.to_vec()).expect("28 by 28 pixels");
    let steps = vec![
        Step { name: "picture", picture: picture.clone() },
        Step { name: "ink", picture: ink.into() },
        Step { name: "28x28", picture: seen.into() },
    ];
    (steps, Prepared { image, content: Content::Drawing })
}

/// How much ink each pixel holds, 0 = background.
///
/// A transparent picture is laid over the background that its strokes stand out from: white under dark
/// ones, black under light ones. Then the border tells paper from ink: a light border means dark ink.
fn ink(picture: &DynamicImage) -> GrayImage {
    let mut grey = if picture.color().has_alpha() {
        over_contrasting_background(picture)
    } else {
        picture.to_luma8()
    };
    if border_median(&grey) > HALF {
        imageops::invert(&mut grey);
    }
    grey
}

fn over_contrasting_background(picture: &DynamicImage) -> GrayImage {
    let pixels = picture.to_luma_alpha8();
    let opacity: u64 = pixels.pixels().map(|pixel| u64::from(pixel.0[1])).sum();
    let light: u64 =
        pixels.pixels().map(|pixel| u64::from(pixel.0[0]) * u64::from(pixel.0[1])).sum();
    let background = if light > u64::from(HALF) * opacity { 0 } else { 255 };
    GrayImage::from_fn(pixels.width(), pixels.height(), |x, y| {
        let [grey, alpha] = pixels.get_pixel(x, y).0.map(u32::from);
        image::Luma([((grey * alpha + background * (255 - alpha) + 127) / 255) as u8])
    })
}

/// Median of the outermost pixels.
fn border_median(grey: &GrayImage) -> u8 {
    let (right, bottom) = (grey.width() - 1, grey.height() - 1);
    let mut border: Vec<u8> = grey
        .enumerate_pixels()
        .filter(|(x, y, _)| *x == 0 || *y == 0 || *x == right || *y == bottom)
        .map(|(_, _, pixel)| pixel.0[0])
        .collect();
    let middle = border.len() / 2;
    *border.select_nth_unstable(middle).1
}

/// Scales the longer side to 28 pixels and centres the rest; a picture of 28×28 stays as it is.
fn fit(grey: &GrayImage) -> Image28 {
    let side = IMAGE_SIDE as u32;
    let longer = grey.width().max(grey.height());
    let scaled = |length: u32| {
        let rounded =
            (u64::from(length) * u64::from(side) + u64::from(longer) / 2) / u64::from(longer);
        (rounded as u32).max(1)
    };
    let (width, height) = (scaled(grey.width()), scaled(grey.height()));
    let small = if grey.dimensions() == (width, height) {
        grey.clone()
    } else {
        imageops::resize(grey, width, height, FilterType::Triangle)
    };
    let mut canvas = GrayImage::new(side, side);
    imageops::replace(
        &mut canvas,
        &small,
        i64::from((side - width) / 2),
        i64::from((side - height) / 2),
    );
    Image28(canvas.into_raw().try_into().expect("the canvas is 28 by 28"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{Luma, Rgba, RgbaImage};

    /// A one: ink 255 in the middle column on 0.
    fn one() -> GrayImage {
        GrayImage::from_fn(28, 28, |x, y| {
            Luma([if x == 14 && (4..24).contains(&y) { 255 } else { 0 }])
        })
    }

    #[test]
    fn a_picture_like_mnist_comes_through_unchanged() {
        let image = prepare(&one().into()).image;
        assert_eq!(image.0[..], one().into_raw()[..]);
    }

    #[test]
    fn dark_ink_on_light_paper_is_turned_round() {
        let mut paper = one();
        imageops::invert(&mut paper);
        assert_eq!(prepare(&paper.into()).image.0[..], one().into_raw()[..]);
    }

    #[test]
    fn transparent_pictures_lie_on_what_their_strokes_stand_out_from() {
        for stroke in [0, 255] {
            let drawn = RgbaImage::from_fn(28, 28, |x, y| {
                Rgba([stroke, stroke, stroke, one().get_pixel(x, y).0[0]])
            });
            assert_eq!(prepare(&drawn.into()).image.0[..], one().into_raw()[..], "stroke {stroke}");
        }
    }

    #[test]
    fn the_aspect_is_kept_at_any_size() {
        for (width, height) in [(1, 1), (1, 5000), (5000, 1), (280, 560), (3, 2)] {
            let white_on_black = GrayImage::from_pixel(width, height, Luma([100]));
            let image = prepare(&white_on_black.into()).image;
            let rows = image.0.chunks(28).filter(|row| row.contains(&100)).count() as u32;
            let columns =
                (0..28).filter(|x| image.0.chunks(28).any(|row| row[*x] == 100)).count() as u32;
            let shorter = (28 * width.min(height)).div_ceil(width.max(height));
            let found = (rows.min(columns), rows.max(columns));
            assert!(found.0.abs_diff(shorter) <= 1 && found.1 == 28, "{width}x{height}: {found:?}");
        }
    }
}
