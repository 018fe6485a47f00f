//! Convolution with fewer products, by Winograd's minimal filtering.

mod transform;

use std::ops::Range;

use network::{Affine, Conv as Geometry, Kind, Layer, POOL};
use pulp::{Simd, WithSimd};

use super::{Instructions, Value, multiply_add};
use transform::{kernel_matrix, of_input, to_outputs};

/// Bytes of a line of the cache, in floats: a vector that straddles two lines takes twice as long to load.
const LINE: usize = 16;

/// Which minimal filtering.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tile {
    /// Side of the square of outputs that are computed together.
    pub(crate) outputs: usize,
    /// Side of the kernel.
    pub(crate) kernel: usize,
}

impl Tile {
    /// Those with which a layer can be computed.
    fn possible(layer: &Layer) -> &'static [Self] {
        let Kind::Conv(conv) = layer.kind() else { return &[] };
        match conv {
            Geometry { kernel: [3, 3], stride: [1, 1], groups: 1, .. } => {
                &[Self { outputs: 2, kernel: 3 }, Self { outputs: 4, kernel: 3 }]
            }
            Geometry { kernel: [5, 5], stride: [1, 1], groups: 1, .. } => {
                &[Self { outputs: 2, kernel: 5 }, Self { outputs: 4, kernel: 5 }]
            }
            _ => &[],
        }
    }

    fn fastest(layer: &Layer, _: Instructions) -> Option<Self> {
        let enough = layer.input()[0] >= 16;
        Self::possible(layer).last().copied().filter(|_| enough)
    }

    /// Side of the square of inputs, and of their elements.
    pub(crate) const fn size(self) -> usize {
        self.outputs + self.kernel - 1
    }
}

/// How many vectors of maps, and tiles, are multiplied at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Block {
    pub(crate) vectors: usize,
    pub(crate) tiles: usize,
}

impl Block {
    fn fastest(layer: &Layer, instructions: Instructions) -> Self {
        if layer.outputs().div_ceil(instructions.lanes()) % 2 == 0 {
            Self { vectors: 2, tiles: 4 }
        } else {
            Self { vectors: 1, tiles: 8 }
        }
    }
}

/// A layer with its weights transformed for some instructions.
#[derive(Debug)]
pub(crate) struct Winograd {
    layer: Layer,
    affine: Affine,
    instructions: Instructions,
    tile: Tile,
    block: Block,
    /// Tiles below each other, and side by side.
    tiles: [usize; 2],
    /// `[group of maps][element][channel][map of the group]`
    weights: Lines,
    /// `[map]`, of whole groups.
    bias: Lines,
}

/// Floats that begin with a line of the cache.
#[derive(Debug)]
struct Lines {
    floats: Vec<f32>,
    start: usize,
}

impl Lines {
    fn of(values: &[f32]) -> Self {
        let mut floats = vec![0.0; values.len() + LINE];
        let start = line_start(&floats);
        floats[start..start + values.len()].copy_from_slice(values);
        floats.truncate(start + values.len());
        Self { floats, start }
    }

    fn get(&self) -> &[f32] {
        &self.floats[self.start..]
    }
}

/// Where the first line of the cache begins.
fn line_start(floats: &[f32]) -> usize {
    floats.as_ptr().align_offset(LINE * size_of::<f32>()).min(LINE)
}

/// Where everything lies in the workspace.
#[derive(Debug, Clone, Copy)]
struct Room {
    /// `[row][column][channel]`: the input with its padding.
    picture: usize,
    /// Of one element, `[tile][channel]`.
    element: usize,
    /// `[row][column][map]`: the output.
    result: usize,
}

impl Winograd {
    /// Whether it is the fastest for this layer.
    pub(crate) fn suits(layer: &Layer, instructions: Instructions) -> bool {
        Tile::fastest(layer, instructions).is_some()
    }

    /// Transforms the weights of a convolution of stride 1, of one group, with a square kernel of 3 or 5.
    ///
    /// # Panics
    /// If `layer` is another kind, or `affine` has not its weights.
    pub(crate) fn new(layer: &Layer, affine: &Affine, instructions: Instructions) -> Self {
        let tile = Tile::fastest(layer, instructions).expect("a layer that suits");
        Self::with(layer, affine, instructions, tile, Block::fastest(layer, instructions))
    }

