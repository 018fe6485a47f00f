//! Convolution without padding, with what follows it: ReLU, and the largest of each 2×2.
//!
//! A vector runs over neighbouring pixels of one output map. For that the input is laid out once an image: for
//! each column of the kernel, the input shifted by so much, cut to the width of the output, its rows end to end;
//! then a row of the kernel is an offset, and any vector of outputs needs one vector of inputs a weight. With
//! pooling, a lane is a 2×2 window, its four pixels are four vectors, and the largest of them is the pooled
//! value: the full maps are never written. A tile is those four times as many maps as fit the registers.

use std::ops::Range;

use pulp::{Simd, WithSimd};

use super::{Instructions, Value, multiply_add, store};

/// Sizes of a convolution: stride 1, no padding, no dilation, one group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ConvShape {
    /// Channels, height and width of the input.
    pub(crate) input: [usize; 3],
    /// Output maps.
    pub(crate) maps: usize,
    /// Height and width of the kernel.
    pub(crate) kernel: [usize; 2],
    /// Whether only the largest of each 2×2 is kept; an odd last row or column is dropped.
    pub(crate) pooled: bool,
}

impl ConvShape {
    /// Maps, height and width of the output.
    pub(crate) const fn output(&self) -> [usize; 3] {
        let [_, height, width] = self.input;
        let [kernel_height, kernel_width] = self.kernel;
        let step = self.step();
        [self.maps, (height - kernel_height + 1) / step, (width - kernel_width + 1) / step]
    }

    /// Multiplications with additions, for one image.
    pub(crate) const fn macs(&self) -> usize {
        let [maps, height, width] = self.output();
        let [kernel_height, kernel_width] = self.kernel;
        let window = self.step() * self.step();
        maps * height * width * window * self.input[0] * kernel_height * kernel_width
    }

    const fn step(&self) -> usize {
        if self.pooled { 2 } else { 1 }
    }

    /// Rows of one layer: what the output's rows need of every `step`th row of the input.
    const fn layer_rows(&self) -> usize {
        self.output()[1] + (self.kernel[0] + self.step() - 2) / self.step()
    }

    /// Floats of one input channel as it is laid out: a layer a shift and residue of the row.
    const fn channel_length(&self) -> usize {
        let shifts = self.kernel[1] + self.step() - 1;
        shifts * self.step() * self.layer_rows() * self.output()[2]
    }

    /// Where the inputs of the first output lie in a channel, for this row and column of the kernel.
    const fn offset(&self, row: usize, column: usize) -> usize {
        let (step, width) = (self.step(), self.output()[2]);
        let layer = column * step + row % step;
        (layer * self.layer_rows() + row / step) * width
    }
}

/// A layer with its weights packed for some instructions.
#[derive(Debug)]
pub(crate) struct Conv {
    shape: ConvShape,
    instructions: Instructions,
    /// Maps that a tile computes at once.
    block: usize,
    /// `[block of maps][channel][row][column][map in its block]`, of whole blocks.
    weights: Vec<f32>,
    /// `[map]`, of whole blocks.
    bias: Vec<f32>,
    /// Of each weight of a channel, where the inputs of the four pixels of a window lie; without pooling the first.
    offsets: Vec<[usize; 4]>,
    /// 0 for ReLU, else −∞.
    least: f32,
}

impl Conv {
    /// Packs `weights`, `[map][channel][row][column]`, and `bias`, `[map]`.
    pub(crate) fn new(
        shape: ConvShape,
        weights: &[f32],
        bias: &[f32],
        relu: bool,
        instructions: Instructions,
    ) -> Self {
        let [channels, ..] = shape.input;
        let [rows, columns] = shape.kernel;
        let block = block(&shape, instructions);
        let taps = channels * rows * columns;
        let blocks = shape.maps.div_ceil(block);
        let mut packed = vec![0.0; blocks * taps * block];
        for (map, weights) in weights.chunks_exact(taps).enumerate() {
            let first = map / block * taps * block + map % block;
            for (tap, weight) in weights.iter().enumerate() {
                packed[first + tap * block] = *weight;
            }
        }
        let mut bias = bias.to_vec();
        bias.resize(blocks * block, 0.0);
        let places = (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column)));
        let offsets = places.map(|(row, column)| {
            let beside = shape.step() - 1;
            [(0, 0), (0, beside), (beside, 0), (beside, beside)]
                .map(|(down, right)| shape.offset(row + down, column + right))
        });
        Self {
            shape,
            instructions,
            block,
            weights: packed,
            bias,
            offsets: offsets.collect(),
            least: if relu { 0.0 } else { f32::NEG_INFINITY },
        }
    }

    /// The layer with these of its maps alone.
    pub(crate) fn of_maps(&self, maps: Range<usize>) -> Self {
        let taps = self.offsets.len() * self.shape.input[0];
        let weights: Vec<f32> = maps
            .clone()
            .flat_map(|map| {
                let first = map / self.block * taps * self.block + map % self.block;
                (0..taps).map(move |tap| self.weights[first + tap * self.block])
            })
            .collect();
        let shape = ConvShape { maps: maps.len(), ..self.shape };
        Self::new(shape, &weights, &self.bias[maps], self.has_relu(), self.instructions)
    }

    pub(crate) const fn shape(&self) -> &ConvShape {
        &self.shape
    }

    pub(crate) const fn has_relu(&self) -> bool {
        self.least == 0.0
    }

    /// Floats that [`Self::run`] wants of its workspace.
    pub(crate) const fn workspace(&self) -> usize {
        let [channels, height, width] = self.shape.input;
        // the last vector of a tile reads past what it needs
        channels * self.shape.channel_length() + self.instructions.lanes() + height * width
    }

    /// One image: `input` is `[channel][row][column]`, `output` `[map][row][column]`.
    pub(crate) fn run<V: Value>(&self, input: &[V], workspace: &mut [f32], output: &mut [f32]) {
        self.instructions.run(Task { layer: self, input, workspace, output });
    }
}

