//! Which minimal filtering is the fastest for a layer, if any.

use network::{Conv as Geometry, Kind, Layer, POOL};

use super::super::{Conv, Instructions};
use super::TILES;

/// A minimal filtering F(outputs × outputs, kernel × kernel).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tile {
    /// Side of the square of outputs that are computed together.
    pub(super) outputs: usize,
    /// Side of the kernel.
    pub(super) kernel: usize,
}

/// Input channels from which it is faster than [`Conv`]: for a kernel of 3×3 on AVX-512 the first, and the easier it
/// gets the later.
const MIN_CHANNELS: [usize; 5] = [8, 6, 4, 3, 3];

/// Output channels from which it is faster than [`Conv`].
const MIN_MAPS: usize = 6;

impl Tile {
    /// Those that can compute a layer: none unless it is a convolution of stride 1, of one group, by a kernel of 3×3 or
    /// 5×5.
    pub(super) fn possible(layer: &Layer) -> Option<[Self; 2]> {
        let Kind::Conv(Geometry { kernel, stride: [1, 1], groups: 1, .. }) = layer.kind() else {
            return None;
        };
        let [kernel, columns] = kernel;
        let fits = kernel == columns && matches!(kernel, 3 | 5);
        fits.then_some([2, 4].map(|outputs| Self { outputs, kernel }))
    }

    /// The fastest, where one is faster than direct convolution.
    ///
    /// The rules are from 654 shapes of 1 to 64 channels, 4 to 64 maps and 2×2 to 24×24 outputs, each with padding and
    /// without, timed on the three sets of instructions of an x86-64 processor; NEON was not timed. Beside a choice that
    /// is always the best they lose 1 % of the time with padding, and 7 % without.
    pub(super) fn fastest(layer: &Layer, instructions: Instructions) -> Option<Self> {
        let tiles = Self::possible(layer)?;
        let Kind::Conv(conv) = layer.kind() else { return None };
        let tile = tiles.into_iter().min_by_key(|tile| tile.cost(layer, instructions))?;
        let pays = if Conv::does(&conv) {
            // in longer vectors more is unused; larger kernels and pooling cost direct convolution more
            let step = match instructions {
                Instructions::Avx512 => 0,
                Instructions::Avx2 | Instructions::Neon => 1,
                Instructions::Portable => 2,
            };
            let step = step + usize::from(tile.kernel == 5) + usize::from(conv.pool);
            layer.input()[0] >= MIN_CHANNELS[step] && conv.maps >= MIN_MAPS
        } else {
            let vectors = conv.maps.div_ceil(instructions.lanes());
            let direct = layer.accumulators()[1..].iter().product::<usize>()
                * (tile.kernel.pow(2) * layer.input()[0] * vectors);
            10 * tile.cost(layer, instructions) < 9 * direct
        };
        pays.then_some(tile)
    }

    /// Time that a layer takes, in multiply-adds of vectors: the weights of its parts are fitted to what was timed.
    fn cost(self, layer: &Layer, instructions: Instructions) -> usize {
        let vectors = |channels: usize| channels.div_ceil(instructions.lanes());
        let (channels, maps) = (layer.input()[0], vectors(layer.outputs()));
        let count: usize = self.cover(layer).iter().product();
        // a block is multiplied whole, also where tiles are missing
        let blocks = count.div_ceil(TILES);
        let products = blocks * TILES * channels * maps;
        let transforms = 6 * count * (vectors(channels) + maps);
        let loops = 32 * blocks;
        self.size().pow(2) * (products + transforms + loops)
    }

    /// Side of the square of inputs of a tile, and of its elements.
    pub(super) const fn size(self) -> usize {
        self.outputs + self.kernel - 1
    }

    /// Tiles below each other and side by side that cover a layer's output.
    pub(super) fn cover(self, layer: &Layer) -> [usize; 2] {
        let step = if layer.kind().pool() { POOL } else { 1 };
        let [_, height, width] = layer.output();
        [height, width].map(|outputs| (outputs * step).div_ceil(self.outputs))
    }
}
