//! Any picture as the pixels that a model takes.
//!
//! | [`Preprocess`] | what becomes of the picture | for |
//! |---|---|---|
//! | `digit` | the drawing on it, as MNIST would have made it | handwriting on paper |
//! | `stretch` | all of it, whatever its aspect | photographs cut to the model's aspect |
//! | `crop` | its middle, as much as has the model's aspect | photographs of one thing |
//! | `pad` | all of it, with black bars | photographs whose edges matter |
//!
//! A [`Preparation`] is one of these with the model's size and [`Color`]; a model's own is
//! [`Classifier::preparation`](crate::Classifier::preparation). Whoever has pixels of the model's size needs none: an
//! [`Image`] goes in as it is.
//!
//! ```
//! use runtime::preprocess::{Color, Preparation, Preprocess, from_bytes};
//!
//! let picture = b"P6 2 1 255\n\xff\x00\x00\x00\x00\xff"; // a red and a blue pixel
//! let small = Preparation::new([1, 1, 2], Preprocess::Stretch, Color::Grey)?;
//! assert_eq!(from_bytes(picture, &small)?.image.pixels(), [76, 29]);
//! # Ok::<(), runtime::Error>(())
//! ```
//!
//! Colours are red, green and blue as the file has them; colour profiles are not read. Grey is luma (ITU-R BT.601), as
//! PIL and Keras have it. Transparent pictures lie on white paper, unless the model takes alpha: its second or
//! fourth channel. Shrunk pixels are averaged over their area, enlarged ones interpolated linearly.

mod digit;
mod resize;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;
use std::str::FromStr;

use dataset::{Image, MNIST_SHAPE};
use image::{DynamicImage, GrayImage, RgbImage, RgbaImage};

use crate::error::Error;
use crate::picture::{self, Limits};

/// What becomes of a picture of another size than the model's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Preprocess {
    /// The drawing on it is found, and made as MNIST would have made it: 28×28 grey pixels, light on black.
    Digit,
    /// All of it is scaled to the model's size, whatever its aspect.
    Stretch,
    /// Its middle is cut to the model's aspect, and scaled.
    Crop,
    /// All of it is scaled to fit, between black bars.
    Pad,
}

/// Whether a picture's colours are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Color {
    /// Luma, in every channel but alpha.
    Grey,
    /// Red, green and blue.
    Rgb,
}

impl Preprocess {
    /// Its name in a model's metadata.
    pub const KEY: &str = "preprocess";

    const NAMES: [(&str, Self); 4] = [
        ("digit", Self::Digit),
        ("stretch", Self::Stretch),
        ("crop", Self::Crop),
        ("pad", Self::Pad),
    ];

    /// `digit`, `stretch`, `crop` or `pad`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        Self::NAMES[self as usize].0
    }
}

impl Color {
    /// Its name in a model's metadata.
    pub const KEY: &str = "color";

    const NAMES: [(&str, Self); 2] = [("grey", Self::Grey), ("rgb", Self::Rgb)];

    /// `grey` or `rgb`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        Self::NAMES[self as usize].0
    }
}

impl FromStr for Preprocess {
    type Err = String;

    /// The reverse of [`Self::name`].
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        by_name(&Self::NAMES, text).ok_or_else(|| "expected digit, stretch, crop or pad".into())
    }
}

impl FromStr for Color {
    type Err = String;

    /// The reverse of [`Self::name`].
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        by_name(&Self::NAMES, text).ok_or_else(|| "expected grey or rgb".into())
    }
}

fn by_name<T: Copy>(names: &[(&str, T)], text: &str) -> Option<T> {
    names.iter().find(|(name, _)| *name == text).map(|(_, value)| *value)
}

/// How pictures become what one model takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Preparation {
    shape: [usize; 3],
    preprocess: Preprocess,
    color: Color,
}

