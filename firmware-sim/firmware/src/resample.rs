//! Crops a camera's frame and shrinks it to a model's size, row by row, by area averaging.
//!
//! `row of the camera ──push_row──▶ sums of a row ──all of its area is there──▶ row of the model`
//!
//! A pixel of the image is the mean of the area of the frame that it covers, with parts of pixels, exactly, rounded
//! once, halves up: what `OpenCV` calls `INTER_AREA`. `runtime` prepares pictures with `stretch` by the same
//! definition, so a model sees on the device, bit for bit, what it was trained and verified on. Any factor of 1 or more
//! will do, another along each axis.
//!
//! ```
//! use firmware::resample::{Crop, Resample, luma};
//!
//! // a camera of 8×4 grey pixels, of which the middle 6×4 become 2×2
//! let crop = Crop { left: 1, top: 0, width: 6, height: 4 };
//! let mut resample = Resample::<1, 8, 2>::new(4, crop, 2)?;
//! let mut image = vec![];
//! for row in [[0, 0, 3, 6, 10, 20, 30, 0]; 4] {
//!     image.extend(resample.push_row(&row).copied());
//! }
//! assert_eq!(image, [[3, 20]; 2]);
//! # Ok::<(), firmware::resample::ResampleError>(())
//! ```
//!
//! In RAM there are five bytes for each byte of a row of the image, and no row of the frame. Nothing divides but the one
//! rounding of each value; sums are whole numbers of 32 bits.

use core::fmt;
use core::num::NonZeroU32;

/// Maximum number of pixels of a [`Crop`]: of more, a sum may be too large.
pub const MAX_CROP: u32 = 16_777_216;

/// The part of a frame that becomes the image, in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Crop {
    /// Columns left of it.
    pub left: u16,
    /// Rows above it.
    pub top: u16,
    /// Its columns.
    pub width: u16,
    /// Its rows.
    pub height: u16,
}

/// Why there is no [`Resample`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ResampleError {
    /// The crop does not lie within the frame.
    Outside(Crop),
    /// The crop has fewer rows or columns than the image, or the image has none.
    Enlarges(Crop),
    /// The crop has more pixels than [`MAX_CROP`].
    TooLarge(Crop),
}

impl fmt::Display for ResampleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Outside(crop) | Self::Enlarges(crop) | Self::TooLarge(crop)) = self;
        let Crop { left, top, width, height } = crop;
        write!(f, "the crop of {width}x{height} pixels at {left}, {top} ")?;
        match self {
            Self::Outside(_) => f.write_str("does not lie within the frame"),
            Self::Enlarges(_) => f.write_str(
                "is smaller than the image, and this only shrinks: take more of the frame",
            ),
            Self::TooLarge(_) => write!(f, "has more than {MAX_CROP} pixels"),
        }
    }
}

impl core::error::Error for ResampleError {}

/// Makes images of frames, of which it is given one row after another.
///
/// A row of the frame has `FROM` bytes, `[column][channel]`, of `CHANNELS` channels; one of the image `TO` bytes.
#[derive(Debug, Clone)]
pub struct Resample<const CHANNELS: usize, const FROM: usize, const TO: usize> {
    frame_height: u16,
    crop: Crop,
    height: u16,
    /// Of pixels, in parts of which a pixel has the image's height times its width: the crop's pixels.
    area: NonZeroU32,
    /// Number in the frame of the row that comes next.
    row: u16,
    /// What the row of the image is still short of, in parts of which a row of the frame has `height`.
    missing: u32,
    /// Of the row of the image.
    sums: [u32; TO],
    image_row: [u8; TO],
}

