//! A picture as networks take it.

use std::fmt;
use std::sync::Arc;

/// Width and height of MNIST's pictures, in pixels.
pub const IMAGE_SIDE: usize = 28;

/// Pixels of one of MNIST's pictures.
pub const PIXELS: usize = IMAGE_SIDE * IMAGE_SIDE;

/// Channels, rows and columns of MNIST's pictures.
pub const MNIST_SHAPE: [usize; 3] = [1, IMAGE_SIDE, IMAGE_SIDE];

/// Maximum number of channels: red, green, blue and alpha.
pub const MAX_CHANNELS: usize = 4;

/// Maximum width and height, in pixels.
pub const MAX_SIDE: usize = 256;

/// Columns that [`Image`]'s `Debug` draws at most.
const MAX_DRAWN: usize = 56;

/// A picture of 1 to 4 channels and sides of 1 to 256 pixels; a clone shares the pixels.
///
/// They are `[channel][row][column]`, each 0 to 255. In MNIST's pictures 0 is the background and 255 is ink.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Image {
    channels: usize,
    height: usize,
    width: usize,
    pixels: Arc<[u8]>,
}

/// Why pixels are no picture, or not the one that is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ImageError {
    /// No channel, too many channels, or a side that is 0 or too long.
    #[error(
        "a picture of {}; it may have 1 to {MAX_CHANNELS} channels and sides of 1 to {MAX_SIDE} pixels",
        Dimensions(*shape)
    )]
    Shape {
        /// `[channels, height, width]`
        shape: [usize; 3],
    },
    /// More or fewer pixels than the shape has.
    #[error("{found} bytes, but a picture of {} has {expected}", Dimensions(*shape))]
    Length {
        /// `[channels, height, width]`
        shape: [usize; 3],
        /// Bytes of that shape.
        expected: usize,
        /// Bytes there are.
        found: usize,
    },
    /// A picture of another shape.
    #[error("a picture of {}, expected {}", Dimensions(*found), Dimensions(*expected))]
    OtherShape {
        /// `[channels, height, width]` that is needed.
        expected: [usize; 3],
        /// `[channels, height, width]` of the picture.
        found: [usize; 3],
    },
}

/// `[channels, height, width]` in words: `3 channels, 32 rows and 20 columns`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dimensions(pub [usize; 3]);

impl fmt::Display for Dimensions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self([channels, height, width]) = *self;
        let s = |count: usize| if count == 1 { "" } else { "s" };
        write!(f, "{channels} channel{}, ", s(channels))?;
        write!(f, "{height} row{} and {width} column{}", s(height), s(width))
    }
}

impl Image {
    /// From pixels in the order `[channel][row][column]`; `shape` is `[channels, height, width]`.
    ///
    /// # Errors
    /// [`ImageError::Shape`] or [`ImageError::Length`].
    pub fn new(shape: [usize; 3], pixels: impl Into<Arc<[u8]>>) -> Result<Self, ImageError> {
        let pixels = pixels.into();
        check_length(shape, pixels.len())?;
        let [channels, height, width] = shape;
        Ok(Self { channels, height, width, pixels })
    }

    /// From pixels in the order `[row][column][channel]`, as picture files have them; `shape` is
    /// `[channels, height, width]`.
    ///
    /// # Errors
    /// [`ImageError::Shape`] or [`ImageError::Length`].
    pub fn from_interleaved(shape: [usize; 3], pixels: &[u8]) -> Result<Self, ImageError> {
        check_length(shape, pixels.len())?;
        let channels = shape[0];
        if channels == 1 {
            return Self::new(shape, pixels);
        }
        let planar = (0..channels).flat_map(|c| pixels.iter().skip(c).step_by(channels).copied());
        Self::new(shape, planar.collect::<Vec<u8>>())
    }