impl Preparation {
    /// For the handwritten digits of MNIST.
    pub const DIGIT: Self =
        Self { shape: MNIST_SHAPE, preprocess: Preprocess::Digit, color: Color::Grey };

    /// For a model that takes `[channels, height, width]`.
    ///
    /// # Errors
    /// [`Error::Image`] if no picture has this shape, [`Error::DigitShape`] for [`Preprocess::Digit`] of another shape
    /// than 28×28 grey, [`Error::Colorless`] for [`Color::Rgb`] of fewer than 3 channels.
    pub fn new(shape: [usize; 3], preprocess: Preprocess, color: Color) -> Result<Self, Error> {
        dataset::check_shape(shape)?;
        if preprocess == Preprocess::Digit && shape != MNIST_SHAPE {
            return Err(Error::DigitShape { shape });
        }
        if color == Color::Rgb && shape[0] < 3 {
            return Err(Error::Colorless { channels: shape[0] });
        }
        Ok(Self { shape, preprocess, color })
    }

    /// As a model's metadata say under [`Preprocess::KEY`] and [`Color::KEY`].
    ///
    /// Where they say nothing, 28×28 grey means `digit`, all else `stretch`; up to 2 channels are grey, more are rgb.
    ///
    /// # Errors
    /// [`Error::Metadata`] if they name what is unknown, or as [`Self::new`].
    pub fn parse(shape: [usize; 3], metadata: &BTreeMap<String, String>) -> Result<Self, Error> {
        let preprocess = named(metadata, Preprocess::KEY)?;
        let color = named(metadata, Color::KEY)?;
        Self::of(shape, preprocess, color)
    }

    /// [`Self::new`], where what is left out follows from the shape as [`Self::parse`] says.
    pub(crate) fn of(
        shape: [usize; 3],
        preprocess: Option<Preprocess>,
        color: Option<Color>,
    ) -> Result<Self, Error> {
        let usual = if shape == MNIST_SHAPE { Preprocess::Digit } else { Preprocess::Stretch };
        let usual_color = if shape[0] < 3 { Color::Grey } else { Color::Rgb };
        Self::new(shape, preprocess.unwrap_or(usual), color.unwrap_or(usual_color))
    }

    /// This one, but for what is given.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn with(self, preprocess: Option<Preprocess>, color: Option<Color>) -> Result<Self, Error> {
        let Self { shape, .. } = self;
        Self::new(shape, preprocess.unwrap_or(self.preprocess), color.unwrap_or(self.color))
    }

    /// `[channels, height, width]` of what it makes.
    #[must_use]
    pub const fn shape(&self) -> [usize; 3] {
        self.shape
    }

    /// What becomes of a picture of another size.
    #[must_use]
    pub const fn preprocess(&self) -> Preprocess {
        self.preprocess
    }

    /// Whether its colours are kept.
    #[must_use]
    pub const fn color(&self) -> Color {
        self.color
    }

    /// Reads a picture file within the default [`Limits`], and prepares it.
    ///
    /// # Errors
    /// As [`picture::load`].
    pub fn load(&self, path: &Path) -> Result<Prepared, Error> {
        Ok(self.prepare(&picture::load(path, Limits::default())?))
    }

    /// Prepares a picture that is decoded already.
    #[must_use]
    pub fn prepare(&self, picture: &DynamicImage) -> Prepared {
        self.run(picture, &mut |_, _| ())
    }

    /// [`Self::prepare`] with the result of each step: the upright original first, what the model sees last.
    #[must_use]
    pub fn trace(&self, picture: &DynamicImage) -> (Vec<Step>, Prepared) {
        let mut steps = vec![Step { name: "picture".into(), picture: picture.clone() }];
        let on_step = &mut |name: &'static str, picture: &dyn Fn() -> DynamicImage| {
            steps.push(Step { name: name.into(), picture: picture() });
        };
        let prepared = self.run(picture, on_step);
        let last = match self.preprocess {
            Preprocess::Digit => "normalize",
            other => other.name(),
        };
        let (width, height) = (prepared.image.width(), prepared.image.height());
        let name = format!("{last}, {width}x{height}").into();
        steps.push(Step { name, picture: drawing(&prepared.image) });
        (steps, prepared)
    }

    fn run(&self, picture: &DynamicImage, on_step: &mut OnStep) -> Prepared {
        match self.preprocess {
            Preprocess::Digit => digit::prepare(picture, on_step),
            _ => resize::resize(picture, self).into(),
        }
    }
}

