//! JPEG, GIF, BMP, WebP, PNM, and turning by EXIF.
//!
//! `samples/` holds what the `image` crate cannot write: drawings of Pillow 13, where `ycck.jpg` is a CMYK
//! file of Y, Cb, Cr, K with the Adobe marker's transform set to 2.

use std::io::Cursor;

use image::codecs::gif::GifEncoder;
use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::PngEncoder;
use image::codecs::webp::WebPEncoder;
use image::{ColorType, DynamicImage, ExtendedColorType, Frame, ImageEncoder, ImageFormat};

use crate::drawing::{BLOCKS, drawing, refusal};
use crate::pixels::{LOSSY, assert_drawing, decode, middles};

macro_rules! sample {
    ($name:literal) => {
        include_bytes!(concat!("samples/", $name))
    };
}

#[test]
fn every_format_that_keeps_pixels_gives_them_back() {
    let drawn = DynamicImage::from(drawing(5));
    for format in [ImageFormat::Png, ImageFormat::Bmp, ImageFormat::WebP, ImageFormat::Pnm] {
        let mut bytes = Cursor::new(vec![]);
        drawn.write_to(&mut bytes, format).unwrap();
        assert_eq!(decode(bytes.get_ref()).to_rgb8(), drawing(5), "{format:?}");
    }
}

#[test]
fn jpeg_is_read_whatever_its_colours_and_its_order() {
    assert_drawing(&decode(sample!("progressive.jpg")), LOSSY, "progressive");
    assert_drawing(&decode(sample!("cmyk.jpg")), LOSSY, "CMYK");
    assert_drawing(&decode(sample!("ycck.jpg")), LOSSY, "YCCK");
    let mut bytes = vec![];
    let pixels = drawing(16);
    JpegEncoder::new_with_quality(&mut bytes, 95).encode_image(&pixels).unwrap();
    assert_drawing(&decode(&bytes), LOSSY, "baseline");
    let grey = DynamicImage::from(pixels).to_luma8();
    let mut bytes = vec![];
    JpegEncoder::new_with_quality(&mut bytes, 95).encode_image(&grey).unwrap();
    assert_eq!(decode(&bytes).color(), ColorType::L8);
}

#[test]
fn a_rare_kind_of_jpeg_is_refused_by_name() {
    let good = sample!("progressive.jpg");
    let frame = good.windows(2).position(|pair| pair == [0xFF, 0xC2]).unwrap();
    for (marker, reason) in [(0xC3, "lossless"), (0xC5, "hierarchical"), (0xC9, "arithmetic")] {
        let mut bytes = good.to_vec();
        bytes[frame + 1] = marker;
        let refusal = refusal(&bytes);
        assert!(refusal.starts_with("cannot decode this JPEG picture: "), "{refusal}");
        assert!(refusal.contains(reason), "{refusal}");
    }
    let mut twelve_bits = good.to_vec();
    twelve_bits[frame + 4] = 12;
    assert!(refusal(&twelve_bits).contains("12 bits"), "{}", refusal(&twelve_bits));
}

#[test]
fn webp_is_read_with_losses_and_with_transparency() {
    assert_drawing(&decode(sample!("lossy.webp")), LOSSY, "lossy");
    let alpha = decode(sample!("alpha.webp"));
    let opacity = |x, y| alpha.to_rgba8().get_pixel(x, y).0[3];
    assert_eq!([opacity(8, 8), opacity(24, 8), opacity(40, 8)], [255, 0, 255]);
}

/// The drawing, then a black frame of the same size.
fn animated_gif() -> Vec<u8> {
    let mut bytes = vec![];
    let first = DynamicImage::from(drawing(4)).to_rgba8();
    let second = image::RgbaImage::from_pixel(12, 8, image::Rgba([0, 0, 0, 255]));
    let frames = [first, second].map(Frame::new);
    GifEncoder::new(&mut bytes).encode_frames(frames).unwrap();
    bytes
}

#[test]
fn of_an_animation_the_first_frame_is_read() {
    assert_drawing(&decode(&animated_gif()), 0, "GIF");
    assert_drawing(&decode(sample!("animated.png")), 0, "PNG");
}

