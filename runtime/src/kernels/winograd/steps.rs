//! The steps of a convolution. Each is compiled by itself: in one large function, sums are kept in memory.

use std::ops::Range;

use pulp::{Simd, WithSimd};

use super::super::{multiply_add, store};
use super::transform::{of_input, to_outputs};
use super::{TILES, Tile, VECTORS, Winograd};

/// Elements of some tiles.
pub(super) struct TransformTiles<'a> {
    pub(super) layer: &'a Winograd,
    pub(super) tiles: &'a Range<usize>,
    /// `[row][column][channel]`
    pub(super) picture: &'a [f32],
    /// `[element][tile][channel]`
    pub(super) elements: &'a mut [f32],
    /// Floats from one element to the next.
    pub(super) element: usize,
}

impl WithSimd for TransformTiles<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        match self.layer.tile.size() {
            4 => self.run::<S, 4>(simd),
            6 => self.run::<S, 6>(simd),
            _ => self.run::<S, 8>(simd),
        }
    }
}

impl TransformTiles<'_> {
    #[inline(always)]
    fn run<S: Simd, const SIZE: usize>(self, simd: S) {
        let Self { layer, tiles, picture, elements, element } = self;
        let channels = layer.layer.input()[0];
        let [_, width] = layer.picture();
        let strides = [width * channels, channels];
        for (number, tile) in tiles.clone().enumerate() {
            let [y, x] = layer.place_of(tile);
            let from = (y * width + x) * channels;
            for channel in (0..channels).step_by(S::F32_LANES) {
                let elements = &mut elements[number * channels + channel..];
                let picture = &picture[from + channel..];
                transform_tile::<S, SIZE>(simd, picture, strides, elements, element);
            }
        }
    }
}

/// Products of a row of elements, summed over the channels.
pub(super) struct Multiply<'a> {
    pub(super) layer: &'a Winograd,
    /// Number of the row.
    pub(super) number: usize,
    pub(super) maps: &'a Range<usize>,
    /// `[element][tile][channel]`
    pub(super) elements: &'a [f32],
    /// Floats from one element to the next.
    pub(super) element: usize,
    /// `[element of the row][tile][map]`
    pub(super) products: &'a mut [f32],
}

impl WithSimd for Multiply<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        if self.maps.len() == S::F32_LANES {
            self.run::<S, 1>(simd);
        } else {
            self.run::<S, VECTORS>(simd);
        }
    }
}

impl Multiply<'_> {
    #[inline(always)]
    fn run<S: Simd, const VECTORS: usize>(self, simd: S) {
        let Self { layer, number, maps, elements, element, products } = self;
        let (channels, size) = (layer.layer.input()[0], layer.tile.size());
        let elements = elements[number * size * element..].chunks_exact(element);
        let length = channels * VECTORS * S::F32_LANES;
        let weights = &layer.weights[maps.start * size * size * channels..];
        let weights = weights[number * size * length..].chunks_exact(length);
        let products = S::as_mut_simd_f32s(products).0.as_chunks_mut::<VECTORS>().0;
        let products = products.as_chunks_mut::<TILES>().0;
        for ((weights, inputs), products) in weights.zip(elements).zip(products) {
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

/// From rows of elements to rows of outputs.
pub(super) struct FinishRow<'a> {
    pub(super) tile: Tile,
    /// `[element of the row][tile][map]`
    pub(super) products: &'a [f32],
    /// `[output of the row][tile][map]`
    pub(super) row: &'a mut [f32],
}

impl WithSimd for FinishRow<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { tile, products, row } = self;
        match (tile.size(), tile.outputs) {
            (4, _) => finish_row::<S, 4, 2>(simd, products, row),
            (6, 2) => finish_row::<S, 6, 2>(simd, products, row),
            (6, _) => finish_row::<S, 6, 4>(simd, products, row),
            _ => finish_row::<S, 8, 4>(simd, products, row),
        }
    }
}

/// Outputs of some tiles, of a group of maps.
pub(super) struct FinishTiles<'a> {
    pub(super) layer: &'a Winograd,
    pub(super) tiles: &'a Range<usize>,
    /// `[row of elements][output of the row][tile][map]`
    pub(super) rows: &'a [f32],
    pub(super) maps: &'a Range<usize>,
    /// `[row][column][map]`
    pub(super) output: &'a mut [f32],
}

