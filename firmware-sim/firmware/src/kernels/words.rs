//! Kernels of the layout *Words*, for layers of any size: Cortex-M4, M7 and M33, which have ARM's DSP instructions.
//!
//! Weights lie as [`Word`]s of two taps and two outputs, see [`format::Order`](crate::format::Order); a tap is one
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
//! filled up to a multiple of four by weights of zero; the bytes that these meet may be any, but must be there: up to
//! three after the last. [`gather_places`] needs none, see [`gathered_taps`].
//!
//! ```text
//! taps      0    1    2    3    4    5    6    7
//! words     0a   1a   0b   1b   2a   3a   2b   3b       number of the word, a or b its half
//! ```
//!
//! | kernel | order of words |
//! |---|---|
//! | [`add_fours`], [`activate_fours`] | `[four outputs][pair of taps][pair of outputs]` |
//! | [`window5`], [`window3`] | `[pair of outputs][pair of channels][kernel column][kernel row]` |
//! | [`dense`] | `[block of outputs][pair of inputs][pair of outputs]` |
//! | [`depthwise`] | `[four channels][tap]`, not of this kind: see [`ChannelWeights`] |
//! | [`activate_strips`] | `[channel]`, not either: see [`StripWeights`] |

use core::ops::Range;

use zerocopy::IntoBytes;

pub mod portable;

#[cfg(kernels = "dsp")]
pub mod dsp;
#[cfg(test)]
mod tests;

pub use super::Pair;
use crate::loops::keep_rolled;

#[cfg(kernels = "dsp")]
use dsp as chosen;
#[cfg(not(kernels = "dsp"))]
use portable as chosen;

/// Weights of two taps to two outputs: two halves of `256 · odd + even`, little-endian. Aligned, so that a kernel loads
/// two at once.
pub type Word = u32;

/// `[whole, even]` of a pair of outputs at four places.
pub type Tile = [u32; 8];

/// The pairs that a 2×2 window of outputs needs, `[row][column]`, of two channels: 6×6 for kernels of 5×5, 4×4 for
/// kernels of 3×3.
pub type WindowPatch<const SIDE: usize> = [[Pair; SIDE]; SIDE];

/// Weights of one tap of a depthwise layer to four neighbouring channels, 16 bits each: channels 0 and 2, then 1 and
/// 3, the lower channel in the low half.
pub type ChannelWeights = [u32; 2];

/// Weights of a channel of a 3×3 depthwise layer, 16 bits each: of each column those of rows 0 and 1, then of row 2 those
/// of columns 0 and 1, then that of column 2 and zero. The first lies in the low half.
pub type StripWeights = [u32; 5];

/// Maximum of pairs of outputs in a block of [`dense`].
pub const MAX_BLOCK: usize = 4;

/// Where taps or rows of a kernel begin, in bytes from the first of the pixels that are given with them. In a ring of
/// rows they are not evenly spaced.
///
/// They hold for a whole row of outputs: for another place give pixels that begin later.
#[derive(Debug, Clone, Copy)]
pub struct Offsets<'a, T = u32> {
    offsets: &'a [T],
    /// Maximum of the offsets.
    reach: u32,
}

impl<'a> Offsets<'a> {
    /// One offset for each tap or row.
    #[must_use]
    #[inline(never)]
    pub fn new(offsets: &'a [u32]) -> Self {
        Self { offsets, reach: offsets.iter().fold(0, |reach, &offset| reach.max(offset)) }
    }
    /// All of them, if there are `N` and each is followed by `run` of `len` bytes.
    pub(super) fn within<const N: usize>(&self, len: usize, run: usize) -> Option<&'a [u32; N]> {
        let end = (self.reach as usize).saturating_add(run);
        if end <= len { self.offsets.try_into().ok() } else { None }
    }
}

impl<'a> Offsets<'a, [u32; 2]> {
    /// For each row one offset for each of two places.
    #[must_use]
    pub fn of_places(offsets: &'a [[u32; 2]]) -> Self {
        let Offsets { reach, .. } = Offsets::new(offsets.as_flattened());
        Self { offsets, reach }
    }

    /// Those of some of the rows.
    #[must_use]
    pub fn part(&self, rows: Range<usize>) -> Option<Self> {
        Some(Self { offsets: self.offsets.get(rows)?, ..*self })
    }
}

