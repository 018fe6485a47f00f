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

/// Computes the outputs, down a strip of one vector of each row or of two, so that each input is read once.
#[inline(always)]
pub(super) fn run3x3<S: Simd, const STRIDE: usize>(
    simd: S,
    vectors: &Vectors<'_, S::f32s>,
    weights: [[S::f32s; 3]; 3],
    values: &[f32],
    output: &mut [f32],
) {
    let Vectors { layer, first, .. } = *vectors;
    let Depthwise { input_step, output_step, .. } = *layer;
    let [maps, rows, columns] = layer.layer.output();
    let length = columns * maps;
    let (mut to, mut place, mut column) = (first, first, 0);
    while to + S::F32_LANES <= length {
        let (inputs, has_right) = if layer.unframed {
            Inputs::of_column(layer, values, first, column)
        } else {
            (Inputs::of_frame(layer, values, place), true)
        };
        let strips = if has_right && to + output_step + S::F32_LANES <= length {
            strips::<S, STRIDE, 2>(simd, vectors, weights, &inputs, &mut output[to..]);
            2
        } else {
            strips::<S, STRIDE, 1>(simd, vectors, weights, &inputs, &mut output[to..]);
            1
        };
        to += strips * output_step;
        place += strips * input_step;
        column += strips;
    }
    // the last vector of a row may not be whole
    if to < length {
        for row in 0..rows {
            let to = &mut output[row * length..][to..length];
            vector(simd, vectors, weights.as_flattened(), values, row, place, to);
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

impl<'a> Inputs<'a> {
    /// Those of the strips that begin at this place of a frame.
    #[inline(always)]
    fn of_frame(layer: &Depthwise, values: &'a [f32], place: usize) -> Self {
        let Depthwise { input_row, input_step, .. } = *layer;
        let offsets = [layer.offsets[0], layer.offsets[1], layer.offsets[2]];
        let offsets = offsets.map(|offset| offset + place);
        let height = layer.frame.rows();
        Self { values, above: 0, height, input_row, input_step, offsets, seen: [true; 3] }
    }

    /// Those of the strip that gives this column, from channel `first` on, of an input without a frame, in whose place
    /// zeros are put; and whether none of those of the next column are padding.
    #[inline(always)]
    fn of_column(
        layer: &Depthwise,
        values: &'a [f32],
        first: usize,
        column: usize,
    ) -> (Self, bool) {
        let [channels, height, width] = layer.layer.input();
        let Padding { top, left, .. } = layer.conv.padding;
        let stride = layer.conv.stride[1];
        let begin = column * stride;
        let (mut offsets, mut seen) = ([0; 3], [false; 3]);
        for (kernel_column, (offset, seen)) in offsets.iter_mut().zip(&mut seen).enumerate() {
            let place = (begin + kernel_column).wrapping_sub(left);
            if place < width {
                *seen = true;
                *offset = first + place * channels;
            }
        }
        // the next column has no padding on its left if this one has none
        let has_right = seen == [true; 3] && begin + stride + 2 < left + width;
        let (input_row, input_step) = (width * channels, stride * channels);
        (Self { values, above: top, height, input_row, input_step, offsets, seen }, has_right)
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
