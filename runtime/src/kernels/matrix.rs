//! Convolution of any kernel, stride, padding and groups as a product of matrices, with what follows it: the largest of
//! each 2×2, and the activation.
//!
//! A vector runs over output channels, and each input value is broadcast: maps of any size fill the vectors, a step of
//! the kernel is a step in memory, and a layer of 1×1 kernels is a product of two matrices as they lie. The results
//! come with the channels last.
//!
//! The input is read where it lies, or in a frame with its padding (see [`super::layout`]). An output has a **place** in
//! it, and the values that its kernel sees lie at the same **offsets** from that place as those of any other output.
//!
//! **A tile** is `PIXELS` outputs, any that come one after the other, times `VECTORS` vectors of maps. Its accumulators
//! stay in registers from the first weight to the last; per input value there are the vectors of weights, which
//! all pixels share, and one broadcast for each pixel:
//!
//! ```text
//!                  maps 0..16   maps 16..32             registers of AVX-512 (32), 9 pixels:
//!                 ┌───────────┬────────────┐              18  accumulators
//!       pixel 0   │     Σ     │     Σ      │               2  weights
//!       pixel 1   │     Σ     │     Σ      │               1  the input, broadcast
//!       …         │           │            │
//!       pixel 8   │     Σ     │     Σ      │              AVX2 (16): 6 pixels, 12 + 2 + 1
//!                 └───────────┴────────────┘
//! ```
//!
//! With pooling, four pixels one after the other are a window, whose maximum is taken in registers.

use std::ops::Range;

use network::{Affine, Conv as Geometry, Kind, Layer, POOL};
use pulp::bytemuck::cast_slice;
use pulp::{Simd, WithSimd};

use super::layout::{Frame, Layout};
use super::{Aligned, Clamp, ImageKernel, ImageTask, Instructions, multiply_add, store};

/// Pixels of a pooling window.
const WINDOW: usize = POOL * POOL;

/// A layer with its weights packed for some instructions.
#[derive(Debug)]
pub(crate) struct MatrixConv {
    layer: Layer,
    instructions: Instructions,
    frame: Frame,
    /// Outputs of a tile, before pooling.
    pixels: usize,
    /// For each value that a kernel sees, in the order of the frame, its number among the weights of a map.
    order: Vec<usize>,
    /// Where each of them lies, from the place of the output.
    offsets: Vec<usize>,
    /// Where in the frame each output begins, those of a window one after the other; the last again to fill a tile.
    places: Vec<usize>,
    blocks: Vec<Block>,
    /// `[block][value][map of the block]`
    weights: Aligned,
    /// `[block][map of the block]`
    bias: Aligned,
    clamp: Clamp,
}

/// Maps that are computed together, all of one group.
#[derive(Debug, Clone)]
struct Block {
    maps: Range<usize>,
    /// Vectors that they fill.
    vectors: usize,
    /// Where the group's channels begin in the frame.
    input: usize,
    /// First vector of its weights, in all of them.
    weights: usize,
}

impl MatrixConv {
    /// Packs the weights of a convolution of an input that lies so.
    ///
    /// # Panics
    /// If `layer` is another kind, or `affine` has not its weights.
    pub(crate) fn new(
        layer: &Layer,
        affine: &Affine,
        input_layout: Layout,
        instructions: Instructions,
    ) -> Self {
        let Kind::Conv(conv) = layer.kind() else { panic!("{} is no convolution", layer.name()) };
        let group_maps = conv.maps / conv.groups;
        let instructions = instructions.for_outputs(group_maps);
        let lanes = instructions.lanes();
        let [_, rows, columns] = layer.accumulators();
        let frame = Frame::new(layer.input(), input_layout, &conv, [rows, columns]);
        let order = elements(layer, &conv, input_layout);
        let offset = |&index: &usize| {
            let [rows, columns] = conv.kernel;
            frame.offset(index / columns / rows, index / columns % rows, index % columns)
        };
        let offsets = order.iter().map(offset).collect();
        let mut places = places(layer, &conv, &frame);
        let [vectors, pixels] =
            tile(group_maps.div_ceil(lanes), places.len(), conv.pool, instructions);
        let last = places.last().copied().unwrap_or_default();
        places.resize(places.len().next_multiple_of(pixels), last);
        let rows: Vec<&[f32]> = affine.rows().collect();
        let (mut blocks, mut weights, mut bias) = (vec![], vec![], vec![]);
        for group in 0..conv.groups {
            let channels = layer.input()[0] / conv.groups;
            let end = (group + 1) * group_maps;
            let mut map = group * group_maps;
            while map < end {
                // what is left is done in single vectors
                let vectors = if (end - map).div_ceil(lanes) < vectors { 1 } else { vectors };
                let maps = map..end.min(map + vectors * lanes);
                map = maps.end;
                let unused = vectors * lanes - maps.len();
                let begin = weights.len() / lanes;
                for &index in &order {
                    weights.extend(rows[maps.clone()].iter().map(|row| row[index]));
                    weights.extend((0..unused).map(|_| 0.0));
                }
                bias.extend_from_slice(&affine.bias[maps.clone()]);
                bias.extend((0..unused).map(|_| 0.0));
                let input = frame.offset(group * channels, 0, 0);
                blocks.push(Block { maps, vectors, input, weights: begin });
            }
        }
        let clamp = Clamp::of(conv.activation);
        let layer = layer.clone();
        Self {
            layer,
            instructions,
            frame,
            pixels,
            order,
            offsets,
            places,
            blocks,
            weights: Aligned::from(&weights[..]),
            bias: Aligned::from(&bias[..]),
            clamp,
        }
    }

