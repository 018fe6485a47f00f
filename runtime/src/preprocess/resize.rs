//! A picture scaled to a model's size.

use std::borrow::Cow;
use std::mem;

use dataset::Image;
use image::DynamicImage;

use super::{Color, Preparation, Preprocess};

/// Scales a picture as `preparation` says, in little memory beside the picture's own.
pub(super) fn resize(picture: &DynamicImage, preparation: &Preparation) -> Image {
    let [channels, height, width] = preparation.shape;
    let pixels = Pixels::of(picture);
    let [x, y] = axes(picture, preparation);
    // rows as they are where they are to be enlarged: of a narrow picture there may be very many
    let length = picture.width() as usize;
    let as_they_are = (length < width).then(|| taps(length, 0.0, length as f64, length));
    let columns = as_they_are.as_deref().unwrap_or(&x.taps);
    let mut rows = Rows { pixels, columns, preparation, recent: Default::default() };
    let plane = height * width;
    let mut image = vec![0; channels * plane];
    for (row, tap) in y.taps.iter().enumerate() {
        let mut sums = vec![0.0; columns.len() * channels];
        for (number, weight) in tap.weights() {
            for (sum, value) in sums.iter_mut().zip(rows.get(number)) {
                *sum += weight * value;
            }
        }
        if as_they_are.is_some() {
            sums = enlarge(&sums, &x.taps, channels);
        }
        let start = (y.offset + row) * width + x.offset;
        for (column, values) in sums.chunks_exact(channels).enumerate() {
            for (channel, value) in values.iter().enumerate() {
                image[channel * plane + start + column] = value.round() as u8;
            }
        }
    }
    Image::new(preparation.shape, image).expect("the shape was checked")
}

/// A row `[column][channel]` with as many columns as taps.
fn enlarge(row: &[f64], taps: &[Tap], channels: usize) -> Vec<f64> {
    let value = |tap: &Tap, channel: usize| -> f64 {
        tap.weights().map(|(column, weight)| weight * row[column * channels + channel]).sum()
    };
    let values = |tap| (0..channels).map(move |channel| value(tap, channel));
    taps.iter().flat_map(values).collect()
}

/// Which pixels of the picture become which of the image, along one axis.
struct Axis {
    /// Black pixels before the first.
    offset: usize,
    /// One for each pixel that is made.
    taps: Vec<Tap>,
}

/// Neighbouring pixels whose weighted sum is one of the image's; the weights sum to 1.
struct Tap {
    first: usize,
    /// Of the first pixel.
    first_weight: f64,
    /// Of each between the first and the last.
    weight: f64,
    last: usize,
    /// Of the last pixel, if that is not the first.
    last_weight: f64,
}

impl Tap {
    /// Pixels with their weights.
    fn weights(&self) -> impl Iterator<Item = (usize, f64)> {
        (self.first..=self.last).map(|pixel| {
            let weight = match pixel {
                first if first == self.first => self.first_weight,
                last if last == self.last => self.last_weight,
                _ => self.weight,
            };
            (pixel, weight)
        })
    }
}

/// Columns and rows.
fn axes(picture: &DynamicImage, preparation: &Preparation) -> [Axis; 2] {
    let [_, height, width] = preparation.shape;
    let lengths = [picture.width() as usize, picture.height() as usize];
    let targets = [width, height];
    // how much each axis would have to shrink
    let [across, down] = [0, 1].map(|axis| lengths[axis] as f64 / targets[axis] as f64);
    [0, 1].map(|axis| {
        let (length, target) = (lengths[axis], targets[axis]);
        match preparation.preprocess {
            Preprocess::Crop => {
                let kept = (target as f64 * across.min(down)).min(length as f64);
                Axis { offset: 0, taps: taps(length, (length as f64 - kept) / 2.0, kept, target) }
            }
            Preprocess::Pad => {
                let drawn = (length as f64 / across.max(down)).round() as usize;
                let drawn = drawn.clamp(1, target);
                let taps = taps(length, 0.0, length as f64, drawn);
                Axis { offset: (target - drawn) / 2, taps }
            }
            Preprocess::Stretch | Preprocess::Digit => {
                Axis { offset: 0, taps: taps(length, 0.0, length as f64, target) }
            }
        }
    })
}

