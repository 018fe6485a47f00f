//! MNIST's digits as they come in other pictures: of few pixels, stretched to fill a frame, or large.

use image::imageops::{FilterType, crop_imm, resize};
use image::{GrayImage, Luma};
use rand::RngExt;
use rand::rngs::StdRng;
use runtime::{IMAGE_SIDE, Image};

use super::page::drawing_on;

/// Minimum of the shorter side of a box that is stretched: a 1 that is a bar would fill the frame.
const MIN_SIDE_PX: u32 = 6;

/// `digit` in such a picture, as the reader prepares it; itself if the reader finds no drawing there.
pub(super) fn draw(digit: &Image, rng: &mut StdRng) -> Image {
    drawing_on(picture(digit, rng)).unwrap_or_else(|| digit.clone())
}

fn picture(digit: &Image, rng: &mut StdRng) -> GrayImage {
    let drawing = boxed(digit);
    let (width, height) = drawing.dimensions();
    let longer = width.max(height);
    let mut picture = match rng.random_range(0..3) {
        0 => {
            let to = rng.random_range(7..14);
            let framed =
                framed(&drawing, (longer - width).div_ceil(2), (longer - height).div_ceil(2));
            contrasted(&resize(&framed, to, to, FilterType::Triangle))
        }
        1 if width.min(height) >= MIN_SIDE_PX => {
            let mut side = || rng.random_range(16..30);
            let stretched = resize(&drawing, side(), side(), FilterType::Triangle);
            if rng.random_range(0..2) == 0 { stretched } else { framed(&stretched, 4, 4) }
        }
        _ => {
            let times = rng.random_range(1.2..2.4);
            let [width, height] = [width, height].map(|side| (side as f32 * times) as u32);
            let larger = resize(&framed(&drawing, 1, 1), width, height, FilterType::CatmullRom);
            framed(&larger, width.max(8) / 4, height / 4)
        }
    };
    if rng.random_range(0..2) == 0 {
        image::imageops::invert(&mut picture);
    }
    picture
}

/// The box around its ink.
fn boxed(digit: &Image) -> GrayImage {
    let side = IMAGE_SIDE as u32;
    let whole = GrayImage::from_fn(side, side, |x, y| {
        Luma([digit.pixels()[y as usize * IMAGE_SIDE + x as usize]])
    });
    let (mut left, mut top, mut right, mut bottom) = (side - 1, side - 1, 0, 0);
    for (x, y, _) in whole.enumerate_pixels().filter(|(_, _, pixel)| pixel.0[0] > 0) {
        (left, right) = (left.min(x), right.max(x));
        (top, bottom) = (top.min(y), bottom.max(y));
    }
    if right < left {
        return whole;
    }
    crop_imm(&whole, left, top, right - left + 1, bottom - top + 1).to_image()
}

/// With so much paper at each side.
fn framed(drawing: &GrayImage, across: u32, down: u32) -> GrayImage {
    let (width, height) = drawing.dimensions();
    let mut framed = GrayImage::new(width + 2 * across, height + 2 * down);
    image::imageops::replace(&mut framed, drawing, i64::from(across), i64::from(down));
    framed
}

/// Ink at its full strength somewhere.
fn contrasted(drawing: &GrayImage) -> GrayImage {
    let max = drawing.pixels().map(|pixel| pixel.0[0]).max().unwrap_or(0).max(1);
    let full = |pixel: &Luma<u8>| (u32::from(pixel.0[0]) * 255 / u32::from(max)) as u8;
    GrayImage::from_fn(drawing.width(), drawing.height(), |x, y| {
        Luma([full(drawing.get_pixel(x, y))])
    })
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    #[test]
    fn a_digit_comes_in_pictures_of_many_sizes_and_keeps_its_form() {
        let mut rng = StdRng::seed_from_u64(1);
        let stroke = |x: usize, y: usize| (8..20).contains(&x) && (y < 7 || (15..18).contains(&x));
        let seven: [u8; 784] = std::array::from_fn(|at| {
            let (x, y) = (at % IMAGE_SIDE, at / IMAGE_SIDE);
            if (4..24).contains(&y) && stroke(x, y) { 255 } else { 0 }
        });
        let seven = Image::mnist(seven);
        let sizes: Vec<(u32, u32)> =
            (0..60).map(|_| picture(&seven, &mut rng).dimensions()).collect();
        assert!(sizes.iter().any(|size| size.0 < 14) && sizes.iter().any(|size| size.1 > 40));
        for _ in 0..60 {
            let drawn = draw(&seven, &mut rng);
            let ink = |row: &usize| -> u32 {
                drawn.pixels()[row * IMAGE_SIDE..][..IMAGE_SIDE]
                    .iter()
                    .map(|&ink| u32::from(ink))
                    .sum()
            };
            // its bar is at the top, above the centre of mass
            let widest = (0..IMAGE_SIDE).max_by_key(ink);
            assert!(widest < Some(14), "{drawn:?}");
        }
        let drawn = |seed| draw(&seven, &mut StdRng::seed_from_u64(seed));
        assert!(drawn(1) == drawn(1) && drawn(1) != drawn(2));
        // a blank picture has no drawing
        let blank = Image::mnist([0; 784]);
        assert!(draw(&blank, &mut rng) == blank);
    }
}