impl<const CHANNELS: usize, const FROM: usize, const TO: usize> Resample<CHANNELS, FROM, TO> {
    /// For frames of `frame_height` rows, of which `crop` becomes an image of `height` rows.
    ///
    /// # Errors
    /// A [`ResampleError`] if the crop is not within the frame, or smaller than the image.
    pub const fn new(frame_height: u16, crop: Crop, height: u16) -> Result<Self, ResampleError> {
        const {
            assert!(matches!(CHANNELS, 1..=4), "pixels have 1 to 4 channels");
            assert!(FROM.is_multiple_of(CHANNELS), "FROM is the bytes of whole pixels");
            assert!(TO.is_multiple_of(CHANNELS), "TO is the bytes of whole pixels");
        }
        let right = crop.left as usize + crop.width as usize;
        let bottom = crop.top as u32 + crop.height as u32;
        if right > FROM / CHANNELS || bottom > frame_height as u32 {
            return Err(ResampleError::Outside(crop));
        }
        let is_enlarged = (crop.width as usize) < TO / CHANNELS || crop.height < height;
        let pixels = crop.width as u32 * crop.height as u32;
        let area = match NonZeroU32::new(pixels) {
            Some(area) if TO > 0 && height > 0 && !is_enlarged => area,
            _ => return Err(ResampleError::Enlarges(crop)),
        };
        if pixels > MAX_CROP {
            return Err(ResampleError::TooLarge(crop));
        }
        let (sums, image_row) = ([0; TO], [0; TO]);
        let missing = crop.height as u32;
        Ok(Self { frame_height, crop, height, area, row: 0, missing, sums, image_row })
    }

    /// Takes the next row of the frame, or the first one of the next frame; gives a row of the image if that is complete.
    pub fn push_row(&mut self, row: &[u8; FROM]) -> Option<&[u8; TO]> {
        let number = self.row;
        if number == 0 {
            self.restart();
        }
        self.row = if number + 1 < self.frame_height { number + 1 } else { 0 };
        let Crop { left, top, width, height } = self.crop;
        // a row above the crop wraps, to far below it
        if number.wrapping_sub(top) >= height {
            return None;
        }
        let row = row.get(usize::from(left) * CHANNELS..)?.get(..usize::from(width) * CHANNELS)?;
        let unit = u32::from(self.height);
        let here = unit.min(self.missing);
        let rest = unit - here;
        self.missing -= here;
        if self.missing > 0 {
            self.add(row, |sum, _, value| *sum += here * value);
            return None;
        }
        let area = self.area;
        self.add(row, |sum, pixel, value| {
            // at most 255.5 times 2^24
            *pixel = ((*sum + here * value + area.get() / 2) / area) as u8;
            *sum = rest * value;
        });
        self.missing = u32::from(height) - rest;
        Some(&self.image_row)
    }

    /// Gives the frame up: what comes next is the first row of another.
    pub fn restart(&mut self) {
        self.row = 0;
        self.missing = self.crop.height.into();
        self.sums = [0; TO];
    }

    /// Hands the sum of each value of the image that this row of the crop has a part of to `action`, with where it goes.
    fn add(&mut self, row: &[u8], mut action: impl FnMut(&mut u32, &mut u8, u32)) {
        // a pixel of the frame has `unit` parts, one of the image `size`
        let (unit, size) = ((TO / CHANNELS) as u32, u32::from(self.crop.width));
        let mut pixels = row.as_chunks::<CHANNELS>().0.iter();
        // the pixel that two of the image share, and how much of it is left
        let mut shared = [0; CHANNELS];
        let mut left = 0;
        let sums = self.sums.as_chunks_mut::<CHANNELS>().0.iter_mut();
        for (sums, image) in sums.zip(self.image_row.as_chunks_mut::<CHANNELS>().0) {
            let mut missing = size - left;
            let mut whole = [0; CHANNELS];
            while missing >= unit {
                let Some(pixel) = pixels.next() else { return };
                for (whole, value) in whole.iter_mut().zip(pixel) {
                    *whole += u32::from(*value);
                }
                missing -= unit;
            }
            let before = shared.map(|value| left * value);
            if missing > 0 {
                let Some(pixel) = pixels.next() else { return };
                shared = pixel.map(u32::from);
                left = unit - missing;
            } else {
                shared = [0; CHANNELS];
                left = 0;
            }
            let values = before.into_iter().zip(whole).zip(shared);
            for ((sum, pixel), ((before, whole), after)) in sums.iter_mut().zip(image).zip(values) {
                action(sum, pixel, before + unit * whole + missing * after);
            }
        }
    }
}

/// The grey of a colour, for a model that takes grey pixels: luma by ITU-R BT.601, as `runtime` and PIL round it.
#[must_use]
pub const fn luma([red, green, blue]: [u8; 3]) -> u8 {
    // parts of 65,536 that are 0.299, 0.587 and 0.114
    ((red as u32 * 19_595 + green as u32 * 38_470 + blue as u32 * 7_471 + 0x8000) >> 16) as u8
}