impl WithSimd for FinishTiles<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let tile = self.layer.tile;
        match (tile.size(), tile.outputs, self.layer.layer.kind().pool()) {
            (4, _, false) => self.run::<S, 4, 2, 1>(simd),
            (4, _, true) => self.run::<S, 4, 2, 2>(simd),
            (6, 2, false) => self.run::<S, 6, 2, 1>(simd),
            (6, 2, true) => self.run::<S, 6, 2, 2>(simd),
            (6, _, false) => self.run::<S, 6, 4, 1>(simd),
            (6, _, true) => self.run::<S, 6, 4, 2>(simd),
            (_, _, false) => self.run::<S, 8, 4, 1>(simd),
            (_, _, true) => self.run::<S, 8, 4, 2>(simd),
        }
    }
}

impl FinishTiles<'_> {
    #[inline(always)]
    fn run<S: Simd, const SIZE: usize, const OUTPUTS: usize, const STEP: usize>(self, simd: S) {
        let Self { layer, tiles, rows, maps: group, output } = self;
        let [all_maps, height, width] = layer.layer.output();
        let biases = S::as_simd_f32s(&layer.bias[group.clone()]).0;
        for (number, tile) in tiles.clone().enumerate() {
            let [y, x] = layer.place_of(tile).map(|at| at / STEP);
            for (vector, bias) in biases.iter().enumerate() {
                let at = number * group.len() + vector * S::F32_LANES;
                let length = group.len() * TILES;
                let outputs = finish_tile::<S, SIZE, OUTPUTS>(simd, &rows[at..], length);
                let map = group.start + vector * S::F32_LANES;
                let count = S::F32_LANES.min(all_maps - map);
                for row in 0..OUTPUTS / STEP {
                    for column in 0..OUTPUTS / STEP {
                        // of the last tiles, a part is outside
                        if y + row < height && x + column < width {
                            let first = [row * STEP, column * STEP];
                            let value = pool::<S, OUTPUTS, STEP>(simd, &outputs, first);
                            let value = simd.add_f32s(value, *bias);
                            let value = layer.clamp.apply(simd, value);
                            let at = ((y + row) * width + x + column) * all_maps + map;
                            store(simd, &mut output[at..at + count], value);
                        }
                    }
                }
            }
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
    // [column][row]
    let mut columns = [[simd.splat_f32s(0.0); SIZE]; SIZE];
    for (column, elements) in columns.iter_mut().enumerate() {
        let mut values = [simd.splat_f32s(0.0); SIZE];
        for (row, value) in values.iter_mut().enumerate() {
            let from = row * row_length + column * pixel_length;
            *value = S::as_simd_f32s(&picture[from..from + S::F32_LANES]).0[0];
        }
        *elements = of_input::<S, SIZE>(simd, values);
    }
    for row in 0..SIZE {
        let mut values = [simd.splat_f32s(0.0); SIZE];
        for (value, column) in values.iter_mut().zip(&columns) {
            *value = column[row];
        }
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

/// The outputs of a tile, `[column][row]`, for one vector of maps, of `[element][output][tile][map]`.
#[inline(always)]
fn finish_tile<S: Simd, const SIZE: usize, const OUTPUTS: usize>(
    simd: S,
    rows: &[f32],
    length: usize,
) -> [[S::f32s; OUTPUTS]; OUTPUTS] {
    let mut columns = [[simd.splat_f32s(0.0); OUTPUTS]; OUTPUTS];
    for (column, outputs) in columns.iter_mut().enumerate() {
        let mut values = [simd.splat_f32s(0.0); SIZE];
        for (element, value) in values.iter_mut().enumerate() {
            let at = (element * OUTPUTS + column) * length;
            *value = S::as_simd_f32s(&rows[at..at + S::F32_LANES]).0[0];
        }
        *outputs = to_outputs::<S, SIZE, OUTPUTS>(simd, values);
    }
    columns
}

/// The largest of the square of `SIDE` pixels that begins here.
#[inline(always)]
fn pool<S: Simd, const OUTPUTS: usize, const SIDE: usize>(
    simd: S,
    columns: &[[S::f32s; OUTPUTS]; OUTPUTS],
    [row, column]: [usize; 2],
) -> S::f32s {
    let mut largest = columns[column][row];
    for right in 0..SIDE {
        for down in 0..SIDE {
            if right + down > 0 {
                largest = simd.max_f32s(largest, columns[column + right][row + down]);
            }
        }
    }
    largest
}
