//! Where the results of a step go, and how sums of products become activations.

use core::ops::Range;

use zerocopy::{FromBytes, IntoBytes};

use super::rows;
use crate::format::{Channel, POOL, Value};
use crate::kernels::words::{self, Scaling, Tile};
use crate::kernels::{bytes, unpack_accumulators};

/// Where the results of a step go.
#[derive(Debug)]
pub(super) enum Output<'m> {
    /// Into a row that later layers take.
    Row {
        /// The row with its padding.
        bytes: &'m mut [u8],
        /// What it is a row of.
        value: &'m Value,
        /// Whether its columns lie in pairs, see [`crate::plan::pairs_columns`]; only of what goes to
        /// [`Output::put_largest`].
        is_paired: bool,
    },
    /// Out: they are the last layer's.
    Logits {
        /// `[channel][row][column]`
        logits: &'m mut [u32],
        /// What they are.
        value: &'m Value,
        /// Which row.
        row: usize,
    },
}

impl<'m> Output<'m> {
    /// What the results are.
    pub(super) const fn value(&self) -> &'m Value {
        match self {
            Self::Row { value, .. } | Self::Logits { value, .. } => value,
        }
    }

    /// The row without its padding; empty if it is the last layer's.
    pub(super) fn bytes(&mut self) -> &mut [u8] {
        match self {
            Self::Row { bytes, value, .. } => rows::inside(bytes, value),
            Self::Logits { .. } => &mut [],
        }
    }

    /// Where the `count` channels from `first` on lie at column `column`; of columns in pairs two at most.
    fn place(&self, column: usize, first: usize, count: usize) -> Range<usize> {
        let value = self.value();
        let channels = usize::from(value.channels.get());
        let start = if let Self::Row { is_paired: true, .. } = self {
            (channels * (column / POOL) + first / 2 * 2) * 2 + column % POOL * 2 + first % 2
        } else {
            (column + usize::from(value.left)) * channels + first
        };
        start..start + count
    }

    /// Copies `count` channels from `first` on from one column to a later one; not among logits. Whether it was done.
    #[inline(never)]
    pub(super) fn repeat(&mut self, columns: [usize; 2], first: usize, count: usize) -> bool {
        let [from, to] = columns.map(|column| self.place(column, first, count));
        let Self::Row { bytes, .. } = self else { return false };
        let Some((before, after)) = bytes.split_at_mut_checked(to.start) else { return false };
        rows::copy(
            after.get_mut(..count).unwrap_or_default(),
            before.get(from).unwrap_or_default(),
        );
        true
    }

    /// Takes the largest sums of a pooling window.
    ///
    /// Requantisation is monotonic, so the largest of four requantised sums is the requantised largest one.
    #[inline(never)]
    pub(super) fn put_largest(
        &mut self,
        column: usize,
        first: usize,
        tiles: &[Tile],
        channels: &[Channel],
    ) {
        let Range { start, .. } = self.place(column, first, channels.len());
        let Self::Row { bytes, value, is_paired } = self else {
            return self.put_each(column, first, tiles, channels, &max_pool);
        };
        // from a pair of outputs to the next
        let step = if *is_paired { 4 } else { 2 };
        let bytes = bytes.get_mut(start..).unwrap_or_default();
        let scalings =
            <[[Scaling; 2]]>::ref_from_prefix_with_elems(channels.as_bytes(), channels.len() / 2);
        let done = scalings.map_or(0, |(it, _)| words::pool(tiles, it, value.zero, bytes, step));
        if done < tiles.len() {
            let tiles = tiles.get(done..).unwrap_or_default();
            let channels = channels.get(2 * done..).unwrap_or_default();
            self.put_each(column, first + 2 * done, tiles, channels, &max_pool);
        }
    }

    /// Takes the sums of one of four places.
    #[inline(never)]
    pub(super) fn put_place(
        &mut self,
        column: usize,
        first: usize,
        tiles: &[Tile],
        place: usize,
        channels: &[Channel],
    ) {
        self.put_pairs(column, first, tiles, channels, |tile| {
            tile.as_chunks().0.get(place).map_or([0; 2], unpack_accumulators)
        });
    }

    /// Takes the sums of a block of a dense layer.
    #[inline(never)]
    pub(super) fn put_block(&mut self, first: usize, sums: &[[u32; 2]], channels: &[Channel]) {
        self.put_pairs(0, first, sums, channels, unpack_accumulators);
    }

    #[expect(clippy::inline_always, reason = "the loop is made for each way to take sums")]
    #[inline(always)]
    fn put_pairs<T>(
        &mut self,
        column: usize,
        first: usize,
        tiles: &[T],
        channels: &[Channel],
        sums: impl Fn(&T) -> [i32; 2],
    ) {
        let place = self.place(column, first, channels.len());
        let Self::Row { bytes, value, .. } = self else {
            return self.put_each(column, first, tiles, channels, &sums);
        };
        let (bytes, last) = bytes.get_mut(place).unwrap_or_default().as_chunks_mut::<2>();
        fill(bytes.iter_mut(), tiles, channels, value.zero, &sums);
        if let ([byte], [.., channel], [.., tile]) = (last, channels, tiles) {
            *byte = channel.activation(sums(tile)[0], value.zero);
        }
    }

    /// The same one pair of outputs after the other: of the last layer, which has few, and of what is rare.
    #[inline(never)]
    fn put_each<T>(
        &mut self,
        column: usize,
        first: usize,
        tiles: &[T],
        channels: &[Channel],
        sums: &dyn Fn(&T) -> [i32; 2],
    ) {
        let mut number = first;
        for (tile, channels) in tiles.iter().zip(channels.chunks(2)) {
            for (channel, sum) in channels.iter().zip(sums(tile)) {
                self.put_one(column, number, sum, channel);
                number += 1;
            }
        }
    }

    /// Takes the sums of products of consecutive channels, from `first` on, at column `column`; without biases.
    pub(super) fn put(&mut self, column: usize, first: usize, sums: &[i32], channels: &[Channel]) {
        self.put_places(column, first, sums, [1, 1], channels);
    }

    /// The same of `count` columns from `column` on: of a channel their sums lie side by side, `step` after those of the
    /// channel before.
    #[inline(never)]
    pub(super) fn put_places(
        &mut self,
        column: usize,
        first: usize,
        sums: &[i32],
        [count, step]: [usize; 2],
        channels: &[Channel],
    ) {
        let Range { mut start, .. } = self.place(column, first, channels.len());
        let scalings = <[Scaling]>::ref_from_bytes(channels.as_bytes()).unwrap_or_default();
        for place in 0..count {
            let Some(sums) = sums.get(place..) else { return };
            let mut done = 0;
            if let Self::Row { bytes, value, .. } = self {
                let bytes = bytes.get_mut(start..).and_then(|it| it.get_mut(..channels.len()));
                let bytes = bytes.unwrap_or_default();
                done = bytes::activations(sums, step, scalings, value.zero, bytes);
                start += usize::from(value.channels.get());
            }
            for (number, channel) in channels.iter().enumerate().skip(done) {
                if let Some(&sum) = sums.get(number * step) {
                    self.put_one(column + place, first + number, sum, channel);
                }
            }
        }
    }

    /// Takes the sums of all channels at column `column`, which have one multiplier.
    #[inline(never)]
    pub(super) fn put_alike(&mut self, column: usize, sums: &[i32], channel: &Channel) {
        let start = self.place(column, 0, 0).start;
        if let Self::Row { bytes, value, .. } = self {
            let bytes = bytes.get_mut(start..).unwrap_or_default();
            for (byte, &sum) in bytes.iter_mut().zip(sums) {
                *byte = channel.activation(sum, value.zero);
            }
        } else {
            for (number, sum) in sums.iter().enumerate() {
                self.put_one(column, number, *sum, channel);
            }
        }
    }

    /// Takes the sum of one channel: of the last layer, which has few, and where the kernels have not done it.
    #[inline(never)]
    fn put_one(&mut self, column: usize, number: usize, sum: i32, channel: &Channel) {
        let start = self.place(column, number, 1).start;
        match self {
            Self::Row { bytes, value, .. } => {
                if let Some(byte) = bytes.get_mut(start) {
                    *byte = channel.activation(sum, value.zero);
                }
            }
            Self::Logits { logits, value, row } => {
                let [_, height, width] = value.shape();
                if let Some(logit) = logits.get_mut((number * height + *row) * width + column) {
                    *logit = sum.wrapping_add(channel.bias.get()).cast_unsigned();
                }
            }
        }
    }
}