    /// Transforms the weights of a convolution.
    ///
    /// # Panics
    /// If `layer` is another kind, or `affine` has not its weights.
    pub(crate) fn with(
        layer: &Layer,
        affine: &Affine,
        instructions: Instructions,
        tile: Tile,
        block: Block,
    ) -> Self {
        let [_, rows, columns] = layer.output();
        let step = if layer.kind().pool() { POOL } else { 1 };
        let tiles = [rows, columns].map(|outputs| (outputs * step).div_ceil(tile.outputs));
        let group = block.vectors * instructions.lanes();
        let maps = layer.outputs().next_multiple_of(group);
        let mut bias = affine.bias.clone();
        bias.resize(maps, 0.0);
        let (size, kernel, channels) = (tile.size(), tile.kernel, layer.input()[0]);
        let matrix = kernel_matrix(size, kernel);
        let mut weights = vec![0.0; maps * size * size * channels];
        for (map, of_map) in affine.rows().enumerate() {
            for (channel, of_channel) in of_map.chunks(kernel * kernel).enumerate() {
                for (row, down) in matrix.iter().enumerate() {
                    for (column, right) in matrix.iter().enumerate() {
                        let products = of_channel.iter().enumerate().map(|(index, weight)| {
                            down[index / kernel] * right[index % kernel] * f64::from(*weight)
                        });
                        let element = map / group * size * size + row * size + column;
                        weights[(element * channels + channel) * group + map % group] =
                            products.sum::<f64>() as f32;
                    }
                }
            }
        }
        Self {
            layer: layer.clone(),
            affine: affine.clone(),
            instructions,
            tile,
            block,
            tiles,
            weights: Lines::of(&weights),
            bias: Lines::of(&bias),
        }
    }

    /// What [`Self::new`] needs for these of the maps alone.
    pub(crate) fn weights_of_maps(&self, maps: Range<usize>) -> Affine {
        let fan_in = self.layer.fan_in();
        let weights = self.affine.weights[maps.start * fan_in..maps.end * fan_in].to_vec();
        Affine { weights, bias: self.affine.bias[maps].to_vec() }
    }

    /// Rows and columns of the input with its padding, as far as tiles go.
    fn picture(&self) -> [usize; 2] {
        self.tiles.map(|tiles| tiles * self.tile.outputs + self.tile.kernel - 1)
    }

    fn room(&self) -> Room {
        let lanes = self.instructions.lanes();
        let [rows, columns] = self.picture();
        let [channels, _, _] = self.layer.input();
        let [_, height, width] = self.layer.output();
        // the last vector of channels goes past them
        let whole = |floats: usize| (floats + lanes).next_multiple_of(LINE);
        Room {
            picture: whole(rows * columns * channels),
            element: (self.block.tiles * channels + channels.next_multiple_of(lanes) - channels)
                .next_multiple_of(LINE),
            result: whole(height * width * self.bias.get().len()),
        }
    }

    /// Floats that [`Self::run`] wants of its workspace.
    pub(crate) fn workspace(&self) -> usize {
        let [_, height, width] = self.layer.input();
        let Room { picture, element, result } = self.room();
        let size = self.tile.size();
        let block = self.block.vectors * self.instructions.lanes() * self.block.tiles;
        let products = (size + size * self.tile.outputs) * block;
        LINE + picture + size * size * element + products + result + height * width
    }

    /// One image: `input` is `[channel][row][column]`, `output` `[map][row][column]`.
    pub(crate) fn run<V: Value>(&self, input: &[V], workspace: &mut [f32], output: &mut [f32]) {
        self.instructions.run(Task { layer: self, input, workspace, output });
    }
}

struct Task<'a, V> {
    layer: &'a Winograd,
    input: &'a [V],
    workspace: &'a mut [f32],
    output: &'a mut [f32],
}

impl<V: Value> WithSimd for Task<'_, V> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { layer, input, workspace, output } = self;
        match (layer.tile.size(), layer.tile.outputs, layer.layer.kind().pool()) {
            (4, _, false) => layer.convolve::<V, S, 4, 2, 1>(simd, input, workspace, output),
            (4, _, true) => layer.convolve::<V, S, 4, 2, 2>(simd, input, workspace, output),
            (6, 2, false) => layer.convolve::<V, S, 6, 2, 1>(simd, input, workspace, output),
            (6, 2, true) => layer.convolve::<V, S, 6, 2, 2>(simd, input, workspace, output),
            (6, _, false) => layer.convolve::<V, S, 6, 4, 1>(simd, input, workspace, output),
            (6, _, true) => layer.convolve::<V, S, 6, 4, 2>(simd, input, workspace, output),
            (_, _, false) => layer.convolve::<V, S, 8, 4, 1>(simd, input, workspace, output),
            (_, _, true) => layer.convolve::<V, S, 8, 4, 2>(simd, input, workspace, output),
        }
    }
}

