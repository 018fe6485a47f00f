//! Winograd convolution: kernels of 3×3 and 5×5 by a fraction of the products.
//!
//! The output is cut into squares of 2×2 or 4×4, **tiles**. A tile takes only as many products for each pair of channel
//! and map as it has inputs (Winograd's minimal filtering, by the method of Toom and Cook; Lavin and Gray 2016,
//! <https://arxiv.org/abs/1509.09308>):
//!
//! ```text
//! outputs = Aᵀ [ (G g Gᵀ) ⊙ (Bᵀ d B) ] A        g: kernel, d: inputs of the tile, ⊙: product of each element
//! ```
//!
//! `G g Gᵀ` is computed when a model is loaded. `Bᵀ d B` serves all maps, and `Aᵀ … A` comes after the sum over the
//! channels, so both cost little where there are many channels and maps. In between each element is a product of
//! matrices, `[map × channel] · [channel × tile]`. The matrices are made from points, see [`transform`].
//!
//! # Error
//!
//! It sums in another order than direct convolution, and with larger terms:
//!
//! | tile | products per output | direct | largest error¹ | direct¹ | worst case² |
//! |---|---|---|---|---|---|
//! | F(2×2, 3×3) | 4 | 9 | 7.5e-7 | 2.9e-6 | 7 |
//! | F(4×4, 3×3) | 2.25 | 9 | 3.1e-6 | 2.5e-6 | 84 |
//! | F(2×2, 5×5) | 9 | 25 | 2.8e-6 | 3.7e-6 | 61 |
//! | F(4×4, 5×5) | 4 | 25 | 1.5e-5 | 4.6e-6 | 301 |
//!
//! ¹ Against f64, relative to the largest output: the largest of 36 convolutions each of 1, 4, 16, 64 and 256 channels,
//! with uniform weights and inputs that are uniform with both signs, uniform above 0, or 0 for a half. It grows with the
//! square root of the channels. LeNet's second convolution has 6.9e-6 on 300 digits (direct: 1.2e-6).
//! ² How many times larger the terms of a sum can be than those of direct convolution.
//!
//! So the outputs are those of direct convolution within **1e-4 of the largest**, which the tests check. Sums of whole
//! numbers are not exact. A NaN or an infinity in the input reaches all outputs of the tiles that see it.
//!
//! # Layout
//!
//! Vectors run over channels and maps, not over pixels: a small network has more of those than tiles, and often a whole
//! number of vectors of them. So the input is transposed to `[row][column][channel]` if it does not lie so already, and
//! the output lies so.
//!
//! ```text
//! input ─place─▶ picture ─TransformTiles─▶ elements ─Multiply─▶ products ─FinishRow─▶ rows ─FinishTiles─▶ output
//!                [y][x][c]                 [e][tile][c]         [e][tile][map]        [e][x][tile][map]   [y][x][map]
//! ```
//!
//! Four tiles and two vectors of maps are multiplied at once. So all weights are read in order once for four tiles,
//! which are the whole of LeNet's second convolution.
//!
//! # Times
//!
//! Microseconds for one image by direct convolution → so, medians on one core of an AMD EPYC 9004, which works on the 16
//! floats of AVX-512 in two halves; values lie as the direct kernel wants them.
//!
//! | layer | AVX-512 | AVX2 | portable |
//! |---|---|---|---|
//! | 5×5 20→50, pooled, 12×12 | 31 → 9.0 | 57 → 9.8 | 142 → 22 |
//! | 3×3 16→16 pad 1, 32×32 | 42 → 23 | 42 → 28 | 131 → 75 |
//! | 3×3 32→32 pad 1, 16×16 | 41 → 16 | 42 → 20 | 129 → 53 |
//! | 3×3 64→64 pad 1, 8×8 | 42 → 14 | 43 → 16 | 132 → 43 |
//! | 3×3 32→32 pad 1, pooled, 16×10 | 26 → 12 | 27 → 14 | 81 → 37 |
//! | 3×3 32→32 pad 1, pooled, 8×5 | 5.2 → 3.5 | 5.5 → 4.0 | 16 → 11 |
//!
//! All take F(4×4). LeNet's first convolution, of one channel, takes 5.9 µs by direct convolution and 19 µs so, on AVX-512.

mod steps;
mod tile;
mod transform;
mod transpose;

use std::ops::Range;

use network::{Affine, Conv as Geometry, Kind, Layer};
use pulp::Simd;

use super::{Aligned, Clamp, ImageKernel, ImageTask, Instructions, Layout};
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
    clamp: Clamp,
    tile: Tile,
    /// Tiles below each other, and side by side.
    tiles: [usize; 2],
    /// `[group of maps][element][channel][map of the group]`
    weights: Aligned,
    /// `[map]`, of whole vectors.
    bias: Aligned,
}

/// Floats of the parts of the workspace.
#[derive(Debug, Clone, Copy)]
struct Room {
    /// `[row][column][channel]`: the input with its padding.
    picture: usize,
    /// Of one element, `[tile][channel]`.
    element: usize,
}

impl Winograd {
    /// Whether it is the fastest for this layer.
    pub(crate) fn suits(layer: &Layer, instructions: Instructions) -> bool {
        Tile::fastest(layer, instructions).is_some()
    }

