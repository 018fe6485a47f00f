//! Sums of products, in three builds that give the same bits: [`portable`], `dsp` for Cortex-M4 and M7, and `mla` for
//! Cortex-M3.
//!
//! Activations come as [`Pair`]s of 16 bits, weights as [`Word`]s of two inputs `a`, `b` and two outputs. The
//! halves of a word are `h = 256 · odd + even`, so of the two accumulators that are held for two outputs,
//!
//! `whole = Σ h_a · a + h_b · b` and `even = Σ even_a · a + even_b · b`,
//!
//! the first is `256 · odd + even`, with `odd` the other output's accumulator: [`unpack_accumulators`] takes it out
//! again. With `smlad`, two products an instruction, this needs one `sxtb16` a word instead of two, and no shift.
//! `whole` may leave 32 bits on the way and wraps; [`MAX_ACCUMULATOR`](crate::format::MAX_ACCUMULATOR) keeps `odd`
//! exact.
//!
//! # Tile
//!
//! A convolution computes two outputs over one 2×2 pooling window at a time: eight accumulators, which is what
//! fourteen registers have room for. Every word is loaded once for four places, and pooling needs no memory.
//!
//! ```text
//! patch, 6 × 6            a word's pairs, for the kernel element at row y, column x
//!   . . . . . .
//!   . . 0 1 . .           place 0 = (y, x)        place 1 = (y, x + 1)
//!   . . 2 3 . .           place 2 = (y + 1, x)    place 3 = (y + 1, x + 1)
//!   . . . . . .
//!   . . . . . .           accumulators: [whole, even] of each place
//!   . . . . . .
//! ```

/// Lets naked functions have DSP instructions: they are assembled apart from the crate, without `-C target-cpu`.
#[cfg(all(kernels = "dsp", armv8m))]
macro_rules! dsp_core {
    () => {
        ".cpu cortex-m33"
    };
}
/// ARMv7E-M has them anyway.
#[cfg(all(kernels = "dsp", not(armv8m)))]
macro_rules! dsp_core {
    () => {
        ""
    };
}

pub mod bytes;
pub mod grey;
pub mod portable;
pub mod words;

#[cfg(kernels = "dsp")]
pub mod dsp;
#[cfg(kernels = "mla")]
pub mod mla;

use crate::format::words::{BLOCK, CONV1_WORDS, CONV2_WORDS, Word};
use crate::geometry::{MAPS1, MAPS2, WINDOW};

/// Two activations of 0 to 255: the low and the high half.
pub type Pair = u32;

/// The pairs that a 2×2 window of outputs needs, see [`conv1`] and [`conv2`] for their meaning.
pub type Patch = [[Pair; WINDOW]; WINDOW];

/// `[whole, even]` of the four outputs of a pooling window: above left, above right, below left, below right.
pub type WindowAccumulators = [u32; 8];

/// `[whole, even]` of the pairs of outputs of a block.
pub type BlockAccumulators = [u32; 2 * BLOCK];

/// The accumulators of an even and the odd output after it.
#[must_use]
pub const fn unpack_accumulators(&[whole, even]: &[u32; 2]) -> [i32; 2] {
    [even.cast_signed(), whole.wrapping_sub(even).cast_signed() >> 8]
}

#[cfg(kernels = "dsp")]
use dsp as chosen;
#[cfg(kernels = "mla")]
use mla as chosen;
#[cfg(kernels = "portable")]
use portable as chosen;

/// The first convolution over one pooling window: sets the accumulators of all pairs of maps.
///
/// Rows 0 to 3 of `patch` hold pixels and the ones below them, `(row, column)` and `(row + 1, column)`. Rows 4
/// and 5 hold what is left of the kernel's last row: in columns 0 to 3 pixels and the ones to their right, in
/// columns 4 and 5 pixels and zero.
pub fn conv1(
    weights: &[[Word; CONV1_WORDS]; MAPS1 / 2],
    patch: &Patch,
    accumulators: &mut [WindowAccumulators; MAPS1 / 2],
) {
    chosen::conv1(weights, patch, accumulators);
}

/// The second convolution over one pooling window: adds the products of two input maps to the accumulators of all
/// pairs of maps.
///
/// `patch` is `[row][column]`, the two maps in the halves.
pub fn conv2(
    weights: &[[Word; CONV2_WORDS]; MAPS2 / 2],
    patch: &Patch,
    accumulators: &mut [WindowAccumulators; MAPS2 / 2],
) {
    chosen::conv2(weights, patch, accumulators);
}

/// Ten outputs of a dense layer.
#[must_use]
pub fn dense<const IN: usize>(
    weights: &[[Word; BLOCK]; IN],
    pairs: &[Pair; IN],
) -> BlockAccumulators {
    chosen::dense(weights, pairs)
}
