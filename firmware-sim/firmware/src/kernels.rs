//! Sums of products of activations and weights, in builds that give the same bits: safe code for any core, and assembly
//! where it was measured to be faster.
//!
//! Activations are bytes, 0 to 255, whatever stands for 0; weights are −127 to 127. Two layouts of weights have kernels,
//! and a file is of one of them:
//!
//! | layout | idea | cores |
//! |---|---|---|
//! | [`bytes`] | three sums in two words: two multiplications for three products | any: RV32, Cortex-M0+ and M3 by assembly |
//! | [`words`], [`grey`] | two products of 16 bits an instruction, and two outputs in one number | Cortex-M4, M7 and M33 by assembly |
//!
//! # Two outputs in one number
//!
//! Halves of a word of weights are `h = 256 · odd + even`, of an even output and the odd one after it. So of the two sums
//! that are held for two outputs and two inputs `a`, `b`,
//!
//! `whole = Σ h_a · a + h_b · b` and `even = Σ even_a · a + even_b · b`,
//!
//! the first is `256 · odd + even`, with `odd` the other output's sum: [`unpack_accumulators`] takes it out again. With
//! `smlad`, two products an instruction, this needs one `sxtb16` a word instead of two, and no shift. `whole` may leave
//! 32 bits on the way and wraps; [`MAX_ACCUMULATOR`](crate::format::MAX_ACCUMULATOR) keeps `odd` exact.

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
pub mod words;

/// Two activations of 0 to 255: the low and the high half.
pub type Pair = u32;

/// The sums of an even and the odd output after it.
#[must_use]
pub const fn unpack_accumulators(&[whole, even]: &[u32; 2]) -> [i32; 2] {
    [even.cast_signed(), whole.wrapping_sub(even).cast_signed() >> 8]
}