    /// Transforms the weights of a convolution of stride 1, of one group, with a square kernel of 3 or 5.
    ///
    /// # Panics
    /// If `layer` does not suit, or `affine` has not its weights.
    pub(crate) fn new(
        layer: &Layer,
        affine: &Affine,
        input_layout: Layout,
        instructions: Instructions,
    ) -> Self {
        let tile = Tile::fastest(layer, instructions).expect("a layer that suits");
        Self::with(layer, affine, input_layout, instructions, tile)
    }

    /// [`Self::new`] with any tile that is possible.
    fn with(
        layer: &Layer,
        affine: &Affine,
        input_layout: Layout,
        instructions: Instructions,
        tile: Tile,
    ) -> Self {
        let tiles = tile.cover(layer);
        let maps = layer.outputs().next_multiple_of(instructions.lanes());
        let mut bias = affine.bias.clone();
        bias.resize(maps, 0.0);
        let (size, kernel, channels) = (tile.size(), tile.kernel, layer.input()[0]);
        let transform = KernelTransform::new(size, kernel);
        let mut weights = Aligned::default();
        weights.set_length(maps * size * size * channels);
        weights.fill(0.0);
        for (map, of_map) in affine.rows().enumerate() {
            let group = group_of(map, maps, instructions.lanes());
            let of_group = &mut weights[group.start * size * size * channels..];
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
            clamp: Clamp::of(layer.kind().activation()),
            tile,
            tiles,
            weights,
            bias: Aligned::from(&bias[..]),
        }
    }

    /// The weights before they were transformed.
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
        // the last vector of channels goes past them
        let beyond = channels.next_multiple_of(lanes) - channels;
        Room {
            picture: (rows * columns * channels + beyond).next_multiple_of(lanes),
            element: (TILES * channels + beyond).next_multiple_of(lanes),
        }
    }

    /// Floats that [`Self::run`] wants of its workspace.
    pub(crate) fn workspace(&self) -> usize {
        let Room { picture, element } = self.room();
        let size = self.tile.size();
        let block = VECTORS * self.instructions.lanes() * TILES;
        let products = (size + size * self.tile.outputs) * block;
        picture + size * size * element + products
    }

    /// One image: `input` lies as was said, and `output` is `[row][column][map]`.
    pub(crate) fn run(&self, input: &[f32], workspace: &mut [f32], output: &mut [f32]) {
        self.instructions.run(ImageTask { kernel: self, input, workspace, output });
    }
}

impl ImageKernel for Winograd {
    #[inline(always)]
    fn run_image<S: Simd>(
        &self,
        simd: S,
        input: &[f32],
        workspace: &mut [f32],
        output: &mut [f32],
    ) {
        let room = self.room();
        let (size, outputs) = (self.tile.size(), self.tile.outputs);
        let length = VECTORS * S::F32_LANES * TILES;
        let (picture, workspace) = workspace.split_at_mut(room.picture);
        let (elements, workspace) = workspace.split_at_mut(size * size * room.element);
        let (products, workspace) = workspace.split_at_mut(size * length);
        let rows = &mut workspace[..size * outputs * length];
        self.place(input, picture);
        let (layer, element) = (self, room.element);
        let maps = self.bias.len();
        let tiles = self.tiles[0] * self.tiles[1];
        for first in (0..tiles).step_by(TILES) {
            let tiles = first..tiles.min(first + TILES);
            let (elements, tiles) = (&mut *elements, &tiles);
            simd.vectorize(TransformTiles { layer, tiles, picture, elements, element });
            for first_map in (0..maps).step_by(VECTORS * S::F32_LANES) {
                let maps = &group_of(first_map, maps, S::F32_LANES);
                let length = maps.len() * TILES;
                let products = &mut products[..size * length];
                for (number, row) in rows.chunks_exact_mut(outputs * length).take(size).enumerate()
                {
                    let products = &mut *products;
                    simd.vectorize(Multiply { layer, number, maps, elements, element, products });
                    simd.vectorize(FinishRow { tile: self.tile, products, row });
                }
                simd.vectorize(FinishTiles { layer, tiles, rows, maps, output });
            }
        }
    }
}

impl Winograd {
    /// Puts the input with its padding into `picture`, the channels of each pixel side by side.
    fn place(&self, input: &[f32], picture: &mut [f32]) {
        let [channels, height, width] = self.layer.input();
        let Kind::Conv(Geometry { padding, .. }) = self.layer.kind() else { return };
        let [rows, columns] = self.picture();
        let pixels = height * width;
        let last = self.input_layout == Layout::ChannelsLast;
        if padding.is_none() && rows <= height && columns == width {
            let pixels_used = rows * columns;
            if last {
                let length = pixels_used * channels;
                picture[..length].copy_from_slice(&input[..length]);
            } else {
                transpose(input, pixels, picture, channels, [channels, pixels_used]);
            }
            return;
        }
        picture.fill(0.0);
        let count = width.min(columns.saturating_sub(padding.left));
        for row in 0..height.min(rows.saturating_sub(padding.top)) {
            let to = ((row + padding.top) * columns + padding.left) * channels;
            let to = &mut picture[to..];
            if last {
                let length = count * channels;
                to[..length].copy_from_slice(&input[row * width * channels..][..length]);
            } else {
                transpose(&input[row * width..], pixels, to, channels, [channels, count]);
            }
        }
    }
}

#[cfg(test)]
mod tests;