/// Fours of outputs at two places: what their sums are made of.
#[derive(Debug, Clone, Copy)]
pub struct Fours<'a> {
    /// `[four outputs][pair of taps][pair of outputs]`
    pub words: &'a [Word],
    /// Words from four outputs to the next.
    pub stride: usize,
    /// `[pair of taps][place]`
    pub patch: &'a [[Pair; 2]],
}

impl Fours<'_> {
    /// The same from four outputs of this number on.
    #[must_use]
    pub fn from(&self, number: usize) -> Self {
        let words = self.words.get(number.saturating_mul(self.stride)..).unwrap_or_default();
        Self { words, ..*self }
    }
}

/// `[whole, even]` of a pair of outputs at two places.
pub type Twin = [u32; 4];

/// Adds the products of a patch to fours of outputs at two places each.
///
/// `sums` has one for every `step` pairs of outputs: the first, one `step` later, and so on.
pub fn add_fours(fours: &Fours<'_>, sums: &mut [Twin], step: usize) {
    chosen::add_fours(fours, sums, step);
}

/// Writes the activations of fours of outputs at two places: of their sums, or of `sums`, `[pair of outputs]`, and
/// theirs if that is not empty.
///
/// Those of the second place lie `step` bytes after those of the first; a `step` of 0 means the second place alone. Gives how
/// many fours are done: the portable kernel does none, and the other none from one on of which a shift is below 33, or of
/// which not all is there. The rest is the caller's.
#[must_use]
pub fn activate_fours(
    fours: &Fours<'_>,
    sums: &[Twin],
    scalings: &[[Scaling; 4]],
    zero: u8,
    bytes: &mut [u8],
    step: usize,
) -> usize {
    chosen::activate_fours(fours, sums, scalings, zero, bytes, step)
}

/// Windows of a row of outputs, of which two are computed at once.
#[derive(Debug, Clone, Copy)]
pub struct Row<'a> {
    /// As [`Fours::words`].
    pub words: &'a [Word],
    /// As [`Fours::stride`].
    pub stride: usize,
    /// What the first windows lie in.
    pub pixels: &'a [u8],
    /// Where the kernel's rows lie in the first two windows.
    pub rows: Offsets<'a, [u32; 2]>,
    /// Bytes of a kernel row.
    pub run: usize,
    /// Bytes from a window to the next.
    pub across: usize,
    /// Windows: at least two.
    pub places: usize,
}

/// Writes the activations of fours of outputs of a row: those of a window lie `step` bytes after those of the one before.
/// Works in `patch`.
///
/// Gives how many windows are done: the portable kernel does none, and the other none from one on of which a
/// shift is below 33, or of which not all is there. The rest is the caller's.
#[must_use]
pub fn activate_row(
    row: &Row<'_>,
    patch: &mut [[Pair; 2]],
    scalings: &[[Scaling; 4]],
    zero: u8,
    bytes: &mut [u8],
    step: usize,
) -> usize {
    chosen::activate_row(row, patch, scalings, zero, bytes, step)
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

/// What makes an activation of a sum: what is added to it, the mantissa and, last, the shift of
/// [`Multiplier`](crate::multiplier::Multiplier).
pub type Scaling = [u32; 4];

/// Writes the activations of the largest of four places, two bytes for each tile, `step` bytes after those before.
///
/// Gives how many tiles it has done: the portable kernel none, and the other none from one on of which a shift is below
/// 33, or of which not all is there. The rest is the caller's.
#[must_use]
pub fn pool(
    tiles: &[Tile],
    scalings: &[[Scaling; 2]],
    zero: u8,
    bytes: &mut [u8],
    step: usize,
) -> usize {
    chosen::pool(tiles, scalings, zero, bytes, step)
}

/// Writes the activations of pairs of outputs; gives how many, as [`pool`].
#[must_use]
pub fn activate_pairs(
    sums: &[[u32; 2]],
    scalings: &[[Scaling; 2]],
    zero: u8,
    bytes: &mut [u8],
) -> usize {
    chosen::activate_pairs(sums, scalings, zero, bytes)
}

/// Adds the products of a dense layer's inputs to `sums`, a block of at most [`MAX_BLOCK`] pairs of outputs; more are
/// left as they are.
///
/// `words` is `[pair of inputs][pair of outputs]`, as wide as `sums` is long. What exceeds a multiple of four inputs,
/// and inputs without words, are left out. A pair of zeros is passed over: it pays to have inputs that are zero together
/// two apart.
pub fn dense(words: &[Word], inputs: &[u8], sums: &mut [[u32; 2]]) {
    chosen::dense(words, inputs, sums);
}

/// Fours of channels of a row of a depthwise layer: what their sums are made of.
///
/// Where a kernel's rows are above or below the map, begin `weights` at the first row that is not, and leave out their
/// taps.
#[derive(Debug, Clone, Copy)]
pub struct Depthwise<'a> {
    /// `[four channels][tap]`, one for each of `taps`.
    pub weights: &'a [ChannelWeights],
    /// From four channels to the next.
    pub stride: usize,
    /// The activation of channel `c` at a tap is the byte `c` after the tap's offset.
    pub pixels: &'a [u8],
    /// Where the taps lie, in the first column.
    pub taps: Offsets<'a>,
    /// How many there are.
    pub columns: usize,
    /// Bytes from the pixels of a column to those of the next.
    pub across: usize,
}

