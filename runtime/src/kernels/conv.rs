//! Convolution without padding, with what follows it: ReLU, and the largest of each 2×2.
//!
//! A vector runs over neighbouring pixels of one output map. So that any vector of outputs needs one contiguous vector
//! of inputs per weight, the input is first copied into **shifted planes**: for each column of the kernel, the input
//! shifted left by that column and cut to the output's width, its rows end to end. A row of the kernel is then an
//! offset into a plane:
//!
//! ```text
//! input, 4 wide      plane of column 0     plane of column 1     plane of column 2     kernel 3 wide, output 2 wide
//!  a b c d             a b                   b c                   c d
//!  e f g h             e f                   f g                   g h
//!  i j k l             i j                   j k                   k l
//!
//! as they lie in memory: a b e f i j …       output (y, x) · weight (row, column) = plane[column][(y + row) · 2 + x]
//! ```
//!
//! Without planes a vector would end where a row of the output ends: rows of 12 or 4 pixels would fill a vector of 16
//! badly. With them, the last lane of one row is followed by the first of the next.
//!
//! With pooling, a lane is a 2×2 window: its four pixels are four vectors, whose maximum is the pooled value, so the
//! full map is never written. For that a plane holds every second column, and even and odd rows are planes of their own.
//!
//! **A tile** is one vector of windows of `BLOCK` maps. Its accumulators stay in registers from the first weight to the
//! last; per weight and map there is one broadcast and a multiply-add for each pixel of the window:
//!
//! ```text
//!                     window pixels              registers of AVX-512 (32), pooled, 5 maps:
//!                   ┌────┬────┬────┬────┐          20  accumulators
//!           map 0   │ Σ  │ Σ  │ Σ  │ Σ  │           4  inputs, one for each pixel of the window
//!           map 1   │ Σ  │ Σ  │ Σ  │ Σ  │           1  the weight, broadcast
//!           …       │    │    │    │    │          ──
//!           map 4   │ Σ  │ Σ  │ Σ  │ Σ  │          25; six maps take 29, seven would spill
//!                   └────┴────┴────┴────┘          AVX2 (16): two maps, 8 + 4 + 1 = 13
//! ```
//!
//! Four inputs are loaded for 20 multiply-adds, so the loads hide behind them: the kernel runs at what the core's
//! multipliers can do (`runtime bench --profile` prints how near).

mod planes;

use std::ops::Range;

use network::{Affine, Conv as Geometry, Kind, Layer, POOL};
use pulp::Simd;

use super::{Clamp, ImageKernel, ImageTask, Instructions, Value, multiply_add, store};
use planes::{Planes, ShiftTask};

/// A layer with its weights packed for some instructions.
#[derive(Debug)]
pub(crate) struct Conv {
    layer: Layer,
    planes: Planes,
    instructions: Instructions,
    /// Maps that a tile computes at once.
    block: usize,
    /// `[block of maps][channel][row][column][map in its block]`, of whole blocks: the order in which a tile reads them.
    weights: Vec<f32>,
    /// `[map]`, of whole blocks.
    bias: Vec<f32>,
    /// For each kernel element, where the inputs of the four pixels of a window lie; without pooling the first.
    offsets: Vec<[usize; 4]>,
    clamp: Clamp,
}

impl Conv {
    /// Whether this kernel can do it, and is the faster one.
    pub(crate) fn does(conv: &Geometry) -> bool {
        let plain = conv.padding.is_none() && conv.stride == [1; 2] && conv.groups == 1;
        plain && conv.kernel != [1; 2]
    }

