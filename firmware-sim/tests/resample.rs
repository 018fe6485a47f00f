//! A camera's frame, cropped and shrunk on a device, is what the host makes of the same part of the same picture.

use firmware::resample::{Crop, Resample, luma};
use fixtures::benchmarks::Random;
use image::{DynamicImage, GrayImage, RgbImage, RgbaImage};
use runtime::preprocess::{Color, Preparation, Preprocess};

/// Compares images of random crops of random frames, `[row][column][channel]`.
fn assert_equal<const CHANNELS: usize, const FROM: usize, const TO: usize>(
    picture: impl Fn(u32, u32, Vec<u8>) -> DynamicImage,
) {
    let mut random = Random(TO as u64);
    for _ in 0..60 {
        let [from, to] = [FROM, TO].map(|bytes| (bytes / CHANNELS) as u16);
        let mut number =
            |first: u16, last: u16| first + random.below(usize::from(last - first) + 1) as u16;
        let (width, frame_height) = (number(to, from), number(1, 70));
        let crop_height = number(1, frame_height);
        let (left, top) = (number(0, from - width), number(0, frame_height - crop_height));
        let height = number(1, crop_height);
        let crop = Crop { left, top, width, height: crop_height };
        // few levels make many halves
        let levels = 1 + random.below(256);
        let size = FROM * usize::from(frame_height);
        let pixels: Vec<u8> = (0..size).map(|_| (255 - random.below(levels)) as u8).collect();

        let mut resample = Resample::<CHANNELS, FROM, TO>::new(frame_height, crop, height).unwrap();
        let mut image: Vec<u8> = vec![];
        for row in pixels.as_chunks().0 {
            image.extend(resample.push_row(row).into_iter().flatten());
        }

        let picture = picture(from.into(), frame_height.into(), pixels);
        let [left, top, width, rows] = [left, top, width, crop_height].map(u32::from);
        let picture = picture.crop_imm(left, top, width, rows);
        let shape = [CHANNELS, height.into(), to.into()];
        let color = if CHANNELS < 3 { Color::Grey } else { Color::Rgb };
        let preparation = Preparation::new(shape, Preprocess::Stretch, color).unwrap();
        let expected = preparation.prepare(&picture).image;
        assert!(expected.interleaved().eq(image), "{crop:?} of {FROM}x{frame_height} to {shape:?}");
    }
}

fn grey(width: u32, height: u32, pixels: Vec<u8>) -> DynamicImage {
    GrayImage::from_raw(width, height, pixels).unwrap().into()
}

fn rgb(width: u32, height: u32, pixels: Vec<u8>) -> DynamicImage {
    RgbImage::from_raw(width, height, pixels).unwrap().into()
}

fn rgba(width: u32, height: u32, pixels: Vec<u8>) -> DynamicImage {
    RgbaImage::from_raw(width, height, pixels).unwrap().into()
}

#[test]
fn the_device_shrinks_as_the_host_does() {
    assert_equal::<1, 61, 1>(grey);
    assert_equal::<1, 160, 28>(grey);
    assert_equal::<1, 48, 32>(grey);
    assert_equal::<3, 240, 60>(rgb);
    assert_equal::<3, 144, 63>(rgb);
    assert_equal::<4, 80, 44>(rgba);
}

#[test]
fn a_colour_is_the_grey_that_it_is_on_the_host() {
    let shape = [1, 16, 16];
    let preparation = Preparation::new(shape, Preprocess::Stretch, Color::Grey).unwrap();
    for red in 0..=255_u8 {
        // all greens and blues that are multiples of 17
        let colours =
            RgbImage::from_fn(16, 16, |x, y| image::Rgb([red, 17 * x as u8, 17 * y as u8]));
        let expected = preparation.prepare(&colours.clone().into()).image;
        assert!(colours.pixels().map(|pixel| luma(pixel.0)).eq(expected.interleaved()));
    }
}
