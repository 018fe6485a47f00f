//! The sums of products, in three builds that give the same bits: [`portable`], `dsp` for Cortex-M4 and M7, and
//! `mla` for Cortex-M3.
//!
//! Activations come as [`Pair`]s of 16 bits, weights as [`Word`]s of two inputs `a`, `b` and two outputs. The
//! halves of a word are `h = 256 · odd + even`, so of the two sums that are held for two outputs,
//!
//! `whole = Σ h_a · a + h_b · b` and `even = Σ even_a · a + even_b · b`,
//!
//! the first is `256 · odd + even`, with `odd` the other output's sum: [`apart`] takes it out again. With
//! `smlad`, two products an instruction, this needs one `sxtb16` a word instead of two, and no shift.
//! `whole` may leave 32 bits on the way and wraps; [`SUM_MAX`](crate::format::SUM_MAX) keeps `odd` exact.

pub mod portable;

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
pub type WindowSums = [u32; 8];

/// `[whole, even]` of the pairs of outputs of a block.
pub type BlockSums = [u32; 2 * BLOCK];

/// Sums of an even and the odd output after it.
#[must_use]
pub const fn apart(&[whole, even]: &[u32; 2]) -> [i32; 2] {
    [even.cast_signed(), whole.wrapping_sub(even).cast_signed() >> 8]
}

#[cfg(kernels = "dsp")]
use dsp as chosen;
#[cfg(kernels = "mla")]
use mla as chosen;
#[cfg(kernels = "portable")]
use portable as chosen;

/// The first convolution over one pooling window: sets the sums of all pairs of maps.
///
/// Rows 0 to 3 of `patch` hold pixels and the ones below them, `(row, column)` and `(row + 1, column)`. Rows 4
/// and 5 hold what is left of the kernel's last row: in columns 0 to 3 pixels and the ones to their right, in
/// columns 4 and 5 pixels and zero.
pub fn conv1(
    weights: &[[Word; CONV1_WORDS]; MAPS1 / 2],
    patch: &Patch,
    sums: &mut [WindowSums; MAPS1 / 2],
) {
    chosen::conv1(weights, patch, sums);
}

/// The second convolution over one pooling window: adds the products of two input maps to the sums of all
/// pairs of maps.
///
/// `patch` is `[row][column]`, the two maps in the halves.
pub fn conv2(
    weights: &[[Word; CONV2_WORDS]; MAPS2 / 2],
    patch: &Patch,
    sums: &mut [WindowSums; MAPS2 / 2],
) {
    chosen::conv2(weights, patch, sums);
}

/// Ten outputs of a dense layer.
#[must_use]
pub fn dense<const IN: usize>(weights: &[[Word; BLOCK]; IN], pairs: &[Pair; IN]) -> BlockSums {
    chosen::dense(weights, pairs)
}
