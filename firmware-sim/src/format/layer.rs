//! One layer as it lies in the file: weights, then output channels.

use crate::format::words::{BLOCK, Word, unpack};
use crate::format::{Conv1, FormatError};
use crate::multiplier::Multiplier;

/// Bytes of a [`Channel`] in the file.
pub const CHANNEL_LEN: usize = 16;
/// Largest |accumulator|: the odd output of a pair is read from a sum of 32 bits, eight places up.
pub const SUM_MAX: u32 = (1 << 23) - 1;

/// Largest activation and pixel.
const ACTIVATION_MAX: u64 = 255;

/// What [`Channel::emit`] makes, of an even output and the odd one after it.
pub type ChannelPair = [[u8; CHANNEL_LEN]; 2];

/// A convolution: `IN` pairs of input maps, `OUT` pairs of output maps, `WORDS` words for each of both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Convolution<'a, const IN: usize, const OUT: usize, const WORDS: usize> {
    /// `[pair of inputs][pair of outputs][word]`
    pub weights: &'a [[[Word; WORDS]; OUT]; IN],
    /// `[pair of outputs]`
    pub channels: &'a [ChannelPair; OUT],
}

/// A dense layer: `IN` pairs of inputs, `BLOCKS` times ten outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dense<'a, const BLOCKS: usize, const IN: usize> {
    /// `[block][pair of inputs][pair of outputs]`
    pub weights: &'a [[[Word; BLOCK]; IN]; BLOCKS],
    /// `[block][pair of outputs]`
    pub channels: &'a [[ChannelPair; BLOCK]; BLOCKS],
}

/// What an output channel needs besides its weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Channel {
    /// What is added to the sum of products, in units of the accumulator.
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
pub fn accumulator_bound(weights: impl IntoIterator<Item = i16>, bias: i32) -> u64 {
    let magnitudes = weights.into_iter().map(|weight| u64::from(weight.unsigned_abs()));
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
    pub(crate) fn parse_checked(bytes: &[u8; CHANNEL_LEN]) -> Self {
        let &[b0, b1, b2, b3, m0, m1, m2, m3, a0, a1, a2, a3, shift, ..] = bytes;
        Self {
            bias: i32::from_le_bytes([b0, b1, b2, b3]),
            multiplier: Multiplier::from_checked_parts(i32::from_le_bytes([m0, m1, m2, m3]), shift),
            bound: u32::from_le_bytes([a0, a1, a2, a3]),
        }
    }
}

impl<'a, const IN: usize, const OUT: usize, const WORDS: usize> Convolution<'a, IN, OUT, WORDS> {
    /// Bytes in the file.
    pub const LEN: usize =
        size_of::<[[[Word; WORDS]; OUT]; IN]>() + size_of::<[ChannelPair; OUT]>();

    /// Splits a layer off the front.
    pub(super) fn take(rest: &mut &'a [u8]) -> Option<Self> {
        let weights = take_nested(rest)?;
        let channels = split(rest, size_of::<[ChannelPair; OUT]>())?.as_chunks().0.as_chunks().0;
        Some(Self { weights, channels: channels.try_into().ok()? })
    }

    /// The bytes that [`Self::take`] reads.
    pub(super) fn bytes(&self) -> impl Iterator<Item = u8> {
        let weights = self.weights.as_flattened().as_flattened().as_flattened();
        weights.iter().chain(self.channels.as_flattened().as_flattened()).copied()
    }

    /// Whether every channel is well-formed and its sums fit.
    pub(super) fn check(&self, layer: &'static str) -> Result<(), FormatError> {
        for (pair, channels) in self.channels.iter().enumerate() {
            let words = self.weights.iter().filter_map(|tiles| tiles.get(pair)).flatten();
            check_pair(layer, &words, channels)?;
        }
        Ok(())
    }
}

impl Conv1<'_> {
    /// Whether the last tap of each kernel, which has no partner, has no weights for one.
    pub(super) fn ends_alone(&self) -> bool {
        self.weights.as_flattened().iter().all(|words| matches!(words, [.., [_, _, 0, 0]]))
    }
}

impl<'a, const BLOCKS: usize, const IN: usize> Dense<'a, BLOCKS, IN> {
    /// Bytes in the file.
    pub const LEN: usize =
        size_of::<[[[Word; BLOCK]; IN]; BLOCKS]>() + size_of::<[[ChannelPair; BLOCK]; BLOCKS]>();

    /// Splits a layer off the front.
    pub(super) fn take(rest: &mut &'a [u8]) -> Option<Self> {
        let weights = take_nested(rest)?;
        let channels = split(rest, size_of::<[[ChannelPair; BLOCK]; BLOCKS]>())?;
        let channels = channels.as_chunks().0.as_chunks().0.as_chunks().0;
        Some(Self { weights, channels: channels.try_into().ok()? })
    }

    /// The bytes that [`Self::take`] reads.
    pub(super) fn bytes(&self) -> impl Iterator<Item = u8> {
        let weights = self.weights.as_flattened().as_flattened().as_flattened();
        let channels = self.channels.as_flattened().as_flattened().as_flattened();
        weights.iter().chain(channels).copied()
    }

    /// Whether every channel is well-formed and its sums fit.
    pub(super) fn check(&self, layer: &'static str) -> Result<(), FormatError> {
        for (weights, channels) in self.weights.iter().zip(self.channels) {
            for (pair, channels) in channels.iter().enumerate() {
                let words = weights.iter().filter_map(|words| words.get(pair));
                check_pair(layer, &words, channels)?;
            }
        }
        Ok(())
    }

    /// Whether the outputs are logits: compared with each other, so all of one scale.
    pub(super) fn gives_logits(&self) -> bool {
        let mut channels = self.channels.as_flattened().as_flattened().iter();
        channels.all(|bytes| Channel::parse_checked(bytes).multiplier == Multiplier::ONE)
    }
}

fn split<'a>(rest: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, after) = rest.split_at_checked(length)?;
    *rest = after;
    Some(taken)
}

fn take_nested<'a, const A: usize, const B: usize, const C: usize>(
    rest: &mut &'a [u8],
) -> Option<&'a [[[Word; C]; B]; A]> {
    let words = split(rest, size_of::<[[[Word; C]; B]; A]>())?;
    words.as_chunks().0.as_chunks().0.as_chunks().0.try_into().ok()
}

fn check_pair<'a>(
    layer: &'static str,
    words: &(impl Iterator<Item = &'a Word> + Clone),
    channels: &ChannelPair,
) -> Result<(), FormatError> {
    for (odd, channel) in channels.iter().enumerate() {
        let channel = Channel::parse(channel).ok_or(FormatError::Channel(layer))?;
        let weights = words.clone().flat_map(|&word| {
            let [[a_even, a_odd], [b_even, b_odd]] = unpack(word);
            if odd == 0 { [a_even, b_even] } else { [a_odd, b_odd] }
        });
        let bound = accumulator_bound(weights, channel.bias);
        if bound > u64::from(SUM_MAX) || bound != u64::from(channel.bound) {
            return Err(FormatError::Bound(layer));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_is_reached_by_the_worst_input_and_exceeded_by_none() {
        assert_eq!(accumulator_bound([1, -2, -128, 127], -3), 3 + 255 * 258);
        assert_eq!(accumulator_bound([], i32::MIN), 1 << 31);
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
