//! From the bytes of a picture file to pixels that stand upright, within limits.

use std::fs::File;
use std::io::{Cursor, Read};
use std::path::Path;

use image::{DynamicImage, ImageDecoder, ImageReader};

use crate::error::Error;

/// The largest picture that is read; checked before anything is decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the file.
    pub bytes: u64,
    /// Width × height of the picture, against "decompression bombs".
    pub pixels: u64,
}

impl Default for Limits {
    /// 64 MiB and 100 megapixels, more than a telephone takes.
    fn default() -> Self {
        Self { bytes: 64 << 20, pixels: 100_000_000 }
    }
}

/// Reads a picture file.
///
/// # Errors
/// [`Error::Read`], or [`Error::File`] around what [`decode`] says.
pub fn load(path: &Path, limits: Limits) -> Result<DynamicImage, Error> {
    let unreadable = |source| Error::Read { path: path.to_owned(), source };
    let file = File::open(path).map_err(unreadable)?;
    read(file, limits).map_err(|error| match error {
        Error::Read { source, .. } => unreadable(source),
        error => error.in_file(path),
    })
}

/// Reads a picture from a stream, such as standard input.
///
/// # Errors
/// [`Error::Read`], with `-` for a path, or what [`decode`] says.
pub fn read(stream: impl Read, limits: Limits) -> Result<DynamicImage, Error> {
    let mut bytes = Vec::new();
    let count = stream.take(limits.bytes.saturating_add(1)).read_to_end(&mut bytes);
    count.map_err(|source| Error::Read { path: "-".into(), source })?;
    decode(&bytes, limits)
}

/// Reads a picture from the bytes of a PNG, JPEG, GIF, BMP, WebP or PNM file, and turns it as its EXIF
/// orientation says.
///
/// # Errors
/// [`Error::Empty`], [`Error::TooLarge`], [`Error::TooManyPixels`], or [`Error::Picture`] if the format is
/// unknown or the content broken.
pub fn decode(bytes: &[u8], limits: Limits) -> Result<DynamicImage, Error> {
    if bytes.is_empty() {
        return Err(Error::Empty);
    }
    if bytes.len() as u64 > limits.bytes {
        return Err(Error::TooLarge { limit_bytes: limits.bytes });
    }
    let reader = ImageReader::new(Cursor::new(bytes))
        .with_guessed_format()
        .map_err(|source| Error::Picture(image::ImageError::IoError(source)))?;
    let mut decoder = reader.into_decoder().map_err(Error::Picture)?;
    let (width, height) = decoder.dimensions();
    if u64::from(width) * u64::from(height) > limits.pixels {
        return Err(Error::TooManyPixels { width, height, limit_pixels: limits.pixels });
    }
    let orientation = decoder.orientation().map_err(Error::Picture)?;
    let mut picture = DynamicImage::from_decoder(decoder).map_err(Error::Picture)?;
    picture.apply_orientation(orientation);
    Ok(picture)
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{GrayImage, ImageFormat, Luma};

    fn png() -> Vec<u8> {
        let mut bytes = Cursor::new(vec![]);
        GrayImage::from_fn(28, 28, |x, _| Luma([x as u8]))
            .write_to(&mut bytes, ImageFormat::Png)
            .unwrap();
        bytes.into_inner()
    }

    #[test]
    fn what_is_no_picture_is_refused() {
        let good = png();
        assert!(matches!(decode(&[], Limits::default()), Err(Error::Empty)));
        assert!(matches!(decode(b"five", Limits::default()), Err(Error::Picture(_))));
        let half = &good[..good.len() / 2];
        assert!(matches!(decode(half, Limits::default()), Err(Error::Picture(_))));
    }

    #[test]
    fn a_picture_that_would_fill_the_memory_is_refused_before_it_does() {
        let mut header = b"P5 60000 60000 255\n".to_vec();
        header.extend([0; 100]);
        assert!(matches!(
            decode(&header, Limits::default()),
            Err(Error::TooManyPixels { width: 60000, height: 60000, .. })
        ));
    }
}
