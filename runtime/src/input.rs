//! What goes into a model: images, and the numbers that are made of their pixels.

use std::array;
use std::collections::BTreeMap;

use dataset::{Image, MAX_CHANNELS};

use crate::error::Error;
use crate::kernels::{Instructions, divide_by_255};
use crate::preprocess::{Content, Prepared};

/// What a model is shown: an [`Image`] of its size, or a picture that was [`Prepared`] for it.
pub trait Input: AsRef<[u8]> {
    /// The pixels.
    fn image(&self) -> &Image;

    /// What was found on the picture; of an image by itself nothing is known.
    fn content(&self) -> Content {
        Content::Drawing
    }
}

impl Input for Image {
    fn image(&self) -> &Image {
        self
    }
}

impl Input for Prepared {
    fn image(&self) -> &Image {
        &self.image
    }

    fn content(&self) -> Content {
        self.content
    }
}

/// How pixels become the numbers that a model with float input takes: `(pixel / 255 − mean) / std`; a negative `std`
/// inverts them.
///
/// Models with `uint8` input normalise by themselves.
///
/// ```
/// use runtime::FloatInput;
///
/// let of_mnist = FloatInput::new(&[0.1307], &[0.3081])?;
/// let of_imagenet = FloatInput::new(&[0.485, 0.456, 0.406], &[0.229, 0.224, 0.225])?;
/// assert!(FloatInput::new(&[0.5], &[0.0]).is_err());
/// # Ok::<(), runtime::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FloatInput {
    /// Subtracted from the pixel in 0 to 1, and what divides the difference; of each channel.
    channels: [(f32, f32); MAX_CHANNELS],
    /// How many of them there are: 1 stands for all channels.
    count: usize,
}

impl Default for FloatInput {
    /// Pixels from 0 to 1.
    fn default() -> Self {
        Self { channels: [(0.0, 1.0); MAX_CHANNELS], count: 1 }
    }
}

impl FloatInput {
    /// Names of the means and the standard deviations in a model's metadata.
    pub const KEYS: [&str; 2] = ["normalization.mean", "normalization.std"];

