//! Which minimal filtering is the fastest for a layer, if any.

use network::{Conv as Geometry, Kind, Layer, POOL};

use super::super::Instructions;
use super::TILES;

/// A minimal filtering F(outputs × outputs, kernel × kernel).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tile {
    /// Side of the square of outputs that are computed together.
    pub(super) outputs: usize,
    /// Side of the kernel.
    pub(super) kernel: usize,
}

/// Input channels from which it pays: for a kernel of 3×3 on AVX-512 the first, and the easier it gets the later.
const MIN_CHANNELS: [usize; 5] = [8, 6, 4, 3, 3];

/// Output channels from which it pays.
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
    /// The limits are from 689 shapes of 1 to 64 channels, 4 to 64 maps and 2×2 to 24×24 outputs, each timed on the three
    /// sets of instructions of an x86-64 processor; NEON was not timed.
    pub(super) fn fastest(layer: &Layer, instructions: Instructions) -> Option<Self> {
        let [small, large] = Self::possible(layer)?;
        // in longer vectors of channels more of a few is unused; larger kernels and pooling cost direct convolution more
        let step = match instructions {
            Instructions::Avx512 => 0,
            Instructions::Avx2 | Instructions::Neon => 1,
            Instructions::Portable => 2,
        };
        let step = step + usize::from(small.kernel == 5) + usize::from(layer.kind().pool());
        let enough = layer.input()[0] >= MIN_CHANNELS[step] && layer.outputs() >= MIN_MAPS;
        // a tile that is alone is multiplied as if it were four
        let alone = small.count(layer) == 1
            && instructions == Instructions::Portable
            && !layer.kind().pool();
        // a large tile takes more beside its products, and more of its outputs may be unused
        let larger_pays = 4 * small.elements(layer) > 5 * large.elements(layer);
        (enough && !alone).then_some(if larger_pays { large } else { small })
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

    fn count(self, layer: &Layer) -> usize {
        self.cover(layer).iter().product()
    }

    /// Elements of all tiles, twice: those that are transformed, and those that are multiplied.
    fn elements(self, layer: &Layer) -> usize {
        let count = self.count(layer);
        (count + count.next_multiple_of(TILES)) * self.size().pow(2)
    }
}
