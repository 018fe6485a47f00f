//! How pictures look before they are prepared, and which size and colour fit them.

use std::fmt;

use dataset::folder::{Listing, Picture};
use image::DynamicImage;
use sha2::{Digest, Sha256};

use super::decode::decode_each;
use crate::picture::Limits;
use crate::preprocess::Color;

/// Maximum number of pictures that [`survey`] decodes.
pub const MAX_SURVEYED: usize = 1000;

/// Maximum height and width that [`Survey::size`] proposes.
pub const MAX_DEFAULT_SIDE: usize = 64;

/// Pixels that are converted at a time.
const BAND_PIXELS: u32 = 1 << 16;

/// Difference of a pixel's largest and smallest of red, green and blue from which it counts as coloured: less is the cast
/// of the light, and what JPEG makes of grey.
const MIN_CHROMA: u8 = 24;

/// A picture has colour from one coloured pixel in this many on.
const PIXELS_PER_COLORED: u64 = 50;

/// Pictures have colours from one in this many on.
const PICTURES_PER_COLORED: usize = 20;

/// How a picture looks as it is in its file, upright.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// Whether at least a fiftieth of its pixels is coloured.
    pub has_color: bool,
    /// SHA-256 of width and height (four bytes each, the lowest first) and of the pixels, row by row, as red, green, blue
    /// and alpha of 8 bits: that of any two pictures that look the same, whatever their files.
    pub pixels: [u8; 32],
}

impl Look {
    /// Looks at a picture that is decoded, in little memory beside its own.
    #[must_use]
    pub fn of(picture: &DynamicImage) -> Self {
        let (width, height) = (picture.width(), picture.height());
        let mut hash = Sha256::new();
        hash.update(width.to_le_bytes());
        hash.update(height.to_le_bytes());
        let rows = (BAND_PIXELS / width.max(1)).max(1);
        let mut colored = 0;
        for top in (0..height).step_by(rows as usize) {
            let band = picture.crop_imm(0, top, width, rows.min(height - top)).to_rgba8();
            hash.update(band.as_raw());
            colored += band.pixels().filter(|pixel| is_colored(pixel.0)).count() as u64;
        }
        let has_color =
            colored > 0 && colored * PIXELS_PER_COLORED >= u64::from(width) * u64::from(height);
        Self { width, height, has_color, pixels: hash.finalize().into() }
    }
}

fn is_colored([red, green, blue, alpha]: [u8; 4]) -> bool {
    let chroma = red.max(green).max(blue) - red.min(green).min(blue);
    alpha >= 128 && chroma >= MIN_CHROMA
}

/// The smallest, the middle and the largest of some lengths, in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// The smallest.
    pub smallest: u32,
    /// The one in the middle, when all are sorted; of two the smaller.
    pub median: u32,
    /// The largest.
    pub largest: u32,
}

impl Extent {
    fn of(mut lengths: Vec<u32>) -> Option<Self> {
        lengths.sort_unstable();
        let median = lengths.len().checked_sub(1)? / 2;
        Some(Self { smallest: lengths[0], median: lengths[median], largest: *lengths.last()? })
    }
}

impl fmt::Display for Extent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { smallest, median, largest } = self;
        if smallest == largest {
            return write!(f, "{median}");
        }
        write!(f, "{smallest} to {largest}, median {median}")
    }
}

/// Sizes and colours of pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Survey {
    /// Pictures that were looked at.
    pub pictures: usize,
    /// Heights in pixels.
    pub rows: Extent,
    /// Widths in pixels.
    pub columns: Extent,
    /// Pictures that have colour.
    pub colored: usize,
}

impl Survey {
    /// Sums up looks; `None` if there are none.
    #[must_use]
    pub fn of(looks: &[Look]) -> Option<Self> {
        Some(Self {
            pictures: looks.len(),
            rows: Extent::of(looks.iter().map(|look| look.height).collect())?,
            columns: Extent::of(looks.iter().map(|look| look.width).collect())?,
            colored: looks.iter().filter(|look| look.has_color).count(),
        })
    }

    /// Height and width that fit: the medians; if one is above [`MAX_DEFAULT_SIDE`], both shrunk until none is.
    #[must_use]
    pub fn size(&self) -> [usize; 2] {
        let medians = [self.rows.median, self.columns.median].map(|side| side as usize);
        let longest = medians[0].max(medians[1]);
        let shrunk = |side: usize| (side * MAX_DEFAULT_SIDE + longest / 2) / longest.max(1);
        medians.map(|side| if longest > MAX_DEFAULT_SIDE { shrunk(side).max(1) } else { side })
    }