/// As many maps as the registers hold beside the inputs and a weight, of few to spare in the last block.
fn block(shape: &ConvShape, instructions: Instructions) -> usize {
    let (most, least) = match (instructions.registers(), shape.pooled) {
        (32, true) => (6, 4),
        (_, true) => (2, 2),
        (_, false) => (8, 6),
    };
    let spare = |block: &usize| shape.maps.next_multiple_of(*block) - shape.maps;
    (least..=most).rev().min_by_key(spare).unwrap_or(most)
}

struct Task<'a, V> {
    layer: &'a Conv,
    input: &'a [V],
    workspace: &'a mut [f32],
    output: &'a mut [f32],
}

impl<V: Value> WithSimd for Task<'_, V> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { layer, input, workspace, output } = self;
        if layer.shape.pooled {
            lay_out::<V, 2>(&layer.shape, input, workspace);
        } else {
            lay_out::<V, 1>(&layer.shape, input, workspace);
        }
        match (layer.shape.pooled, layer.block) {
            (true, 2) => layer.tiles::<S, 2, 4>(simd, workspace, output),
            (true, 4) => layer.tiles::<S, 4, 4>(simd, workspace, output),
            (true, 5) => layer.tiles::<S, 5, 4>(simd, workspace, output),
            (true, _) => layer.tiles::<S, 6, 4>(simd, workspace, output),
            (false, 6) => layer.tiles::<S, 6, 1>(simd, workspace, output),
            (false, 7) => layer.tiles::<S, 7, 1>(simd, workspace, output),
            (false, _) => layer.tiles::<S, 8, 1>(simd, workspace, output),
        }
    }
}

/// Fills the workspace, but for the room for a channel of floats at its end.
#[inline(always)]
fn lay_out<V: Value, const STEP: usize>(shape: &ConvShape, input: &[V], workspace: &mut [f32]) {
    let [channels, height, width] = shape.input;
    let (workspace, room) = workspace.split_at_mut(workspace.len() - height * width);
    let mut rows = workspace.chunks_exact_mut(shape.output()[2]);
    for channel in input.chunks_exact(height * width).take(channels) {
        let channel = V::floats(channel, room);
        for shift in 0..shape.kernel[1] + STEP - 1 {
            for residue in 0..STEP {
                let layer = rows.by_ref().take(shape.layer_rows());
                for (laid, row) in layer.zip((residue..).step_by(STEP)) {
                    // an odd last row is of no window
                    let Some(from) = channel.get(row * width + shift..(row + 1) * width) else {
                        continue;
                    };
                    for (laid, pixel) in laid.iter_mut().zip(from.iter().step_by(STEP)) {
                        *laid = *pixel;
                    }
                }
            }
        }
    }
}

impl Conv {
    /// All outputs, `BLOCK` maps at a time, of windows of `WINDOW` pixels.
    #[inline(always)]
    fn tiles<S: Simd, const BLOCK: usize, const WINDOW: usize>(
        &self,
        simd: S,
        laid: &[f32],
        output: &mut [f32],
    ) {
        let [_, height, width] = self.shape.output();
        let length = height * width;
        let maps = output.chunks_mut(BLOCK * length);
        let weights = self.weights.chunks_exact(self.weights.len() / (self.bias.len() / BLOCK));
        let biases = self.bias.as_chunks::<BLOCK>().0;
        for ((maps, weights), bias) in maps.zip(weights).zip(biases) {
            for first in (0..length).step_by(S::F32_LANES) {
                let tile = self.tile::<S, BLOCK, WINDOW>(simd, &laid[first..], weights, bias);
                for (map, values) in maps.chunks_exact_mut(length).zip(tile) {
                    store(simd, &mut map[first..], values);
                }
            }
        }
    }

