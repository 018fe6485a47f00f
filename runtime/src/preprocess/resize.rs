//! A picture scaled to a model's size.
//!
//! Exactly: a pixel is a weighted mean of the picture's, weights are whole numbers, and the mean is rounded once, halves up.
//! `firmware::resample` shrinks by the same definition on a device, and a test of `firmware-sim` holds both to the same bits.

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
    let as_they_are = (length < width).then(|| Axis::unchanged(length as u64).taps);
    let columns = as_they_are.as_deref().unwrap_or(&x.taps);
    let mut rows = Rows { pixels, columns, preparation, recent: Default::default() };
    let plane = height * width;
    let total = x.total * y.total;
    let mut image = vec![0; channels * plane];
    for (row, tap) in y.taps.iter().enumerate() {
        let mut sums = vec![0; columns.len() * channels];
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
                image[channel * plane + start + column] = ((value + total / 2) / total) as u8;
            }
        }
    }
    Image::new(preparation.shape, image).expect("the shape was checked")
}

/// A row `[column][channel]` with as many columns as taps.
fn enlarge(row: &[u64], taps: &[Tap], channels: usize) -> Vec<u64> {
    let value = |tap: &Tap, channel: usize| -> u64 {
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
    /// The sum of the weights of each tap. 255 times those of both axes is far below 2⁶⁴, whatever the
    /// picture.
    total: u64,
}

/// Neighbouring pixels with their weights.
struct Tap {
    first: usize,
    /// Of the first pixel.
    first_weight: u64,
    /// Of each between the first and the last.
    weight: u64,
    last: usize,
    /// Of the last pixel, if that is not the first.
    last_weight: u64,
}

impl Tap {
    /// Pixels with their weights.
    fn weights(&self) -> impl Iterator<Item = (usize, u64)> {
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
    let [across, down] = [(picture.width(), width), (picture.height(), height)]
        .map(|(length, target)| (u64::from(length), target as u64));
    // the axis that would have to shrink most, and the other
    let is_across = across.0 * down.1 > down.0 * across.1;
    let [more, less] = if is_across { [across, down] } else { [down, across] };
    [across, down].map(|(length, target)| match preparation.preprocess {
        // both by the same factor, from the middle
        Preprocess::Crop => {
            let kept = target * less.0;
            let start = length * less.1 - kept;
            Scale { length, unit: 2 * less.1, start, step: 2 * less.0 }.axis(target)
        }
        Preprocess::Pad => {
            let drawn = (2 * length * more.1 + more.0) / (2 * more.0);
            let drawn = drawn.clamp(1, target);
            Axis { offset: ((target - drawn) / 2) as usize, ..Axis::stretched(length, drawn) }
        }
        Preprocess::Stretch | Preprocess::Digit => Axis::stretched(length, target),
    })
}

impl Axis {
    /// All pixels as they are.
    fn unchanged(length: u64) -> Self {
        Scale { length, unit: 1, start: 0, step: 1 }.axis(length)
    }

    /// Brings `length` pixels on to `target`.
    fn stretched(length: u64, target: u64) -> Self {
        Scale { length, unit: target, start: 0, step: length }.axis(target)
    }
}

/// Where the pixels that are made lie on the picture's `length`, in parts of which a pixel of the picture has `unit`.
struct Scale {
    length: u64,
    unit: u64,
    /// Where the first begins.
    start: u64,
    /// From the beginning of one to that of the next.
    step: u64,
}

impl Scale {
    fn axis(&self, target: u64) -> Axis {
        let is_enlarged = self.step < self.unit;
        let tap = |at| if is_enlarged { self.between(at) } else { self.area(at) };
        let total = if is_enlarged { 2 * self.unit } else { self.step };
        Axis { offset: 0, taps: (0..target).map(tap).collect(), total }
    }

    /// The mean of what the pixel covers.
    fn area(&self, at: u64) -> Tap {
        let from = self.start + at * self.step;
        let to = from + self.step;
        let [first, last] = [from / self.unit, (to - 1) / self.unit];
        let of_first = to.min((first + 1) * self.unit) - from;
        Tap {
            first: first as usize,
            first_weight: of_first,
            weight: self.unit,
            last: last as usize,
            // of a single pixel, which is the last too, there is one weight
            last_weight: if last > first { to - last * self.unit } else { 0 },
        }
    }

    /// The value at the pixel's middle, between the middles of two of the picture's; beyond the first or the last that one's.
    fn between(&self, at: u64) -> Tap {
        // of half the parts
        let unit = 2 * self.unit;
        let middle = 2 * self.start + (2 * at + 1) * self.step;
        let point = middle.saturating_sub(self.unit).min((self.length - 1) * unit);
        let (first, part) = (point / unit, point % unit);
        Tap {
            first: first as usize,
            first_weight: unit - part,
            weight: 0,
            last: (first + 1).min(self.length - 1) as usize,
            last_weight: part,
        }
    }
}

/// Rows of a picture with as many columns as there are taps: `[column][channel]`.
struct Rows<'a> {
    pixels: Pixels<'a>,
    columns: &'a [Tap],
    preparation: &'a Preparation,
    /// The last two with one more than their numbers, the older first: neighbours are needed again.
    recent: [(usize, Vec<u64>); 2],
}

impl Rows<'_> {
    fn get(&mut self, number: usize) -> &[u64] {
        if let Some(at) = self.recent.iter().position(|(recent, _)| *recent == number + 1) {
            return &self.recent[at].1;
        }
        let mut row = mem::take(&mut self.recent[0].1);
        self.make(number, &mut row);
        self.recent.swap(0, 1);
        self.recent[1] = (number + 1, row);
        &self.recent[1].1
    }

    fn make(&self, number: usize, row: &mut Vec<u64>) {
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
                u64::from(first[c]) * tap.first_weight
                    + between[c] * tap.weight
                    + u64::from(last[c]) * tap.last_weight
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