/// What the metadata say under `key`, if anything.
fn named<T: FromStr<Err = String>>(
    metadata: &BTreeMap<String, String>,
    key: &'static str,
) -> Result<Option<T>, Error> {
    let unknown = |found: &String, reason| Error::Metadata { key, found: found.clone(), reason };
    let parse = |found: &String| found.parse().map_err(|reason| unknown(found, reason));
    metadata.get(key).map(parse).transpose()
}

/// What a picture holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// One drawing, which may be a digit; or anything, if no digit is looked for.
    Drawing,
    /// Nothing stands out from the background, or only what is too small to be a digit.
    Blank,
    /// Several drawings side by side.
    Several,
    /// No strokes on a background: a solid shape, or a photograph.
    Clutter,
}

/// A picture made ready for a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prepared {
    /// What the model sees.
    pub image: Image,
    /// What was found on the picture; only [`Preprocess::Digit`] finds anything wrong.
    pub content: Content,
}

impl From<Image> for Prepared {
    /// An image that needs no preparation.
    fn from(image: Image) -> Self {
        Self { image, content: Content::Drawing }
    }
}

impl AsRef<[u8]> for Prepared {
    fn as_ref(&self) -> &[u8] {
        self.image.as_ref()
    }
}

/// Result of a step, for people to look at.
#[derive(Debug, Clone)]
pub struct Step {
    /// What is seen: `picture`, then the step that made it: `ink`, `rulings`, `strokes`, `digit`; of the last also the
    /// size: `normalize, 28x28`, `stretch, 20x32`.
    pub name: Cow<'static, str>,
    /// Its result, of any size.
    pub picture: DynamicImage,
}

/// Takes the name of a step, and what makes a picture of its result: nothing is drawn for [`Preparation::prepare`].
type OnStep<'a> = dyn FnMut(&'static str, &dyn Fn() -> DynamicImage) + 'a;

/// Reads a picture of a handwritten digit within the default [`Limits`], as [`Preparation::DIGIT`].
///
/// # Errors
/// As [`picture::load`].
pub fn load(path: &Path) -> Result<Prepared, Error> {
    Preparation::DIGIT.load(path)
}

/// Prepares a picture of a handwritten digit that is decoded already, as [`Preparation::DIGIT`].
#[must_use]
pub fn prepare(picture: &DynamicImage) -> Prepared {
    Preparation::DIGIT.prepare(picture)
}

/// [`prepare`] with the result of each step: the upright original first, the 28×28 last.
#[must_use]
pub fn trace(picture: &DynamicImage) -> (Vec<Step>, Prepared) {
    Preparation::DIGIT.trace(picture)
}

/// Prepares a picture from the bytes of its file, such as a PNG or a JPEG, within the default [`Limits`].
///
/// # Errors
/// As [`picture::decode`].
pub fn from_bytes(bytes: &[u8], preparation: &Preparation) -> Result<Prepared, Error> {
    Ok(preparation.prepare(&picture::decode(bytes, Limits::default())?))
}

