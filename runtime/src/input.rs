//! What a model wants of its input.

use crate::error::Error;
use crate::graph::{Dimension, Port};
use crate::image28::{IMAGE_SIDE, PIXELS};

/// How a model with float input wants its pixels: `(pixel / 255 − mean) / std`.
///
/// Models with `uint8` input normalise by themselves.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Normalization {
    /// Subtracted from the pixel in 0 to 1.
    pub mean: f32,
    /// Divides the difference.
    pub std: f32,
}

impl Default for Normalization {
    /// Pixels from 0 to 1.
    fn default() -> Self {
        Self { mean: 0.0, std: 1.0 }
    }
}

impl Normalization {
    pub(crate) fn apply(self, pixel: u8) -> f32 {
        (f32::from(pixel) / 255.0 - self.mean) / self.std
    }
}

/// What the graph's input takes.
#[derive(Debug, Clone)]
pub(crate) struct Input {
    /// Shape with 1 where the batch goes.
    pub(crate) shape: Vec<usize>,
    /// Axis of the batch, if the caller may choose its length.
    pub(crate) batch_axis: Option<usize>,
    /// `None` for `uint8`.
    pub(crate) normalization: Option<Normalization>,
}

impl Input {
    /// Accepts `uint8` and `float32`, and any shape that is 784 pixels after the batch is taken out.
    pub(crate) fn of(port: &Port, normalization: Option<Normalization>) -> Result<Self, Error> {
        let unusable = || Error::InputShape { name: port.name.clone(), found: port.to_string() };
        let normalization = match (port.element.as_str(), normalization) {
            ("uint8", None) => None,
            ("uint8", Some(_)) => return Err(Error::Normalized { name: port.name.clone() }),
            ("float32", normalization) => Some(normalization.unwrap_or_default()),
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
        let mut symbols =
            port.shape.iter().enumerate().filter(|(_, d)| matches!(d, Dimension::Symbol(_)));
        let batch_axis = symbols.next().map(|(axis, _)| axis);
        if symbols.next().is_some() || batch_axis.is_some_and(|axis| axis != 0) {
            return Err(unusable());
        }
        Ok(Self { shape, batch_axis, normalization })
    }
}
