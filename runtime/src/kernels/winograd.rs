//! Convolution with fewer products: minimal filtering by Winograd's and Toom and Cook's method.
//!
//! Of convolutions by kernels of 3×3 and 5×5 with stride 1, it computes squares of 2×2 or 4×4 outputs, **tiles**, from
//! as few products as they have inputs (Lavin and Gray 2016, <https://arxiv.org/abs/1509.09308>):
//!
//! ```text
//! outputs = Aᵀ [ (G g Gᵀ) ⊙ (Bᵀ d B) ] A        g: kernel, d: inputs of the tile; ⊙ by element
//! ```
//!
//! `G g Gᵀ` is computed when a model is loaded. `Bᵀ d B` serves all maps, and `Aᵀ … A` comes after the sum over the
//! channels; so per element there is a product of matrices, `[map × channel] · [channel × tile]`, and what is around it
//! is small if there are many channels and maps. The matrices are made from points, see [`transform`].
//!
//! | tile | products per output | direct | largest error¹ | direct¹ | worst case² |
//! |---|---|---|---|---|---|
//! | F(2×2, 3×3) | 4 | 9 | 7.5e-7 | 2.9e-6 | 7 |
//! | F(4×4, 3×3) | 2.25 | 9 | 3.1e-6 | 2.5e-6 | 84 |
//! | F(2×2, 5×5) | 9 | 25 | 2.8e-6 | 3.7e-6 | 61 |
//! | F(4×4, 5×5) | 4 | 25 | 1.5e-5 | 4.6e-6 | 301 |
//!
//! ¹ Relative to the largest output, of 36 convolutions each of 1, 4, 16, 64 and 256 channels by uniform weights, of
//! inputs that are uniform with both signs, positive, or 0 for a half. It grows with the root of the channels. LeNet's
//! second convolution has 6.9e-6 on digits (direct: 1.2e-6).
//! ² Factor by which rounding errors may grow beside those of a direct sum.
//!
//! So the answers agree with those of direct convolution to **1e-4 of the largest output**, which the tests demand.
//!
//! # Layout
//!
//! Vectors run over channels and over maps, not over pixels: small networks have more of those than of tiles, and a
//! whole number of vectors of them. So the input is transposed to `[row][column][channel]`, and the output back.
//!
//! ```text
//! input ─place─▶ picture ─TransformTiles─▶ elements ─Multiply─▶ products ─FinishRow─▶ rows ─FinishTiles─▶ result ─▶ output
//!                [y][x][c]                 [e][tile][c]         [e][tile][map]        [e][x][tile][map]   [y][x][map]
//! ```
//!
//! Four tiles and two vectors of maps are multiplied at once. The weights of such a group of maps are read in order
//! once for each four tiles; LeNet's second convolution is four tiles.
//!
//! # Times
//!
//! Microseconds for one image, direct convolution → the tile that [`Tile::fastest`] gives, medians, on one core of an
//! AMD EPYC of the fourth generation (which adds 16 floats in two halves):
//!
//! | layer | AVX-512 | AVX2 | portable |
//! |---|---|---|---|
//! | 5×5 20→50, pooled, 12×12 | 31 → 10 F(4×4) | 65 → 10 F(4×4) | 142 → 22 F(4×4) |
//! | 3×3 16→16 pad 1, 32×32 | 71 → 37 F(4×4) | 77 → 44 F(4×4) | 183 → 82 F(4×4) |
//! | 3×3 32→32 pad 1, 16×16 | 57 → 21 F(4×4) | 71 → 25 F(4×4) | 184 → 53 F(4×4) |
//! | 3×3 64→64 pad 1, 8×8 | 50 → 16 F(4×4) | 63 → 19 F(4×4) | 177 → 44 F(4×4) |
//! | 3×3 32→32 pad 1, pooled, 16×10 | 37 → 15 F(4×4) | 59 → 18 F(4×4) | 138 → 39 F(4×4) |
//! | 3×3 32→32 pad 1, pooled, 8×5 | 13 → 3.8 F(2×2) | 13 → 4.4 F(2×2) | 29 → 10.0 F(2×2) |
//!
//! Direct convolution of the padded layers was timed on an input that has its padding already.

