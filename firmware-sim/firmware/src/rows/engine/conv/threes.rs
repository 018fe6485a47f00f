//! Three places at a time, by the kernels of the layout Bytes; one that is left by itself.

use zerocopy::{FromBytes, IntoBytes};

use super::{Group, WINDOW};
use crate::kernels::bytes::{self, Block};
use crate::rows::engine::output::Output;
use crate::rows::format::BLOCK;

/// Places that are computed at once.
const PLACES: usize = 3;

/// Working memory of a step.
struct Work<'m> {
    /// Where each line begins, from the first place's window on.
    lines: &'m mut [u32],
    /// Of each output, the sum of one place, or the largest of a pooling window.
    place: &'m mut [i32],
    /// `[block][output][place]`, or `[block][output]`
    sums: &'m mut [i32],
    patch: &'m mut [u32],
}

impl<'m> Work<'m> {
    fn of(words: &'m mut [u32], lines: usize, outputs: usize) -> Option<Self> {
        let outputs = outputs.next_multiple_of(BLOCK);
        let (lines, rest) = words.split_at_mut_checked(lines)?;
        let (place, rest) = rest.split_at_mut_checked(outputs)?;
        let (sums, patch) = rest.split_at_mut_checked(outputs * PLACES)?;
        let place = <[i32]>::mut_from_bytes(place.as_mut_bytes()).ok()?;
        let sums = <[i32]>::mut_from_bytes(sums.as_mut_bytes()).ok()?;
        Some(Self { lines, place, sums, patch })
    }
}

impl Group<'_> {
    #[inline(never)] // as the others: their locals are not on the stack at once
    pub(super) fn by_threes(&self, work: &mut [u32], output: &mut Output<'_>) -> Option<()> {
        let mut work = Work::of(work, self.lines.count(), self.channels.len())?;
        self.lines.offsets(work.lines);
        let weights = <[Block]>::ref_from_bytes(self.step.bytes).ok()?;
        let weights = weights.get(self.first / BLOCK * self.weights.taps..)?;
        let places = self.places(output);
        let mut place = 0;
        while place < places {
            let count = PLACES.min(places - place);
            if count == 1 {
                self.sum_up_one(weights, place, &mut work)?;
            } else {
                self.sum_up_three(weights, place, count, &mut work)?;
            }
            for index in 0..count {
                self.put(place + index, [index, if count == 1 { 1 } else { PLACES }], &mut work, output);
            }
            place += count;
        }
        Some(())
    }

    /// Sums of products at `count` places from `place` on.
    fn sum_up_three(
        &self,
        weights: &[Block],
        place: usize,
        count: usize,
        work: &mut Work<'_>,
    ) -> Option<()> {
        work.sums.fill(0);
        let sums = work.sums.as_chunks_mut().0.as_chunks_mut().0;
        let windows =
            [0, 1, 2].map(|index| self.window(place + if index < count { index } else { 0 }));
        let taps = self.weights.taps;
        for first in (0..taps).step_by(self.chunk().max(1)) {
            let patch = work.patch.get_mut(..self.chunk().min(taps - first))?;
            if self.gather_triples(windows, work.lines, first, patch) {
                bytes::three_places(weights.get(first..)?, taps, patch, sums);
            }
        }
        Some(())
    }

    /// Sums of products at one place.
    fn sum_up_one(&self, weights: &[Block], place: usize, work: &mut Work<'_>) -> Option<()> {
        let sums = work.sums.get_mut(..work.place.len())?.as_chunks_mut().0;
        sums.fill([0; BLOCK]);
        let window = self.window(place);
        let patch = work.patch.as_mut_bytes();
        let (taps, most) = (self.weights.taps, patch.len().max(1));
        for first in (0..taps).step_by(most) {
            let patch = patch.get_mut(..most.min(taps - first))?;
            let mut rest = &mut *patch;
            for [row, skip, take] in self.kernel_rows(first, rest.len()) {
                let (bytes, after) = rest.split_at_mut_checked(take)?;
                rest = after;
                match self.run(window, work.lines, row, skip, take) {
                    Some(run) => bytes.iter_mut().zip(run).for_each(|(to, &from)| *to = from),
                    None => bytes.fill(self.step.rows.value.zero),
                }
            }
            bytes::one_place(weights.get(first..)?, taps, patch, sums);
        }
        Some(())
    }

    /// The activations of kernel row `row` from `skip` bytes on, `take` bytes; `None` above and below the map.
    #[inline]
    fn run(
        &self,
        [line, start]: [usize; 2],
        lines: &[u32],
        row: usize,
        skip: usize,
        take: usize,
    ) -> Option<&[u8]> {
        if !self.lines.is_inside(line + row) {
            return None;
        }
        let offset = *lines.get(line + row)? as usize;
        self.step.rows.ring().get(offset + start + skip..)?.get(..take)
    }

    /// Fills `patch` with the activations of the taps from `first` on, and tells whether any is not zero.
    fn gather_triples(
        &self,
        windows: [[usize; 2]; PLACES],
        lines: &[u32],
        first: usize,
        patch: &mut [u32],
    ) -> bool {
        let mut any = 0;
        let mut rest = &mut *patch;
        for [row, skip, take] in self.kernel_rows(first, rest.len()) {
            let Some((cells, after)) = core::mem::take(&mut rest).split_at_mut_checked(take) else {
                break;
            };
            rest = after;
            let inside = windows.map(|window| self.run(window, lines, row, skip, take));
            if let [Some(a), Some(b), Some(c)] = inside {
                for (((cell, &a), &b), &c) in cells.iter_mut().zip(a).zip(b).zip(c) {
                    *cell = bytes::triple([a, b, c]);
                    any |= *cell;
                }
            } else {
                let zero = self.step.rows.value.zero;
                for (index, cell) in cells.iter_mut().enumerate() {
                    let at = |row: Option<&[u8]>| row.and_then(|row| row.get(index).copied());
                    *cell = bytes::triple(inside.map(|row| at(row).unwrap_or(zero)));
                    any |= *cell;
                }
            }
        }
        any != 0
    }

    /// The kernel rows that `len` taps from `first` on are of, each with its bytes to skip and to take.
    fn kernel_rows(&self, first: usize, len: usize) -> impl Iterator<Item = [usize; 3]> + use<> {
        let run = self.weights.run;
        let mut row = first.checked_div(run).unwrap_or_default();
        let (mut skip, mut left) = (first - row * run, len);
        core::iter::from_fn(move || {
            let take = left.min(run - skip);
            let next = [row, skip, take];
            (row, skip, left) = (row + 1, 0, left - take);
            (take > 0).then_some(next)
        })
    }

    /// Hands on the sums of place `place`, of which the first lies at `index`, the next `stride` after it.
    fn put(
        &self,
        place: usize,
        [index, stride]: [usize; 2],
        work: &mut Work<'_>,
        output: &mut Output<'_>,
    ) {
        let sums = work.sums.get(index..).unwrap_or_default().iter().step_by(stride);
        let is_pooled = self.step.geometry.pooled;
        // Requantisation is monotonic, so the largest of four requantised sums is the requantised largest one
        let is_first = !is_pooled || place.is_multiple_of(WINDOW);
        for (largest, &sum) in work.place.iter_mut().zip(sums) {
            *largest = if is_first { sum } else { sum.max(*largest) };
        }
        if !is_pooled {
            output.put(place, self.first, work.place, self.channels);
        } else if place % WINDOW == WINDOW - 1 {
            output.put(place / WINDOW, self.first, work.place, self.channels);
        }
    }
}
