//! One layer as it lies in the file: weights, then output channels.

use crate::format::FormatError;
use crate::multiplier::Multiplier;

/// Bytes of a [`Channel`] in the file.
pub const CHANNEL_LEN: usize = 16;

/// Largest activation and pixel.
const ACTIVATION_MAX: u64 = 255;

/// Weights and output channels of one layer, borrowed from the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layer<'a, const OUT: usize, const IN: usize> {
    /// `i8` as they lie in the file: `[out][in]`, for a convolution `[out][in map][row][column]`.
    pub weights: &'a [[u8; IN]; OUT],
    /// What [`Channel::emit`] makes, an output each.
    pub channels: &'a [[u8; CHANNEL_LEN]; OUT],
}

/// What an output channel needs besides its weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Channel {
    /// The accumulator's first value, in units of the accumulator.
    pub bias: i32,
    /// What makes an activation of an accumulator; [`Multiplier::ONE`] in the last layer, whose accumulators
    /// are the logits.
    pub multiplier: Multiplier,
    /// Largest |accumulator| that any input can give, see [`accumulator_bound`].
    pub bound: u32,
}

/// Largest |accumulator| that any input gives at any step of the sum, in whatever order it is taken:
/// `|bias| + 255 · Σ |weight|`.
#[must_use]
pub fn accumulator_bound(weights: &[u8], bias: i32) -> u64 {
    let magnitudes = weights.iter().map(|weight| u64::from(weight.cast_signed().unsigned_abs()));
    u64::from(bias.unsigned_abs()) + ACTIVATION_MAX * magnitudes.sum::<u64>()
}

impl Channel {
    /// The channel's bytes: bias (`i32`), multiplier's mantissa (`i32`), bound (`u32`), multiplier's shift
    /// (`u8`), three zeros.
    #[must_use]
    pub fn emit(&self) -> [u8; CHANNEL_LEN] {
        let [b0, b1, b2, b3] = self.bias.to_le_bytes();
        let [m0, m1, m2, m3] = self.multiplier.mantissa().to_le_bytes();
        let [a0, a1, a2, a3] = self.bound.to_le_bytes();
        [b0, b1, b2, b3, m0, m1, m2, m3, a0, a1, a2, a3, self.multiplier.shift(), 0, 0, 0]
    }

    /// The channel of these bytes; `None` if the multiplier is out of range or the padding is not zero.
    #[must_use]
    pub fn parse(bytes: &[u8; CHANNEL_LEN]) -> Option<Self> {
        let channel = Self::parse_checked(bytes);
        let multiplier = channel.multiplier;
        Multiplier::from_parts(multiplier.mantissa(), multiplier.shift())?;
        matches!(bytes, [.., 0, 0, 0]).then_some(channel)
    }

    /// The channel of bytes that [`Self::parse`] has accepted before.
    fn parse_checked(bytes: &[u8; CHANNEL_LEN]) -> Self {
        let &[b0, b1, b2, b3, m0, m1, m2, m3, a0, a1, a2, a3, shift, ..] = bytes;
        Self {
            bias: i32::from_le_bytes([b0, b1, b2, b3]),
            multiplier: Multiplier::from_checked_parts(i32::from_le_bytes([m0, m1, m2, m3]), shift),
            bound: u32::from_le_bytes([a0, a1, a2, a3]),
        }
    }
}

impl<'a, const OUT: usize, const IN: usize> Layer<'a, OUT, IN> {
    /// Bytes in the file.
    pub const LEN: usize = OUT * (IN + CHANNEL_LEN);

    /// Splits a layer off the front.
    pub(super) fn take(rest: &mut &'a [u8]) -> Option<Self> {
        const { assert!((OUT * IN).is_multiple_of(4), "what follows the weights must stay aligned") }
        let (weights, after) = rest.split_at_checked(OUT * IN)?;
        let (channels, after) = after.split_at_checked(OUT * CHANNEL_LEN)?;
        *rest = after;
        Some(Self {
            weights: weights.as_chunks().0.try_into().ok()?,
            channels: channels.as_chunks().0.try_into().ok()?,
        })
    }

    /// The bytes that [`Self::take`] reads.
    pub(super) fn bytes(&self) -> impl Iterator<Item = u8> {
        self.weights.iter().flatten().chain(self.channels.iter().flatten()).copied()
    }

    /// Whether every channel is well-formed and its sums fit 32 bits.
    pub(super) fn check(&self, layer: &'static str, gives_logits: bool) -> Result<(), FormatError> {
        for (weights, channel) in self.weights.iter().zip(self.channels) {
            let channel = Channel::parse(channel).ok_or(FormatError::Channel(layer))?;
            if gives_logits && channel.multiplier != Multiplier::ONE {
                return Err(FormatError::Channel(layer));
            }
            let bound = accumulator_bound(weights, channel.bias);
            if bound > u64::from(i32::MAX.unsigned_abs()) || bound != u64::from(channel.bound) {
                return Err(FormatError::Bound(layer));
            }
        }
        Ok(())
    }

    /// Weights and channel of each output; only of a layer that was checked.
    pub(crate) fn outputs(
        &self,
    ) -> impl Iterator<Item = (&'a [u8; IN], Channel)> + use<'a, OUT, IN> {
        self.weights.iter().zip(self.channels.iter().map(Channel::parse_checked))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_is_reached_by_the_worst_input_and_exceeded_by_none() {
        let weights = [1_i8, -2, -128, 127].map(i8::cast_unsigned);
        assert_eq!(accumulator_bound(&weights, -3), 3 + 255 * 258);
        assert_eq!(accumulator_bound(&[], i32::MIN), 1 << 31);
    }

    #[test]
    fn a_channel_is_refused_for_its_multiplier_or_its_padding() {
        let channel = Channel { bias: -5, multiplier: Multiplier::ONE, bound: 77 };
        let bytes = channel.emit();
        assert_eq!(Channel::parse(&bytes), Some(channel));
        for (index, value) in [(7, 0x3f), (7, 0xff), (12, 0), (12, 63), (13, 1), (15, 1)] {
            let mut broken = bytes;
            broken[index] = value;
            assert_eq!(Channel::parse(&broken), None, "byte {index} = {value}");
        }
    }
}
