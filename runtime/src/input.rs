//! From pixels to the numbers that a model takes.

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

    /// Refuses a normalisation that gives no numbers.
    pub(crate) fn check(self) -> Result<(), Error> {
        let Self { mean, std } = self;
        if [0, 255].iter().all(|&pixel| self.apply(pixel).is_finite()) {
            Ok(())
        } else {
            Err(Error::FloatInput { mean, std })
        }
    }
}
