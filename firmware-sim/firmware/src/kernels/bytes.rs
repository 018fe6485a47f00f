//! Kernels of the layout *Bytes*, which any core runs: sums of products of activations (0 to 255) and weights
//! (−127 to 127).
//!
//! Weights lie in blocks of four outputs, `[block][kernel element][4]`; a last block is filled up with zeros. From one
//! block to the next it is `stride` kernel elements, so a kernel can take a part of each block. All functions add to
//! sums that are there. Where a slice is too short for what is asked, nothing is added.
//!
//! # Three sums in two words
//!
//! [`three_places`] computes an output at three places with two multiplications. Of the places' activations
//! `a0, a1, a2`, which [`triple`] holds in one word, it makes two words:
//!
//! ```text
//! bits     31 29 28      21 20 19 18      11 10   8 7       0
//! triple  │     │    a1    │     │    a2    │      │    a0   │
//! first   │     │    a1    │     │          │      │    a0   │   a0 + 2²¹ · a1    the triple without a2
//! second  │                │     │    a1    │      │    a2   │   a2 + 2¹⁰ · a1    the triple shifted by 11
//! ```
//!
//! Their products with the weights are added up modulo 2³². With `sᵢ` the sum that belongs to `aᵢ`,
//!
//! `A1 = s0 + 2²¹ · s1` and `A2 = s2 + 2¹⁰ · s1`, both modulo 2³².
//!
//! Where each sum is in −2²⁰ .. 2²⁰, [`split`] gives all three exactly:
//! - `s0` is the low 21 bits of `A1`, signed, since `2²¹ · s1` leaves these alone.
//! - `d = A1 − s0` is then `2²¹ · s1`: the low 11 bits of `s1`, which lie highest.
//! - `2¹¹ · A2 − d` is `2¹¹ · s2 + 2²¹ · s1 − 2²¹ · s1 = 2¹¹ · s2`, which fits in 32 bits: shifted back it is `s2`.
//! - `A2 − s2` is `2¹⁰ · s1`, which fits too: shifted back it is `s1`.
//!
//! A sum over `n` kernel elements stays within that where `255 · Σ|w| < 2²⁰` ([`MAX_TRIPLE_SUM`]); whoever calls takes
//! so few kernel elements at a time. 32 always fit.

#[cfg(not(bytes_kernels = "portable"))]
pub mod assembly;
pub mod portable;
#[cfg(bytes_kernels = "rv32")]
#[expect(clippy::too_many_lines, reason = "a function of assembly cannot be divided")]
mod rv32;
#[cfg(bytes_kernels = "v6m")]
#[expect(clippy::too_many_lines, reason = "a function of assembly cannot be divided")]
mod v6m;
#[cfg(bytes_kernels = "v7m")]
#[expect(clippy::too_many_lines, reason = "a function of assembly cannot be divided")]
mod v7m;

#[cfg(not(bytes_kernels = "portable"))]
use assembly as fastest;
#[cfg(bytes_kernels = "portable")]
use portable as fastest;
#[cfg(bytes_kernels = "rv32")]
use rv32 as chosen;
#[cfg(bytes_kernels = "v6m")]
use v6m as chosen;
#[cfg(bytes_kernels = "v7m")]
use v7m as chosen;

use super::words::Scaling;

/// Weights of four outputs for one kernel element.
pub type Block = [i8; 4];

/// A kernel element's activations at three places: `a0 | a2 << 11 | a1 << 21`.
pub type Triple = u32;

/// Maximum size of a sum that [`three_places`] adds.
pub const MAX_TRIPLE_SUM: i32 = (1 << 20) - 1;

/// Packs the activations of places 0, 1 and 2.
#[must_use]
pub const fn triple([a0, a1, a2]: [u8; 3]) -> Triple {
    a0 as u32 | (a2 as u32) << 11 | (a1 as u32) << 21
}

/// The sums of three places, each of at most [`MAX_TRIPLE_SUM`] in size, from their two words.
#[must_use]
pub const fn split([first, second]: [u32; 2]) -> [i32; 3] {
    let s0 = (first << 11).cast_signed() >> 11;
    let d = first.wrapping_sub(s0.cast_unsigned());
    let s2 = (second << 11).wrapping_sub(d).cast_signed() >> 11;
    let s1 = second.wrapping_sub(s2.cast_unsigned()).cast_signed() >> 10;
    [s0, s1, s2]
}

/// What a depthwise convolution reads: a map of `[row][column][channel]`, whose rows may lie in any order.
///
/// From each offset on, at each place, the map has four bytes for each block: so it goes on for up to three bytes
/// behind a last column whose channels do not fill up the last block. Their values do not matter.
#[derive(Debug, Clone, Copy)]
pub struct Window<'a> {
    /// All rows.
    pub map: &'a [u8],
    /// Where the first channel of the first place lies in `map`, for each kernel element that is taken.
    pub offsets: &'a [u16],
    /// Bytes from a place to the next.
    pub place_bytes: usize,
    /// Places, all with the same weights.
    pub places: usize,
    /// Blocks of four channels.
    pub blocks: usize,
}

