//! The arithmetic of a convolutional network, in safe Rust over the vectors that the processor has.
//!
//! Every kernel is written once, over [`pulp::Simd`], and compiled for each set of instructions; which one runs is
//! decided when the program runs. Weights are packed when a model is loaded, so that the inner loops read them in
//! order.
//!
//! | kernel | layers | vectors run over |
//! |---|---|---|
//! | [`winograd`] | convolutions of 3×3 and 5×5 with stride 1 and enough channels | channels, then maps |
//! | [`conv`] | other convolutions without padding, of stride 1 and one group | pixels |
//! | [`depthwise`] | convolutions of as many groups as channels | pixels and channels |
//! | [`scale`] | those of one weight for each channel | either |
//! | [`matrix`] | all other convolutions, such as those of 1×1 | maps |
//! | [`pool`] | poolings that no convolution ends in, and sums | channels |
//! | [`dense`] | dense layers | outputs |
//!
//! Most of them want and give values with the channels last (see [`layout`]), and read vectors that begin where lines of
//! the cache do (see [`aligned`]).

#![allow(
    clippy::inline_always,
    reason = "what is a call of its own is compiled without the vectors"
)]

mod aligned;
mod conv;
mod dense;
mod depthwise;
mod layout;
mod matrix;
mod pixels;
mod pool;
mod scale;
mod winograd;

use std::any::TypeId;
use std::fmt;
use std::str::FromStr;

use network::Activation;
use pulp::{Scalar128b, Simd, WithSimd};

pub(crate) use aligned::Aligned;
pub(crate) use conv::Conv;
pub(crate) use dense::{Dense, NonZeroInputs};
pub(crate) use depthwise::Depthwise;
pub(crate) use layout::{Layout, channels_first, places_of_channels_last};
pub(crate) use matrix::MatrixConv;
pub(crate) use pixels::divide_by_255;
pub(crate) use pool::{Pool, add};
pub(crate) use scale::Scale;
pub(crate) use winograd::Winograd;

/// What computes the layers of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kernels {
    /// tract's own, for all layers.
    Tract,
    /// Those here, on these instructions, for the layers that they can do.
    Fused(Instructions),
}

impl Default for Kernels {
    /// Those here, on the fastest instructions.
    fn default() -> Self {
        Self::Fused(Instructions::default())
    }
}

impl fmt::Display for Kernels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tract => f.write_str("tract"),
            Self::Fused(instructions) => instructions.fmt(f),
        }
    }
}

impl FromStr for Kernels {
    type Err = String;

    /// `tract`, or the name of instructions that this processor has.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "tract" { Ok(Self::Tract) } else { text.parse().map(Self::Fused) }
    }
}

/// Instructions that the kernels are compiled for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Instructions {
    /// What every processor of the target has: 4 floats at once at best.
    Portable,
    /// AVX2 with FMA, on x86-64: 8 floats.
    Avx2,
    /// AVX-512 with its F, BW, CD, DQ and VL parts, on x86-64: 16 floats.
    Avx512,
    /// NEON, on 64-bit ARM: 4 floats.
    Neon,
}

impl Instructions {
    const ALL: [Self; 4] = [Self::Avx512, Self::Avx2, Self::Neon, Self::Portable];

    /// Those that this processor has, the fastest first; [`Self::Portable`] is always there.
    #[must_use]
    pub fn available() -> Vec<Self> {
        Self::ALL.into_iter().filter(|instructions| instructions.is_available()).collect()
    }

    /// `portable`, `avx2`, `avx512` or `neon`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Portable => "portable",
            Self::Avx2 => "avx2",
            Self::Avx512 => "avx512",
            Self::Neon => "neon",
        }
    }

    fn is_available(self) -> bool {
        match self {
            Self::Portable => true,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => pulp::x86::V3::is_available(),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => pulp::x86::V4::is_available(),
            #[cfg(target_arch = "aarch64")]
            Self::Neon => pulp::aarch64::Neon::is_available(),
            #[allow(unreachable_patterns)] // of the other processors
            _ => false,
        }
    }

    /// These, or portable ones where the processor has them not: what [`Self::run`] runs on.
    fn usable(self) -> Self {
        if self.is_available() { self } else { Self::Portable }
    }

    /// Those of narrower vectors, if one of them holds all outputs.
    fn for_outputs(self, outputs: usize) -> Self {
        let narrow = self == Self::Avx512 && outputs <= Self::Avx2.lanes();
        if narrow { Self::Avx2.usable() } else { self.usable() }
    }

    /// Runs `task` on these instructions, or on portable ones where the processor has them not.
    fn run<T: WithSimd>(self, task: T) -> T::Output {
        #[cfg(target_arch = "x86_64")]
        match self {
            Self::Avx512 => {
                if let Some(simd) = pulp::x86::V4::try_new() {
                    return Simd::vectorize(simd, task);
                }
            }
            Self::Avx2 => {
                if let Some(simd) = pulp::x86::V3::try_new() {
                    return Simd::vectorize(simd, task);
                }
            }
            Self::Portable | Self::Neon => {}
        }
        #[cfg(target_arch = "aarch64")]
        if self == Self::Neon
            && let Some(simd) = pulp::aarch64::Neon::try_new()
        {
            return Simd::vectorize(simd, task);
        }
        task.with_simd(Scalar128b)
    }

    /// Vectors that the registers hold: the tiles are cut to it.
    const fn registers(self) -> usize {
        match self {
            Self::Avx512 | Self::Neon => 32,
            Self::Portable | Self::Avx2 => 16,
        }
    }

    /// Floats in a vector.
    const fn lanes(self) -> usize {
        match self {
            Self::Avx512 => 16,
            Self::Avx2 => 8,
            Self::Portable | Self::Neon => 4,
        }
    }
}