    /// From a model's metadata, where one number or one per channel stands under each of [`Self::KEYS`], separated by
    /// commas; `None` where neither is there. What one of them leaves out is 0 or 1.
    ///
    /// # Errors
    /// [`Error::Metadata`] for what are no such numbers, or as [`Self::new`].
    pub fn parse(metadata: &BTreeMap<String, String>) -> Result<Option<Self>, Error> {
        let list = |key: &'static str, default: f32| {
            let Some(text) = metadata.get(key) else { return Ok(vec![default]) };
            let numbers: Result<Vec<f32>, _> =
                text.split(',').map(|one| one.trim().parse()).collect();
            let reason = || "expected numbers separated by commas".to_owned();
            numbers.map_err(|_| Error::Metadata { key, found: text.clone(), reason: reason() })
        };
        let [mean, std] = Self::KEYS;
        if ![mean, std].iter().any(|key| metadata.contains_key(*key)) {
            return Ok(None);
        }
        Self::new(&list(mean, 0.0)?, &list(std, 1.0)?).map(Some)
    }

    /// Names and values for a model's metadata, as [`Self::parse`] reads them.
    #[must_use]
    pub fn emit(&self) -> [(&'static str, String); 2] {
        let list = |values: Vec<f32>| {
            let texts: Vec<String> = values.iter().map(f32::to_string).collect();
            texts.join(",")
        };
        let (means, stds) = self.channels().unzip();
        let [mean, std] = Self::KEYS;
        [(mean, list(means)), (std, list(stds))]
    }

    /// From means and standard deviations of pixels in 0 to 1: one of all channels, or one of each.
    ///
    /// # Errors
    /// [`Error::FloatInputCount`] unless there are 1 to 4 of both, as many or a single one; [`Error::FloatInput`] if they
    /// make pixels infinite.
    pub fn new(mean: &[f32], std: &[f32]) -> Result<Self, Error> {
        let count = mean.len().max(std.len());
        let fits = |values: &[f32]| values.len() == 1 || values.len() == count;
        if !fits(mean) || !fits(std) || !(1..=MAX_CHANNELS).contains(&count) {
            return Err(Error::FloatInputCount { means: mean.len(), stds: std.len() });
        }
        let mut input = Self { count, ..Self::default() };
        let values = mean.iter().cycle().zip(std.iter().cycle());
        for (channel, (&mean, &std)) in input.channels.iter_mut().zip(values).take(count) {
            if ![0, 255].iter().all(|&pixel| apply(pixel, mean, std).is_finite()) {
                return Err(Error::FloatInput { mean, std });
            }
            *channel = (mean, std);
        }
        Ok(input)
    }

    /// Normalisations that models are usually trained with, with their names; for pictures of this many channels.
    ///
    /// Sources: `torchvision.transforms` in its examples and models for MNIST and `ImageNet`; the mean and standard
    /// deviation of all pixels of the training sets of Fashion-MNIST and CIFAR-10. Grey `ImageNet` is the mean over the
    /// channels.
    #[must_use]
    pub fn usual(channels: usize) -> Vec<(&'static str, Self)> {
        let named = |name, mean: &[f32], std: &[f32]| Some((name, Self::new(mean, std).ok()?));
        let byte = 1.0 / 255.0;
        let mut usual = vec![
            named("0 to 1", &[0.0], &[1.0]),
            named("-1 to 1", &[0.5], &[0.5]),
            named("0 to 255", &[0.0], &[byte]),
            named("MNIST", &[0.1307], &[0.3081]),
            named("Fashion-MNIST", &[0.286], &[0.353]),
        ];
        if channels == 1 {
            usual.push(named("ImageNet, grey", &[0.449], &[0.226]));
        }
        if channels == 3 {
            usual.extend([
                named("ImageNet", &[0.485, 0.456, 0.406], &[0.229, 0.224, 0.225]),
                named("CIFAR-10", &[0.4914, 0.4822, 0.4465], &[0.247, 0.2435, 0.2616]),
            ]);
        }
        usual.extend([
            named("inverted, 1 to 0", &[1.0], &[-1.0]),
            named("inverted, 1 to -1", &[0.5], &[-0.5]),
            named("inverted, 255 to 0", &[1.0], &[-byte]),
        ]);
        usual.into_iter().flatten().collect()
    }

    /// Mean and standard deviation of each channel, or one pair of all.
    pub fn channels(&self) -> impl Iterator<Item = (f32, f32)> {
        self.channels.into_iter().take(self.count)
    }

    /// Refuses values of other channels than a model has.
    pub(crate) fn check(&self, channels: usize) -> Result<(), Error> {
        let Self { count, .. } = *self;
        if count == 1 || count == channels {
            Ok(())
        } else {
            Err(Error::FloatInputChannels { values: count, channels })
        }
    }

    /// Writes the numbers of one image, `[channel][row][column]`.
    pub(crate) fn write(&self, pixels: &[u8], instructions: Instructions, numbers: &mut [f32]) {
        if self.channels().all(|channel| channel == (0.0, 1.0)) {
            return divide_by_255(pixels, instructions, numbers);
        }
        let length = pixels.len() / self.count;
        let planes = pixels.chunks_exact(length).zip(numbers.chunks_exact_mut(length));
        for ((plane, numbers), (mean, std)) in planes.zip(self.channels()) {
            // looked up faster than divided
            let of_pixel: [f32; 256] = array::from_fn(|pixel| apply(pixel as u8, mean, std));
            for (number, pixel) in numbers.iter_mut().zip(plane) {
                *number = of_pixel[usize::from(*pixel)];
            }
        }
    }
}

fn apply(pixel: u8, mean: f32, std: f32) -> f32 {
    (f32::from(pixel) / 255.0 - mean) / std
}