    /// One vector of outputs of each map.
    #[inline(always)]
    fn tile<S: Simd, const BLOCK: usize, const WINDOW: usize>(
        &self,
        simd: S,
        laid: &[f32],
        weights: &[f32],
        bias: &[f32; BLOCK],
    ) -> [S::f32s; BLOCK] {
        let mut sums = [[simd.splat_f32s(0.0); WINDOW]; BLOCK];
        for (sums, bias) in sums.iter_mut().zip(bias) {
            *sums = [simd.splat_f32s(*bias); WINDOW];
        }
        let mut weights = weights.as_chunks::<BLOCK>().0.iter();
        for channel in 0..self.shape.input[0] {
            let laid = &laid[channel * self.shape.channel_length()..];
            for (offsets, weights) in self.offsets.iter().zip(weights.by_ref()) {
                let mut pixels = [simd.splat_f32s(0.0); WINDOW];
                for (pixels, &from) in pixels.iter_mut().zip(offsets) {
                    *pixels = S::as_simd_f32s(&laid[from..from + S::F32_LANES]).0[0];
                }
                for (sums, weight) in sums.iter_mut().zip(weights) {
                    let weight = simd.splat_f32s(*weight);
                    for (sum, pixel) in sums.iter_mut().zip(pixels) {
                        *sum = multiply_add(simd, weight, pixel, *sum);
                    }
                }
            }
        }
        // no closures here: they are not compiled for the vectors
        let mut largest = [simd.splat_f32s(self.least); BLOCK];
        for (largest, window) in largest.iter_mut().zip(sums) {
            for sum in window {
                *largest = simd.max_f32s(*largest, sum);
            }
        }
        largest
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A convolution with its weights, bias, ReLU and input.
    #[derive(Debug, Clone)]
    struct Case {
        shape: ConvShape,
        weights: Vec<f32>,
        bias: Vec<f32>,
        relu: bool,
        input: Vec<f32>,
    }

    prop_compose! {
        fn cases()(
            channels in 1..4_usize,
            maps in 1..14_usize,
            [rows, columns] in [1..6_usize, 1..6_usize],
            [more_rows, more_columns] in [1..16_usize, 1..16_usize],
            [pooled, relu] in [any::<bool>(), any::<bool>()],
        )(
            shape in Just(ConvShape {
                input: [channels, rows + more_rows, columns + more_columns],
                maps,
                kernel: [rows, columns],
                pooled,
            }),
            weights in prop::collection::vec(-1.0..1.0_f32, maps * channels * rows * columns),
            bias in prop::collection::vec(-1.0..1.0_f32, maps),
            relu in Just(relu),
            input in prop::collection::vec(
                -1.0..1.0_f32,
                channels * (rows + more_rows) * (columns + more_columns),
            ),
        ) -> Case {
            Case { shape, weights, bias, relu, input }
        }
    }

    /// By the definition, in f64.
    fn plain(case: &Case) -> Vec<f64> {
        let Case { shape, weights, bias, relu, input } = case;
        let [channels, height, width] = shape.input;
        let [rows, columns] = shape.kernel;
        let [maps, out_height, out_width] = shape.output();
        let pixel = |map: usize, y: usize, x: usize| {
            let mut sum = f64::from(bias[map]);
            for channel in 0..channels {
                for row in 0..rows {
                    for column in 0..columns {
                        let weight =
                            weights[((map * channels + channel) * rows + row) * columns + column];
                        let value = input[(channel * height + y + row) * width + x + column];
                        sum += f64::from(weight) * f64::from(value);
                    }
                }
            }
            if *relu { sum.max(0.0) } else { sum }
        };
        let step = if shape.pooled { 2 } else { 1 };
        let mut output = vec![];
        for map in 0..maps {
            for y in 0..out_height {
                for x in 0..out_width {
                    let window =
                        (0..step).flat_map(|down| (0..step).map(move |right| (down, right)));
                    let values =
                        window.map(|(down, right)| pixel(map, step * y + down, step * x + right));
                    output.push(values.fold(f64::NEG_INFINITY, f64::max));
                }
            }
        }
        output
    }

    proptest! {
        #[test]
        fn every_set_of_instructions_convolves_as_the_definition_does(case in cases()) {
            let expected = plain(&case);
            prop_assume!(!expected.is_empty());
            for instructions in Instructions::available() {
                let Case { shape, weights, bias, relu, input } = &case;
                let conv = Conv::new(*shape, weights, bias, *relu, instructions);
                // what is left from another image does not count
                let mut workspace = vec![f32::NAN; conv.workspace()];
                let mut output = vec![f32::NAN; expected.len()];
                conv.run(input, &mut workspace, &mut output);
                for (found, expected) in output.iter().zip(&expected) {
                    prop_assert!(
                        (f64::from(*found) - expected).abs() < 1e-4,
                        "{instructions}: {found} for {expected}"
                    );
                }
            }
        }
    }
}