/// An image as a picture that programs show; the second of two channels is alpha.
///
/// # Panics
/// Never: an image has as many pixels as its shape.
#[must_use]
pub fn drawing(image: &Image) -> DynamicImage {
    let [width, height] = [image.width(), image.height()].map(|side| side as u32);
    let pixels = image.interleaved().collect();
    let picture: Option<DynamicImage> = match image.channels() {
        1 => GrayImage::from_raw(width, height, pixels).map(Into::into),
        2 => image::GrayAlphaImage::from_raw(width, height, pixels).map(Into::into),
        3 => RgbImage::from_raw(width, height, pixels).map(Into::into),
        _ => RgbaImage::from_raw(width, height, pixels).map(Into::into),
    };
    picture.expect("an image has as many pixels as its shape")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metadata(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn the_shape_decides_where_the_metadata_say_nothing() {
        use {Color::*, Preprocess::*};
        for (shape, pairs, preprocess, color) in [
            (MNIST_SHAPE, &[][..], Digit, Grey),
            ([3, 28, 28], &[], Stretch, Rgb),
            ([1, 28, 27], &[], Stretch, Grey),
            ([2, 9, 9], &[], Stretch, Grey),
            ([4, 9, 9], &[], Stretch, Rgb),
            (MNIST_SHAPE, &[("preprocess", "pad")], Pad, Grey),
            ([3, 32, 20], &[("preprocess", "crop"), ("color", "grey")], Crop, Grey),
            ([3, 32, 20], &[("color", "rgb")], Stretch, Rgb),
        ] {
            let found = Preparation::parse(shape, &metadata(pairs)).unwrap();
            assert_eq!(found, Preparation { shape, preprocess, color }, "{pairs:?}");
            for preprocess in [Digit, Stretch, Crop, Pad] {
                assert_eq!(preprocess.name().parse(), Ok(preprocess));
            }
            assert_eq!((color.name().parse(), found.shape()), (Ok(color), shape));
        }
    }

    #[test]
    fn what_is_unknown_or_does_not_fit_is_refused_by_name() {
        for (shape, pairs, expected) in [
            (MNIST_SHAPE, &[("preprocess", "Digit\n")][..], "`Digit\\n`, expected digit, stretch"),
            (MNIST_SHAPE, &[("color", "gray")], "color is `gray`, expected grey or rgb"),
            (MNIST_SHAPE, &[("color", "rgb")], "rgb"),
            ([3, 28, 28], &[("preprocess", "digit")], "3 channels, 28 rows and 28 columns"),
            ([1, 257, 1], &[], "257 rows"),
            ([640, 1, 1], &[], "640 channels"),
        ] {
            let refused = Preparation::parse(shape, &metadata(pairs)).unwrap_err().to_string();
            assert!(refused.contains(expected), "{refused}");
        }
    }

    #[test]
    fn what_is_given_counts_more_than_the_metadata() {
        let own = Preparation::parse([3, 32, 20], &metadata(&[("preprocess", "crop")])).unwrap();
        assert_eq!(own.with(None, None).unwrap(), own);
        let other = own.with(Some(Preprocess::Pad), Some(Color::Grey)).unwrap();
        assert_eq!((other.preprocess(), other.color()), (Preprocess::Pad, Color::Grey));
        assert!(own.with(Some(Preprocess::Digit), None).is_err());
    }

    #[test]
    fn the_last_step_is_what_the_model_sees() {
        let picture = RgbImage::from_fn(40, 30, |x, y| image::Rgb([x as u8, y as u8, 9])).into();
        for channels in 1..=4 {
            let preparation = Preparation::parse([channels, 7, 11], &BTreeMap::default()).unwrap();
            let (steps, prepared) = preparation.trace(&picture);
            assert_eq!(prepared, preparation.prepare(&picture));
            assert_eq!(prepared.content, Content::Drawing);
            let [original, seen] = &steps[..] else { panic!("two steps") };
            assert_eq!((&*original.name, &*seen.name), ("picture", "stretch, 11x7"));
            let bytes = seen.picture.as_bytes();
            assert!(prepared.image.interleaved().eq(bytes.iter().copied()), "{channels}");
        }
    }
}
