//! One layer as it lies in the file: weights, then output channels.

use zerocopy::little_endian::{I32, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::format::words::{
    BLOCK, CONV1_WORDS, Inputs, Word, conv1_inputs, conv2_inputs, dense_inputs, unpack,
};
use crate::format::{Conv1, FormatError};
use crate::multiplier::Multiplier;

/// Largest |accumulator|: the odd output of a pair is read from a sum of 32 bits, eight places up.
pub const MAX_ACCUMULATOR: u32 = (1 << 23) - 1;

/// Largest activation and pixel.
const MAX_ACTIVATION: u64 = 255;

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
    accumulator_bound: U32,
    shift: u8,
    padding: [u8; 3],
}

/// Largest |accumulator| that any input gives at any point of the summation, in whatever order it is done:
/// `|bias| + 255 · Σ |weight|`.
#[must_use]
pub fn accumulator_bound(weights: impl IntoIterator<Item = i16>, bias: i32) -> u64 {
    let magnitudes = weights.into_iter().map(|weight| u64::from(weight.unsigned_abs()));
    u64::from(bias.unsigned_abs()) + MAX_ACTIVATION * magnitudes.sum::<u64>()
}

/// Adds what the weights of a word contribute to the bounds of its outputs.
#[inline(never)] // once in flash, not once for each kind of layer
fn add_magnitudes(word: Word, bounds: &mut [u64; 2]) {
    let [a, b] = unpack(word);
    for (bound, weights) in bounds.iter_mut().zip([[a[0], b[0]], [a[1], b[1]]]) {
        *bound += accumulator_bound(weights, 0);
    }
}

impl Channel {
    /// A channel that adds `bias`, in units of the accumulator, and whose accumulators stay within
    /// `accumulator_bound`, see the function [`accumulator_bound`].
    ///
    /// `multiplier` makes an activation of an accumulator; it is [`Multiplier::ONE`] in the last layer, whose
    /// accumulators are the logits.
    #[must_use]
    pub const fn new(bias: i32, multiplier: Multiplier, accumulator_bound: u32) -> Self {
        Self {
            bias: I32::new(bias),
            mantissa: I32::new(multiplier.mantissa()),
            accumulator_bound: U32::new(accumulator_bound),
            shift: multiplier.shift(),
            padding: [0; 3],
        }
    }

    /// What is added to the sum of products, in units of the accumulator.
    #[must_use]
    pub const fn bias(&self) -> i32 {
        self.bias.get()
    }

    /// What makes an activation of an accumulator; only of a channel that was checked.
    #[must_use]
    pub const fn multiplier(&self) -> Multiplier {
        Multiplier::from_checked_parts(self.mantissa.get(), self.shift)
    }

    /// Largest |accumulator| that any input can give.
    #[must_use]
    pub const fn accumulator_bound(&self) -> u32 {
        self.accumulator_bound.get()
    }

    const fn is_well_formed(&self) -> bool {
        Multiplier::from_parts(self.mantissa.get(), self.shift).is_some()
            && matches!(self.padding, [0, 0, 0])
    }
}

/// A layer's weights as they are packed, whatever its kind: which word weighs what.
///
/// All that packs, unpacks or checks weights goes through it, so that their order is written down once.
pub trait Packed {
    /// Words of a pair of outputs, with the inputs that they weigh; none for a pair that the layer lacks.
    fn words(&self, outputs: usize) -> impl Iterator<Item = (&Word, Inputs)>;

    /// The same, to be written.
    fn words_mut(&mut self, outputs: usize) -> impl Iterator<Item = (&mut Word, Inputs)>;

    /// `[pair of outputs]`
    fn channels(&self) -> &[[Channel; 2]];

    /// The same, to be written.
    fn channels_mut(&mut self) -> &mut [[Channel; 2]];

    /// [`accumulator_bound`] of a pair of outputs that have these biases.
    fn accumulator_bounds(&self, outputs: usize, biases: [i32; 2]) -> [u64; 2] {
        let mut bounds = biases.map(|bias| accumulator_bound([], bias));
        // `for_each` nests loops where `for` would ask nested iterators word by word: less code on the device
        self.words(outputs).for_each(|(word, _)| add_magnitudes(*word, &mut bounds));
        bounds
    }
}

