//! Takes single pixels out of pictures that are strewn with them: salt and pepper.

use image::{Luma, RgbImage, imageops};

use super::median::medians;
use super::paper::mirrored;

/// Minimum difference of a speck from each pixel beside it, in grey levels.
const MIN_DIFFERENCE: i32 = 80;
/// Minimum part of a strewn picture that is specks, and minimum number of them.
const MIN_SPECKS: f32 = 0.003;
const MIN_COUNT: usize = 12;
/// Medians that are taken at most: the first leaves what was close together.
const MAX_ROUNDS: usize = 2;

/// The picture without its specks; `None` if it is not strewn with them.
pub(super) fn remove(picture: &RgbImage) -> Option<RgbImage> {
    let mut clean = None;
    for _ in 0..MAX_ROUNDS {
        let strewn = clean.as_ref().unwrap_or(picture);
        if !is_strewn(strewn) {
            break;
        }
        clean = Some(medians(&mirrored(strewn, 1), 1));
    }
    clean
}

/// Whether specks lie all over a picture: in its corners too, where no dotted digit is.
fn is_strewn(picture: &RgbImage) -> bool {
    let (width, height) = picture.dimensions();
    let grey = imageops::grayscale(picture);
    let level = |x: u32, y: u32| {
        let Luma([level]) = *grey.get_pixel(x, y);
        i32::from(level)
    };
    let is_speck = |x: u32, y: u32| {
        let beside = [level(x - 1, y), level(x + 1, y), level(x, y - 1), level(x, y + 1)];
        let differences = beside.map(|beside| level(x, y) - beside);
        differences.iter().all(|difference| *difference > MIN_DIFFERENCE)
            || differences.iter().all(|difference| *difference < -MIN_DIFFERENCE)
    };
    let (mut count, mut corners) = (0, [0_usize; 4]);
    for y in 1..height.saturating_sub(1) {
        for x in 1..width.saturating_sub(1) {
            if is_speck(x, y) {
                count += 1;
                let [left, right] = [4 * x < width, 4 * x >= 3 * width];
                let [top, bottom] = [4 * y < height, 4 * y >= 3 * height];
                let corner = [left && top, right && top, left && bottom, right && bottom];
                corners
                    .iter_mut()
                    .zip(corner)
                    .for_each(|(count, is_in)| *count += usize::from(is_in));
            }
        }
    }
    count >= MIN_COUNT
        && count as f32 > MIN_SPECKS * (width * height) as f32
        && corners.iter().all(|specks| *specks > 0)
}

#[cfg(test)]
mod tests {
    use image::Rgb;

    use super::*;

    /// A bar of this width on white.
    fn bar(x: u32, y: u32, width: u32) -> Rgb<u8> {
        let is_ink = x.abs_diff(50) < width && (20..80).contains(&y);
        Rgb([if is_ink { 0 } else { 255 }; 3])
    }

    #[test]
    fn salt_and_pepper_are_taken_out_and_strokes_stay() {
        let mut state = 1_u32;
        let strewn = RgbImage::from_fn(100, 100, |x, y| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            match state >> 24 {
                0..6 => Rgb([0; 3]),
                6..12 => Rgb([255; 3]),
                _ => bar(x, y, 5),
            }
        });
        let clean = remove(&strewn).unwrap();
        let is_wrong = |(x, y, pixel): (u32, u32, &Rgb<u8>)| *pixel != bar(x, y, 5);
        let wrong =
            |picture: &RgbImage| picture.enumerate_pixels().filter(|at| is_wrong(*at)).count();
        assert!(wrong(&strewn) > 200 && wrong(&clean) < 30, "{}", wrong(&clean));
    }

    #[test]
    fn thin_lines_dotted_digits_and_noise_are_left_alone() {
        let thin = RgbImage::from_fn(100, 100, |x, y| bar(x, y, 1));
        let dotted = RgbImage::from_fn(100, 100, |x, y| {
            if x % 3 == 0 && y % 3 == 0 { bar(x, y, 12) } else { Rgb([255; 3]) }
        });
        let noisy =
            RgbImage::from_fn(100, 100, |x, y| Rgb([180 + ((x * 37 + y * 91) % 61) as u8; 3]));
        for picture in [thin, dotted, noisy, RgbImage::new(1, 1)] {
            assert!(remove(&picture).is_none());
        }
    }
}
