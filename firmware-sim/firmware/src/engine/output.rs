//! Where the results of a step go, and how sums of products become activations.

use core::ops::Range;

use zerocopy::{FromBytes, IntoBytes};

use super::rows;
use crate::format::{BLOCK, Channel, POOL, Value};
use crate::kernels::words::{self, Depthwise, Fours, Pair, Row, Scaling, Strip, Tile, Twin};
use crate::kernels::{bytes, unpack_accumulators};
use crate::loops::keep_rolled;

/// What makes activations of fours of channels, the byte that stands for 0, and where they go.
type Activations<'c, 'm> = (&'c [[Scaling; BLOCK]], u8, &'m mut [u8]);

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

    /// Takes windows of a row from column `column` on; gives how many. The rest are for [`Self::put_fours`].
    pub(super) fn put_row(
        &mut self,
        column: usize,
        first: usize,
        row: &Row<'_>,
        patch: &mut [[Pair; 2]],
        channels: &[Channel],
    ) -> usize {
        let step = self.to_next(column);
        match self.fours(column, first, channels, 0) {
            Some((scalings, zero, bytes)) if channels.len().is_multiple_of(BLOCK) => {
                words::activate_row(row, patch, scalings, zero, bytes, step)
            }
            _ => 0,
        }
    }

    /// Bytes from a column to the next; 0 from the last.
    fn to_next(&self, column: usize) -> usize {
        let value = self.value();
        let is_last = column + 1 == usize::from(value.width.get());
        if is_last { 0 } else { value.channels.get().into() }
    }

    /// Takes fours of outputs at column `column`, and at the next one if there is one: of sums of products, or of `sums`
    /// and theirs if that is not empty.
    #[inline(never)]
    pub(super) fn put_fours(
        &mut self,
        column: usize,
        first: usize,
        fours: &Fours<'_>,
        sums: &[Twin],
        channels: &[Channel],
    ) {
        let step = self.to_next(column);
        let mut done = 0;
        loop {
            if let Some((scalings, zero, bytes)) = self.fours(column, first, channels, done) {
                let sums = sums.get(2 * done..).unwrap_or_default();
                done += words::activate_fours(&fours.from(done), sums, scalings, zero, bytes, step);
            }
            let rest = channels.get(done * BLOCK..).unwrap_or_default();
            if rest.is_empty() {
                return;
            }
            let sums = sums.get(2 * done..).and_then(<[Twin]>::first_chunk);
            self.put_four(column, first + done * BLOCK, &fours.from(done), sums, rest);
            done += 1;
        }
    }

    /// Takes four outputs that [`words::activate_fours`] leaves: of a large multiplier, or that go out as they are, or
    /// fewer.
    #[inline(never)]
    fn put_four(
        &mut self,
        column: usize,
        first: usize,
        four: &Fours<'_>,
        sums: Option<&[Twin; 2]>,
        channels: &[Channel],
    ) {
        let channels = channels.get(..BLOCK).unwrap_or(channels);
        let mut sums = sums.copied().unwrap_or_default();
        words::add_fours(four, &mut sums, 1);
        let width = usize::from(self.value().width.get());
        for (place, column) in (column..width).take(2).enumerate() {
            let sums =
                sums.map(|twin| twin.as_chunks().0.get(place).map_or([0; 2], unpack_accumulators));
            self.put(column, first, sums.as_flattened(), channels);
        }
    }

    /// Takes a row of fours of channels of a depthwise layer: of sums of products, or of `sums` and theirs if that is not
    /// empty. From a four on; gives how many it has done: those that the kernel does.
    pub(super) fn put_depthwise(
        &mut self,
        [first, done]: [usize; 2],
        fours: &Depthwise<'_>,
        sums: &[[i32; BLOCK]],
        channels: &[Channel],
    ) -> usize {
        let step = usize::from(self.value().channels.get());
        let sums = sums.get(done..).unwrap_or_default();
        self.fours(0, first, channels, done).map_or(0, |(scalings, zero, bytes)| {
            words::activate_depthwise(fours, sums, scalings, zero, bytes, step)
        })
    }

    /// The same of those that it leaves, and of what comes after them.
    #[inline(never)] // its locals are not on the stack while the kernel does all
    pub(super) fn put_rest(
        &mut self,
        [first, mut done]: [usize; 2],
        fours: &Depthwise<'_>,
        sums: &[[i32; BLOCK]],
        channels: &[Channel],
    ) {
        while let Some(rest) = channels.get(done * BLOCK..)
            && let Some(four) = rest.first_chunk()
        {
            self.put_four_channels(first + done * BLOCK, fours.from(done), sums.get(done), four);
            done += 1;
            done += self.put_depthwise([first, done], &fours.from(done), sums, channels);
        }
    }

    /// Takes a row of four channels that [`words::activate_depthwise`] leaves.
    #[inline(never)]
    fn put_four_channels(
        &mut self,
        first: usize,
        mut four: Depthwise<'_>,
        sums: Option<&[i32; BLOCK]>,
        channels: &[Channel; BLOCK],
    ) {
        for column in 0..four.columns {
            let mut sums = [sums.copied().unwrap_or_default()];
            words::depthwise(&four, &mut sums);
            self.put(column, first, sums.as_flattened(), channels);
            four.pixels = four.pixels.get(four.across..).unwrap_or_default();
        }
    }

    /// Takes a strip of some channels: of their sums, or of `sums` and theirs if that is not empty. From a channel on; gives
    /// how many it has done: those that the kernel does.
    pub(super) fn put_strips(
        &mut self,
        [column, first]: [usize; 2],
        strip: &Strip<'_>,
        sums: &[i32],
        channels: &[Channel],
    ) -> usize {
        let Range { start, .. } = self.place(column, first, 0);
        let Self::Row { bytes, value, .. } = self else { return 0 };
        let scalings = <[Scaling]>::ref_from_bytes(channels.as_bytes()).unwrap_or_default();
        let bytes = bytes.get_mut(start..).unwrap_or_default();
        words::activate_strips(strip, sums, scalings, value.zero, bytes)
    }

    /// The same of those that it leaves, and of what comes after them.
    #[inline(never)] // its locals are not on the stack while the kernel does all
    pub(super) fn put_rest_of_strips(
        &mut self,
        [column, first, mut done]: [usize; 3],
        strip: &Strip<'_>,
        sums: &[i32],
        channels: &[Channel],
    ) {
        let mut strip = *strip;
        strip.skip(done);
        while let Some((channel, rest)) = channels.get(done..).and_then(<[_]>::split_first) {
            let more = sums.get(done).copied().unwrap_or_default();
            for place in 0..strip.places {
                let sum = more.wrapping_add(strip.sum(place));
                self.put_one(column + place, first + done, sum, channel);
            }
            strip.skip(1);
            done += 1;
            let sums = sums.get(done..).unwrap_or_default();
            let count = self.put_strips([column, first + done], &strip, sums, rest);
            strip.skip(count);
            done += count;
        }
    }

    /// What makes activations of fours of channels from number `done` on, and where they go; `None` if they go out as
    /// they are.
    fn fours<'c>(
        &mut self,
        column: usize,
        first: usize,
        channels: &'c [Channel],
        done: usize,
    ) -> Option<Activations<'c, '_>> {
        let Range { start, .. } = self.place(column, first + done * BLOCK, 0);
        let Self::Row { bytes, value, .. } = self else { return None };
        let channels = channels.get(done * BLOCK..)?;
        let count = channels.len() / BLOCK;
        let (scalings, _) =
            <[[Scaling; BLOCK]]>::ref_from_prefix_with_elems(channels.as_bytes(), count).ok()?;
        Some((scalings, value.zero, bytes.get_mut(start..)?))
    }

    /// Takes the sums of a block of a dense layer.
    #[inline(never)]
    pub(super) fn put_block(&mut self, first: usize, sums: &[[u32; 2]], channels: &[Channel]) {
        let place = self.place(0, first, channels.len());
        if let Self::Logits { logits, .. } = self {
            let logits = logits.get_mut(first..).unwrap_or_default().chunks_mut(2);
            for ((logits, channels), sums) in logits.zip(channels.chunks(2)).zip(sums) {
                let sums = unpack_accumulators(sums);
                for ((logit, channel), sum) in logits.iter_mut().zip(channels).zip(sums) {
                    *logit = sum.wrapping_add(channel.bias.get()).cast_unsigned();
                }
                keep_rolled();
            }
            return;
        }
        let mut done = 0;
        if let Self::Row { bytes, value, .. } = self
            && let Ok((scalings, _)) = <[[Scaling; 2]]>::ref_from_prefix_with_elems(
                channels.as_bytes(),
                channels.len() / 2,
            )
        {
            let bytes = bytes.get_mut(place).unwrap_or_default();
            done = words::activate_pairs(sums, scalings, value.zero, bytes);
        }
        let sums = sums.get(done..).unwrap_or_default();
        let channels = channels.get(2 * done..).unwrap_or_default();
        self.put_each(0, first + 2 * done, sums, channels, &unpack_accumulators);
    }

    /// The same, one by one: of the last layer, which has few, and where kernels do not.
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
