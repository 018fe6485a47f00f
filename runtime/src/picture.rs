//! From the bytes of a picture file to pixels that stand upright, within limits.
//!
//! Of several frames the first is read, laid on its canvas: transparent, or white where the file has no
//! transparency. An animated PNG gives the picture that programs without animation show.
//! Bytes after the picture are not read, and the file's name does not matter.

mod structure;

use std::fs::File;
use std::io::{self, Cursor, Read};
use std::path::Path;

use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader};

use crate::error::Error;

/// What is read here, by its first bytes, and whether its decoder is part of this build.
const FORMATS: [(ImageFormat, &str, bool); 6] = [
    (ImageFormat::Png, "PNG", true),
    (ImageFormat::Jpeg, "JPEG", cfg!(feature = "jpeg")),
    (ImageFormat::Gif, "GIF", cfg!(feature = "gif")),
    (ImageFormat::Bmp, "BMP", cfg!(feature = "bmp")),
    (ImageFormat::WebP, "WebP", cfg!(feature = "webp")),
    (ImageFormat::Pnm, "PNM", cfg!(feature = "pnm")),
];

/// The largest picture that is read; checked before anything is decoded.
///
/// A picture takes up to 8 bytes a pixel (16-bit RGBA), and decoding or turning it as much again: 1.6 GB at
/// the default limit, whatever the file; a photograph of 12 megapixels takes about 0.1 GB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the file.
    pub bytes: u64,
    /// Width × height of the picture, against "decompression bombs"; more than [`Self::MAX_PIXELS`] counts
    /// as that.
    pub pixels: u64,
}

impl Default for Limits {
    /// 64 MiB and 100 megapixels, more than a telephone takes.
    fn default() -> Self {
        Self { bytes: 64 << 20, pixels: 100_000_000 }
    }
}

impl Limits {
    /// Maximum of [`Self::pixels`]: the WebP decoder counts the bytes of its RGBA in a `u32`.
    pub const MAX_PIXELS: u64 = u32::MAX as u64 / 4;

    fn check_bytes(self, at_least_bytes: u64) -> Result<(), Error> {
        if at_least_bytes > self.bytes {
            return Err(Error::TooManyBytes { at_least_bytes, limit_bytes: self.bytes });
        }
        Ok(())
    }

    fn check_size(self, width: u32, height: u32) -> Result<(), Error> {
        let limit_pixels = self.pixels.min(Self::MAX_PIXELS);
        match u64::from(width) * u64::from(height) {
            0 => Err(Error::NoPixels { width, height }),
            pixels if pixels > limit_pixels => {
                Err(Error::TooManyPixels { width, height, limit_pixels })
            }
            _ => Ok(()),
        }
    }
}