impl Winograd {
    #[inline(always)]
    fn convolve<V: Value, S: Simd, const SIZE: usize, const OUTPUTS: usize, const STEP: usize>(
        &self,
        simd: S,
        input: &[V],
        workspace: &mut [f32],
        output: &mut [f32],
    ) {
        let room = self.room();
        let group = self.block.vectors * S::F32_LANES;
        let (_, workspace) = workspace.split_at_mut(line_start(workspace));
        let (picture, workspace) = workspace.split_at_mut(room.picture);
        let (elements, workspace) = workspace.split_at_mut(SIZE * SIZE * room.element);
        let (products, workspace) = workspace.split_at_mut(SIZE * group * self.block.tiles);
        let (rows, workspace) = workspace.split_at_mut(SIZE * OUTPUTS * group * self.block.tiles);
        let (result, workspace) = workspace.split_at_mut(room.result);
        self.place(input, picture, workspace);
        let maps = self.bias.get().len();
        let [_, width] = self.picture();
        let channels = self.layer.input()[0];
        let tiles = self.tiles[0] * self.tiles[1];
        let [_, height_out, width_out] = self.layer.output();
        for first in (0..tiles).step_by(self.block.tiles) {
            let count = self.block.tiles.min(tiles - first);
            for number in 0..count {
                let [y, x] = [(first + number) / self.tiles[1], (first + number) % self.tiles[1]];
                let from = (y * OUTPUTS * width + x * OUTPUTS) * channels;
                for channel in (0..channels).step_by(S::F32_LANES) {
                    transform_tile::<S, SIZE>(
                        simd,
                        &picture[from + channel..],
                        [width * channels, channels],
                        &mut elements[number * channels + channel..],
                        room.element,
                    );
                }
            }
            let weights = self.weights.get().chunks_exact(SIZE * SIZE * channels * group);
            for (number, weights) in weights.enumerate() {
                let weights = weights.chunks_exact(SIZE * channels * group);
                let elements = elements.chunks_exact(SIZE * room.element);
                let length = OUTPUTS * group * self.block.tiles;
                for ((weights, elements), row) in
                    weights.zip(elements).zip(rows.chunks_exact_mut(length))
                {
                    self.multiply_row::<S, SIZE>(simd, weights, elements, room.element, products);
                    finish_row::<S, SIZE, OUTPUTS>(simd, products, row);
                }
                let bias = &self.bias.get()[number * group..];
                for tile in 0..count {
                    let [y, x] = [(first + tile) / self.tiles[1], (first + tile) % self.tiles[1]];
                    let [y, x] = [y * OUTPUTS / STEP, x * OUTPUTS / STEP];
                    for vector in 0..self.block.vectors {
                        let at = (tile * self.block.vectors + vector) * S::F32_LANES;
                        let outputs = finish_tile::<S, SIZE, OUTPUTS>(
                            simd,
                            &rows[at..],
                            group * self.block.tiles,
                        );
                        let bias = S::as_simd_f32s(&bias[vector * S::F32_LANES..]).0[0];
                        let map = number * group + vector * S::F32_LANES;
                        for row in 0..OUTPUTS / STEP {
                            for column in 0..OUTPUTS / STEP {
                                let mut value = outputs[row * STEP][column * STEP];
                                if STEP == 2 {
                                    let beside = outputs[row * STEP][column * STEP + STEP - 1];
                                    let below = outputs[row * STEP + STEP - 1][column * STEP];
                                    let both =
                                        outputs[row * STEP + STEP - 1][column * STEP + STEP - 1];
                                    value = simd.max_f32s(
                                        simd.max_f32s(value, beside),
                                        simd.max_f32s(below, both),
                                    );
                                }
                                if y + row < height_out && x + column < width_out {
                                    let [floor, ceiling] = self.layer.kind().activation().range();
                                    let value = simd.add_f32s(value, bias);
                                    let value = simd.max_f32s(simd.splat_f32s(floor), value);
                                    let value = simd.min_f32s(simd.splat_f32s(ceiling), value);
                                    let pixel = (y + row) * width_out + x + column;
                                    S::as_mut_simd_f32s(&mut result[pixel * maps + map..]).0[0] =
                                        value;
                                }
                            }
                        }
                    }
                }
            }
        }
        let pixels = height_out * width_out;
        for (pixel, values) in result.chunks_exact(maps).take(pixels).enumerate() {
            for (value, to) in values.iter().zip(output.chunks_exact_mut(pixels)) {
                to[pixel] = *value;
            }
        }
    }

