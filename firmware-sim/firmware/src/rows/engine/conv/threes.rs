//! Three places at a time, by the kernels of the layout Bytes.

use zerocopy::{FromBytes, IntoBytes};

use super::{Group, WINDOW, Window};
use crate::kernels::bytes::{self, Block};
use crate::rows::engine::rows::Output;
use crate::rows::format::BLOCK;

/// Places that are computed at once.
const PLACES: usize = 3;

/// Working memory of a step.
struct Work<'m> {
    /// Of each output, the sum of one place, or the largest of a pooling window.
    place: &'m mut [i32],
    /// `[block][output][place]`
    sums: &'m mut [[[i32; PLACES]; BLOCK]],
    patch: &'m mut [u32],
}

impl<'m> Work<'m> {
    fn of(words: &'m mut [u32], outputs: usize) -> Option<Self> {
        let outputs = outputs.next_multiple_of(BLOCK);
        let (place, rest) = words.split_at_mut_checked(outputs)?;
        let (sums, patch) = rest.split_at_mut_checked(outputs * PLACES)?;
        let place = <[i32]>::mut_from_bytes(place.as_mut_bytes()).ok()?;
        let sums = <[[[i32; PLACES]; BLOCK]]>::mut_from_bytes(sums.as_mut_bytes()).ok()?;
        Some(Self { place, sums, patch })
    }
}

impl Group<'_> {
    #[inline(never)] // as the others: their locals are not on the stack at once
    pub(super) fn by_threes(&self, work: &mut [u32], output: &mut Output<'_>) -> Option<()> {
        let mut work = Work::of(work, self.channels.len())?;
        let weights = <[Block]>::ref_from_bytes(self.layer.bytes).ok()?;
        let weights = weights.get(self.first / BLOCK * self.layer.weights.taps..)?;
        let places = self.places(output);
        let mut place = 0;
        while place < places {
            self.sum_up(weights, self.windows(place, places), &mut work)?;
            for index in 0..PLACES.min(places - place) {
                self.put(place + index, index, &mut work, output);
            }
            place += PLACES;
        }
        Some(())
    }

    /// Sums of products at these windows.
    fn sum_up(
        &self,
        weights: &[Block],
        windows: [Window; PLACES],
        work: &mut Work<'_>,
    ) -> Option<()> {
        work.sums.as_flattened_mut().fill([0; PLACES]);
        let taps = self.layer.weights.taps;
        let mut first = 0;
        while first < taps {
            let patch = work.patch.get_mut(..self.layer.chunk.min(taps - first))?;
            if self.gather_triples(windows, first, patch) {
                bytes::three_places(weights.get(first..)?, taps, patch, work.sums);
            }
            first += patch.len();
        }
        Some(())
    }

    /// Fills `patch` with the activations of the taps from `first` on, and tells whether any is not zero.
    fn gather_triples(&self, windows: [Window; PLACES], first: usize, patch: &mut [u32]) -> bool {
        let mut any = 0;
        let mut rest = &mut *patch;
        for [row, skip, take] in self.kernel_rows(first, rest.len()) {
            let Some((cells, after)) = core::mem::take(&mut rest).split_at_mut_checked(take) else {
                break;
            };
            rest = after;
            let inside = windows.map(|window| self.bytes(window, row, skip, take));
            if let [Some(a), Some(b), Some(c)] = inside {
                for (((cell, &a), &b), &c) in cells.iter_mut().zip(a).zip(b).zip(c) {
                    *cell = bytes::triple([a, b, c]);
                    any |= *cell;
                }
            } else {
                let zero = self.rows.value.zero;
                for (index, cell) in cells.iter_mut().enumerate() {
                    let at = |row: Option<&[u8]>| row.and_then(|row| row.get(index).copied());
                    *cell = bytes::triple(inside.map(|row| at(row).unwrap_or(zero)));
                    any |= *cell;
                }
            }
        }
        any != 0
    }

    /// Hands on the sums of place `place`, which lie at `index` of their tile.
    fn put(&self, place: usize, index: usize, work: &mut Work<'_>, output: &mut Output<'_>) {
        let sums = work.sums.as_flattened().iter();
        let sums = sums.map(|places| places.get(index).copied().unwrap_or_default());
        let is_pooled = self.layer.geometry.pooled;
        // Requantisation is monotonic, so the largest of four requantised sums is the requantised largest one
        let is_first = !is_pooled || place.is_multiple_of(WINDOW);
        for (largest, sum) in work.place.iter_mut().zip(sums) {
            *largest = if is_first { sum } else { sum.max(*largest) };
        }
        if !is_pooled {
            output.put(place, self.first, work.place, self.channels);
        } else if place % WINDOW == WINDOW - 1 {
            output.put(place / WINDOW, self.first, work.place, self.channels);
        }
    }
}