    /// [`Color::Rgb`] if one picture in twenty has colour, or more.
    #[must_use]
    pub const fn color(&self) -> Color {
        if self.colored > 0 && self.colored * PICTURES_PER_COLORED >= self.pictures {
            Color::Rgb
        } else {
            Color::Grey
        }
    }

    /// `[channels, height, width]` of a model that takes [`Self::size`] and [`Self::color`].
    #[must_use]
    pub fn shape(&self) -> [usize; 3] {
        let [height, width] = self.size();
        [if self.color() == Color::Rgb { 3 } else { 1 }, height, width]
    }
}

impl fmt::Display for Survey {
    /// One line: `18 to 200 rows …; 890 of 901 pictures in colour`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { pictures, rows, columns, colored } = self;
        write!(f, "rows {rows}; columns {columns}; {colored} of {pictures} pictures in colour")
    }
}

/// Looks at up to [`MAX_SURVEYED`] pictures from all over a listing, to choose a model's size and colour by.
///
/// `None` if none of them can be read.
#[must_use]
pub fn survey(listing: &Listing, limits: Limits) -> Option<Survey> {
    let all = &listing.pictures;
    let count = all.len().min(MAX_SURVEYED);
    let some: Vec<Picture> = (0..count).map(|at| all[at * all.len() / count].clone()).collect();
    let looks = decode_each(&some, limits, |_, picture| Look::of(picture), |_| ());
    let looks: Vec<Look> = looks.into_iter().filter_map(Result::ok).collect();
    Survey::of(&looks)
}

#[cfg(test)]
mod tests {
    use image::{GrayImage, Rgb, RgbImage, RgbaImage};

    use super::*;

    fn look(width: u32, height: u32, has_color: bool) -> Look {
        Look { width, height, has_color, pixels: [0; 32] }
    }

    #[test]
    fn what_looks_the_same_hashes_the_same_in_any_kind_of_pixels() {
        let grey = GrayImage::from_fn(500, 300, |x, y| image::Luma([(x ^ y) as u8]));
        let grey = DynamicImage::from(grey);
        let same = Look::of(&grey);
        for other in
            [DynamicImage::from(grey.to_rgb8()), grey.to_rgba8().into(), grey.to_luma16().into()]
        {
            assert_eq!(Look::of(&other), same);
        }
        assert!(!same.has_color);
        assert_ne!(Look::of(&grey.rotate90()).pixels, same.pixels);
        // the same bytes in another shape
        let [flat, tall] = [(4, 1), (1, 4)].map(|(w, h)| Look::of(&GrayImage::new(w, h).into()));
        assert_ne!(flat.pixels, tall.pixels);
    }

    #[test]
    fn a_cast_of_light_is_no_colour_and_neither_is_what_cannot_be_seen() {
        let cast = RgbImage::from_pixel(10, 10, Rgb([100, 110, 120]));
        assert!(!Look::of(&cast.clone().into()).has_color);
        let mut spots = cast;
        spots.put_pixel(0, 0, Rgb([255, 0, 0]));
        assert!(!Look::of(&spots.clone().into()).has_color);
        spots.put_pixel(1, 0, Rgb([255, 0, 0]));
        assert!(Look::of(&spots.into()).has_color);
        let hidden = RgbaImage::from_pixel(10, 10, image::Rgba([255, 0, 0, 0]));
        assert!(!Look::of(&hidden.into()).has_color);
    }

    #[test]
    fn the_size_is_the_median_or_shrunk_to_64() {
        let of = |sizes: &[(u32, u32)]| {
            let looks: Vec<Look> = sizes.iter().map(|&(w, h)| look(w, h, false)).collect();
            Survey::of(&looks).unwrap()
        };
        assert_eq!(of(&[(7, 18), (20, 32), (600, 900)]).size(), [32, 20]);
        assert_eq!(of(&[(64, 64)]).size(), [64, 64]);
        assert_eq!(of(&[(1920, 1080)]).size(), [36, 64]);
        assert_eq!(of(&[(9000, 3)]).size(), [1, 64]);
        assert_eq!(
            of(&[(7, 18), (20, 18)]).to_string(),
            "rows 18; columns 7 to 20, median 7; 0 of 2 pictures in colour"
        );
        assert!(Survey::of(&[]).is_none());
    }

    #[test]
    fn one_picture_in_twenty_makes_colour() {
        let of = |colored: usize| {
            let looks: Vec<Look> = (0..100).map(|at| look(5, 8, at < colored)).collect();
            Survey::of(&looks).unwrap()
        };
        for (colored, color, channels) in
            [(0, Color::Grey, 1), (4, Color::Grey, 1), (5, Color::Rgb, 3), (100, Color::Rgb, 3)]
        {
            assert_eq!((of(colored).color(), of(colored).shape()), (color, [channels, 8, 5]));
        }
    }
}