    /// Puts the input with its padding into `picture`, the channels of each pixel side by side.
    #[inline(always)]
    fn place<V: Value>(&self, input: &[V], picture: &mut [f32], room: &mut [f32]) {
        let [channels, height, width] = self.layer.input();
        let Kind::Conv(Geometry { padding, .. }) = self.layer.kind() else { return };
        let [rows, columns] = self.picture();
        if !padding.is_none() || rows > height || columns > width {
            picture.fill(0.0);
        }
        for (number, channel) in input.chunks_exact(height * width).take(channels).enumerate() {
            let channel = V::floats(channel, room);
            let to_rows = picture.chunks_exact_mut(columns * channels).take(rows);
            for (to, from) in to_rows.skip(padding.top).zip(channel.chunks_exact(width)) {
                let pixels = to.chunks_exact_mut(channels).skip(padding.left);
                for (to, from) in pixels.zip(from) {
                    to[number] = *from;
                }
            }
        }
    }

    #[inline(always)]
    fn multiply_row<S: Simd, const SIZE: usize>(
        &self,
        simd: S,
        weights: &[f32],
        elements: &[f32],
        element: usize,
        products: &mut [f32],
    ) {
        match (self.block.vectors, self.block.tiles) {
            (4, 4) => self.multiply::<S, SIZE, 4, 4>(simd, weights, elements, element, products),
            (3, 4) => self.multiply::<S, SIZE, 3, 4>(simd, weights, elements, element, products),
            (2, 4) => self.multiply::<S, SIZE, 2, 4>(simd, weights, elements, element, products),
            (1, 8) => self.multiply::<S, SIZE, 1, 8>(simd, weights, elements, element, products),
            (1, 4) => self.multiply::<S, SIZE, 1, 4>(simd, weights, elements, element, products),
            (2, 6) => self.multiply::<S, SIZE, 2, 6>(simd, weights, elements, element, products),
            (2, 8) => self.multiply::<S, SIZE, 2, 8>(simd, weights, elements, element, products),
            _ => unreachable!("no such block"),
        }
    }

    #[inline(always)]
    fn multiply<S: Simd, const SIZE: usize, const VECTORS: usize, const TILES: usize>(
        &self,
        simd: S,
        weights: &[f32],
        elements: &[f32],
        element: usize,
        products: &mut [f32],
    ) {
        let channels = self.layer.input()[0];
        let weights = weights.chunks_exact(channels * VECTORS * S::F32_LANES);
        let products = S::as_mut_simd_f32s(products).0.as_chunks_mut::<VECTORS>().0;
        let products = products.as_chunks_mut::<TILES>().0;
        for ((weights, inputs), products) in
            weights.zip(elements.chunks_exact(element)).zip(products)
        {
            let weights = &S::as_simd_f32s(weights).0.as_chunks::<VECTORS>().0[..channels];
            let mut of_tiles = [inputs; TILES];
            for (tile, of_tile) in of_tiles.iter_mut().enumerate() {
                *of_tile = &inputs[tile * channels..][..channels];
            }
            let mut sums = [[simd.splat_f32s(0.0); VECTORS]; TILES];
            for (channel, weights) in weights.iter().enumerate() {
                for (sums, of_tile) in sums.iter_mut().zip(of_tiles) {
                    let input = simd.splat_f32s(of_tile[channel]);
                    for (sum, weight) in sums.iter_mut().zip(weights) {
                        *sum = multiply_add(simd, *weight, input, *sum);
                    }
                }
            }
            *products = sums;
        }
    }
}

/// Elements of a tile, for one vector of channels.
#[inline(always)]
fn transform_tile<S: Simd, const SIZE: usize>(
    simd: S,
    picture: &[f32],
    [row_length, pixel_length]: [usize; 2],
    elements: &mut [f32],
    element: usize,
) {
    let mut between = [[simd.splat_f32s(0.0); SIZE]; SIZE];
    for column in 0..SIZE {
        let mut values = [simd.splat_f32s(0.0); SIZE];
        for (row, value) in values.iter_mut().enumerate() {
            let from = row * row_length + column * pixel_length;
            *value = S::as_simd_f32s(&picture[from..from + S::F32_LANES]).0[0];
        }
        let values = of_input::<S, SIZE>(simd, values);
        for (row, value) in values.into_iter().enumerate() {
            between[row][column] = value;
        }
    }
    for (row, values) in between.into_iter().enumerate() {
        let values = of_input::<S, SIZE>(simd, values);
        for (column, value) in values.into_iter().enumerate() {
            let at = (row * SIZE + column) * element;
            S::as_mut_simd_f32s(&mut elements[at..at + S::F32_LANES]).0[0] = value;
        }
    }
}

