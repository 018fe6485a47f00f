//! A convolution over all channels: one row of outputs, or of pooled outputs.
//!
//! Three places at a time, a chunk of taps at a time: their activations are gathered into a patch once, and multiplied
//! with the weights of all outputs. Of a row that is pooled the places come window by window, so that of each output
//! only the largest sum of one window is held:
//!
//! ```text
//! place     0  1 │ 4  5 │ 8  9 │        tiles of three: 0 1 2, 3 4 5, 6 7 8, …
//!           2  3 │ 6  7 │10 11 │
//! ```

use zerocopy::{FromBytes, IntoBytes};

use super::rows::{Output, Rows};
use crate::rows::format::{BLOCK, Channel, Geometry, POOL};
use crate::rows::products::{self, Block};

/// Places that are computed at once.
const PLACES: usize = 3;
/// Places of a pooling window.
const WINDOW: usize = POOL * POOL;

/// What a convolution computes by.
pub(super) struct Layer<'a> {
    pub(super) geometry: Geometry,
    /// Weights of an output.
    pub(super) taps: usize,
    /// Taps that are summed up at once.
    pub(super) chunk: usize,
    pub(super) weights: &'a [u8],
    pub(super) channels: &'a [Channel],
}

/// Where a window of the input lies.
#[derive(Debug, Clone, Copy, Default)]
struct Window {
    /// Its first row, plus the rows of padding above.
    row: usize,
    /// Where it begins in each row, in bytes.
    start: usize,
}

/// Working memory of a step.
struct Work<'m> {
    sums: &'m mut [[[i32; PLACES]; BLOCK]],
    /// Of each output, the largest sum of a pooling window.
    largest: &'m mut [i32],
    patch: &'m mut [u32],
}

impl<'m> Work<'m> {
    fn of(words: &'m mut [u32], outputs: usize, pooled: bool) -> Option<Self> {
        let blocks = outputs.div_ceil(BLOCK);
        let (sums, rest) = words.split_at_mut_checked(blocks * BLOCK * PLACES)?;
        let (largest, patch) =
            rest.split_at_mut_checked(if pooled { blocks * BLOCK } else { 0 })?;
        let sums = <[[[i32; PLACES]; BLOCK]]>::mut_from_bytes(sums.as_mut_bytes()).ok()?;
        let largest = <[i32]>::mut_from_bytes(largest.as_mut_bytes()).ok()?;
        Some(Self { sums, largest, patch })
    }
}

impl Layer<'_> {
    /// Row `row`.
    #[inline(never)] // as the others: their locals are not on the stack at once
    pub(super) fn row(
        &self,
        row: usize,
        rows: &Rows<'_>,
        work: &mut [u32],
        output: &mut Output<'_>,
    ) -> Option<()> {
        output.bytes();
        let Geometry { pooled, .. } = self.geometry;
        let mut work = Work::of(work, self.channels.len(), pooled)?;
        let width = usize::from(output.value().width.get());
        let places = if pooled { width * WINDOW } else { width };
        let mut place = 0;
        while place < places {
            let count = (places - place).min(PLACES);
            // places beyond the last are the first again
            let windows = core::array::from_fn(|index| {
                self.window(row, if index < count { place + index } else { place }, rows)
            });
            self.sum_up(windows, count, rows, &mut work)?;
            for index in 0..count {
                self.put(place + index, index, &mut work, output);
            }
            place += count;
        }
        Some(())
    }

    /// The window of a place.
    fn window(&self, row: usize, place: usize, rows: &Rows<'_>) -> Window {
        let Geometry { pooled, stride: [down, across], padding: [_, _, left, _], .. } =
            self.geometry;
        let [row, column] = if pooled {
            [row * POOL + place % WINDOW / POOL, place / WINDOW * POOL + place % POOL]
        } else {
            [row, place]
        };
        Window { row: row * down, start: rows.window(column, across, left) }
    }

    /// Sums of products of all outputs at these windows, of which the first `count` matter.
    fn sum_up(
        &self,
        windows: [Window; PLACES],
        count: usize,
        rows: &Rows<'_>,
        work: &mut Work<'_>,
    ) -> Option<()> {
        work.sums.as_flattened_mut().fill([0; PLACES]);
        let weights = self.weights.as_chunks::<BLOCK>().0;
        let weights = <[Block]>::ref_from_bytes(weights.as_bytes()).ok()?;
        let mut first = 0;
        while first < self.taps {
            let patch = work.patch.get_mut(..self.chunk.min(self.taps - first))?;
            let weights = weights.get(first..)?;
            first += patch.len();
            if self.gather(windows, first - patch.len(), rows, patch) {
                products::three_places(weights, self.taps, patch, work.sums);
            }
        }
        let _ = count;
        Some(())
    }

    /// Fills `patch` with the activations of the taps from `first` on, and tells whether any is not zero.
    fn gather(
        &self,
        windows: [Window; PLACES],
        first: usize,
        rows: &Rows<'_>,
        patch: &mut [u32],
    ) -> bool {
        let Geometry { kernel: [_, columns], padding: [top, ..], .. } = self.geometry;
        let span = columns * usize::from(rows.value.channels.get());
        let mut kernel_row = first.checked_div(span).unwrap_or_default();
        let mut skip = first - kernel_row * span;
        let mut any = 0;
        let mut rest = patch;
        while !rest.is_empty() {
            let length = rest.len().min(span - skip);
            let Some((cells, after)) = rest.split_at_mut_checked(length) else { break };
            rest = after;
            let inside = windows.map(|window| {
                // above the map it wraps around, and there is no such row
                let row = rows.row((window.row + kernel_row).wrapping_sub(top))?;
                row.get(window.start + skip..)?.get(..length)
            });
            if let [Some(a), Some(b), Some(c)] = inside {
                for (((cell, &a), &b), &c) in cells.iter_mut().zip(a).zip(b).zip(c) {
                    *cell = products::triple([a, b, c]);
                    any |= *cell;
                }
            } else {
                for (index, cell) in cells.iter_mut().enumerate() {
                    *cell = products::triple(inside.map(|row| {
                        row.and_then(|row| row.get(index).copied()).unwrap_or(rows.value.zero)
                    }));
                    any |= *cell;
                }
            }
            (kernel_row, skip) = (kernel_row + 1, 0);
        }
        any != 0
    }

    /// Hands on the sums of place `place`, which lie at `index` of their tile.
    fn put(&self, place: usize, index: usize, work: &mut Work<'_>, output: &mut Output<'_>) {
        let sums = work.sums.as_flattened().iter();
        let sums = sums.map(|places| places.get(index).copied().unwrap_or_default());
        if !self.geometry.pooled {
            output.put(place, 0, sums, self.channels.iter());
            return;
        }
        // Requantisation is monotonic, so the largest of four requantised sums is the requantised largest one
        let is_first = place.is_multiple_of(WINDOW);
        for (largest, sum) in work.largest.iter_mut().zip(sums) {
            *largest = if is_first { sum } else { sum.max(*largest) };
        }
        if place % WINDOW == WINDOW - 1 {
            output.put(place / WINDOW, 0, work.largest.iter().copied(), self.channels.iter());
        }
    }
}
