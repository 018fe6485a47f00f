//! Every kind of PNG, written here to the letter of <https://www.w3.org/TR/png-3/>.

use std::io::Write;

use flate2::write::ZlibEncoder;
use flate2::{Compression, Crc};
use runtime::picture::{self, Limits};

use crate::drawing::refusal;
use crate::pixels::decode;

const SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";

/// Colour types and the bit depths that they come in (section 11.2.1).
const KINDS: [(u8, &[u8]); 5] =
    [(0, &[1, 2, 4, 8, 16]), (2, &[8, 16]), (3, &[1, 2, 4, 8]), (4, &[8, 16]), (6, &[8, 16])];

/// First column, first row, step of columns, step of rows of each pass (section 8.1).
const ADAM7: [[u32; 4]; 7] = [
    [0, 0, 8, 8],
    [4, 0, 8, 8],
    [0, 4, 4, 8],
    [2, 0, 4, 4],
    [0, 2, 2, 4],
    [1, 0, 2, 2],
    [0, 1, 1, 2],
];

struct Png {
    width: u32,
    height: u32,
    depth: u8,
    colour: u8,
    interlaced: bool,
    transparency: Vec<u8>,
}

impl Png {
    fn channels(&self) -> u32 {
        [1, 0, 3, 1, 2, 0, 4][usize::from(self.colour)]
    }

    /// Any numbers, but the same at each call; of a palette, only places that it has.
    fn sample(&self, x: u32, y: u32, channel: u32) -> u16 {
        let mixed =
            (x * 7919 + y * 104_729 + channel * 1_299_709 + 12_345).wrapping_mul(2_654_435_761);
        (mixed >> (32 - self.depth)) as u16
    }

    fn palette(&self) -> Vec<[u8; 3]> {
        (0..1_u32 << self.depth).map(|i| [i * 37, i * 59 + 80, 255 - i].map(|v| v as u8)).collect()
    }

    /// The pixel as 16-bit RGBA, which holds every depth exactly: 65535 is a multiple of 2ⁿ − 1.
    fn pixel(&self, x: u32, y: u32) -> [u16; 4] {
        let samples: Vec<u16> = (0..self.channels()).map(|c| self.sample(x, y, c)).collect();
        if self.colour == 3 {
            let place = usize::from(samples[0]);
            let [red, green, blue] = self.palette()[place];
            let opacity = *self.transparency.get(place).unwrap_or(&255);
            return [red, green, blue, opacity].map(|v| u16::from(v) * 257);
        }
        let most = (1_u32 << self.depth) - 1;
        let whole = samples.iter().map(|&v| (u32::from(v) * 65535 / most) as u16);
        let named: Vec<u8> = samples.iter().flat_map(|v| v.to_be_bytes()).collect();
        let opacity = if named == self.transparency { 0 } else { 65535 };
        match whole.collect::<Vec<_>>()[..] {
            [grey] => [grey, grey, grey, opacity],
            [grey, alpha] => [grey, grey, grey, alpha],
            [red, green, blue] => [red, green, blue, opacity],
            [red, green, blue, alpha] => [red, green, blue, alpha],
            _ => unreachable!("PNG has 1 to 4 channels"),
        }
    }

    /// The rows of each pass, unfiltered; samples below a byte are packed from the high bit down.
    fn rows(&self) -> Vec<u8> {
        let passes = if self.interlaced { &ADAM7[..] } else { &[[0, 0, 1, 1]] };
        let mut rows = vec![];
        for [left, top, right, down] in passes {
            for y in (*top..self.height).step_by(*down as usize) {
                let columns = (*left..self.width).step_by(*right as usize);
                let samples =
                    columns.flat_map(|x| (0..self.channels()).map(move |c| self.sample(x, y, c)));
                let bits: Vec<u8> = samples
                    .flat_map(|v| (0..self.depth).rev().map(move |bit| (v >> bit & 1) as u8))
                    .collect();
                if bits.is_empty() {
                    continue; // a pass without columns has no rows
                }
                rows.push(0);
                rows.extend(bits.chunks(8).map(|byte| {
                    byte.iter().enumerate().fold(0, |sum, (place, bit)| sum | bit << (7 - place))
                }));
            }
        }
        rows
    }

    fn header(&self) -> Vec<u8> {
        let rest = [self.depth, self.colour, 0, 0, u8::from(self.interlaced)];
        [&self.width.to_be_bytes()[..], &self.height.to_be_bytes(), &rest].concat()
    }

    fn chunks(&self) -> Vec<(&'static [u8; 4], Vec<u8>)> {
        let mut chunks = vec![(b"IHDR", self.header())];
        if self.colour == 3 {
            chunks.push((b"PLTE", self.palette().concat()));
        }
        if !self.transparency.is_empty() {
            chunks.push((b"tRNS", self.transparency.clone()));
        }
        chunks.extend([(b"IDAT", deflate(&self.rows())), (b"IEND", vec![])]);
        chunks
    }
}

