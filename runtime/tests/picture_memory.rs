//! What reading a picture allocates: nearly nothing where it is refused, and a few bytes per pixel otherwise.

use std::io::Write;
use std::time::Instant;

use flate2::write::ZlibEncoder;
use flate2::{Compression, Crc};
use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::PngEncoder;
use image::{ExtendedColorType, ImageEncoder, RgbImage};
use peak_alloc::PeakAlloc;
use runtime::Error;
use runtime::picture::{self, Limits};

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

const MIB: usize = 1 << 20;

/// The picture, and the maximum of the bytes that were allocated while it was read.
fn measure(name: &str, bytes: &[u8]) -> (Result<image::DynamicImage, Error>, usize) {
    let before = MEMORY.current_usage();
    MEMORY.reset_peak_usage();
    let start = Instant::now();
    let picture = picture::decode(bytes, Limits::default());
    let peak = MEMORY.peak_usage() - before;
    println!("{name}: {} bytes of file, {peak} allocated, {:?}", bytes.len(), start.elapsed());
    (picture, peak)
}

fn png(width: u32, height: u32, chunks: &[(&[u8; 4], &[u8])]) -> Vec<u8> {
    let header = [&width.to_be_bytes()[..], &height.to_be_bytes(), &[1, 0, 0, 0, 0]].concat();
    let mut bytes = b"\x89PNG\r\n\x1a\n".to_vec();
    for (name, content) in [&[(b"IHDR", &header[..])], chunks, &[(b"IEND", b"")]].concat() {
        let mut crc = Crc::new();
        crc.update(name);
        crc.update(content);
        bytes.extend((content.len() as u32).to_be_bytes());
        bytes.extend([name, content, &crc.sum().to_be_bytes()].concat());
    }
    bytes
}

fn zeros(count: usize) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(vec![], Compression::best());
    for length in (0..count).step_by(MIB).map(|from| MIB.min(count - from)) {
        encoder.write_all(&vec![0; length]).unwrap();
    }
    encoder.finish().unwrap()
}

// One test, since what others allocate would count too.
#[test]
fn memory_stays_within_what_the_pixels_warrant() {
    bombs_are_refused_before_they_unpack();
    claims_without_data_are_refused();
    a_profile_that_unpacks_to_much_is_left_out();
    photographs_take_a_few_bytes_a_pixel();
}

fn bombs_are_refused_before_they_unpack() {
    let bomb = png(30_000, 30_000, &[(b"IDAT", &zeros(30_000 * (1 + 30_000_usize.div_ceil(8))))]);
    let (refusal, peak) = measure("bomb", &bomb);
    assert!(matches!(refusal, Err(Error::TooManyPixels { width: 30_000, height: 30_000, .. })));
    assert!(peak < MIB, "{peak}");
}

fn claims_without_data_are_refused() {
    let mut bmp =
        b"BM\0\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0\x60\xea\0\0\x60\xea\0\0\x01\0\x18\0".to_vec();
    bmp.extend([0; 124]);
    let gif =
        b"GIF89a\xff\xff\xff\xff\0\0\0,\0\0\0\0\xff\xff\xff\xff\0\x02\x02\x4c\x01\0;".to_vec();
    let small_gif =
        b"GIF89a\x01\0\x01\0\0\0\0,\0\0\0\0\xff\xff\xff\xff\0\x02\x02\x4c\x01\0;".to_vec();
    let webp = b"RIFF\x16\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0\xff\xff\0\xff\xfe\0".to_vec();
    let exif =
        b"RIFF\x1e\0\0\0WEBPVP8X\x0a\0\0\0\x08\0\0\0\0\0\0\0\0\0EXIF\xff\xff\xff\xff".to_vec();
    for (name, bytes) in [
        ("PNG, one row", png(i32::MAX as u32, 1, &[(b"IDAT", b"")])),
        ("PNG, one column", png(1, i32::MAX as u32, &[(b"IDAT", b"")])),
        ("BMP", bmp),
        ("GIF", gif),
        ("GIF with a frame larger than itself", small_gif),
        ("WebP", webp),
        ("WebP with much EXIF data", exif),
        ("PNM", b"P6 60000 60000 255\n".to_vec()),
        ("PNM beyond 64 bits", b"P6 99999999999 99999999999 255\n".to_vec()),
        ("PAM", b"P7\nWIDTH 1\nHEIGHT 1\nDEPTH 4294967295\nMAXVAL 255\nENDHDR\n".to_vec()),
    ] {
        let (refusal, peak) = measure(name, &bytes);
        assert!(refusal.is_err() && peak < MIB, "{name}: {peak}, {:?}", refusal.err());
    }
}

fn a_profile_that_unpacks_to_much_is_left_out() {
    let profile = [b"name\0\0", &zeros(300 * MIB)[..]].concat();
    let bytes = png(2, 2, &[(b"iCCP", &profile), (b"IDAT", &zeros(4))]);
    let (picture, peak) = measure("PNG with a profile of 300 MiB", &bytes);
    assert!(picture.is_ok() && peak < 16 * MIB, "{peak}, {:?}", picture.err());
}

/// Twelve megapixels with noise, turned by a quarter: decoded, and copied while turning.
fn photographs_take_a_few_bytes_a_pixel() {
    let (width, height) = (4032, 3024);
    let photograph = RgbImage::from_fn(width, height, |x, y| {
        let noise = (x ^ y.wrapping_mul(2_654_435_761)).wrapping_mul(2_246_822_519) >> 29;
        image::Rgb([x / 20 + noise, y / 14 + noise, 128 + noise].map(|v| v as u8))
    });
    let exif = b"II\x2a\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0".to_vec();
    let [mut jpeg, mut png] = [vec![], vec![]];
    let mut encoder = JpegEncoder::new_with_quality(&mut jpeg, 90);
    encoder.set_exif_metadata(exif.clone()).unwrap();
    encoder.encode_image(&photograph).unwrap();
    let mut encoder = PngEncoder::new(&mut png);
    encoder.set_exif_metadata(exif).unwrap();
    encoder.write_image(&photograph, width, height, ExtendedColorType::Rgb8).unwrap();
    drop(photograph);
    for (name, bytes) in [("JPEG of 12 megapixels", jpeg), ("PNG of 12 megapixels", png)] {
        let (picture, peak) = measure(name, &bytes);
        let picture = picture.unwrap();
        assert_eq!((picture.width(), picture.height()), (height, width));
        // Twice 3 bytes a pixel, and the file once more, which the JPEG decoder copies.
        let most = 6 * (width * height) as usize + bytes.len() + 4 * MIB;
        assert!(peak < most, "{name}: {peak} over {most}");
    }
}