    /// Packs the weights of a convolution.
    ///
    /// # Panics
    /// If `layer` is another kind, or `affine` has not its weights.
    pub(crate) fn new(layer: &Layer, affine: &Affine, instructions: Instructions) -> Self {
        let Kind::Conv(Geometry { maps, kernel: [rows, columns], activation, .. }) = layer.kind()
        else {
            panic!("{} is no convolution", layer.name());
        };
        let planes = Planes::of(layer, [rows, columns]);
        let block = block(layer, instructions);
        let blocks = maps.div_ceil(block);
        let mut packed = vec![0.0; blocks * layer.fan_in() * block];
        for (map, weights) in affine.rows().enumerate() {
            let first = map / block * layer.fan_in() * block + map % block;
            for (index, weight) in weights.iter().enumerate() {
                packed[first + index * block] = *weight;
            }
        }
        let mut bias = affine.bias.clone();
        bias.resize(blocks * block, 0.0);
        let elements = (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column)));
        let offsets = elements.map(|(row, column)| {
            let beside = planes.step - 1;
            [(0, 0), (0, beside), (beside, 0), (beside, beside)]
                .map(|(down, right)| planes.offset(row + down, column + right))
        });
        Self {
            layer: layer.clone(),
            planes,
            instructions,
            block,
            weights: packed,
            bias,
            offsets: offsets.collect(),
            clamp: Clamp::of(activation),
        }
    }

    /// What [`Self::new`] needs for these of the maps alone.
    pub(crate) fn weights_of_maps(&self, maps: Range<usize>) -> Affine {
        let fan_in = self.layer.fan_in();
        let weights = maps.clone().flat_map(|map| {
            let first = map / self.block * fan_in * self.block + map % self.block;
            (0..fan_in).map(move |index| self.weights[first + index * self.block])
        });
        Affine { weights: weights.collect(), bias: self.bias[maps].to_vec() }
    }

    /// Floats that [`Self::run`] wants of its workspace.
    pub(crate) const fn workspace(&self) -> usize {
        let [channels, height, width] = self.planes.input;
        // the last vector of a tile reads past what it needs
        channels * self.planes.channel_length() + self.instructions.lanes() + height * width
    }

    /// One image: `input` is `[channel][row][column]`, `output` `[map][row][column]`.
    pub(crate) fn run<V: Value>(&self, input: &[V], workspace: &mut [f32], output: &mut [f32]) {
        // by itself, so that the tiles are not compiled for each kind of input
        self.instructions.run(ShiftTask { planes: &self.planes, input, workspace });
        let (input, workspace) = (&*workspace, &mut [][..]);
        self.instructions.run(ImageTask { kernel: self, input, workspace, output });
    }
}

/// As many maps as the registers hold beside the inputs and a weight, with few unused in the last block.
fn block(layer: &Layer, instructions: Instructions) -> usize {
    let (max, min) = match (instructions.registers(), layer.kind().pool()) {
        (32, true) => (6, 4),
        (_, true) => (2, 2),
        (_, false) => (8, 6),
    };
    let unused = |block: &usize| layer.outputs().next_multiple_of(*block) - layer.outputs();
    (min..=max).rev().min_by_key(unused).unwrap_or(max)
}