impl<const IN: usize, const OUT: usize, const WORDS: usize> Convolution<IN, OUT, WORDS> {
    /// A map without another one to pair with has its kernel's elements paired instead.
    const fn inputs(pair: usize, word: usize) -> Inputs {
        if WORDS == CONV1_WORDS { conv1_inputs(word) } else { conv2_inputs(pair, word) }
    }
}

impl<const IN: usize, const OUT: usize, const WORDS: usize> Packed for Convolution<IN, OUT, WORDS> {
    fn words(&self, outputs: usize) -> impl Iterator<Item = (&Word, Inputs)> {
        self.weights.iter().enumerate().flat_map(move |(pair, tiles)| {
            let words = tiles.get(outputs).into_iter().flatten();
            words.enumerate().map(move |(index, word)| (word, Self::inputs(pair, index)))
        })
    }

    fn words_mut(&mut self, outputs: usize) -> impl Iterator<Item = (&mut Word, Inputs)> {
        self.weights.iter_mut().enumerate().flat_map(move |(pair, tiles)| {
            let words = tiles.get_mut(outputs).into_iter().flatten();
            words.enumerate().map(move |(index, word)| (word, Self::inputs(pair, index)))
        })
    }

    fn channels(&self) -> &[[Channel; 2]] {
        &self.channels
    }

    fn channels_mut(&mut self) -> &mut [[Channel; 2]] {
        &mut self.channels
    }
}

impl<const BLOCKS: usize, const IN: usize> Packed for Dense<BLOCKS, IN> {
    fn words(&self, outputs: usize) -> impl Iterator<Item = (&Word, Inputs)> {
        let words = self.weights.get(outputs / BLOCK).into_iter().flatten().enumerate();
        words.filter_map(move |(pair, words)| {
            words.get(outputs % BLOCK).map(|word| (word, dense_inputs(pair)))
        })
    }

    fn words_mut(&mut self, outputs: usize) -> impl Iterator<Item = (&mut Word, Inputs)> {
        let words = self.weights.get_mut(outputs / BLOCK).into_iter().flatten().enumerate();
        words.filter_map(move |(pair, words)| {
            words.get_mut(outputs % BLOCK).map(|word| (word, dense_inputs(pair)))
        })
    }

    fn channels(&self) -> &[[Channel; 2]] {
        self.channels.as_flattened()
    }

    fn channels_mut(&mut self) -> &mut [[Channel; 2]] {
        self.channels.as_flattened_mut()
    }
}

impl Conv1 {
    /// Whether the last element of each kernel, which has no partner, has no weights for one.
    pub(super) fn last_tap_unpaired(&self) -> bool {
        self.weights.as_flattened().iter().all(|words| matches!(words, [.., [_, _, 0, 0]]))
    }
}

impl<const BLOCKS: usize, const IN: usize> Dense<BLOCKS, IN> {
    /// Whether the outputs are logits: compared with each other, so all of one scale.
    pub(super) fn output_is_unscaled(&self) -> bool {
        let mut channels = self.channels.as_flattened().as_flattened().iter();
        channels.all(|channel| channel.multiplier() == Multiplier::ONE)
    }
}

/// Whether every channel of the layer of this name is well-formed, and its accumulators fit.
pub(super) fn check(layer: &impl Packed, name: &'static str) -> Result<(), FormatError> {
    for (outputs, channels) in layer.channels().iter().enumerate() {
        let bounds = layer.accumulator_bounds(outputs, channels.each_ref().map(Channel::bias));
        check_pair(name, channels, bounds)?;
    }
    Ok(())
}

#[inline(never)] // once in flash, not once for each kind of layer
fn check_pair(
    name: &'static str,
    channels: &[Channel; 2],
    bounds: [u64; 2],
) -> Result<(), FormatError> {
    for (channel, bound) in channels.iter().zip(bounds) {
        if !channel.is_well_formed() {
            return Err(FormatError::Channel(name));
        }
        let stated = u64::from(channel.accumulator_bound());
        if bound > u64::from(MAX_ACCUMULATOR) || bound != stated {
            return Err(FormatError::Bound(name));
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
