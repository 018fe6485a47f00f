//! One layer as it lies in the file: weights, then output channels.

use zerocopy::little_endian::{I32, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::format::words::{BLOCK, Word, unpack};
use crate::format::{Conv1, FormatError};
use crate::multiplier::Multiplier;

/// Largest |accumulator|: the odd output of a pair is read from a sum of 32 bits, eight places up.
pub const SUM_MAX: u32 = (1 << 23) - 1;

/// Largest activation and pixel.
const ACTIVATION_MAX: u64 = 255;

/// A convolution: `IN` pairs of input maps, `OUT` pairs of output maps, `WORDS` words for each of both.
#[derive(Debug, Clone, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct Convolution<const IN: usize, const OUT: usize, const WORDS: usize> {
    /// `[pair of inputs][pair of outputs][word]`
    pub weights: [[[Word; WORDS]; OUT]; IN],
    /// `[pair of outputs]`
    pub channels: [[Channel; 2]; OUT],
}

/// A dense layer: `IN` pairs of inputs, `BLOCKS` times ten outputs.
#[derive(Debug, Clone, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct Dense<const BLOCKS: usize, const IN: usize> {
    /// `[block][pair of inputs][pair of outputs]`
    pub weights: [[[Word; BLOCK]; IN]; BLOCKS],
    /// `[block][pair of outputs]`
    pub channels: [[[Channel; 2]; BLOCK]; BLOCKS],
}

/// What an output channel needs besides its weights.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned,
)]
#[repr(C)]
pub struct Channel {
    bias: I32,
    mantissa: I32,
    bound: U32,
    shift: u8,
    padding: [u8; 3],
}

/// Largest |accumulator| that any input gives at any step of the sum, in whatever order it is taken:
/// `|bias| + 255 · Σ |weight|`.
#[must_use]
pub fn accumulator_bound(weights: impl IntoIterator<Item = i16>, bias: i32) -> u64 {
    let magnitudes = weights.into_iter().map(|weight| u64::from(weight.unsigned_abs()));
    u64::from(bias.unsigned_abs()) + ACTIVATION_MAX * magnitudes.sum::<u64>()
}

impl Channel {
    /// A channel that adds `bias`, in units of the accumulator, and whose sums stay within `bound`, see
    /// [`accumulator_bound`].
    ///
    /// `multiplier` makes an activation of a sum; it is [`Multiplier::ONE`] in the last layer, whose sums are
    /// the logits.
    #[must_use]
    pub const fn new(bias: i32, multiplier: Multiplier, bound: u32) -> Self {
        Self {
            bias: I32::new(bias),
            mantissa: I32::new(multiplier.mantissa()),
            bound: U32::new(bound),
            shift: multiplier.shift(),
            padding: [0; 3],
        }
    }

    /// What is added to the sum of products, in units of the accumulator.
    #[must_use]
    pub const fn bias(&self) -> i32 {
        self.bias.get()
    }

    /// What makes an activation of a sum; only of a channel that was checked.
    #[must_use]
    pub const fn multiplier(&self) -> Multiplier {
        Multiplier::from_checked_parts(self.mantissa.get(), self.shift)
    }

    /// Largest |accumulator| that any input can give.
    #[must_use]
    pub const fn bound(&self) -> u32 {
        self.bound.get()
    }

    const fn is_well_formed(&self) -> bool {
        Multiplier::from_parts(self.mantissa.get(), self.shift).is_some()
            && matches!(self.padding, [0, 0, 0])
    }
}

impl<const IN: usize, const OUT: usize, const WORDS: usize> Convolution<IN, OUT, WORDS> {
    /// Whether every channel is well-formed and its sums fit.
    pub(super) fn check(&self, layer: &'static str) -> Result<(), FormatError> {
        for (pair, channels) in self.channels.iter().enumerate() {
            let words = self.weights.iter().filter_map(|tiles| tiles.get(pair)).flatten();
            check_pair(layer, words, channels)?;
        }
        Ok(())
    }
}

impl Conv1 {
    /// Whether the last tap of each kernel, which has no partner, has no weights for one.
    pub(super) fn ends_alone(&self) -> bool {
        self.weights.as_flattened().iter().all(|words| matches!(words, [.., [_, _, 0, 0]]))
    }
}

impl<const BLOCKS: usize, const IN: usize> Dense<BLOCKS, IN> {
    /// Whether every channel is well-formed and its sums fit.
    pub(super) fn check(&self, layer: &'static str) -> Result<(), FormatError> {
        for (weights, channels) in self.weights.iter().zip(&self.channels) {
            for (pair, channels) in channels.iter().enumerate() {
                let words = weights.iter().filter_map(|words| words.get(pair));
                check_pair(layer, words, channels)?;
            }
        }
        Ok(())
    }

    /// Whether the outputs are logits: compared with each other, so all of one scale.
    pub(super) fn gives_logits(&self) -> bool {
        let mut channels = self.channels.as_flattened().as_flattened().iter();
        channels.all(|channel| channel.multiplier() == Multiplier::ONE)
    }
}

fn check_pair<'a>(
    layer: &'static str,
    words: impl Iterator<Item = &'a Word>,
    channels: &[Channel; 2],
) -> Result<(), FormatError> {
    let mut bounds = channels.each_ref().map(|channel| accumulator_bound([], channel.bias()));
    for &word in words {
        let [a, b] = unpack(word);
        for (bound, weights) in bounds.iter_mut().zip([[a[0], b[0]], [a[1], b[1]]]) {
            *bound += accumulator_bound(weights, 0);
        }
    }
    for (channel, bound) in channels.iter().zip(bounds) {
        if !channel.is_well_formed() {
            return Err(FormatError::Channel(layer));
        }
        if bound > u64::from(SUM_MAX) || bound != u64::from(channel.bound()) {
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
        let channel = Channel::new(-5, Multiplier::ONE, 77);
        assert!(channel.is_well_formed());
        for (index, value) in [(7, 0x3f), (7, 0xff), (12, 0), (12, 63), (13, 1), (15, 1)] {
            let mut broken = channel;
            broken.as_mut_bytes()[index] = value;
            assert!(!broken.is_well_formed(), "byte {index} = {value}");
        }
    }
}