impl Depthwise<'_> {
    /// The same from four channels of this number on.
    #[must_use]
    pub fn from(&self, number: usize) -> Self {
        let weights = self.weights.get(number.saturating_mul(self.stride)..).unwrap_or_default();
        let pixels = self.pixels.get(number.saturating_mul(4)..).unwrap_or_default();
        Self { weights, pixels, ..*self }
    }
}

/// Adds the products of fours of channels in the first column to `sums`, `[four channels][channel]`.
///
/// Four channels of which a byte lies outside are left as they are, and so are those after them.
pub fn depthwise(fours: &Depthwise<'_>, sums: &mut [[i32; 4]]) {
    chosen::depthwise(fours, sums);
}

/// Writes the activations of fours of channels: of their sums, or of `sums` and theirs if that is not empty.
///
/// Those of a column lie `step` bytes after those of the column before. Gives how many fours are done, in all columns, as
/// [`activate_fours`].
#[must_use]
pub fn activate_depthwise(
    fours: &Depthwise<'_>,
    sums: &[[i32; 4]],
    scalings: &[[Scaling; 4]],
    zero: u8,
    bytes: &mut [u8],
    step: usize,
) -> usize {
    chosen::activate_depthwise(fours, sums, scalings, zero, bytes, step)
}

/// Channels of a 3×3 depthwise layer at neighbouring places, of a stride of one: these share columns, so that each
/// activation is read once a row.
#[derive(Debug, Clone, Copy)]
pub struct Strip<'a> {
    /// Of each channel.
    pub weights: &'a [StripWeights],
    /// The activation of channel `c` in column `x` is the byte `c + x * across` after a row's offset.
    pub pixels: &'a [u8],
    /// Where the kernel's rows begin in `pixels`, from the first place's first column on. Of one outside the map: where
    /// any other does.
    pub rows: [u32; 3],
    /// Which of them are inside the map: others count nothing.
    pub are_inside: [bool; 3],
    /// Bytes from a column to the next: of pixels, and of activations.
    pub across: usize,
    /// How many, at most [`STRIP`](super::bytes::STRIP).
    pub places: usize,
}

impl Strip<'_> {
    /// Leaves out the first `count` channels.
    pub fn skip(&mut self, count: usize) {
        self.weights = self.weights.get(count..).unwrap_or_default();
        self.pixels = self.pixels.get(count..).unwrap_or_default();
    }

    /// The sum of the first channel at a place.
    #[must_use]
    #[inline(never)]
    pub fn sum(&self, place: usize) -> i32 {
        let mut sum = 0_i32;
        let weights = self.weights.first().map_or(&[][..], |weights| weights.as_bytes());
        for tap in 0..9 {
            let [y, x] = [tap / 3, tap % 3];
            let half = if y < 2 { 2 * x + y } else { tap };
            let weight = weights.get(2 * half..).and_then(|it| it.first_chunk());
            let weight = i16::from_le_bytes(*weight.unwrap_or(&[0; 2]));
            let row = self.rows.get(y).map_or(0, |&row| row as usize);
            let at = row.saturating_add(self.across.saturating_mul(place + x));
            if self.are_inside.get(y) == Some(&true)
                && let Some(&pixel) = self.pixels.get(at)
            {
                sum = sum.wrapping_add(i32::from(weight) * i32::from(pixel));
            }
            keep_rolled();
        }
        sum
    }
}