/// Brings `kept` of `length` pixels from `start` on to `target` pixels.
fn taps(length: usize, start: f64, kept: f64, target: usize) -> Vec<Tap> {
    let step = kept / target as f64;
    let tap = |at: usize| {
        let [from, to] = [at, at + 1].map(|edge| start + edge as f64 * step);
        if step < 1.0 { between(length, f64::midpoint(from, to)) } else { area(length, from, to) }
    };
    (0..target).map(tap).collect()
}

/// The mean of what lies between two points.
fn area(length: usize, from: f64, to: f64) -> Tap {
    let first = (from as usize).min(length - 1);
    let last = (to.ceil() as usize).clamp(first + 1, length) - 1;
    let covered = |pixel: usize| (to.min(pixel as f64 + 1.0) - from.max(pixel as f64)).max(0.0);
    let between = (last - first).saturating_sub(1) as f64;
    let last_covered = if last > first { covered(last) } else { 0.0 };
    let sum = covered(first) + between + last_covered;
    Tap {
        first,
        first_weight: covered(first) / sum,
        weight: 1.0 / sum,
        last,
        last_weight: last_covered / sum,
    }
}

/// The value at a point, between the middles of two pixels; beyond the first or the last that pixel's.
fn between(length: usize, point: f64) -> Tap {
    let at = (point - 0.5).clamp(0.0, (length - 1) as f64);
    let (first, part) = (at as usize, at.fract());
    let last = (first + 1).min(length - 1);
    Tap { first, first_weight: 1.0 - part, weight: 0.0, last, last_weight: part }
}

/// Rows of a picture with as many columns as there are taps: `[column][channel]`.
struct Rows<'a> {
    pixels: Pixels<'a>,
    columns: &'a [Tap],
    preparation: &'a Preparation,
    /// The last two with one more than their numbers, the older first: neighbours are needed again.
    recent: [(usize, Vec<f64>); 2],
}

impl Rows<'_> {
    fn get(&mut self, number: usize) -> &[f64] {
        if let Some(at) = self.recent.iter().position(|(recent, _)| *recent == number + 1) {
            return &self.recent[at].1;
        }
        let mut row = mem::take(&mut self.recent[0].1);
        self.make(number, &mut row);
        self.recent.swap(0, 1);
        self.recent[1] = (number + 1, row);
        &self.recent[1].1
    }

    fn make(&self, number: usize, row: &mut Vec<f64>) {
        let Preparation { shape: [channels, ..], color, .. } = *self.preparation;
        let values = |column| channels_of(self.pixels.get(column, number), channels, color);
        row.clear();
        for tap in self.columns {
            let mut between = [0_u64; 4];
            for column in tap.first + 1..tap.last {
                for (sum, value) in between.iter_mut().zip(values(column)) {
                    *sum += u64::from(value);
                }
            }
            let (first, last) = (values(tap.first), values(tap.last));
            row.extend((0..channels).map(|c| {
                f64::from(first[c]) * tap.first_weight
                    + between[c] as f64 * tap.weight
                    + f64::from(last[c]) * tap.last_weight
            }));
        }
    }
}