    /// The reverse of [`Self::new`].
    pub(crate) fn affine(&self) -> Affine {
        let fan_in = self.layer.fan_in();
        let (mut weights, mut bias) = (vec![0.0; self.layer.outputs() * fan_in], vec![]);
        let lanes = self.instructions.lanes();
        let mut biases = &self.bias[..];
        for block in &self.blocks {
            let length = block.vectors * lanes;
            let packed = self.weights[block.weights * lanes..].chunks_exact(length);
            for (packed, index) in packed.zip(&self.order) {
                for (map, weight) in block.maps.clone().zip(packed) {
                    weights[map * fan_in + index] = *weight;
                }
            }
            let (own, rest) = biases.split_at(length);
            bias.extend_from_slice(&own[..block.maps.len()]);
            biases = rest;
        }
        Affine { weights, bias }
    }

    /// Floats that [`Self::run`] wants of its workspace.
    pub(crate) const fn workspace(&self) -> usize {
        self.frame.length()
    }

    /// One image: `input` lies as was said, and `output` is `[row][column][map]`.
    pub(crate) fn run(&self, input: &[f32], workspace: &mut [f32], output: &mut [f32]) {
        self.instructions.run(ImageTask { kernel: self, input, workspace, output });
    }
}

/// For each value that a kernel sees, in the order in which they lie, its number among the weights of a map.
fn elements(layer: &Layer, conv: &Geometry, layout: Layout) -> Vec<usize> {
    let elements = conv.kernel[0] * conv.kernel[1];
    match layout {
        Layout::ChannelsFirst => (0..layer.fan_in()).collect(),
        Layout::ChannelsLast => {
            (0..elements).flat_map(|element| (element..layer.fan_in()).step_by(elements)).collect()
        }
    }
}

/// Where in the frame each output begins; with pooling, the four of a window one after the other.
fn places(layer: &Layer, conv: &Geometry, frame: &Frame) -> Vec<usize> {
    let side = if conv.pool { POOL } else { 1 };
    let [_, height, width] = layer.output();
    let mut places = vec![];
    for (y, x) in (0..height).flat_map(|y| (0..width).map(move |x| (y, x))) {
        for (down, right) in (0..side).flat_map(|down| (0..side).map(move |right| (down, right))) {
            let row = (y * side + down) * conv.stride[0];
            let column = (x * side + right) * conv.stride[1];
            places.push(frame.offset(0, row, column));
        }
    }
    places
}

