//! Pictures that are cut off, continued or changed: refused or read, without a panic.

#[path = "pictures/drawing.rs"]
mod drawing;

use std::io::Cursor;

use image::{DynamicImage, ImageFormat};
use proptest::prelude::*;
use runtime::Error;
use runtime::picture::{self, Limits};

use drawing::{drawing, refusal};

/// A file of each format and decoder.
fn files() -> Vec<(&'static str, Vec<u8>)> {
    let drawn = DynamicImage::from(drawing(4));
    let written = |format| {
        let mut bytes = Cursor::new(vec![]);
        drawn.write_to(&mut bytes, format).unwrap();
        bytes.into_inner()
    };
    vec![
        ("PNG", written(ImageFormat::Png)),
        ("JPEG", written(ImageFormat::Jpeg)),
        ("GIF", written(ImageFormat::Gif)),
        ("BMP", written(ImageFormat::Bmp)),
        ("WebP", written(ImageFormat::WebP)),
        ("PNM", written(ImageFormat::Pnm)),
        ("JPEG", include_bytes!("pictures/samples/progressive.jpg").to_vec()),
        ("JPEG", include_bytes!("pictures/samples/ycck.jpg").to_vec()),
        ("WebP", include_bytes!("pictures/samples/lossy.webp").to_vec()),
        ("WebP", include_bytes!("pictures/samples/alpha.webp").to_vec()),
        ("WebP", include_bytes!("pictures/samples/animated.webp").to_vec()),
        ("PNG", include_bytes!("pictures/samples/animated.png").to_vec()),
    ]
}

#[test]
fn a_file_that_is_cut_off_is_refused_unless_no_pixel_is_missing() {
    for (name, bytes) in files() {
        let whole = picture::decode(&bytes, Limits::default()).unwrap();
        for length in 0..bytes.len() {
            if let Ok(picture) = picture::decode(&bytes[..length], Limits::default()) {
                assert!(picture == whole, "{name} of {length} bytes of {}", bytes.len());
            }
        }
    }
}

#[test]
fn what_follows_a_picture_in_its_file_does_not_matter() {
    for (name, mut bytes) in files() {
        let alone = picture::decode(&bytes, Limits::default()).unwrap();
        bytes.extend(b"\xff\xd8EXIF\xff\xff\xff\xff and a letter to the reader");
        assert!(picture::decode(&bytes, Limits::default()).unwrap() == alone, "{name}");
    }
}

#[test]
fn the_name_of_a_file_does_not_matter() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("picture.jpg");
    std::fs::write(&path, &files()[0].1).unwrap();
    assert_eq!(picture::load(&path, Limits::default()).unwrap().to_rgb8(), drawing(4));
}

#[test]
fn other_formats_are_refused_in_one_line() {
    let heic = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic";
    for start in [&b"II*\0\x08\0\0\0"[..], heic, b"%PDF-1.7", b"<svg/>", b"\0", b"P9 1 1"] {
        assert_eq!(refusal(start), "not a PNG, JPEG, GIF, BMP, WebP or PNM picture");
    }
}

#[test]
fn a_picture_without_pixels_is_refused() {
    for size in ["0 5", "5 0", "0 0"] {
        let refusal = picture::decode(format!("P6 {size} 255\n").as_bytes(), Limits::default());
        assert!(matches!(refusal, Err(Error::NoPixels { .. })), "{size}: {refusal:?}");
    }
    for (name, mut bytes) in files() {
        let size = match name {
            "PNG" => 16..20,
            "GIF" => 6..8,
            "BMP" => 18..22,
            _ => continue, // JPEG: below; WebP holds the size less 1
        };
        bytes[size].fill(0);
        refusal(&bytes);
    }
    let mut jpeg = files().remove(6).1;
    let frame = jpeg.windows(2).position(|pair| pair == [0xFF, 0xC2]).unwrap();
    jpeg[frame + 5..frame + 7].fill(0);
    assert!(refusal(&jpeg).contains("zero"), "{}", refusal(&jpeg));
}

#[test]
fn the_limits_are_the_last_that_pass() {
    for (name, bytes) in files() {
        let whole = picture::decode(&bytes, Limits::default()).unwrap();
        let pixels = u64::from(whole.width()) * u64::from(whole.height());
        let limits = Limits { bytes: bytes.len() as u64, pixels };
        assert!(picture::decode(&bytes, limits).is_ok(), "{name}");
        let fewer_pixels = picture::decode(&bytes, Limits { pixels: pixels - 1, ..limits });
        assert!(matches!(fewer_pixels, Err(Error::TooManyPixels { .. })), "{name}");
        let fewer_bytes = Limits { bytes: limits.bytes - 1, ..limits };
        for refusal in [
            picture::decode(&bytes, fewer_bytes),
            picture::read(&bytes[..], fewer_bytes),
            picture::read(std::io::repeat(0), fewer_bytes),
        ] {
            assert!(matches!(refusal, Err(Error::TooManyBytes { .. })), "{name}");
        }
    }
}

proptest! {
    #[test]
    fn a_few_changed_bytes_never_panic(
        file in 0..files().len(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        in_header in any::<bool>(),
    ) {
        let mut bytes = files().remove(file).1;
        let reach = if in_header { bytes.len().min(80) } else { bytes.len() };
        for (place, byte) in changes {
            bytes[place.index(reach)] = byte;
        }
        let _ = picture::decode(&bytes, Limits { pixels: 1_000_000, ..Limits::default() });
    }
}