mod steps;
mod tile;
mod transform;
mod transpose;

use std::ops::Range;

use network::{Affine, Conv as Geometry, Kind, Layer};
use pulp::{Simd, WithSimd};

use super::aligned::LINE;
use super::{Aligned, Instructions, Layout, Value};
use steps::{FinishRow, FinishTiles, Multiply, TransformTiles};
use tile::Tile;
use transform::KernelTransform;
use transpose::transpose;

/// Tiles whose elements are multiplied at once, so that each weight that is loaded is used as often.
const TILES: usize = 4;

/// Vectors of maps that are multiplied at once: with 4 tiles, as many sums as must be under way for a core to be busy.
const VECTORS: usize = 2;

/// The maps that are multiplied together with this one, of all `maps`.
fn group_of(map: usize, maps: usize, lanes: usize) -> Range<usize> {
    let length = VECTORS * lanes;
    let first = map / length * length;
    first..maps.min(first + length)
}

/// A layer with its weights transformed for some instructions.
#[derive(Debug)]
pub(crate) struct Winograd {
    layer: Layer,
    affine: Affine,
    input_layout: Layout,
    instructions: Instructions,
    tile: Tile,
    /// Tiles below each other, and side by side.
    tiles: [usize; 2],
    /// `[group of maps][element][channel][map of the group]`
    weights: Aligned,
    /// `[map]`, of whole groups.
    bias: Aligned,
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
    pub(crate) fn new(
        layer: &Layer,
        affine: &Affine,
        input_layout: Layout,
        instructions: Instructions,
    ) -> Self {
        let tile = Tile::fastest(layer, instructions).expect("a layer that suits");
        Self::with(layer, affine, input_layout, instructions, tile)
    }

    /// Transforms the weights of a convolution.
    ///
    /// # Panics
    /// If `layer` is another kind, or `affine` has not its weights.
    pub(crate) fn with(
        layer: &Layer,
        affine: &Affine,
        input_layout: Layout,
        instructions: Instructions,
        tile: Tile,
    ) -> Self {
        let instructions = instructions.usable();
        let tiles = tile.cover(layer);
        let maps = layer.outputs().next_multiple_of(instructions.lanes());
        let mut bias = Aligned::zeros(maps);
        bias[..affine.bias.len()].copy_from_slice(&affine.bias);
        let (size, kernel, channels) = (tile.size(), tile.kernel, layer.input()[0]);
        let transform = KernelTransform::new(size, kernel);
        let mut weights = Aligned::zeros(maps * size * size * channels);
        let packed = &mut *weights;
        for (map, of_map) in affine.rows().enumerate() {
            let group = group_of(map, maps, instructions.lanes());
            let of_group = &mut packed[group.start * size * size * channels..];
            for (channel, of_channel) in of_map.chunks(kernel * kernel).enumerate() {
                let first = channel * group.len() + map - group.start;
                let elements = of_group[first..].iter_mut().step_by(channels * group.len());
                transform.apply(of_channel, elements);
            }
        }
        Self {
            layer: layer.clone(),
            affine: affine.clone(),
            input_layout,
            instructions,
            tile,
            tiles,
            weights,
            bias,
        }
    }

    /// The reverse of [`Self::new`].
    pub(crate) fn affine(&self) -> Affine {
        self.affine.clone()
    }

    /// Rows and columns of the input with its padding, as far as tiles go.
    fn picture(&self) -> [usize; 2] {
        self.tiles.map(|tiles| tiles * self.tile.outputs + self.tile.kernel - 1)
    }

