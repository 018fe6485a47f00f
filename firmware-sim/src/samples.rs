//! What goes into a network, to calibrate on or to compare answers on: pictures, or numbers.

use dataset::Image;
use firmware::Model;

use super::error::Error;
use super::int8::Encoding;
use super::supported::Takes;

/// Inputs of a network; each is `[channel][row][column]`.
#[derive(Debug, Clone, Copy)]
pub enum Samples<'a> {
    /// Pixels, 0 to 255.
    Images(&'a [Image]),
    /// What the first layer takes.
    Signals(&'a [Vec<f32>]),
}

impl<'a> From<&'a [Image]> for Samples<'a> {
    fn from(images: &'a [Image]) -> Self {
        Self::Images(images)
    }
}

impl<'a> From<&'a [Vec<f32>]> for Samples<'a> {
    fn from(signals: &'a [Vec<f32>]) -> Self {
        Self::Signals(signals)
    }
}

impl<'a> Samples<'a> {
    /// Not one.
    pub const NONE: Self = Self::Images(&[]);

    /// How many there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        match self {
            Self::Images(images) => images.len(),
            Self::Signals(signals) => signals.len(),
        }
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The numbers of one of them.
    ///
    /// # Panics
    /// If there are not as many.
    #[must_use]
    pub fn values(&self, index: usize) -> Vec<f32> {
        match self {
            Self::Images(images) => images[index].pixels().iter().copied().map(f32::from).collect(),
            Self::Signals(signals) => signals[index].clone(),
        }
    }

    /// Those from `start` on, `count` at most.
    #[must_use]
    pub fn part(&self, start: usize, count: usize) -> Self {
        fn part<T>(all: &[T], start: usize, count: usize) -> &[T] {
            let start = start.min(all.len());
            &all[start..(start + count).min(all.len())]
        }
        match *self {
            Self::Images(images) => Self::Images(part(images, start, count)),
            Self::Signals(signals) => Self::Signals(part(signals, start, count)),
        }
    }

    /// All of them, `count` at a time.
    pub(crate) fn batches(self, count: usize) -> Vec<Samples<'a>> {
        (0..self.len()).step_by(count.max(1)).map(|start| self.part(start, count)).collect()
    }

    /// Refuses what a network of `[channels, height, width]` does not take.
    pub(crate) fn check(&self, shape: [usize; 3], takes: Takes) -> Result<(), Error> {
        match self {
            Self::Images(images) => {
                if takes == Takes::Numbers && !images.is_empty() {
                    return Err(Error::PixelsUnknown);
                }
                Ok(images.iter().try_for_each(|image| image.check_shape(shape))?)
            }
            Self::Signals(signals) => {
                let expected: usize = shape.iter().product();
                for (index, signal) in signals.iter().enumerate() {
                    if signal.len() != expected {
                        return Err(Error::Length { index, expected, found: signal.len() });
                    }
                    let is_pixel =
                        |value: f32| (0.0..=255.0).contains(&value) && value.fract() == 0.0;
                    let fits = |&value: &f32| match takes {
                        Takes::Pixels => is_pixel(value),
                        Takes::Numbers => value.is_finite(),
                    };
                    if let Some(&found) = signal.iter().find(|value| !fits(value)) {
                        return Err(Error::Number { index, found, takes });
                    }
                }
                Ok(())
            }
        }
    }
}

/// What goes into `model`.
#[must_use]
pub fn takes(model: Model<'_>) -> Takes {
    if encoding(model) == Encoding::PIXEL { Takes::Pixels } else { Takes::Numbers }
}

fn encoding(model: Model<'_>) -> Encoding {
    let input = &model.header().input;
    Encoding { zero: input.zero, scale: f32::from_bits(input.scale.get()) }
}

/// The images of these numbers as `model` takes them: bytes, `[row][column][channel]`.
///
/// # Errors
/// If any of `samples` is not what it takes.
///
/// # Panics
/// If there are not as many.
pub fn frames(
    model: Model<'_>,
    samples: Samples<'_>,
    numbers: &[usize],
) -> Result<Vec<Vec<u8>>, Error> {
    let input = &model.header().input;
    let encoding = encoding(model);
    samples.check(input.shape(), takes(model))?;
    let frame = |&index: &usize| {
        bytes(&units(&samples.values(index), encoding), input.shape(), encoding.zero)
    };
    Ok(numbers.iter().map(frame).collect())
}

/// The units of what goes in, as signed numbers: `round(value / scale)`, within a byte.
pub(crate) fn units(values: &[f32], input: Encoding) -> Vec<f32> {
    let zero = f64::from(input.zero);
    // ±127 where both signs are: as a value between layers has it
    let [low, high] = if input.zero == 0 { [0.0, 255.0] } else { [1.0 - zero, 255.0 - zero] };
    let unit =
        |&value: &f32| (f64::from(value) / f64::from(input.scale)).round().clamp(low, high) as f32;
    values.iter().map(unit).collect()
}

/// The bytes that the engine takes, `[row][column][channel]`, of signed numbers `[channel][row][column]`.
#[must_use]
pub(crate) fn bytes(units: &[f32], [channels, height, width]: [usize; 3], zero: u8) -> Vec<u8> {
    let places = height * width;
    let byte = |at: usize| (units[at] + f32::from(zero)) as u8;
    (0..places).flat_map(|place| (0..channels).map(move |c| byte(c * places + place))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_become_the_nearest_byte_around_their_zero() {
        let signal = Encoding { zero: 128, scale: 0.5 };
        let found = units(&[0.0, 0.2, 0.3, -0.3, 63.5, 900.0, -900.0], signal);
        assert_eq!(found, [0.0, 0.0, 1.0, -1.0, 127.0, 127.0, -127.0]);
        assert_eq!(bytes(&found[3..], [2, 1, 2], 128), [127, 255, 255, 1]);
        let pixels = Encoding { zero: 0, scale: 1.0 };
        assert_eq!(units(&[0.0, 7.0, 255.0], pixels), [0.0, 7.0, 255.0]);
    }

    #[test]
    fn batches_are_all_samples_in_order() {
        let signals: Vec<Vec<f32>> = (0..7_u8).map(|number| vec![number.into()]).collect();
        let batches = Samples::Signals(&signals).batches(3);
        assert_eq!(batches.iter().map(Samples::len).collect::<Vec<_>>(), [3, 3, 1]);
        assert_eq!(batches[2].values(0), [6.0]);
        assert!(Samples::NONE.batches(3).is_empty());
    }
}
