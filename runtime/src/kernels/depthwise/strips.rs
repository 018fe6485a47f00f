//! Depthwise convolution by kernels of 3×3, down strips of one vector of each row.
//!
//! Three rows of inputs go into an output, and three outputs below each other take an input. So a strip is gone down
//! row by row, with the sums of the outputs that are not complete in registers: each input is read once.
//!
//! ```text
//! inputs of row 4 ─▶ × last row of weights   + sum of output 2, which is complete
//!                 ─▶ × middle row of weights + sum of output 3
//!                 ─▶ × first row of weights  + bias: the sum of output 4
//! ```
//!
//! Where a vector is of one pixel, it is padding as a whole or not at all, so the input is read where it lies.

use network::Padding;
use pulp::Simd;

use super::super::multiply_add;
use super::{Depthwise, Vectors, vector};

/// [`run`] for kernels of 3×3, down a strip of one vector of each row or of two, so that each input is read once.
#[inline(always)]
pub(super) fn run3x3<S: Simd, const STRIDE: usize>(
    simd: S,
    vectors: &Vectors<'_, S::f32s>,
    weights: [[S::f32s; 3]; 3],
    frame: &[f32],
    output: &mut [f32],
) {
    let Vectors { layer, first, .. } = *vectors;
    let [maps, rows, columns] = layer.layer.output();
    let length = columns * maps;
    let Depthwise { input_row, input_step, output_step, .. } = *layer;
    let offsets = [layer.offsets[0], layer.offsets[1], layer.offsets[2]];
    let seen = [true; 3];
    let height = layer.frame.rows();
    let mut inputs =
        Inputs { values: frame, above: 0, height, input_row, input_step, offsets, seen };
    let mut to = first;
    inputs.skip(first);
    while to + output_step + S::F32_LANES <= length {
        strips::<S, STRIDE, 2>(simd, vectors, weights, &inputs, &mut output[to..]);
        inputs.skip(2 * input_step);
        to += 2 * output_step;
    }
    if to + S::F32_LANES <= length {
        strips::<S, STRIDE, 1>(simd, vectors, weights, &inputs, &mut output[to..]);
        inputs.skip(input_step);
        to += output_step;
    }
    // the last vector of a row may not be whole
    if to < length {
        let place = inputs.offsets[0] - layer.offsets[0];
        for row in 0..rows {
            let to = &mut output[row * length..][to..length];
            vector(simd, vectors, weights.as_flattened(), frame, row, place, to);
        }
    }
}

/// [`run3x3`] of an input without a frame, in whose place zeros are put.
#[inline(always)]
pub(super) fn run3x3_unframed<S: Simd, const STRIDE: usize>(
    simd: S,
    vectors: &Vectors<'_, S::f32s>,
    weights: [[S::f32s; 3]; 3],
    input: &[f32],
    output: &mut [f32],
) {
    let Vectors { layer, first, .. } = *vectors;
    let [channels, height, width] = layer.layer.input();
    let columns = layer.layer.output()[2];
    let Padding { top, left, .. } = layer.conv.padding;
    let stride = layer.conv.stride[1];
    let mut column = 0;
    while column < columns {
        let begin = column * stride;
        let mut inputs = Inputs {
            values: input,
            above: top,
            height,
            input_row: width * channels,
            input_step: stride * channels,
            offsets: [0; 3],
            seen: [false; 3],
        };
        for (kernel_column, (offset, seen)) in
            inputs.offsets.iter_mut().zip(&mut inputs.seen).enumerate()
        {
            let place = (begin + kernel_column).wrapping_sub(left);
            if place < width {
                *seen = true;
                *offset = first + place * channels;
            }
        }
        let output = &mut output[first + column * channels..];
        // the next column has no padding on its left if this one has none
        let two =
            inputs.seen == [true; 3] && column + 1 < columns && begin + stride + 2 < left + width;
        if two {
            strips::<S, STRIDE, 2>(simd, vectors, weights, &inputs, output);
            column += 2;
        } else {
            strips::<S, STRIDE, 1>(simd, vectors, weights, &inputs, output);
            column += 1;
        }
    }
}