    /// First row and column of the outputs of a tile.
    fn place_of(&self, tile: usize) -> [usize; 2] {
        [tile / self.tiles[1], tile % self.tiles[1]].map(|at| at * self.tile.outputs)
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
            element: (TILES * channels + channels.next_multiple_of(lanes) - channels)
                .next_multiple_of(LINE),
            result: whole(height * width * self.bias.len()),
        }
    }

    /// Floats that [`Self::run`] wants of its workspace.
    pub(crate) fn workspace(&self) -> usize {
        let [channels, height, width] = self.layer.input();
        let Room { picture, element, result } = self.room();
        let size = self.tile.size();
        let block = VECTORS * self.instructions.lanes() * TILES;
        let products = (size + size * self.tile.outputs) * block;
        picture + size * size * element + products + result + channels * height * width
    }

    /// One image: `input` lies as was said, and `output` is `[row][column][map]`.
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
        layer.convolve::<V, S>(simd, input, workspace, output);
    }
}

impl Winograd {
    #[inline(always)]
    fn convolve<V: Value, S: Simd>(
        &self,
        simd: S,
        input: &[V],
        workspace: &mut [f32],
        output: &mut [f32],
    ) {
        let room = self.room();
        let (size, outputs) = (self.tile.size(), self.tile.outputs);
        let length = VECTORS * S::F32_LANES * TILES;
        let (picture, workspace) = workspace.split_at_mut(room.picture);
        let (elements, workspace) = workspace.split_at_mut(size * size * room.element);
        let (products, workspace) = workspace.split_at_mut(size * length);
        let (rows, workspace) = workspace.split_at_mut(size * outputs * length);
        let (result, workspace) = workspace.split_at_mut(room.result);
        self.place(input, picture, workspace);
        let (layer, element) = (self, room.element);
        // the last vector of maps may go past them
        let (maps, used) = (self.bias.len(), self.layer.outputs());
        let tiles = self.tiles[0] * self.tiles[1];
        for first in (0..tiles).step_by(TILES) {
            let tiles = first..tiles.min(first + TILES);
            let (elements, tiles) = (&mut *elements, &tiles);
            simd.vectorize(TransformTiles { layer, tiles, picture, elements, element });
            for first_map in (0..maps).step_by(VECTORS * S::F32_LANES) {
                let (maps, padded_maps) = (&group_of(first_map, maps, S::F32_LANES), maps);
                let length = maps.len() * TILES;
                let products = &mut products[..size * length];
                for (number, row) in rows.chunks_exact_mut(outputs * length).take(size).enumerate()
                {
                    let products = &mut *products;
                    simd.vectorize(Multiply { layer, number, maps, elements, element, products });
                    simd.vectorize(FinishRow { tile: self.tile, products, row });
                }
                let result = if padded_maps > used { &mut *result } else { &mut *output };
                simd.vectorize(FinishTiles { layer, tiles, rows, maps, result });
            }
        }
        if maps > used {
            for (from, to) in result.chunks_exact(maps).zip(output.chunks_exact_mut(used)) {
                to.copy_from_slice(&from[..used]);
            }
        }
    }

    /// Puts the input with its padding into `picture`, the channels of each pixel side by side.
    fn place<V: Value>(&self, input: &[V], picture: &mut [f32], room: &mut [f32]) {
        let [channels, height, width] = self.layer.input();
        let Kind::Conv(Geometry { padding, .. }) = self.layer.kind() else { return };
        let [rows, columns] = self.picture();
        let input = V::floats(input, room);
        let length = height * width;
        let whole = padding.is_none() && rows <= height && columns == width;
        if whole && self.input_layout == Layout::ChannelsFirst {
            return transpose(input, length, picture, channels, [channels, rows * columns]);
        }
        picture[..rows * columns * channels].fill(0.0);
        let count = width.min(columns.saturating_sub(padding.left));
        for row in 0..height.min(rows.saturating_sub(padding.top)) {
            let to = ((row + padding.top) * columns + padding.left) * channels;
            let to = &mut picture[to..];
            match self.input_layout {
                Layout::ChannelsFirst => {
                    transpose(&input[row * width..], length, to, channels, [channels, count]);
                }
                Layout::ChannelsLast => {
                    let from = &input[row * width * channels..][..count * channels];
                    to[..count * channels].copy_from_slice(from);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