/// Vectors and pixels of a tile: as many as the registers hold beside the weights, with few unused in the last tile.
fn tile(vectors: usize, outputs: usize, pool: bool, instructions: Instructions) -> [usize; 2] {
    let sizes: &[[usize; 2]] = match (instructions.registers(), pool) {
        (32, false) => &[[1, 8], [1, 9], [2, 8], [2, 9], [4, 4], [4, 5], [4, 6]],
        (32, true) => &[[1, 8], [2, 8], [4, 4]],
        (_, false) => &[[1, 6], [1, 8], [2, 4], [2, 5], [2, 6]],
        (_, true) => &[[1, 8], [2, 4]],
    };
    // in loads and multiply-adds
    let cost = |&[width, pixels]: &[usize; 2]| {
        let blocks = vectors / width * (width * pixels + width + pixels)
            + vectors % width * (1 + pixels + pixels);
        outputs.div_ceil(pixels) * blocks
    };
    // after blocks of four, single vectors would need tiles of their own
    let fits = |width: usize| width <= vectors.max(1) && (width < 4 || vectors.is_multiple_of(4));
    let fitting = sizes.iter().filter(|[width, _]| fits(*width));
    fitting.copied().min_by_key(cost).unwrap_or(sizes[0])
}

impl ImageKernel for MatrixConv {
    #[inline(always)]
    fn run_image<S: Simd>(
        &self,
        simd: S,
        input: &[f32],
        workspace: &mut [f32],
        output: &mut [f32],
    ) {
        let layer = self;
        let frame = if layer.frame.is_input() {
            input
        } else {
            layer.frame.fill(input, workspace);
            workspace
        };
        let mut biases = S::as_simd_f32s(&layer.bias).0;
        for block in &layer.blocks {
            let (bias, rest) = biases.split_at(block.vectors);
            biases = rest;
            layer.block(simd, block, bias, frame, output);
        }
    }
}

impl MatrixConv {
    /// All outputs of a block, in the tiles that its layer has for these instructions.
    #[inline(always)]
    fn block<S: Simd>(
        &self,
        simd: S,
        block: &Block,
        bias: &[S::f32s],
        frame: &[f32],
        output: &mut [f32],
    ) {
        let tiles = Tiles { layer: self, block, bias, frame };
        let pool = self.layer.kind().pool();
        // a tile that the registers do not hold is not compiled
        if S::REGISTER_COUNT >= 32 {
            match (block.vectors, self.pixels, pool) {
                (4, 4, false) => run::<S, 4, 4, 1>(simd, &tiles, output),
                (4, 5, false) => run::<S, 4, 5, 1>(simd, &tiles, output),
                (4, _, false) => run::<S, 4, 6, 1>(simd, &tiles, output),
                (2, 8, false) => run::<S, 2, 8, 1>(simd, &tiles, output),
                (2, _, false) => run::<S, 2, 9, 1>(simd, &tiles, output),
                (_, 8, false) => run::<S, 1, 8, 1>(simd, &tiles, output),
                (_, _, false) => run::<S, 1, 9, 1>(simd, &tiles, output),
                (4, _, true) => run::<S, 4, 4, WINDOW>(simd, &tiles, output),
                (2, _, true) => run::<S, 2, 8, WINDOW>(simd, &tiles, output),
                (_, _, true) => run::<S, 1, 8, WINDOW>(simd, &tiles, output),
            }
        } else {
            match (block.vectors, self.pixels, pool) {
                (2, 4, false) => run::<S, 2, 4, 1>(simd, &tiles, output),
                (2, 5, false) => run::<S, 2, 5, 1>(simd, &tiles, output),
                (2, _, false) => run::<S, 2, 6, 1>(simd, &tiles, output),
                (2, _, true) => run::<S, 2, 4, WINDOW>(simd, &tiles, output),
                (_, 4, false) => run::<S, 1, 4, 1>(simd, &tiles, output),
                (_, 5, false) => run::<S, 1, 5, 1>(simd, &tiles, output),
                (_, 6, false) => run::<S, 1, 6, 1>(simd, &tiles, output),
                (_, _, false) => run::<S, 1, 8, 1>(simd, &tiles, output),
                (_, 4, true) => run::<S, 1, 4, WINDOW>(simd, &tiles, output),
                (_, _, true) => run::<S, 1, 8, WINDOW>(simd, &tiles, output),
            }
        }
    }
}

/// All outputs of some maps.
struct Tiles<'a, V> {
    layer: &'a MatrixConv,
    block: &'a Block,
    /// As vectors.
    bias: &'a [V],
    frame: &'a [f32],
}