/// Writes the activations of channels of a strip: of their sums, or of `sums`, one for each channel, and theirs if that
/// is not empty. Those of a channel lie side by side.
///
/// Gives how many channels are done, as [`activate_fours`].
#[must_use]
pub fn activate_strips(
    strip: &Strip<'_>,
    sums: &[i32],
    scalings: &[Scaling],
    zero: u8,
    bytes: &mut [u8],
) -> usize {
    chosen::activate_strips(strip, sums, scalings, zero, bytes)
}

/// Makes the pairs of two places, for [`Fours`], from a kernel's rows of `run` bytes each.
///
/// `rows` says where each row begins at each place. First come the fours of bytes of all rows, two pairs each; what is
/// left of each row, up to three bytes, is paired one after the other. So no taps are filled up but the last half pair,
/// which is left as it is. Nothing is done unless `pixels` has all bytes and `patch` all pairs, [`gathered_pairs`].
///
/// ```text
/// three rows of five bytes    0 1 2 3 4   5 6 7 8 9   10 11 12 13 14
/// pairs                       (0, 2) (1, 3)  (5, 7) (6, 8)  (10, 12) (11, 13)  (4, 9) (14, -)
/// ```
pub fn gather_places(
    pixels: &[u8],
    rows: Offsets<'_, [u32; 2]>,
    run: usize,
    patch: &mut [[Pair; 2]],
) {
    chosen::gather_places(pixels, rows, run, patch);
}

/// Pairs of taps that [`gather_places`] makes of this many rows of `run` bytes.
#[must_use]
pub const fn gathered_pairs(rows: usize, run: usize) -> usize {
    let left = rows.saturating_mul(run % 4);
    rows.saturating_mul(run / 4 * 2).saturating_add(left.div_ceil(2))
}

/// The taps, counted row by row, of the two halves of a pair that [`gather_places`] makes; a half may have none.
#[must_use]
pub const fn gathered_taps(pair: usize, rows: usize, run: usize) -> [Option<usize>; 2] {
    let (fours, left) = (run / 4, run % 4);
    let whole = rows * fours * 2;
    if pair < whole {
        let (row, four) = (pair / 2 / fours, pair / 2 % fours);
        let tap = row * run + 4 * four + pair % 2;
        return [Some(tap), Some(tap + 2)];
    }
    let number = 2 * (pair - whole);
    [left_over(number, rows, run, left), left_over(number + 1, rows, run, left)]
}

/// The tap of this number among those that no four of bytes has.
const fn left_over(number: usize, rows: usize, run: usize, left: usize) -> Option<usize> {
    if number < rows * left { Some(number / left * run + run - left + number % left) } else { None }
}

/// Makes the patches of a window, of four channels for every two patches.
///
/// `rows` says where each row of the window begins: the first of these channels in the first column. A column begins
/// `step` bytes after the one before it. Nothing is done unless `pixels` has all bytes, four by four channels, and
/// `rows` one offset for each row. An odd last patch is left as it is.
pub fn gather_window<const SIDE: usize>(
    pixels: &[u8],
    rows: Offsets<'_>,
    step: usize,
    patches: &mut [WindowPatch<SIDE>],
) {
    chosen::gather_window(pixels, rows, step, patches);
}

/// How many of `pixels` a window's patches are made of: up to the last channel of the last column, from the last row on.
fn window_reach<const SIDE: usize>(rows: Offsets<'_>, step: usize, patches: usize) -> usize {
    let read = step.saturating_mul(SIDE.saturating_sub(1)).saturating_add(patches / 2 * 4);
    read.saturating_add(rows.reach as usize)
}

/// The pairs that four neighbouring bytes make.
const fn pairs(bytes: [u8; 4]) -> [Pair; 2] {
    let bytes = u32::from_le_bytes(bytes);
    [bytes & 0x00ff_00ff, bytes >> 8 & 0x00ff_00ff]
}
