//! The reader of pictures on synthetic photos: MNIST's digits drawn large with other pens on other papers, in other
//! lights, by other cameras.

use std::ops::Range;

use dataset::idx::Part;
use fixtures::mnist_500;
use image::codecs::jpeg::JpegEncoder;
use image::imageops::{self, FilterType};
use image::{DynamicImage, GrayImage, Rgb, RgbImage, Rgba, RgbaImage};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use runtime::{Classifier, Image, Verdict, preprocess};

/// Photos of each kind of paper.
const PHOTOS: usize = 12;
/// Minimum of them that are read right; some of MNIST's digits are unreadable in a thick pen or from afar.
const MIN_RIGHT: usize = 10;
/// Minimum part of all photos that are read right.
const MIN_ACCURACY: f64 = 0.97;

#[derive(Debug, Clone, Copy, PartialEq)]
enum Paper {
    Plain,
    ThinPen,
    ThickPen,
    Squared,
    Ruled,
    Shadow,
    ShadowEdge,
    DarkCorners,
    Chalk,
    Pencil,
    Jpeg,
    Tiny,
    OnATable,
    InABox,
    FarAway,
    Transparent,
}

const PAPERS: [Paper; 16] = [
    Paper::Plain,
    Paper::ThinPen,
    Paper::ThickPen,
    Paper::Squared,
    Paper::Ruled,
    Paper::Shadow,
    Paper::ShadowEdge,
    Paper::DarkCorners,
    Paper::Chalk,
    Paper::Pencil,
    Paper::Jpeg,
    Paper::Tiny,
    Paper::OnATable,
    Paper::InABox,
    Paper::FarAway,
    Paper::Transparent,
];

#[test]
fn digits_are_read_on_every_paper() {
    let classifier = Classifier::embedded();
    let split = mnist_500(Part::Train);
    let (mut all, mut sure, mut sure_and_right) = (0, 0, 0);
    for (at, paper) in PAPERS.into_iter().enumerate() {
        let mut right = 0;
        for photo in 0..PHOTOS {
            let index = at * PHOTOS + photo;
            let photo = draw(&split.images[index], paper, index as u64);
            let prediction = classifier.read(&preprocess::prepare(&photo));
            let is_right = prediction.digit() == usize::from(split.labels[index]);
            right += usize::from(is_right);
            if prediction.verdict == Verdict::Sure {
                sure += 1;
                sure_and_right += usize::from(is_right);
            }
        }
        assert!(right >= MIN_RIGHT, "{paper:?}: {right} of {PHOTOS}");
        all += right;
    }
    let photos = PAPERS.len() * PHOTOS;
    assert!(all as f64 >= MIN_ACCURACY * photos as f64, "{all} of {photos}");
    assert!(sure * 10 >= photos * 9, "sure of {sure} of {photos}");
    assert!(sure_and_right as f64 >= 0.99 * sure as f64, "{sure_and_right} of {sure}");
}