fn deflate(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(vec![], Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn file(chunks: &[(&[u8; 4], Vec<u8>)]) -> Vec<u8> {
    let mut bytes = SIGNATURE.to_vec();
    for (name, content) in chunks {
        let mut crc = Crc::new();
        crc.update(*name);
        crc.update(content);
        bytes.extend((content.len() as u32).to_be_bytes());
        bytes.extend([&name[..], content, &crc.sum().to_be_bytes()].concat());
    }
    bytes
}

#[test]
fn every_colour_type_depth_and_order_of_rows_gives_its_pixels() {
    for (colour, depths) in KINDS {
        for &depth in depths {
            for (width, height) in [(1, 1), (3, 5), (11, 9), (32, 17)] {
                for interlaced in [false, true] {
                    let mut png =
                        Png { width, height, depth, colour, interlaced, transparency: vec![] };
                    check(&png);
                    // Transparent is the colour of the first pixel; of a palette, the first two places.
                    png.transparency = match colour {
                        0 | 2 => (0..png.channels())
                            .flat_map(|c| png.sample(0, 0, c).to_be_bytes())
                            .collect(),
                        3 => vec![0, 100],
                        _ => continue, // has opacity already
                    };
                    check(&png);
                }
            }
        }
    }
}

fn check(png: &Png) {
    let picture = decode(&file(&png.chunks())).to_rgba16();
    let Png { width, height, depth, colour, interlaced, .. } = png;
    let name = format!("type {colour}, {depth} bits, {width}x{height}, interlaced: {interlaced}");
    assert_eq!(picture.dimensions(), (*width, *height), "{name}");
    for (x, y, pixel) in picture.enumerate_pixels() {
        assert_eq!(pixel.0, png.pixel(x, y), "{name}, at {x}, {y}");
    }
}

#[test]
fn a_long_row_is_within_the_memory_of_its_pixels() {
    let (width, transparency) = (300_000, vec![]);
    let row = Png { width, height: 1, depth: 16, colour: 6, interlaced: false, transparency };
    assert_eq!(decode(&file(&row.chunks())).width(), width);
}

#[test]
fn a_broken_png_is_refused() {
    let palette =
        Png { width: 5, height: 4, depth: 4, colour: 3, interlaced: false, transparency: vec![] };
    let good = palette.chunks();
    let with_header = |place: usize, byte: u8| {
        let mut chunks = good.clone();
        chunks[0].1[place] = byte;
        file(&chunks)
    };
    let without = |name: &[u8; 4]| {
        file(&good.iter().filter(|chunk| chunk.0 != name).cloned().collect::<Vec<_>>())
    };
    let with_data = |data: Vec<u8>| {
        let mut chunks = good.clone();
        chunks[2].1 = data;
        file(&chunks)
    };
    let with_wrong_crc = |name: &[u8; 4]| {
        let mut bytes = file(&good);
        let at = bytes.windows(4).position(|window| window == name).unwrap();
        let chunk = good.iter().find(|chunk| chunk.0 == name).unwrap();
        bytes[at + 4 + chunk.1.len()] ^= 1;
        bytes
    };
    let rows = palette.rows();
    let mut cases = vec![
        ("no header", without(b"IHDR")),
        ("no palette", without(b"PLTE")),
        ("no data", without(b"IDAT")),
        ("header CRC", with_wrong_crc(b"IHDR")),
        ("palette CRC", with_wrong_crc(b"PLTE")),
        ("data CRC", with_wrong_crc(b"IDAT")),
        ("half the rows", with_data(deflate(&rows[..rows.len() / 2]))),
        ("no zlib", with_data(rows.clone())),
        ("a filter of type 5", with_data(deflate(&[&[5], &rows[1..]].concat()))),
        ("another compression", with_header(10, 1)),
        ("another filter method", with_header(11, 1)),
        ("another interlacing", with_header(12, 2)),
    ];
    for (place, bytes) in [(8, &[0, 3, 16, 99][..]), (9, &[1, 5, 7, 9, 2, 4, 6])] {
        cases.extend(bytes.iter().map(|byte| ("depth or colour", with_header(place, *byte))));
    }
    for (name, bytes) in cases {
        let refusal = refusal(&bytes);
        assert!(refusal.starts_with("cannot decode this PNG picture: "), "{name}: {refusal}");
        assert!(!refusal.contains('\n'), "{name}: {refusal}");
    }
    // As in PngSuite: a byte lost, bit 7 lost, and what becomes of line ends sent as text.
    let rest = &file(&good)[8..];
    let signatures = [
        &b"PNG\r\n\x1a\n"[..],
        b"\tPNG\r\n\x1a\n",
        b"\x89PNG\n\x1a\n",
        b"\x89PNG\r\r\n\x1a\r\n",
        b"\x89png\r\n\x1a\n",
    ];
    for signature in signatures {
        let refusal = refusal(&[signature, rest].concat());
        assert_eq!(refusal, "not a PNG, JPEG, GIF, BMP, WebP or PNM picture");
    }
}

/// The suite's names start with `x` where the file is corrupt: <http://www.schaik.com/pngsuite/>.
#[test]
fn png_suite_is_read_but_for_its_corrupt_files() {
    let Some(folder) = std::env::var_os("PNGSUITE") else {
        // `eprintln!` would not be shown.
        let _ = writeln!(std::io::stderr(), "skipped PngSuite: its folder is not in PNGSUITE");
        return;
    };
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let (mut valid, mut corrupt) = (0, 0);
    for path in entries.filter(|path| path.extension().is_some_and(|ending| ending == "png")) {
        let picture = picture::load(&path, Limits::default());
        if path.file_name().unwrap().as_encoded_bytes().starts_with(b"x") {
            assert!(picture.is_err(), "{}", path.display());
            corrupt += 1;
        } else {
            assert!(picture.is_ok(), "{}: {}", path.display(), picture.unwrap_err());
            valid += 1;
        }
    }
    assert!(valid > 0 && corrupt > 0, "{valid} valid and {corrupt} corrupt files");
}