#[cfg(test)]
mod tests {
    use super::*;

    fn floats(input: FloatInput, pixels: &[u8]) -> Vec<f32> {
        let mut floats = vec![9.0; pixels.len()];
        input.write(pixels, Instructions::default(), &mut floats);
        floats
    }

    #[test]
    fn each_channel_has_its_own_mean_and_deviation_or_all_have_one() {
        assert_eq!(floats(FloatInput::default(), &[0, 255, 51]), [0.0, 1.0, 0.2]);
        let one = FloatInput::new(&[0.5], &[0.5]).unwrap();
        assert_eq!(floats(one, &[0, 255, 255, 0]), [-1.0, 1.0, 1.0, -1.0]);
        let two = FloatInput::new(&[0.0, 1.0], &[0.5]).unwrap();
        assert_eq!(floats(two, &[0, 255, 0, 255]), [0.0, 2.0, -2.0, 0.0]);
    }

    #[test]
    fn metadata_keep_it() {
        for channels in 1..=4 {
            for (name, input) in FloatInput::usual(channels) {
                let pairs = input.emit().map(|(key, value)| (key.to_owned(), value));
                assert_eq!(FloatInput::parse(&pairs.into()).unwrap(), Some(input), "{name}");
            }
        }
        assert_eq!(FloatInput::parse(&BTreeMap::default()).unwrap(), None);
        let parse = |key: &str, value: &str| {
            FloatInput::parse(&[(key.to_owned(), value.to_owned())].into())
        };
        let one = FloatInput::new(&[0.25], &[1.0]).unwrap();
        assert_eq!(parse("normalization.mean", " 0.25").unwrap(), Some(one));
        for (key, value) in [
            ("normalization.mean", "a"),
            ("normalization.std", ""),
            ("normalization.std", "0"),
            ("normalization.mean", "NaN"),
            ("normalization.mean", "1,2,3,4,5"),
        ] {
            assert!(parse(key, value).is_err(), "{key} {value}");
        }
    }

    #[test]
    fn the_usual_ones_differ_and_fit_their_channels() {
        for channels in 1..=MAX_CHANNELS {
            let usual = FloatInput::usual(channels);
            for (number, (name, input)) in usual.iter().enumerate() {
                assert!(input.check(channels).is_ok(), "{name}");
                assert!(usual[..number].iter().all(|(other, of)| other != name && of != input));
            }
        }
        let inverted =
            FloatInput::usual(1).into_iter().find(|(name, _)| *name == "inverted, 255 to 0");
        let [black, white] = floats(inverted.unwrap().1, &[0, 255])[..] else { panic!() };
        assert!((black - 255.0).abs() < 1e-3 && white == 0.0, "{black} {white}");
        let of_imagenet = FloatInput::usual(3)[5].1;
        assert_eq!(of_imagenet.channels().nth(2), Some((0.406, 0.225)));
    }

    #[test]
    fn what_gives_no_numbers_or_fits_no_channels_is_refused() {
        for (mean, std) in [(0.0, 0.0), (f32::NAN, 1.0), (f32::MAX, 1e-9), (0.0, f32::NAN)] {
            let refused = FloatInput::new(&[0.1, mean], &[1.0, std]).unwrap_err();
            assert!(matches!(refused, Error::FloatInput { .. }), "{refused}");
        }
        for (means, stds) in [(0, 1), (1, 0), (0, 0), (2, 3), (5, 5), (1, 5)] {
            let refused = FloatInput::new(&vec![0.5; means], &vec![0.5; stds]).unwrap_err();
            assert!(matches!(refused, Error::FloatInputCount { .. }), "{refused}");
        }
        let three = FloatInput::new(&[0.5; 3], &[0.5]).unwrap();
        assert!(three.check(3).is_ok() && three.check(1).is_err());
        assert!(FloatInput::default().check(3).is_ok());
    }
}