impl Default for Instructions {
    /// The fastest that this processor has.
    fn default() -> Self {
        let best = Self::ALL.into_iter().find(|instructions| instructions.is_available());
        best.unwrap_or(Self::Portable)
    }
}

impl fmt::Display for Instructions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Instructions {
    type Err = String;

    /// The reverse of [`Self::name`], of those that are available.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let available = Self::available();
        available.iter().copied().find(|instructions| instructions.name() == text).ok_or_else(
            || {
                let names: Vec<&str> =
                    available.iter().map(|instructions| instructions.name()).collect();
                format!("this processor has {}", names.join(", "))
            },
        )
    }
}

/// A kernel that computes one image at a time.
trait ImageKernel {
    /// On these vectors; each kernel says how `input` and `output` lie, and how much of a workspace it wants.
    fn run_image<S: Simd>(&self, simd: S, input: &[f32], workspace: &mut [f32], output: &mut [f32]);
}

struct ImageTask<'a, K> {
    kernel: &'a K,
    input: &'a [f32],
    workspace: &'a mut [f32],
    output: &'a mut [f32],
}

impl<K: ImageKernel> WithSimd for ImageTask<'_, K> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        self.kernel.run_image(simd, self.input, self.workspace, self.output);
    }
}

/// What a layer can take: bytes of pixels, or floats.
pub(crate) trait Value: Copy + Into<f32> {
    /// These values as floats, for which there is `room`.
    fn floats<'a>(values: &'a [Self], room: &'a mut [f32]) -> &'a [f32];
}

impl Value for f32 {
    #[inline(always)]
    fn floats<'a>(values: &'a [Self], _: &'a mut [f32]) -> &'a [f32] {
        values
    }
}

impl Value for u8 {
    #[inline(always)]
    fn floats<'a>(values: &'a [Self], room: &'a mut [f32]) -> &'a [f32] {
        for (float, value) in room.iter_mut().zip(values) {
            *float = f32::from(*value);
        }
        &room[..values.len()]
    }
}

/// The range that an activation lets through.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Clamp {
    /// 0 for ReLU, else −∞.
    floor: f32,
    /// 6 for `ReLU6`, else +∞.
    ceiling: f32,
}

impl Clamp {
    const fn of(activation: Activation) -> Self {
        let [floor, ceiling] = activation.range();
        Self { floor, ceiling }
    }

    /// Each lane, clamped.
    #[inline(always)]
    fn apply<S: Simd>(self, simd: S, values: S::f32s) -> S::f32s {
        self.below_ceiling(simd, simd.max_f32s(simd.splat_f32s(self.floor), values))
    }

    /// Each lane, at most the ceiling.
    #[inline(always)]
    fn below_ceiling<S: Simd>(self, simd: S, values: S::f32s) -> S::f32s {
        // most layers have none
        if self.ceiling == f32::INFINITY {
            values
        } else {
            simd.min_f32s(simd.splat_f32s(self.ceiling), values)
        }
    }

    /// One value, clamped; a NaN stays one.
    #[inline(always)]
    fn of_one(self, value: f32) -> f32 {
        // `clamp` checks its limits, which is slow in a loop
        let value = if value < self.floor { self.floor } else { value };
        if value > self.ceiling { self.ceiling } else { value }
    }
}

/// `a · b + c`, in one step where the instructions have one; elsewhere that step would be a call of a function.
#[inline(always)]
fn multiply_add<S: Simd>(simd: S, a: S::f32s, b: S::f32s, c: S::f32s) -> S::f32s {
    if TypeId::of::<S>() == TypeId::of::<Scalar128b>() {
        simd.add_f32s(simd.mul_f32s(a, b), c)
    } else {
        simd.mul_add_e_f32s(a, b, c)
    }
}

/// Writes as many values as there is room for.
#[inline(always)]
fn store<S: Simd>(simd: S, to: &mut [f32], values: S::f32s) {
    match S::as_mut_simd_f32s(to).0 {
        [first, ..] => *first = values,
        [] => simd.partial_store_f32s(to, values),
    }
}