/// The pixels of a picture; those of rare kinds are converted.
enum Pixels<'a> {
    Grey(&'a image::GrayImage),
    Rgb(&'a image::RgbImage),
    Rgba(Cow<'a, image::RgbaImage>),
}

impl<'a> Pixels<'a> {
    fn of(picture: &'a DynamicImage) -> Self {
        match picture {
            DynamicImage::ImageLuma8(pixels) => Self::Grey(pixels),
            DynamicImage::ImageRgb8(pixels) => Self::Rgb(pixels),
            DynamicImage::ImageRgba8(pixels) => Self::Rgba(Cow::Borrowed(pixels)),
            other => Self::Rgba(Cow::Owned(other.to_rgba8())),
        }
    }

    /// Red, green, blue and alpha.
    fn get(&self, x: usize, y: usize) -> [u8; 4] {
        let (x, y) = (x as u32, y as u32);
        match self {
            Self::Grey(pixels) => {
                let grey = pixels.get_pixel(x, y).0[0];
                [grey, grey, grey, u8::MAX]
            }
            Self::Rgb(pixels) => {
                let [red, green, blue] = pixels.get_pixel(x, y).0;
                [red, green, blue, u8::MAX]
            }
            Self::Rgba(pixels) => pixels.get_pixel(x, y).0,
        }
    }
}

/// What a model of 1 to 4 channels sees of a pixel; the rest is 0.
fn channels_of([red, green, blue, alpha]: [u8; 4], channels: usize, color: Color) -> [u8; 4] {
    let has_alpha = channels == 2 || channels == 4;
    let [red, green, blue] = if has_alpha || alpha == u8::MAX {
        [red, green, blue]
    } else {
        [red, green, blue].map(|channel| over_white(channel, alpha))
    };
    let grey = || luma(red, green, blue);
    match (channels, color) {
        (1, _) => [grey(), 0, 0, 0],
        (2, _) => [grey(), alpha, 0, 0],
        (_, Color::Grey) => [grey(), grey(), grey(), alpha],
        (_, Color::Rgb) => [red, green, blue, alpha],
    }
}

fn over_white(channel: u8, alpha: u8) -> u8 {
    let (channel, alpha) = (u32::from(channel), u32::from(alpha));
    ((channel * alpha + 255 * (255 - alpha) + 127) / 255) as u8
}

/// ITU-R BT.601, with PIL's rounding: parts of 65,536 are 0.299, 0.587 and 0.114.
///
/// Source: <https://pillow.readthedocs.io/en/stable/reference/Image.html#PIL.Image.Image.convert>.
fn luma(red: u8, green: u8, blue: u8) -> u8 {
    let [red, green, blue] = [red, green, blue].map(u32::from);
    ((red * 19_595 + green * 38_470 + blue * 7_471 + 0x8000) >> 16) as u8
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{GrayImage, Luma, LumaA, Rgb, RgbImage, Rgba, RgbaImage};

    fn prepared(
        picture: impl Into<DynamicImage>,
        shape: [usize; 3],
        preprocess: Preprocess,
    ) -> Image {
        let color = if shape[0] < 3 { Color::Grey } else { Color::Rgb };
        let preparation = Preparation::new(shape, preprocess, color).unwrap();
        preparation.prepare(&picture.into()).image
    }

    const ALL: [Preprocess; 3] = [Preprocess::Stretch, Preprocess::Crop, Preprocess::Pad];

    #[test]
    fn a_picture_of_the_models_size_is_not_changed() {
        let picture = RgbImage::from_fn(20, 32, |x, y| Rgb([x as u8, 7 * y as u8, 255 - x as u8]));
        let grey = GrayImage::from_fn(20, 32, |x, y| Luma([(x * y) as u8]));
        for preprocess in ALL {
            let image = prepared(picture.clone(), [3, 32, 20], preprocess);
            assert!(image.interleaved().eq(picture.iter().copied()));
            assert_eq!(prepared(grey.clone(), [1, 32, 20], preprocess).pixels(), grey.as_raw());
        }
    }

    #[test]
    fn shrinking_averages_areas_with_parts_of_pixels() {
        let picture = GrayImage::from_raw(3, 1, vec![0, 90, 240]).unwrap();
        let image = prepared(picture, [1, 1, 2], Preprocess::Stretch);
        // (0 + 90/2) / 1.5 and (90/2 + 240) / 1.5
        assert_eq!(image.pixels(), [30, 190]);
    }

    #[test]
    fn enlarging_interpolates_between_the_middles_of_pixels() {
        let picture = GrayImage::from_raw(2, 1, vec![0, 200]).unwrap();
        let image = prepared(picture, [1, 2, 4], Preprocess::Stretch);
        assert_eq!(image.pixels(), [0, 50, 150, 200, 0, 50, 150, 200]);
    }

    #[test]
    fn crop_keeps_the_middle_and_pad_keeps_all_between_black_bars() {
        let picture = GrayImage::from_raw(6, 2, [10, 20, 30, 40, 50, 60].repeat(2)).unwrap();
        let crop = prepared(picture.clone(), [1, 2, 2], Preprocess::Crop);
        assert_eq!(crop.pixels(), [30, 40, 30, 40]);
        let pad = prepared(picture.clone(), [1, 3, 3], Preprocess::Pad);
        assert_eq!(pad.pixels(), [0, 0, 0, 15, 35, 55, 0, 0, 0]);
        let stretch = prepared(picture, [1, 1, 3], Preprocess::Stretch);
        assert_eq!(stretch.pixels(), [15, 35, 55]);
        let tall = GrayImage::from_raw(1, 3, vec![9, 99, 199]).unwrap();
        assert_eq!(prepared(tall.clone(), [1, 1, 1], Preprocess::Crop).pixels(), [99]);
        let pad = prepared(tall, [1, 3, 3], Preprocess::Pad);
        assert_eq!(pad.pixels(), [0, 9, 0, 0, 99, 0, 0, 199, 0]);
    }

    #[test]
    fn grey_is_luma_of_601_and_may_fill_three_channels() {
        let colours = [255, 0, 0, 0, 255, 0, 0, 0, 255, 255, 255, 255];
        let picture: DynamicImage = RgbImage::from_raw(4, 1, colours.to_vec()).unwrap().into();
        let expected = [76, 150, 29, 255];
        let grey = prepared(picture.clone(), [1, 1, 4], Preprocess::Stretch);
        assert_eq!(grey.pixels(), expected);
        let three = Preparation::new([3, 1, 4], Preprocess::Stretch, Color::Grey).unwrap();
        assert_eq!(three.prepare(&picture).image.pixels(), expected.repeat(3));
    }

    #[test]
    fn transparent_pictures_lie_on_white_but_for_models_that_take_alpha() {
        let picture = RgbaImage::from_pixel(2, 2, Rgba([100, 0, 0, 51]));
        let seen = |channels| {
            let image = prepared(picture.clone(), [channels, 2, 2], Preprocess::Stretch);
            (0..channels).map(|channel| image.channel(channel)[3]).collect::<Vec<_>>()
        };
        assert_eq!(seen(3), [224, 204, 204]);
        assert_eq!(seen(1), [210]);
        assert_eq!(seen(2), [30, 51]);
        assert_eq!(seen(4), [100, 0, 0, 51]);
        let deep = image::ImageBuffer::from_pixel(3, 3, LumaA([0x8080_u16, 0]));
        let deep = DynamicImage::ImageLumaA16(deep);
        assert_eq!(prepared(deep, [1, 1, 1], Preprocess::Pad).pixels(), [255]);
    }

    #[test]
    fn no_size_is_too_odd_and_an_even_colour_stays_itself() {
        for (width, height) in [(1, 1), (1, 70_000), (70_000, 1), (257, 3), (640, 480)] {
            let picture = RgbImage::from_pixel(width, height, Rgb([200, 3, 255]));
            for shape in [[3, 1, 1], [3, 256, 256], [3, 7, 256], [3, 256, 1], [3, 33, 31]] {
                for preprocess in [Preprocess::Stretch, Preprocess::Crop] {
                    let image = prepared(picture.clone(), shape, preprocess);
                    let even = |(c, colour)| image.channel(c).iter().all(|pixel| *pixel == colour);
                    let all = [200, 3, 255].into_iter().enumerate().all(even);
                    assert!(all, "{width}x{height} {preprocess:?} {shape:?}");
                }
                let padded = prepared(picture.clone(), shape, Preprocess::Pad);
                assert!(padded.channel(0).contains(&200), "{width}x{height} {shape:?}");
            }
        }
    }
}