/// The activations of pairs of outputs.
#[expect(clippy::inline_always, reason = "the loop is made for each way to take sums")]
#[inline(always)]
fn fill<'m, T>(
    bytes: impl Iterator<Item = &'m mut [u8; 2]>,
    tiles: &[T],
    channels: &[Channel],
    zero: u8,
    sums: impl Fn(&T) -> [i32; 2],
) {
    for ((bytes, [even, odd]), tile) in bytes.zip(channels.as_chunks().0).zip(tiles) {
        let [a, b] = sums(tile);
        *bytes = [even.activation(a, zero), odd.activation(b, zero)];
    }
}

/// 2×2 max-pooling of the sums of two outputs.
fn max_pool(&[w0, e0, w1, e1, w2, e2, w3, e3]: &Tile) -> [i32; 2] {
    let largest = |[a, b, c, d]: [u32; 4]| {
        let [a, b, c, d] = [a, b, c, d].map(u32::cast_signed);
        a.max(b).max(c.max(d))
    };
    // 256 · the odd output's, which `unpack_accumulators` makes smaller
    let odds = [w0.wrapping_sub(e0), w1.wrapping_sub(e1), w2.wrapping_sub(e2), w3.wrapping_sub(e3)];
    [largest([e0, e1, e2, e3]), largest(odds) >> 8]
}