#[test]
fn a_first_frame_smaller_than_its_canvas_lies_where_it_belongs() {
    let mut gif = animated_gif();
    gif[6..10].copy_from_slice(&[20, 0, 16, 0]); // the canvas
    let frame = gif.windows(9).position(|bytes| bytes == [b',', 0, 0, 0, 0, 12, 0, 8, 0]).unwrap();
    gif[frame + 1..frame + 5].copy_from_slice(&[4, 0, 4, 0]); // its left and top
    let picture = decode(&gif);
    assert_eq!((picture.width(), picture.height()), (20, 16));
    assert_eq!(picture.to_rgba8().get_pixel(1, 1).0[3], 0, "beside the frame it is transparent");
    assert_drawing(&picture.crop_imm(4, 4, 12, 8), 0, "GIF");

    let picture = decode(sample!("animated.webp")); // on a canvas of 80x64, without transparency
    assert_eq!(picture.to_rgb8().get_pixel(1, 1).0, [255; 3], "beside the frame it is white");
    assert_drawing(&picture.crop_imm(16, 16, 48, 32), 0, "WebP");
}

/// EXIF data of one entry, the orientation, in either byte order.
fn exif(orientation: u8, big_endian: bool) -> Vec<u8> {
    let o = orientation;
    if big_endian {
        [&b"MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0"[..], &[o, 0, 0, 0, 0, 0, 0]]
            .concat()
    } else {
        [&b"II\x2a\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0"[..], &[o, 0, 0, 0, 0, 0, 0, 0]]
            .concat()
    }
}

/// Where each block of the drawing stands once it is turned upright, row by row.
///
/// Source: CIPA DC-008 (EXIF 2.32), tag 274, "the 0th row is the visual top", ….
const UPRIGHT: [(u8, u32, [usize; 6]); 8] = [
    (1, 3, [0, 1, 2, 3, 4, 5]),
    (2, 3, [2, 1, 0, 5, 4, 3]),
    (3, 3, [5, 4, 3, 2, 1, 0]),
    (4, 3, [3, 4, 5, 0, 1, 2]),
    (5, 2, [0, 3, 1, 4, 2, 5]),
    (6, 2, [3, 0, 4, 1, 5, 2]),
    (7, 2, [5, 2, 4, 1, 3, 0]),
    (8, 2, [2, 5, 1, 4, 0, 3]),
];

#[test]
fn a_picture_is_turned_as_its_exif_orientation_says() {
    fn write(mut encoder: impl ImageEncoder, exif: Vec<u8>) {
        let pixels = drawing(16);
        encoder.set_exif_metadata(exif).unwrap();
        encoder.write_image(&pixels, 48, 32, ExtendedColorType::Rgb8).unwrap();
    }
    for (orientation, columns, order) in UPRIGHT {
        for (big_endian, prefix) in [(false, &b""[..]), (true, b""), (false, b"Exif\0\0")] {
            let exif = [prefix, &exif(orientation, big_endian)].concat();
            let [mut jpeg, mut png, mut webp] = [vec![], vec![], vec![]];
            write(PngEncoder::new(&mut png), exif.clone());
            write(WebPEncoder::new_lossless(&mut webp), exif.clone());
            let mut files = vec![("PNG", png, 0), ("WebP", webp, 0)];
            if prefix.is_empty() {
                write(JpegEncoder::new_with_quality(&mut jpeg, 95), exif); // adds the prefix itself
                files.push(("JPEG", jpeg, LOSSY));
            }
            for (name, bytes, tolerance) in files {
                let found = middles(&decode(&bytes), columns, 6 / columns);
                for (found, block) in found.iter().zip(order) {
                    let far =
                        found.iter().zip(BLOCKS[block]).any(|(a, b)| a.abs_diff(b) > tolerance);
                    assert!(!far, "{name}, orientation {orientation}: {found:?} for block {block}");
                }
            }
        }
    }
}

#[test]
fn damaged_exif_data_does_not_stop_a_picture() {
    for exif in [&b""[..], b"II", b"II\x2a\0\xff\xff\xff\xff", &exif(9, true)] {
        let mut bytes = vec![];
        let mut encoder = PngEncoder::new(&mut bytes);
        encoder.set_exif_metadata(exif.to_vec()).unwrap();
        encoder.write_image(&drawing(1), 3, 2, ExtendedColorType::Rgb8).unwrap();
        assert_drawing(&decode(&bytes), 0, "PNG");
    }
}

