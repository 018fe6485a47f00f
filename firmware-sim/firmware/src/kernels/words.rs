//! Kernels of the layout *Words*, for layers of any size: Cortex-M4, M7 and M33, which have ARM's DSP instructions.
//!
//! Weights lie as [`Word`]s of two taps and two outputs, see [`format::words`](crate::format::words); a tap is one
//! weight of an output. A [`Pair`] holds the activations, 0 to 255, that the two taps of a word are multiplied with.
//! For two outputs at one place a kernel adds to `[whole, even]`, which
//! [`unpack_accumulators`](super::unpack_accumulators) separates. All sums wrap at 32 bits.
//!
//! The kernels *add*: sums begin with zeros, or with what earlier taps gave. None can fail: an output of which not all
//! words are there is left as it is, with all after it.
//!
//! # Which taps a word weighs
//!
//! Four neighbouring bytes 0, 1, 2, 3 make the pairs (0, 2) and (1, 3), one instruction each. So of four neighbouring
//! taps (channels of a place, inputs of a dense layer) the first word weighs 0 and 2, the second 1 and 3. Taps are
//! filled up to a multiple of four by weights of zero.
//!
//! ```text
//! taps      0    1    2    3    4    5    6    7
//! words     0a   1a   0b   1b   2a   3a   2b   3b       number of the word, a or b its half
//! ```
//!
//! | kernel | order of words |
//! |---|---|
//! | [`four_places`] | `[pair of outputs][pair of taps]` |
//! | [`window5`], [`window3`] | `[pair of outputs][pair of channels][kernel column][kernel row]` |
//! | [`dense`] | `[block of outputs][pair of inputs][pair of outputs]` |
//! | [`depthwise`] | `[four channels][tap]`, not of this kind: see [`ChannelWeights`] |

pub mod portable;

#[cfg(kernels = "dsp")]
pub mod dsp;
#[cfg(test)]
mod tests;

pub use super::Pair;

#[cfg(kernels = "dsp")]
use dsp as chosen;
#[cfg(not(kernels = "dsp"))]
use portable as chosen;

/// Weights of two taps to two outputs: the bytes of [`format::words::Word`](crate::format::words::Word),
/// little-endian. Aligned, so that a kernel loads two at once.
pub type Word = u32;

/// `[whole, even]` of a pair of outputs at four places.
pub type Tile = [u32; 8];

/// The pairs that a 2×2 window of outputs needs, `[row][column]`, of two channels: 6×6 for kernels of 5×5, 4×4 for
/// kernels of 3×3.
pub type WindowPatch<const SIDE: usize> = [[Pair; SIDE]; SIDE];

/// Weights of one tap of a depthwise layer to four neighbouring channels, 16 bits each: channels 0 and 2, then 1 and
/// 3, the lower channel in the low half.
pub type ChannelWeights = [u32; 2];

/// Maximum of pairs of outputs in a block of [`dense`].
pub const MAX_BLOCK: usize = 4;

/// Where the bytes of a depthwise layer's taps begin, counted from the first byte of the pixels that a kernel is given.
#[derive(Debug, Clone, Copy)]
pub struct Taps<'a> {
    offsets: &'a [u32],
    /// Maximum of the offsets.
    reach: u32,
}

impl<'a> Taps<'a> {
    /// Taps in the order of their weights; any may be missing, if its weights are as well.
    #[must_use]
    pub fn new(offsets: &'a [u32]) -> Self {
        Self { offsets, reach: offsets.iter().fold(0, |reach, &offset| reach.max(offset)) }
    }
}

/// Adds the products of a patch to two outputs at four places each, for all pairs of outputs.
///
/// `patch` is `[pair of taps][place]`, `sums` is `[pair of outputs]`. The words of pair of outputs `o` are the first
/// `patch.len()` from `words[o * stride]` on.
pub fn four_places(words: &[Word], stride: usize, patch: &[[Pair; 4]], sums: &mut [Tile]) {
    chosen::four_places(words, stride, patch, sums);
}

/// Adds the products of 5×5 taps to the four outputs of a 2×2 window, stride 1, for all pairs of outputs.
///
/// `patches` is `[pair of channels]`, `sums` is `[pair of outputs]` of the places above left, above right, below left,
/// below right. The words of pair of outputs `o` are the first `25 * patches.len()` from `words[o * stride]` on, for
/// each pair of channels column by column. Several pairs of channels at once are faster.
pub fn window5(words: &[Word], stride: usize, patches: &[WindowPatch<6>], sums: &mut [Tile]) {
    chosen::window5(words, stride, patches, sums);
}

/// As [`window5`], with 3×3 taps.
pub fn window3(words: &[Word], stride: usize, patches: &[WindowPatch<4>], sums: &mut [Tile]) {
    chosen::window3(words, stride, patches, sums);
}

/// Adds the products of a dense layer's inputs to `sums`, a block of at most [`MAX_BLOCK`] pairs of outputs; more are
/// left as they are.
///
/// `words` is `[pair of inputs][pair of outputs]`, as wide as `sums` is long. What exceeds a multiple of four inputs,
/// and inputs without words, are left out. A pair of zeros costs next to nothing.
pub fn dense(words: &[Word], inputs: &[u8], sums: &mut [[u32; 2]]) {
    chosen::dense(words, inputs, sums);
}

/// Adds the products of a depthwise layer at one place to `sums`, `[four channels][channel]`.
///
/// `weights` is `[four channels][tap]`. The activation of channel `c` at a tap is the byte `c` after the tap's offset
/// in `pixels`. To move on to another place, begin `pixels` elsewhere. Four channels of which a byte lies outside are
/// left as they are, and so are those after them.
pub fn depthwise(weights: &[ChannelWeights], pixels: &[u8], taps: Taps<'_>, sums: &mut [[i32; 4]]) {
    chosen::depthwise(weights, pixels, taps, sums);
}

/// Makes the pairs of four places, for [`four_places`].
///
/// Each of `runs` is the bytes of one place, one after the other; what is missing at the end of `patch` is zero. An
/// odd last pair of `patch` is left as it is.
pub fn gather_places(runs: [&[u8]; 4], patch: &mut [[Pair; 4]]) {
    chosen::gather_places(runs, patch);
}

/// Makes row `y` of the patches of a window, of four channels for every two patches.
///
/// `row` begins with the first channel of the window's first column; a column begins `step` bytes after the one
/// before it. What is missing is zero. An odd last patch, and a `y` outside, are left as they are.
pub fn gather_window<const SIDE: usize>(
    row: &[u8],
    step: usize,
    y: usize,
    patches: &mut [WindowPatch<SIDE>],
) {
    chosen::gather_window(row, step, y, patches);
}

/// The pairs that four neighbouring bytes make.
const fn pairs(bytes: [u8; 4]) -> [Pair; 2] {
    let bytes = u32::from_le_bytes(bytes);
    [bytes & 0x00ff_00ff, bytes >> 8 & 0x00ff_00ff]
}

/// The four bytes from `start` on; what is missing is zero.
fn bytes_at(bytes: &[u8], start: usize) -> [u8; 4] {
    let bytes = bytes.get(start..).unwrap_or_default();
    let mut four = [0; 4];
    four.iter_mut().zip(bytes).for_each(|(cell, &byte)| *cell = byte);
    four
}