impl Window<'_> {
    /// Whether there are weights, activations and sums for all that is asked, and is anything.
    #[inline(never)] // its registers need not be put back by who calls
    fn fits(&self, weights: &[Block], stride: usize, sums: &[[i32; 4]]) -> bool {
        let sums_end = self.places.checked_mul(self.blocks);
        let last_offset = self.offsets.iter().fold(0, |last, &offset| last.max(offset));
        let last_place = self.places.saturating_sub(1).checked_mul(self.place_bytes);
        let map_end = last_place
            .zip(self.blocks.checked_mul(4))
            .and_then(|(start, len)| start.checked_add(len)?.checked_add(last_offset.into()));
        !self.offsets.is_empty()
            && sums_end.is_some_and(|end| 0 < end && end <= sums.len())
            && map_end.is_some_and(|end| end <= self.map.len())
            && fits(weights, stride, self.offsets.len(), self.blocks)
    }
}

/// Whether this core computes a [`Strip`] faster than a [`Window`].
pub const HAS_STRIPS: bool = cfg!(not(bytes_kernels = "v6m"));

/// Places of a [`Strip`], at most.
pub const STRIP: usize = 5;

/// What a depthwise convolution of three columns reads at neighbouring places: with a stride of one these share columns,
/// so that each activation is read once a row.
///
/// The map is that of a [`Window`].
#[derive(Debug, Clone, Copy)]
pub struct Strip<'a> {
    /// All rows.
    pub map: &'a [u8],
    /// Where the first channel of the first column lies in `map`, for each kernel row that is taken: one to three.
    pub rows: &'a [u32],
    /// Bytes from a place to the next.
    pub place_bytes: usize,
    /// Places, at most [`STRIP`].
    pub places: usize,
    /// Blocks of four channels.
    pub blocks: usize,
}

impl Strip<'_> {
    /// As [`Window::fits`].
    #[inline(never)]
    fn fits(&self, weights: &[Block], stride: usize, sums: &[[[i32; STRIP]; 4]]) -> bool {
        let &Self { map, rows, place_bytes, places, blocks } = self;
        // so that nothing overflows
        let are_small = [place_bytes, blocks, map.len()].iter().all(|&it| it < 1 << 24);
        let last_row = rows.iter().fold(0, |last, &row| last.max(row)) as usize;
        are_small
            && (1..=3).contains(&rows.len())
            && (1..=STRIP).contains(&places)
            && 0 < blocks
            && blocks <= sums.len()
            && last_row < map.len()
            && last_row + (places + 1) * place_bytes + 4 * blocks <= map.len()
            && fits(weights, stride, 3 * rows.len(), blocks)
    }
}

/// Multiplies a patch of three places: adds to `sums[block][output][place]`, or if they are `new` writes them.
///
/// The weights of block `b` are `weights[b * stride..][..patch.len()]`. The sums over this patch must be at most
/// [`MAX_TRIPLE_SUM`] in size. Triples of zeros are passed over: behind ReLU a fourth to a half are, often more.
pub fn three_places(
    weights: &[Block],
    stride: usize,
    patch: &[Triple],
    sums: &mut [[[i32; 3]; 4]],
    new: bool,
) {
    fastest::three_places(weights, stride, patch, sums, new);
}

/// Multiplies a patch of one place, or the inputs of a dense layer: adds to `sums[block][output]`, modulo 2³².
///
/// The weights of block `b` are `weights[b * stride..][..patch.len()]`. Activations of zero are passed over.
pub fn one_place(weights: &[Block], stride: usize, patch: &[u8], sums: &mut [[i32; 4]]) {
    fastest::one_place(weights, stride, patch, sums);
}

/// A depthwise convolution, each channel with a kernel of its own: adds to `sums[place][block][channel]`, modulo 2³².
///
/// The weights of block `b` are `weights[b * stride..][..window.offsets.len()]`. Three places at a time take the fewest
/// instructions.
pub fn depthwise(weights: &[Block], stride: usize, window: &Window<'_>, sums: &mut [[i32; 4]]) {
    fastest::depthwise(weights, stride, window, sums);
}

/// The same of a strip: sets `sums[block][channel]` of as many places as there are, and leaves anything in those of others.
///
/// The weights of block `b` are `weights[b * stride..][..3 * strip.rows.len()]`.
pub fn strip(weights: &[Block], stride: usize, strip: &Strip<'_>, sums: &mut [[[i32; STRIP]; 4]]) {
    fastest::strip(weights, stride, strip, sums);
}

/// Writes the activations of sums, of which there is one every `step`, each with its scaling.
///
/// Sums with what is added to them must be below 2²⁸ in size. Gives how many it has done: the portable kernel none, and
/// the others none from one on of which a shift is below 33, or at all if not all is there. The rest is the caller's.
#[must_use]
pub fn activations(
    sums: &[i32],
    step: usize,
    scalings: &[Scaling],
    zero: u8,
    bytes: &mut [u8],
) -> usize {
    fastest::activations(sums, step, scalings, zero, bytes)
}

/// Whether there are `len` kernel elements in each of `blocks` blocks.
fn fits(weights: &[Block], stride: usize, len: usize, blocks: usize) -> bool {
    let Some(before_last) = blocks.checked_sub(1) else { return true };
    let end = before_last.checked_mul(stride).and_then(|start| start.checked_add(len));
    end.is_some_and(|end| end <= weights.len())
}

#[cfg(test)]
mod tests;