/// Writes them, `PIXELS` at a time, the largest of each `WINDOW`.
#[inline(always)]
fn run<S: Simd, const VECTORS: usize, const PIXELS: usize, const WINDOW: usize>(
    simd: S,
    tiles: &Tiles<'_, S::f32s>,
    output: &mut [f32],
) {
    let Tiles { layer, block, bias, frame } = *tiles;
    let maps = layer.layer.outputs();
    let length = VECTORS * layer.order.len();
    let weights = &S::as_simd_f32s(&layer.weights).0[block.weights..][..length];
    let weights = weights.as_chunks::<VECTORS>().0;
    let bias = <[S::f32s; VECTORS]>::try_from(bias).expect("a block's biases");
    let frame = &frame[block.input..];
    let outputs = output.chunks_mut(PIXELS / WINDOW * maps);
    let is_whole = block.maps.len() == VECTORS * S::F32_LANES;
    for (places, output) in layer.places.as_chunks::<PIXELS>().0.iter().zip(outputs) {
        let sums = sum::<S, VECTORS, PIXELS>(simd, bias, frame, places, &layer.offsets, weights);
        let results = finish::<S, VECTORS, PIXELS, WINDOW>(simd, sums, layer.clamp);
        if is_whole && output.len() == PIXELS / WINDOW * maps {
            for (index, result) in results.iter().enumerate().take(PIXELS / WINDOW) {
                let first = index * maps + block.maps.start;
                let to = &mut output[first..first + VECTORS * S::F32_LANES];
                for (to, result) in S::as_mut_simd_f32s(to).0.iter_mut().zip(result) {
                    *to = *result;
                }
            }
        } else {
            store_some(simd, results, block, maps, output);
        }
    }
}

/// The largest of each window, clamped; behind them is nothing of use.
#[inline(always)]
fn finish<S: Simd, const VECTORS: usize, const PIXELS: usize, const WINDOW: usize>(
    simd: S,
    sums: [[S::f32s; VECTORS]; PIXELS],
    clamp: Clamp,
) -> [[S::f32s; VECTORS]; PIXELS] {
    let mut results = sums;
    for window in 0..PIXELS / WINDOW {
        for vector in 0..VECTORS {
            let mut largest = sums[window * WINDOW][vector];
            for pixel in 1..WINDOW {
                largest = simd.max_f32s(largest, sums[window * WINDOW + pixel][vector]);
            }
            results[window][vector] = clamp.apply(simd, largest);
        }
    }
    results
}

/// Writes as many of the results as there is room for, of a copy, so that the others stay in registers.
#[inline(always)]
fn store_some<S: Simd, const VECTORS: usize, const PIXELS: usize>(
    simd: S,
    results: [[S::f32s; VECTORS]; PIXELS],
    block: &Block,
    maps: usize,
    output: &mut [f32],
) {
    let results = cast_slice(results.as_flattened());
    simd.vectorize(StoreSome { results, block, maps, output });
}

/// By itself, so that it is compiled once for all tiles.
struct StoreSome<'a> {
    /// `[pixel][map of the block]`
    results: &'a [f32],
    block: &'a Block,
    /// Of the layer.
    maps: usize,
    output: &'a mut [f32],
}

impl WithSimd for StoreSome<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { results, block, maps, output } = self;
        let results = S::as_simd_f32s(results).0.chunks_exact(block.vectors);
        for (result, output) in results.zip(output.chunks_exact_mut(maps)) {
            let output = output[block.maps.clone()].chunks_mut(S::F32_LANES);
            for (to, result) in output.zip(result) {
                store(simd, to, *result);
            }
        }
    }
}

/// The sums of a tile, which begin as its biases.
#[inline(always)]
fn sum<S: Simd, const VECTORS: usize, const PIXELS: usize>(
    simd: S,
    bias: [S::f32s; VECTORS],
    frame: &[f32],
    places: &[usize; PIXELS],
    offsets: &[usize],
    weights: &[[S::f32s; VECTORS]],
) -> [[S::f32s; VECTORS]; PIXELS] {
    let mut sums = [bias; PIXELS];
    // of equal length, so that one check of an offset is enough
    let length = offsets[offsets.len() - 1] + 1;
    let mut inputs = [&frame[..0]; PIXELS];
    for (input, place) in inputs.iter_mut().zip(places) {
        *input = &frame[*place..][..length];
    }
    for (offset, weights) in offsets.iter().zip(weights) {
        for (sums, input) in sums.iter_mut().zip(inputs) {
            let input = simd.splat_f32s(input[*offset]);
            for (sum, weight) in sums.iter_mut().zip(weights) {
                *sum = multiply_add(simd, input, *weight, *sum);
            }
        }
    }
    sums
}