    /// From grey pixels, row by row.
    ///
    /// ```
    /// let image = dataset::Image::from_gray(3, 1, &[0, 128, 255])?;
    /// assert_eq!(image.shape(), [1, 1, 3]);
    /// # Ok::<(), dataset::ImageError>(())
    /// ```
    ///
    /// # Errors
    /// [`ImageError::Shape`], or [`ImageError::Length`] if there are not `width * height` bytes.
    pub fn from_gray(width: usize, height: usize, pixels: &[u8]) -> Result<Self, ImageError> {
        Self::new([1, height, width], pixels)
    }

    /// From pixels of three bytes, red, green and blue, row by row.
    ///
    /// ```
    /// let image = dataset::Image::from_rgb(2, 1, &[255, 0, 0, 7, 8, 9])?;
    /// assert_eq!(image.channel(0), [255, 7], "red");
    /// # Ok::<(), dataset::ImageError>(())
    /// ```
    ///
    /// # Errors
    /// [`ImageError::Shape`], or [`ImageError::Length`] if there are not `3 * width * height` bytes.
    pub fn from_rgb(width: usize, height: usize, pixels: &[u8]) -> Result<Self, ImageError> {
        Self::from_interleaved([3, height, width], pixels)
    }

    /// A picture as MNIST has them: 28×28 grey pixels, row by row.
    #[must_use]
    pub fn mnist(pixels: [u8; PIXELS]) -> Self {
        let [channels, height, width] = MNIST_SHAPE;
        Self { channels, height, width, pixels: pixels.into() }
    }

    /// Channels: 1 for grey, 3 for red, green and blue; the last of 2 or 4 is alpha.
    #[must_use]
    pub const fn channels(&self) -> usize {
        self.channels
    }

    /// Rows.
    #[must_use]
    pub const fn height(&self) -> usize {
        self.height
    }

    /// Columns.
    #[must_use]
    pub const fn width(&self) -> usize {
        self.width
    }

    /// `[channels, height, width]`
    #[must_use]
    pub const fn shape(&self) -> [usize; 3] {
        [self.channels, self.height, self.width]
    }

    /// All pixels, `[channel][row][column]`.
    #[must_use]
    pub fn pixels(&self) -> &[u8] {
        &self.pixels
    }

    /// The pixels of one channel, row by row.
    ///
    /// # Panics
    /// If there is no such channel.
    #[must_use]
    pub fn channel(&self, channel: usize) -> &[u8] {
        let length = self.height * self.width;
        &self.pixels[channel * length..][..length]
    }

    /// The pixels in the order `[row][column][channel]`.
    pub fn interleaved(&self) -> impl Iterator<Item = u8> {
        let length = self.height * self.width;
        let pixel = move |at: usize| (0..self.channels).map(move |c| self.pixels[c * length + at]);
        (0..length).flat_map(pixel)
    }

    /// Refuses a picture that is not of the shape `[channels, height, width]`.
    ///
    /// # Errors
    /// [`ImageError::OtherShape`]
    pub fn check_shape(&self, expected: [usize; 3]) -> Result<(), ImageError> {
        let found = self.shape();
        if found == expected { Ok(()) } else { Err(ImageError::OtherShape { expected, found }) }
    }

    /// The pixels of a picture of [`MNIST_SHAPE`], row by row.
    ///
    /// # Errors
    /// [`ImageError::OtherShape`]
    pub fn as_mnist(&self) -> Result<&[u8; PIXELS], ImageError> {
        let found = self.shape();
        let pixels = (found == MNIST_SHAPE).then(|| self.pixels.first_chunk()).flatten();
        pixels.ok_or(ImageError::OtherShape { expected: MNIST_SHAPE, found })
    }
}

/// Refuses a shape `[channels, height, width]` that no [`Image`] has.
///
/// # Errors
/// [`ImageError::Shape`]
pub fn check_shape(shape: [usize; 3]) -> Result<(), ImageError> {
    let [channels, height, width] = shape;
    let sides = [height, width].iter().all(|side| (1..=MAX_SIDE).contains(side));
    let is_possible = sides && (1..=MAX_CHANNELS).contains(&channels);
    if is_possible { Ok(()) } else { Err(ImageError::Shape { shape }) }
}