/// A BMP of the drawing, a pixel a block; `rows` from the bottom up, each filled to 4 bytes.
fn bmp(bits: u16, compression: u32, palette: &[[u8; 3]], rows: &[u8]) -> Vec<u8> {
    let colours: Vec<u8> = palette.iter().flat_map(|[r, g, b]| [*b, *g, *r, 0]).collect();
    let start = (14 + 40 + colours.len()) as u32;
    let mut bytes = b"BM".to_vec();
    for field in [start + rows.len() as u32, 0, start, 40, 3, 2] {
        bytes.extend(field.to_le_bytes());
    }
    bytes.extend([1_u16.to_le_bytes(), bits.to_le_bytes()].concat());
    for field in [compression, rows.len() as u32, 2835, 2835, palette.len() as u32, 0] {
        bytes.extend(field.to_le_bytes());
    }
    [bytes, colours, rows.to_vec()].concat()
}

#[test]
fn bmp_is_read_with_palettes_and_run_lengths() {
    let four_bits = bmp(4, 0, &BLOCKS, &[0x34, 0x50, 0, 0, 0x01, 0x20, 0, 0]);
    let eight_bits = bmp(8, 0, &BLOCKS, &[3, 4, 5, 0, 0, 1, 2, 0]);
    // A run of one pixel; or two zeros and a count, then pixels as they are, filled to 2 bytes.
    let runs = [1, 3, 1, 4, 1, 5, 0, 0, 0, 3, 0, 1, 2, 0, 0, 1];
    let eight_bit_runs = bmp(8, 1, &BLOCKS, &runs);
    let four_bit_runs = bmp(4, 2, &BLOCKS, &[3, 0x34, 0, 0, 3, 0x01, 0, 1]); // 3 4 3, then 0 1 0
    for (name, file) in [("4 bits", four_bits), ("8 bits", eight_bits), ("RLE8", eight_bit_runs)] {
        assert_drawing(&decode(&file), 0, name);
    }
    let [a, b, c, d] = [0, 1, 3, 4].map(|block: usize| BLOCKS[block]);
    assert_eq!(middles(&decode(&four_bit_runs), 3, 2), [a, b, a, c, d, c]);
    let one_bit = bmp(1, 0, &BLOCKS[..2], &[0b1010_0000, 0, 0, 0, 0b0110_0000, 0, 0, 0]);
    assert_eq!(middles(&decode(&one_bit), 3, 2), [a, b, b, b, a, b]);
}

#[test]
fn bmp_of_16_bits_has_5_a_colour() {
    let five = |[r, g, b]: [u8; 3]| [r, g, b].map(|v| u16::from(v >> 3));
    let word =
        |block: &[u8; 3]| five(*block).into_iter().fold(0, |word, v| word << 5 | v).to_le_bytes();
    let row = |blocks: &[[u8; 3]]| [blocks.iter().flat_map(word).collect(), vec![0; 2]].concat();
    let bytes = bmp(16, 0, &[], &[row(&BLOCKS[3..]), row(&BLOCKS[..3])].concat());
    assert_drawing(&decode(&bytes), 7, "16 bits"); // 3 of 8 bits are lost
}

#[test]
fn pnm_is_read_in_all_its_kinds() {
    let grey = |bytes: &[u8]| decode(bytes).to_luma8().into_raw();
    assert_eq!(grey(b"P1\n# black is 1\n3 2\n0 1 1\n1 0 1\n"), [255, 0, 0, 0, 255, 0]);
    assert_eq!(grey(b"P1 3 2\n011101"), [255, 0, 0, 0, 255, 0]);
    assert_eq!(grey(b"P4 3 2\n\x60\xa0"), [255, 0, 0, 0, 255, 0]);
    assert_eq!(grey(b"P2 3 2 15\n0 1 2 3 4 15\n"), [0, 17, 34, 51, 68, 255]);
    assert_eq!(grey(b"P5 3 1 15\n\x00\x01\x0f"), [0, 17, 255]);
    assert_eq!(decode(b"P5 2 1 65535\n\x12\x34\xff\xff").to_luma16().into_raw(), [0x1234, 0xFFFF]);
    assert_eq!(decode(b"P3 2 1 255 1 2 3 4 5 6").to_rgb8().into_raw(), [1, 2, 3, 4, 5, 6]);
    assert_eq!(
        decode(b"P6 2 1 255\n\x01\x02\x03\x04\x05\x06").to_rgb8().into_raw(),
        [1, 2, 3, 4, 5, 6]
    );
    let pam =
        b"P7\nWIDTH 1\nHEIGHT 1\nDEPTH 4\nMAXVAL 255\nTUPLTYPE RGB_ALPHA\nENDHDR\n\x01\x02\x03\x04";
    assert_eq!(decode(pam).to_rgba8().into_raw(), [1, 2, 3, 4]);
}
