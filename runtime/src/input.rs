//! Which inputs a model may have.

use dataset::{IMAGE_SIDE, PIXELS};
use network::onnx::{Dimension, Port};

use crate::error::Error;

/// How pixels become the numbers that a model with float input takes: `(pixel / 255 − mean) / std`.
///
/// Models with `uint8` input normalise by themselves.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FloatInput {
    /// Subtracted from the pixel in 0 to 1.
    pub mean: f32,
    /// Divides the difference.
    pub std: f32,
}

impl Default for FloatInput {
    /// Pixels from 0 to 1.
    fn default() -> Self {
        Self { mean: 0.0, std: 1.0 }
    }
}

impl FloatInput {
    pub(crate) fn apply(self, pixel: u8) -> f32 {
        (f32::from(pixel) / 255.0 - self.mean) / self.std
    }
}

/// A graph's input that takes 28×28 pixels.
#[derive(Debug, Clone)]
pub(crate) struct Input {
    /// Shape with 1 where the batch goes.
    shape: Vec<usize>,
    /// Whether the caller chooses the batch, the first axis; else it is 1.
    takes_batches: bool,
    /// `None` for `uint8`.
    pub(crate) floats: Option<FloatInput>,
}

impl Input {
    /// Accepts `uint8` and `float32`, and any shape that is 784 pixels after the batch is taken out.
    pub(crate) fn of(port: &Port, float_input: Option<FloatInput>) -> Result<Self, Error> {
        let unusable = || Error::InputShape { name: port.name.clone(), found: port.to_string() };
        let float_input = match (port.element.as_str(), float_input) {
            ("uint8", None) => None,
            ("uint8", Some(_)) => return Err(Error::Normalized { name: port.name.clone() }),
            ("float32", float_input) => {
                let FloatInput { mean, std } = float_input.unwrap_or_default();
                let pixels = [0, 255].map(|pixel| FloatInput { mean, std }.apply(pixel));
                if !pixels.iter().all(|value| value.is_finite()) {
                    return Err(Error::FloatInput { mean, std });
                }
                Some(FloatInput { mean, std })
            }
            _ => return Err(unusable()),
        };
        let shape: Vec<usize> = port
            .shape
            .iter()
            .map(|dimension| match dimension {
                Dimension::Fixed(length) => *length,
                Dimension::Symbol(_) => 1,
            })
            .collect();
        let sides: Vec<usize> = shape.iter().copied().filter(|&length| length != 1).collect();
        if !matches!(sides[..], [IMAGE_SIDE, IMAGE_SIDE] | [PIXELS]) {
            return Err(unusable());
        }
        let is_free = |dimension: &Dimension| matches!(dimension, Dimension::Symbol(_));
        let takes_batches = port.shape.first().is_some_and(is_free);
        if port.shape.iter().skip(1).any(is_free) {
            return Err(unusable());
        }
        Ok(Self { shape, takes_batches, floats: float_input })
    }

    /// Whether the caller chooses how many images go in at once.
    pub(crate) const fn takes_batches(&self) -> bool {
        self.takes_batches
    }

    /// Shape of the input of `images` images.
    pub(crate) fn shape(&self, images: usize) -> Vec<usize> {
        let mut shape = self.shape.clone();
        if self.takes_batches {
            shape[0] = images;
        }
        shape
    }
}