impl ImageKernel for Conv {
    /// `planes` is the input in shifted planes.
    #[inline(always)]
    fn run_image<S: Simd>(&self, simd: S, planes: &[f32], _: &mut [f32], output: &mut [f32]) {
        let pool = self.planes.step == POOL;
        // a tile that the registers do not hold is not compiled
        if S::REGISTER_COUNT >= 32 {
            match (pool, self.block) {
                (true, 4) => self.tiles::<S, 4, 4>(simd, planes, output),
                (true, 5) => self.tiles::<S, 5, 4>(simd, planes, output),
                (true, _) => self.tiles::<S, 6, 4>(simd, planes, output),
                (false, 6) => self.tiles::<S, 6, 1>(simd, planes, output),
                (false, 7) => self.tiles::<S, 7, 1>(simd, planes, output),
                (false, _) => self.tiles::<S, 8, 1>(simd, planes, output),
            }
        } else {
            match (pool, self.block) {
                (true, _) => self.tiles::<S, 2, 4>(simd, planes, output),
                (false, 6) => self.tiles::<S, 6, 1>(simd, planes, output),
                (false, 7) => self.tiles::<S, 7, 1>(simd, planes, output),
                (false, _) => self.tiles::<S, 8, 1>(simd, planes, output),
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
        planes: &[f32],
        output: &mut [f32],
    ) {
        let [_, height, width] = self.layer.output();
        let length = height * width;
        let maps = output.chunks_mut(BLOCK * length);
        let weights = self.weights.chunks_exact(self.weights.len() / (self.bias.len() / BLOCK));
        let biases = self.bias.as_chunks::<BLOCK>().0;
        for ((maps, weights), bias) in maps.zip(weights).zip(biases) {
            for first in (0..length).step_by(S::F32_LANES) {
                let tile = self.tile::<S, BLOCK, WINDOW>(simd, &planes[first..], weights, bias);
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
        planes: &[f32],
        weights: &[f32],
        bias: &[f32; BLOCK],
    ) -> [S::f32s; BLOCK] {
        let mut sums = [[simd.splat_f32s(0.0); WINDOW]; BLOCK];
        for (sums, bias) in sums.iter_mut().zip(bias) {
            *sums = [simd.splat_f32s(*bias); WINDOW];
        }
        let mut weights = weights.as_chunks::<BLOCK>().0.iter();
        for channel in 0..self.planes.input[0] {
            let planes = &planes[channel * self.planes.channel_length()..];
            for (offsets, weights) in self.offsets.iter().zip(weights.by_ref()) {
                let mut pixels = [simd.splat_f32s(0.0); WINDOW];
                for (pixels, &from) in pixels.iter_mut().zip(offsets) {
                    *pixels = S::as_simd_f32s(&planes[from..from + S::F32_LANES]).0[0];
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
        let mut largest = [simd.splat_f32s(self.clamp.floor); BLOCK];
        for (largest, window) in largest.iter_mut().zip(sums) {
            for sum in window {
                *largest = simd.max_f32s(*largest, sum);
            }
            *largest = self.clamp.below_ceiling(simd, *largest);
        }
        largest
    }
}

#[cfg(test)]
mod tests {
    use network::Activation;
    use proptest::prelude::*;

    use super::*;

    /// A convolution with its weights, and an input.
    #[derive(Debug, Clone)]
    struct Case {
        layer: Layer,
        affine: Affine,
        input: Vec<f32>,
    }

    prop_compose! {
        fn cases()(
            channels in 1..4_usize,
            maps in 1..14_usize,
            kernel in [1..6_usize, 1..6_usize],
            more in [1..16_usize, 1..16_usize],
            [pool, relu] in [any::<bool>(), any::<bool>()],
        )(
            layer in Just({
                let activation = if relu { Activation::Relu } else { Activation::None };
                let conv = Geometry { activation, pool, ..Geometry::new(maps, kernel) };
                let input = [channels, kernel[0] + more[0], kernel[1] + more[1]];
                Layer::alone(input, Kind::Conv(conv)).unwrap()
            }),
            weights in prop::collection::vec(-1.0..1.0_f32, maps * channels * kernel[0] * kernel[1]),
            bias in prop::collection::vec(-1.0..1.0_f32, maps),
            input in prop::collection::vec(
                -1.0..1.0_f32,
                channels * (kernel[0] + more[0]) * (kernel[1] + more[1]),
            ),
        ) -> Case {
            Case { layer, affine: Affine { weights, bias }, input }
        }
    }

    /// By the definition, in f64.
    fn by_definition(Case { layer, affine, input }: &Case) -> Vec<f64> {
        let Kind::Conv(Geometry { maps, kernel: [rows, columns], activation, pool, .. }) =
            layer.kind()
        else {
            panic!("a convolution");
        };
        let ([channels, height, width], [_, out_height, out_width]) =
            (layer.input(), layer.output());
        let pixel = |map: usize, y: usize, x: usize| {
            let mut sum = f64::from(affine.bias[map]);
            for channel in 0..channels {
                for row in 0..rows {
                    for column in 0..columns {
                        let weight = affine.weights
                            [((map * channels + channel) * rows + row) * columns + column];
                        let value = input[(channel * height + y + row) * width + x + column];
                        sum += f64::from(weight) * f64::from(value);
                    }
                }
            }
            sum.max(f64::from(activation.range()[0]))
        };
        let step = if pool { 2 } else { 1 };
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
            let expected = by_definition(&case);
            let Case { layer, affine, input } = &case;
            let of_reference = layer.apply(affine, input);
            prop_assert_eq!(of_reference.len(), expected.len());
            for (found, expected) in of_reference.iter().zip(&expected) {
                let off = (f64::from(*found) - expected).abs();
                prop_assert!(off < 1e-4, "reference: {found} for {expected}");
            }
            for instructions in Instructions::available() {
                let conv = Conv::new(layer, affine, instructions);
                prop_assert_eq!(&conv.weights_of_maps(0..layer.outputs()), affine);
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