/// From a row of elements to a row of outputs: `[element][tile][map]` to `[output][tile][map]`.
#[inline(always)]
fn finish_row<S: Simd, const SIZE: usize, const OUTPUTS: usize>(
    simd: S,
    products: &[f32],
    row: &mut [f32],
) {
    let length = products.len() / SIZE / S::F32_LANES;
    let (products, row) = (S::as_simd_f32s(products).0, S::as_mut_simd_f32s(row).0);
    for at in 0..length {
        let mut values = [simd.splat_f32s(0.0); SIZE];
        for (element, value) in values.iter_mut().enumerate() {
            *value = products[element * length + at];
        }
        let values = to_outputs::<S, SIZE, OUTPUTS>(simd, values);
        for (output, value) in values.into_iter().enumerate() {
            row[output * length + at] = value;
        }
    }
}

/// The outputs of a tile, for one vector of maps, of `[element][output][tile][map]`.
#[inline(always)]
fn finish_tile<S: Simd, const SIZE: usize, const OUTPUTS: usize>(
    simd: S,
    rows: &[f32],
    length: usize,
) -> [[S::f32s; OUTPUTS]; OUTPUTS] {
    let mut outputs = [[simd.splat_f32s(0.0); OUTPUTS]; OUTPUTS];
    for column in 0..OUTPUTS {
        let mut values = [simd.splat_f32s(0.0); SIZE];
        for (element, value) in values.iter_mut().enumerate() {
            let at = (element * OUTPUTS + column) * length;
            *value = S::as_simd_f32s(&rows[at..at + S::F32_LANES]).0[0];
        }
        let values = to_outputs::<S, SIZE, OUTPUTS>(simd, values);
        for (row, value) in values.into_iter().enumerate() {
            outputs[row][column] = value;
        }
    }
    outputs
}

#[cfg(test)]
mod tests {
    use network::{Activation, Padding};
    use proptest::prelude::*;

    use super::*;

    /// Largest difference, relative to the largest output: the module says what is measured.
    const TOLERANCE: f32 = 1e-4;

    #[derive(Debug, Clone)]
    struct Case {
        layer: Layer,
        affine: Affine,
        input: Vec<f32>,
    }

    prop_compose! {
        fn cases()(
            [channels, maps] in [1..40_usize, 1..40_usize],
            kernel in prop::sample::select(vec![3_usize, 5]),
            [height, width] in [5..14_usize, 5..14_usize],
            [top, left, bottom, right] in [0..4_usize, 0..4_usize, 0..4_usize, 0..4_usize],
            pool in any::<bool>(),
            activation in prop::sample::select(
                vec![Activation::None, Activation::Relu, Activation::Relu6],
            ),
        )(
            layer in Just({
                let padding = Padding { top, left, bottom, right };
                let pool = pool && height + top + bottom > kernel && width + left + right > kernel;
                let conv = Geometry { padding, activation, pool, ..Geometry::new(maps, [kernel; 2]) };
                Layer::alone([channels, height, width], Kind::Conv(conv)).unwrap()
            }),
            weights in prop::collection::vec(-1.0..1.0_f32, maps * channels * kernel * kernel),
            bias in prop::collection::vec(-1.0..1.0_f32, maps),
            input in prop::collection::vec(-1.0..1.0_f32, channels * height * width),
        ) -> Case {
            Case { layer, affine: Affine { weights, bias }, input }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn every_tile_on_every_set_of_instructions_convolves_as_the_definition_does(
            case in cases(),
        ) {
            let Case { layer, affine, input } = &case;
            let expected = layer.apply(affine, input);
            let sums = layer.accumulate(affine, input);
            let largest = sums.iter().fold(0.0_f32, |largest, sum| largest.max(sum.abs()));
            for instructions in Instructions::available() {
                for tile in Tile::possible(layer) {
                    let block = Block::fastest(layer, instructions);
                    let conv = Winograd::with(layer, affine, instructions, *tile, block);
                    prop_assert_eq!(&conv.weights_of_maps(0..layer.outputs()), affine);
                    // what is left from another image does not count
                    let mut workspace = vec![f32::NAN; conv.workspace()];
                    let mut output = vec![f32::NAN; expected.len()];
                    conv.run(input, &mut workspace, &mut output);
                    for (found, expected) in output.iter().zip(&expected) {
                        prop_assert!(
                            (found - expected).abs() < TOLERANCE * largest,
                            "{instructions}, {tile:?}: {found} for {expected}"
                        );
                    }
                }
            }
        }
    }
}
