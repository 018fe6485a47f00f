//! Pooling that is no part of a convolution, and the sum of two values.
//!
//! Both work on values as they lie: a pooling over the channels of a pixel beside each other, or over each channel as a
//! picture of one.

use std::ops::Range;

use network::{Activation, Layer, Pool as Geometry, PoolMode, Shape};
use pulp::{Simd, WithSimd};

use super::layout::Layout;
use super::{Clamp, Instructions};

/// A pooling for some instructions.
#[derive(Debug)]
pub(crate) struct Pool {
    geometry: Geometry,
    /// Of each picture.
    input: Shape,
    output: Shape,
    instructions: Instructions,
}

impl Pool {
    /// Of a layer whose input lies so; then its output does.
    pub(crate) fn new(
        layer: &Layer,
        geometry: Geometry,
        layout: Layout,
        instructions: Instructions,
    ) -> Self {
        let picture = |shape: Shape| match layout {
            Layout::ChannelsFirst => [1, shape[1], shape[2]],
            Layout::ChannelsLast => shape,
        };
        let [input, output] = [layer.input(), layer.output()].map(picture);
        Self { geometry, input, output, instructions }
    }

    /// Any number of images.
    pub(crate) fn run(&self, input: &[f32], output: &mut [f32]) {
        self.instructions.run(PoolTask { layer: self, input, output });
    }

    /// The input's rows, or columns, that a window sees.
    fn seen(&self, axis: usize, window: usize, before: usize) -> Range<usize> {
        let begin = window * self.geometry.stride[axis];
        let end = begin + self.geometry.window[axis];
        begin.saturating_sub(before)..(end - before).min(self.input[axis + 1])
    }
}

struct PoolTask<'a> {
    layer: &'a Pool,
    input: &'a [f32],
    output: &'a mut [f32],
}

impl WithSimd for PoolTask<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self { layer, input, output } = self;
        let [channels, _, width] = layer.input;
        let [_, out_height, out_width] = layer.output;
        let Geometry { mode, window, padding, activation, .. } = layer.geometry;
        let clamp = Clamp::of(activation);
        let pictures = input.chunks_exact(layer.input.iter().product());
        let outputs = output.chunks_exact_mut(layer.output.iter().product());
        for (picture, output) in pictures.zip(outputs) {
            let mut outputs = output.chunks_exact_mut(channels);
            for y in 0..out_height {
                let rows = layer.seen(0, y, padding.top);
                for (x, output) in (0..out_width).zip(&mut outputs) {
                    let columns = layer.seen(1, x, padding.left);
                    let count = match mode {
                        PoolMode::AverageWithPadding => window[0] * window[1],
                        PoolMode::Max | PoolMode::Average => rows.len() * columns.len(),
                    };
                    output.fill(if mode == PoolMode::Max { f32::NEG_INFINITY } else { 0.0 });
                    for row in rows.clone() {
                        let begin = (row * width + columns.start) * channels;
                        let seen = &picture[begin..][..columns.len() * channels];
                        for pixel in seen.chunks_exact(channels) {
                            if mode == PoolMode::Max {
                                for (largest, value) in output.iter_mut().zip(pixel) {
                                    *largest = if *largest > *value { *largest } else { *value };
                                }
                            } else {
                                for (sum, value) in output.iter_mut().zip(pixel) {
                                    *sum += value;
                                }
                            }
                        }
                    }
                    let share = if mode == PoolMode::Max { 1.0 } else { 1.0 / count as f32 };
                    for value in output {
                        *value = clamp.of_one(*value * share);
                    }
                }
            }
        }
    }
}

/// Writes the sums of two values, of which one may not be there, clamped by the activation.
pub(crate) fn add(
    input: &[f32],
    other: Option<&[f32]>,
    activation: Activation,
    instructions: Instructions,
    output: &mut [f32],
) {
    let clamp = Clamp::of(activation);
    instructions.run(AddTask { input, other, clamp, output });
}

struct AddTask<'a> {
    input: &'a [f32],
    other: Option<&'a [f32]>,
    clamp: Clamp,
    output: &'a mut [f32],
}

impl WithSimd for AddTask<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self { input, other, clamp, output } = self;
        if let Some(other) = other {
            for ((to, value), other) in output.iter_mut().zip(input).zip(other) {
                *to = clamp.of_one(value + other);
            }
        } else {
            for (to, value) in output.iter_mut().zip(input) {
                *to = clamp.of_one(*value);
            }
        }
    }
}