/// `STRIPS` strips, to where they begin in `output`. Of the outputs that the next row of inputs adds to, the sums stay
/// in registers.
#[inline(always)]
fn strips<S: Simd, const STRIDE: usize, const STRIPS: usize>(
    simd: S,
    vectors: &Vectors<'_, S::f32s>,
    weights: [[S::f32s; 3]; 3],
    inputs: &Inputs<'_>,
    output: &mut [f32],
) {
    let Vectors { layer, bias, .. } = *vectors;
    let inputs = *inputs;
    let [maps, rows, columns] = layer.layer.output();
    let output_step = layer.output_step;
    let floor = simd.splat_f32s(layer.clamp.floor);
    let ceiling = simd.splat_f32s(layer.clamp.ceiling);
    let [first, second, third] = weights;
    let bias = [bias; STRIPS];
    let mut sums = add(simd, bias, inputs.row(simd, 0), first);
    let mut next = bias;
    if STRIDE == 1 {
        let middle = inputs.row(simd, 1);
        sums = add(simd, sums, middle, second);
        next = add(simd, bias, middle, first);
    }
    for row in 0..rows {
        if STRIDE == 2 {
            sums = add(simd, sums, inputs.row(simd, 2 * row + 1), second);
        }
        let below = inputs.row(simd, STRIDE * row + 2);
        sums = add(simd, sums, below, third);
        let begin = row * columns * maps;
        for (strip, sum) in sums.into_iter().enumerate() {
            let to = &mut output[begin + strip * output_step..][..S::F32_LANES];
            let sum = simd.min_f32s(ceiling, simd.max_f32s(floor, sum));
            S::as_mut_simd_f32s(to).0[0] = sum;
        }
        if STRIDE == 1 {
            sums = add(simd, next, below, second);
            next = add(simd, bias, below, first);
        } else {
            sums = add(simd, bias, below, first);
        }
    }
}

/// The inputs of strips.
#[derive(Clone, Copy)]
struct Inputs<'a> {
    values: &'a [f32],
    /// Rows of zeros that are not there, above those that are.
    above: usize,
    /// Rows that are there.
    height: usize,
    input_row: usize,
    input_step: usize,
    /// Where the columns of a kernel lie in a row.
    offsets: [usize; 3],
    /// Whether they do; the others are zeros. Of two strips all do.
    seen: [bool; 3],
}

impl Inputs<'_> {
    /// Goes on to strips this much farther on.
    #[inline(always)]
    fn skip(&mut self, floats: usize) {
        for offset in &mut self.offsets {
            *offset += floats;
        }
    }

    /// For each strip, what the columns of a kernel see of a row.
    #[inline(always)]
    fn row<S: Simd, const STRIPS: usize>(self, simd: S, row: usize) -> [[S::f32s; 3]; STRIPS] {
        let mut inputs = [[simd.splat_f32s(0.0); 3]; STRIPS];
        let row = row.wrapping_sub(self.above);
        if row >= self.height {
            return inputs;
        }
        for (strip, inputs) in inputs.iter_mut().enumerate() {
            for ((input, offset), seen) in inputs.iter_mut().zip(self.offsets).zip(self.seen) {
                if STRIPS > 1 || seen {
                    let begin = row * self.input_row + strip * self.input_step + offset;
                    *input = S::as_simd_f32s(&self.values[begin..][..S::F32_LANES]).0[0];
                }
            }
        }
        inputs
    }
}

/// Adds the products of a row of inputs and a row of weights.
#[inline(always)]
fn add<S: Simd, const STRIPS: usize>(
    simd: S,
    mut sums: [S::f32s; STRIPS],
    inputs: [[S::f32s; 3]; STRIPS],
    weights: [S::f32s; 3],
) -> [S::f32s; STRIPS] {
    for (sum, inputs) in sums.iter_mut().zip(inputs) {
        for (input, weight) in inputs.into_iter().zip(weights) {
            *sum = multiply_add(simd, input, weight, *sum);
        }
    }
    sums
}
