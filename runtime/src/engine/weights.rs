//! The weights of a layer that is to be compiled, wherever they lie.

use std::borrow::Cow;

use network::Affine;

/// Weights and biases, in the order of [`Affine`].
#[derive(Debug, Clone, Copy)]
pub(crate) enum Weights<'a> {
    Floats(&'a Affine),
    /// Little-endian, as in a baked file: a large layer is packed from there, without a copy in between.
    Bytes {
        weights: &'a [[u8; 4]],
        bias: &'a [[u8; 4]],
    },
}

impl<'a> Weights<'a> {
    /// All of them as numbers.
    pub(crate) fn affine(&self) -> Cow<'a, Affine> {
        match *self {
            Self::Floats(affine) => Cow::Borrowed(affine),
            Self::Bytes { weights, bias } => {
                let floats =
                    |bytes: &[[u8; 4]]| bytes.iter().copied().map(f32::from_le_bytes).collect();
                Cow::Owned(Affine { weights: floats(weights), bias: floats(bias) })
            }
        }
    }

    /// Whether all are numbers and not too large for one.
    pub(crate) fn are_finite(&self) -> bool {
        match self {
            Self::Floats(Affine { weights, bias }) => {
                weights.iter().chain(bias).all(|value| value.is_finite())
            }
            Self::Bytes { weights, bias } => {
                let mut values = weights.iter().chain(*bias).copied().map(f32::from_le_bytes);
                values.all(f32::is_finite)
            }
        }
    }
}