/// Reads a picture file.
///
/// # Errors
/// [`Error::Read`], or [`Error::File`] around what [`decode`] says.
pub fn load(path: &Path, limits: Limits) -> Result<DynamicImage, Error> {
    let unreadable = |source| Error::Read { path: path.to_owned(), source };
    let file = File::open(path).map_err(unreadable)?;
    let length_bytes = file.metadata().map_err(unreadable)?.len(); // 0 for a pipe or a device
    let picture = limits.check_bytes(length_bytes).and_then(|()| read(file, limits));
    picture.map_err(|error| match error {
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
/// orientation says. All but PNG are features of this crate, which `formats` turns on together.
///
/// # Errors
/// [`Error::Empty`], [`Error::TooManyBytes`], [`Error::UnknownFormat`], [`Error::NoPixels`],
/// [`Error::TooManyPixels`], or [`Error::Picture`] if the content is broken, cut off, or of a rare kind.
pub fn decode(bytes: &[u8], limits: Limits) -> Result<DynamicImage, Error> {
    if bytes.is_empty() {
        return Err(Error::Empty);
    }
    limits.check_bytes(bytes.len() as u64)?;
    let guess = image::guess_format(bytes).ok();
    let (format, name, is_built) = FORMATS
        .into_iter()
        .find(|(format, ..)| Some(*format) == guess)
        .ok_or(Error::UnknownFormat)?;
    let faulty = |reason: &str| Error::Picture { format: name, reason: reason.to_owned() };
    if !is_built {
        return Err(faulty("this program was built without that format"));
    }
    let refused = |error| faulty(&reason(&error));
    match format {
        #[cfg(feature = "webp")]
        ImageFormat::WebP => {
            let container = structure::webp_container(bytes).ok_or_else(|| faulty(CUT_OFF))?;
            let mut decoder =
                image::codecs::webp::WebPDecoder::new(Cursor::new(container)).map_err(refused)?;
            if decoder.has_animation() {
                let paper = image::Rgba([255, 255, 255, 0]);
                decoder.set_background_color(paper).map_err(refused)?;
            }
            upright(decoder, bytes.len(), limits, refused)
        }
        format => {
            let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
            if format == ImageFormat::Jpeg {
                structure::check_jpeg(bytes).map_err(faulty)?;
            }
            if format == ImageFormat::Png
                && let Some((width, height)) = structure::png_size(bytes)
            {
                limits.check_size(width, height)?;
                reader.limits(memory(width, height, bytes.len()));
            }
            upright(reader.into_decoder().map_err(refused)?, bytes.len(), limits, refused)
        }
    }
}

fn upright(
    mut decoder: impl ImageDecoder,
    length_bytes: usize,
    limits: Limits,
    refused: impl Fn(ImageError) -> Error,
) -> Result<DynamicImage, Error> {
    let (width, height) = decoder.dimensions();
    limits.check_size(width, height)?;
    decoder.set_limits(memory(width, height, length_bytes)).map_err(&refused)?;
    // Damaged EXIF data is no reason to refuse the picture.
    let orientation = decoder.exif_metadata().ok().flatten().and_then(|exif| orientation(&exif));
    let mut picture = DynamicImage::from_decoder(decoder).map_err(refused)?;
    picture.apply_orientation(orientation.unwrap_or(Orientation::NoTransforms));
    Ok(picture)
}

/// Some programs write into PNG and WebP the prefix that EXIF data has in JPEG only.
fn orientation(exif: &[u8]) -> Option<Orientation> {
    Orientation::from_exif_chunk(exif.strip_prefix(b"Exif\0\0").unwrap_or(exif))
}

/// What a decoder may allocate beside the picture: 8 bytes a pixel, which is 16-bit RGBA; four times the file
/// for the notes in it, which buffers that double hold while they are read and copied; and 1 MiB for tables.
/// A colour profile that unpacks to more is left out.
fn memory(width: u32, height: u32, length_bytes: usize) -> image::Limits {
    let pixels = u64::from(width) * u64::from(height);
    let mut limits = image::Limits::no_limits();
    limits.max_alloc = Some(8 * pixels + 4 * length_bytes as u64 + (1 << 20));
    limits
}

const CUT_OFF: &str = "the file ends inside the picture";

/// The innermost cause: the outer ones repeat it.
fn reason(error: &ImageError) -> String {
    if matches!(error, ImageError::Limits(_)) {
        return "it needs more memory than a picture of its size".to_owned();
    }
    let mut cause: &dyn std::error::Error = match error {
        ImageError::IoError(error) => error,
        error => error,
    };
    while let Some(source) = cause.source() {
        cause = source;
    }
    match cause.downcast_ref::<io::Error>() {
        Some(error) if error.kind() == io::ErrorKind::UnexpectedEof => CUT_OFF.to_owned(),
        _ => {
            let text = cause.to_string().replace('\n', " ");
            // What follows in the PNG decoder's words is a `Debug` of the chunk's flags.
            let text = text.split(" while decoding ChunkType").next().unwrap_or_default();
            text.trim_end_matches('.').to_owned()
        }
    }
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
        assert!(matches!(decode(b"five", Limits::default()), Err(Error::UnknownFormat)));
        let half = &good[..good.len() / 2];
        assert!(matches!(decode(half, Limits::default()), Err(Error::Picture { .. })));
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
