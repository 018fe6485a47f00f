//! Any picture as plain RGB of a size that is quick to work on.

use image::imageops::thumbnail;
use image::{DynamicImage, RgbImage};

/// Pixels along the longer side: a pen's line stays visible on a page, and every step takes milliseconds.
const WORKING_SIDE: u32 = 448;

/// Scales the longer side down to 448 pixels by averaging, and lays transparent pictures on paper.
pub(super) fn flatten(picture: &DynamicImage) -> RgbImage {
    let opaque = if picture.color().has_alpha() { &over_paper(picture) } else { picture };
    let longer = opaque.width().max(opaque.height());
    if longer <= WORKING_SIDE {
        return opaque.to_rgb8();
    }
    let scaled = |length: u32| {
        (u64::from(length) * u64::from(WORKING_SIDE)).div_ceil(u64::from(longer)) as u32
    };
    let [width, height] = [opaque.width(), opaque.height()].map(scaled);
    // kinds that are rare are not worth code of their own
    match opaque {
        DynamicImage::ImageLuma8(grey) => {
            DynamicImage::from(thumbnail(grey, width, height)).to_rgb8()
        }
        DynamicImage::ImageRgb8(colours) => thumbnail(colours, width, height),
        other => thumbnail(&other.to_rgb8(), width, height),
    }
}

/// Lays a transparent picture over what its drawing stands out from.
///
/// Where the opaque part holds paper and ink already, what is transparent becomes paper too. Where the opaque
/// part is the drawing itself, it lies on white if it is dark and on black if it is light. What is translucent
/// everywhere counts as opaque where it is strongest. A picture whose every pixel is transparent is taken for an
/// opaque one.
fn over_paper(picture: &DynamicImage) -> DynamicImage {
    let mut pixels = picture.to_rgba8();
    let strongest = u32::from(pixels.pixels().map(|pixel| pixel.0[3]).max().unwrap_or(0)).max(1);
    for pixel in pixels.pixels_mut() {
        pixel.0[3] = (u32::from(pixel.0[3]) * 255 / strongest) as u8;
    }
    let mut histogram = [0_u64; 256];
    for pixel in pixels.pixels().filter(|pixel| pixel.0[3] > 127) {
        histogram[usize::from(luma(pixel.0[0], pixel.0[1], pixel.0[2]))] += 1;
    }
    let opaque: u64 = histogram.iter().sum();
    if opaque == 0 {
        return DynamicImage::ImageRgba8(pixels).to_rgb8().into();
    }
    let rank = |part: f64| {
        let mut below = 0;
        histogram
            .iter()
            .position(|count| {
                below += count;
                below as f64 > part * (opaque - 1) as f64
            })
            .unwrap_or(255) as u8
    };
    let [darkest, middle, lightest] = [0.02, 0.5, 0.98].map(rank);
    let mostly_opaque = 2 * opaque > u64::from(pixels.width()) * u64::from(pixels.height());
    let holds_both = mostly_opaque && lightest - darkest > 64;
    let paper = match (holds_both, middle > 127) {
        (true, _) => middle,
        (false, true) => 0,
        (false, false) => 255,
    };
    for pixel in pixels.pixels_mut() {
        let [red, green, blue, alpha] = pixel.0;
        let over = |channel: u8| {
            let (channel, alpha, paper) = (u32::from(channel), u32::from(alpha), u32::from(paper));
            ((channel * alpha + paper * (255 - alpha) + 127) / 255) as u8
        };
        pixel.0 = [over(red), over(green), over(blue), 255];
    }
    pixels.into()
}

fn luma(red: u8, green: u8, blue: u8) -> u8 {
    ((u32::from(red) * 299 + u32::from(green) * 587 + u32::from(blue) * 114) / 1000) as u8
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{GrayImage, Luma, Rgba, RgbaImage};

    /// A bar of this colour and opacity on what else is `around`.
    fn bar(colour: [u8; 4], around: [u8; 4]) -> DynamicImage {
        RgbaImage::from_fn(40, 40, |x, _| Rgba(if (18..22).contains(&x) { colour } else { around }))
            .into()
    }

    #[test]
    fn an_opaque_drawing_lies_on_what_it_stands_out_from() {
        let dark = flatten(&bar([30, 0, 0, 255], [0; 4]));
        assert_eq!((dark.get_pixel(0, 0).0, dark.get_pixel(20, 0).0), ([255; 3], [30, 0, 0]));
        let light = flatten(&bar([240; 4], [255, 255, 255, 0]));
        assert_eq!(light.get_pixel(0, 0).0, [0; 3]);
    }

    #[test]
    fn holes_in_a_picture_that_has_its_own_paper_become_paper() {
        let mut picture = bar([10, 10, 10, 255], [220, 220, 220, 255]).to_rgba8();
        picture.put_pixel(0, 0, Rgba([0; 4]));
        let flat = flatten(&picture.into());
        assert_eq!((flat.get_pixel(0, 0).0, flat.get_pixel(20, 0).0), ([220; 3], [10; 3]));
    }

    #[test]
    fn a_picture_of_transparent_pixels_only_is_taken_as_it_is() {
        let flat = flatten(&bar([10, 10, 10, 0], [220, 220, 220, 0]));
        assert_eq!((flat.get_pixel(0, 0).0, flat.get_pixel(20, 0).0), ([220; 3], [10; 3]));
    }

    #[test]
    fn translucent_ink_is_as_strong_as_opaque_ink() {
        for alpha in [1, 20, 126, 200] {
            let flat = flatten(&bar([30, 0, 0, alpha], [0; 4]));
            assert_eq!((flat.get_pixel(0, 0).0, flat.get_pixel(20, 0).0), ([255; 3], [30, 0, 0]));
        }
    }

    #[test]
    fn large_pictures_are_averaged_and_keep_their_aspect() {
        let stripes =
            GrayImage::from_fn(4480, 2240, |x, _| Luma([if x % 2 == 0 { 0 } else { 200 }]));
        let flat = flatten(&stripes.into());
        assert_eq!(flat.dimensions(), (448, 224));
        assert!(flat.pixels().all(|pixel| pixel.0[0].abs_diff(100) < 3));
        assert_eq!(flatten(&GrayImage::new(9000, 1).into()).dimensions(), (448, 1));
    }
}