fn check_length(shape: [usize; 3], found: usize) -> Result<(), ImageError> {
    check_shape(shape)?;
    let expected = shape.iter().product();
    if found == expected { Ok(()) } else { Err(ImageError::Length { shape, expected, found }) }
}

impl AsRef<[u8]> for Image {
    fn as_ref(&self) -> &[u8] {
        &self.pixels
    }
}

impl fmt::Debug for Image {
    /// Draws the picture, the mean of its channels, so that a failing test shows what it saw: one character per pixel,
    /// or in a large picture per few pixels.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Image of {}:", Dimensions(self.shape()))?;
        let step = self.width.max(self.height).div_ceil(MAX_DRAWN);
        for y in (0..self.height).step_by(step) {
            let shade = |x: usize| {
                let channels = (0..self.channels).map(|c| self.channel(c)[y * self.width + x]);
                let mean = channels.map(usize::from).sum::<usize>() / self.channels;
                char::from(b" .:-=+*#%@"[mean * 10 / 256])
            };
            let line: String = (0..self.width).step_by(step).map(shade).collect();
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interleaved_pixels_become_planes_and_come_back() {
        let interleaved: Vec<u8> = (0..24).collect();
        let image = Image::from_rgb(4, 2, &interleaved).unwrap();
        assert_eq!(image.shape(), [3, 2, 4]);
        assert_eq!((image.channels(), image.height(), image.width()), (3, 2, 4));
        assert_eq!(image.channel(1), [1, 4, 7, 10, 13, 16, 19, 22]);
        assert_eq!(image.interleaved().collect::<Vec<_>>(), interleaved);
        let gray = Image::from_gray(4, 6, &interleaved).unwrap();
        assert_eq!(gray.pixels(), interleaved);
    }

    #[test]
    fn shapes_out_of_bounds_and_other_lengths_are_refused() {
        for shape in [[0, 1, 1], [5, 1, 1], [1, 0, 1], [1, 1, 0], [1, 257, 1], [1, 1, 257]] {
            let refused = Image::new(shape, vec![]).unwrap_err();
            assert_eq!(refused, ImageError::Shape { shape });
        }
        // multiplying these would overflow
        assert!(Image::from_rgb(usize::MAX, usize::MAX, &[0]).is_err());
        assert!(Image::new([4, 256, 256], vec![0; 4 * 256 * 256]).is_ok());
        let refused = Image::from_rgb(20, 32, &[0; 640]).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "640 bytes, but a picture of 3 channels, 32 rows and 20 columns has 1920"
        );
    }

    #[test]
    fn mnists_pictures_are_known_by_their_shape() {
        let mut pixels = [0; PIXELS];
        pixels[29] = 7;
        assert_eq!(Image::mnist(pixels).as_mnist(), Ok(&pixels));
        let refused = Image::from_gray(28, 1, &[0; 28]).unwrap().as_mnist().unwrap_err();
        assert_eq!(
            refused.to_string(),
            "a picture of 1 channel, 1 row and 28 columns, expected 1 channel, 28 rows and 28 columns"
        );
    }

    #[test]
    fn a_failing_test_shows_a_small_drawing() {
        let image = Image::from_gray(3, 2, &[0, 128, 255, 255, 0, 0]).unwrap();
        assert_eq!(format!("{image:?}"), "Image of 1 channel, 2 rows and 3 columns:\n +@\n@\n");
        let large = Image::new([2, 200, 256], vec![255; 2 * 200 * 256]).unwrap();
        let drawn = format!("{large:?}");
        assert_eq!((drawn.lines().count(), drawn.lines().nth(1).unwrap().len()), (41, 52));
    }
}