/// A synthetic photo of a 28×28 digit; equal seeds give equal photos.
fn draw(digit: &Image, paper: Paper, seed: u64) -> DynamicImage {
    let rng = &mut StdRng::seed_from_u64(seed);
    let side = rng.random_range(match paper {
        Paper::Tiny => 28..60,
        Paper::FarAway => 60..90,
        _ => 150..350,
    });
    let enlarged = |rng: &mut StdRng, by: Range<u32>| side * rng.random_range(by) / 100;
    let (width, height) = match paper {
        Paper::Tiny => (side, side),
        Paper::FarAway => (side * 6, side * 5),
        _ => (enlarged(rng, 95..150), enlarged(rng, 95..150)),
    };
    let pens = [[25.0, 25.0, 30.0], [30.0, 45.0, 150.0], [170.0, 35.0, 45.0]];
    let (ground, pen) = match paper {
        Paper::Chalk => ([35.0, 60.0, 50.0], [225.0, 225.0, 215.0]),
        Paper::Pencil => ([225.0, 222.0, 215.0], [150.0, 150.0, 150.0]),
        _ => ([240.0, 236.0, 225.0], pens[rng.random_range(0..3)]),
    };
    let level = match paper {
        Paper::ThinPen => 0.7,
        Paper::ThickPen => 0.2,
        _ => 0.45,
    };
    let cover = outline(digit, side, level);
    let offset = |rng: &mut StdRng, length: u32| rng.random_range(0..=length.saturating_sub(side));
    let (left, top) = (offset(rng, width), offset(rng, height));
    let cover = |x: u32, y: u32| {
        let inside = (left..left + side).contains(&x) && (top..top + side).contains(&y);
        if inside { cover[((y - top) * side + x - left) as usize] } else { 0.0 }
    };
    if paper == Paper::Transparent {
        let pen = pen.map(|c| c as u8);
        return RgbaImage::from_fn(width, height, |x, y| {
            Rgba([pen[0], pen[1], pen[2], (cover(x, y) * 255.0) as u8])
        })
        .into();
    }
    let rulings = Rulings::new(paper, side, rng);
    let light = Light::new(paper, rng);
    let noise = match paper {
        Paper::Plain | Paper::InABox => 0.0,
        Paper::Pencil | Paper::Chalk => 8.0,
        _ => 4.0,
    };
    let picture = RgbImage::from_fn(width, height, |x, y| {
        let printed = rulings.cover(x, y, width, height);
        let noise = rng.random_range(-1.0..1.0) * noise;
        let light = light.at(x as f32 / width as f32, y as f32 / height as f32);
        Rgb([0, 1, 2].map(|c| {
            let paper = ground[c] + (rulings.colour[c] - ground[c]) * printed;
            let inked = paper + (pen[c] - paper) * cover(x, y);
            (inked * light + noise).clamp(0.0, 255.0) as u8
        }))
    });
    match paper {
        Paper::OnATable => {
            let mut table = RgbImage::from_pixel(width * 3 / 2, height * 3 / 2, Rgb([95, 65, 45]));
            imageops::replace(&mut table, &picture, i64::from(width / 4), i64::from(height / 4));
            table.into()
        }
        Paper::Jpeg => {
            let mut bytes = vec![];
            JpegEncoder::new_with_quality(&mut bytes, 20).encode_image(&picture).unwrap();
            image::load_from_memory(&bytes).unwrap()
        }
        _ => picture.into(),
    }
}

/// Part of each pixel that a digit covers, `side` pixels wide and high; the lower the level, the thicker.
fn outline(digit: &Image, side: u32, level: f32) -> Vec<f32> {
    let small = GrayImage::from_raw(28, 28, digit.pixels().to_vec()).unwrap();
    let large = imageops::resize(&small, side, side, FilterType::CatmullRom);
    let steep = side as f32 / 18.0;
    large
        .pixels()
        .map(|ink| ((f32::from(ink.0[0]) / 255.0 - level) * steep + 0.5).clamp(0.0, 1.0))
        .collect()
}

/// Printed lines.
struct Rulings {
    paper: Paper,
    colour: [f32; 3],
    pitch: f32,
    width: f32,
    slope: f32,
}

impl Rulings {
    fn new(paper: Paper, side: u32, rng: &mut StdRng) -> Self {
        Self {
            paper,
            colour: if paper == Paper::InABox { [60.0; 3] } else { [140.0, 165.0, 205.0] },
            pitch: side as f32 / rng.random_range(2.5..6.0),
            width: side as f32 / 120.0,
            slope: rng.random_range(-0.05..0.05),
        }
    }

    /// Part of a pixel that they cover.
    fn cover(&self, x: u32, y: u32, width: u32, height: u32) -> f32 {
        let (x, y) = (x as f32, y as f32);
        let off = |at: f32| (at.rem_euclid(self.pitch) - self.pitch / 2.0).abs();
        let (level, upright) = (off(y - x * self.slope), off(x + y * self.slope));
        let near = match self.paper {
            Paper::Squared => level.min(upright),
            Paper::Ruled => level,
            Paper::InABox => {
                let sides = [x, y, width as f32 - 1.0 - x, height as f32 - 1.0 - y];
                sides
                    .map(|distance| (distance - 2.0 * self.width).abs())
                    .into_iter()
                    .fold(f32::MAX, f32::min)
            }
            _ => f32::MAX,
        };
        (self.width / 2.0 - near + 0.5).clamp(0.0, 1.0)
    }
}

/// Brightness of a photo at each place.
struct Light {
    paper: Paper,
    slope: [f32; 2],
}

impl Light {
    fn new(paper: Paper, rng: &mut StdRng) -> Self {
        Self { paper, slope: [0; 2].map(|_| rng.random_range(-0.4..0.4)) }
    }

    fn at(&self, x: f32, y: f32) -> f32 {
        let (x, y) = (x - 0.5, y - 0.5);
        let along = self.slope[0] * x + self.slope[1] * y;
        match self.paper {
            Paper::Shadow => 0.75 + along,
            Paper::ShadowEdge => 0.8 + 0.2 * (along * 40.0).clamp(-1.0, 1.0),
            Paper::DarkCorners => 1.0 - 0.9 * (x * x + y * y),
            _ => 1.0,
        }
    }
}
