//! Three places at a time, by the kernels of the layout Bytes; one that is left by itself.

use zerocopy::{FromBytes, IntoBytes};

use super::WINDOW;
use crate::engine::Step;
use crate::engine::output::Output;
use crate::format::BLOCK;
use crate::kernels::bytes::{self, Block, Triple};

/// Places that are computed at once.
const PLACES: usize = 3;

/// Working memory of a step.
struct Work<'m> {
    /// Where each line begins.
    lines: &'m [u32],
    /// Whether any is above or below the map.
    is_padded: bool,
    /// Of each output, the sum of one place, or the largest of a pooling window.
    place: &'m mut [i32],
    /// `[block][output][place]`, or `[block][output]`
    sums: &'m mut [i32],
    patch: &'m mut [u32],
}

impl<'m> Work<'m> {
    fn of(step: &Step<'_>, words: &'m mut [u32]) -> Option<Self> {
        let outputs = step.channels.len().next_multiple_of(BLOCK);
        let (lines, rest) = words.split_at_mut_checked(step.lines().count())?;
        let is_padded = step.lines().offsets(lines);
        let (place, rest) = rest.split_at_mut_checked(outputs)?;
        let (sums, patch) = rest.split_at_mut_checked(outputs * PLACES)?;
        let place = <[i32]>::mut_from_bytes(place.as_mut_bytes()).ok()?;
        let sums = <[i32]>::mut_from_bytes(sums.as_mut_bytes()).ok()?;
        Some(Self { lines, is_padded, place, sums, patch })
    }
}

/// Any places.
#[inline(never)]
pub(in crate::engine) fn by_threes(
    step: &Step<'_>,
    work: &mut [u32],
    output: &mut Output<'_>,
) -> Option<()> {
    let mut work = Work::of(step, work)?;
    let places = step.places(output);
    let mut place = 0;
    while place < places {
        let count = PLACES.min(places - place);
        if count == 1 {
            step.sum_up_one(place, &mut work)?;
        } else {
            step.sum_up_three([place, count], &mut work)?;
        }
        for index in 0..count {
            // Requantisation is monotonic, so the largest of four requantised sums is the requantised largest one
            let is_pooled = step.record.pooled != 0;
            let is_next = is_pooled && !place.is_multiple_of(WINDOW);
            if count == 1 {
                take_largest(is_next, work.place, &*work.sums);
            } else {
                let sums = work.sums.as_chunks::<PLACES>().0;
                take_largest(is_next, work.place, sums.iter().map(|places| &places[index]));
            }
            place += 1;
            if !is_pooled {
                output.put(place - 1, step.first, work.place, step.channels);
            } else if place.is_multiple_of(WINDOW) {
                output.put(place / WINDOW - 1, step.first, work.place, step.channels);
            }
        }
    }
    Some(())
}

/// Takes the sums of a place, or what of them is larger.
fn take_largest<'s>(is_next: bool, largest: &mut [i32], sums: impl IntoIterator<Item = &'s i32>) {
    for (largest, &sum) in largest.iter_mut().zip(sums) {
        *largest = if is_next { sum.max(*largest) } else { sum };
    }
}

impl Step<'_> {
    /// The weights of the outputs.
    fn blocks(&self) -> Option<&[Block]> {
        let weights = <[Block]>::ref_from_bytes(self.bytes).ok()?;
        weights.get(self.first / BLOCK * self.weights.taps..)
    }

    /// Sums of products at `count` places from `place` on.
    #[inline(never)]
    fn sum_up_three(&self, [place, count]: [usize; 2], work: &mut Work<'_>) -> Option<()> {
        work.sums.fill(0);
        let sums = work.sums.as_chunks_mut().0.as_chunks_mut().0;
        let windows =
            [0, 1, 2].map(|index| self.window(place + if index < count { index } else { 0 }));
        let (weights, taps) = (self.blocks()?, self.weights.taps);
        let mut first = 0;
        while first < taps {
            let patch = work.patch.get_mut(..self.chunk().min(taps - first))?;
            let mut any = 0;
            let mut rest = &mut *patch;
            for [row, skip, take] in self.kernel_rows(first, rest.len()) {
                let (cells, after) = rest.split_at_mut_checked(take)?;
                rest = after;
                let lines = (work.lines, work.is_padded);
                let runs = windows.map(|window| self.run(window, lines, row, [skip, take]));
                any |= gather_triples(runs, self.rows.value.zero, cells);
            }
            // most of a digit's picture is background
            if any != 0 {
                bytes::three_places(weights.get(first..)?, taps, patch, sums);
            }
            first += patch.len();
        }
        Some(())
    }

    /// Sums of products at one place.
    #[inline(never)]
    fn sum_up_one(&self, place: usize, work: &mut Work<'_>) -> Option<()> {
        let sums = work.sums.get_mut(..work.place.len())?.as_chunks_mut().0;
        sums.fill([0; BLOCK]);
        let window = self.window(place);
        let patch = work.patch.as_mut_bytes();
        let (weights, taps, most) = (self.blocks()?, self.weights.taps, patch.len());
        let mut first = 0;
        while first < taps {
            let patch = patch.get_mut(..most.min(taps - first))?;
            let mut rest = &mut *patch;
            for [row, skip, take] in self.kernel_rows(first, rest.len()) {
                let (bytes, after) = rest.split_at_mut_checked(take)?;
                rest = after;
                match self.run(window, (work.lines, work.is_padded), row, [skip, take]) {
                    Some(run) => bytes.iter_mut().zip(run).for_each(|(to, &from)| *to = from),
                    None => bytes.fill(self.rows.value.zero),
                }
            }
            bytes::one_place(weights.get(first..)?, taps, patch, sums);
            first += patch.len().max(1);
        }
        Some(())
    }

    /// The activations of kernel row `row` from `skip` bytes on, `take` bytes; `None` above and below the map.
    fn run(
        &self,
        [line, start]: [usize; 2],
        (lines, is_padded): (&[u32], bool),
        row: usize,
        [skip, take]: [usize; 2],
    ) -> Option<&[u8]> {
        if is_padded && !self.lines().is_inside(line + row) {
            return None;
        }
        let offset = *lines.get(line + row)? as usize;
        self.rows.ring().get(offset + start + skip..)?.get(..take)
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
}

/// Fills `cells` with the activations of three runs, `zero` where there is none, and gives the bits that are in any.
#[inline(never)] // alone, it has all registers
fn gather_triples(runs: [Option<&[u8]>; PLACES], zero: u8, cells: &mut [Triple]) -> Triple {
    let mut any = 0;
    if let [Some(a), Some(b), Some(c)] = runs {
        for (((cell, &a), &b), &c) in cells.iter_mut().zip(a).zip(b).zip(c) {
            *cell = bytes::triple([a, b, c]);
            any |= *cell;
        }
    } else {
        for (index, cell) in cells.iter_mut().enumerate() {
            let at = |run: Option<&[u8]>| run.and_then(|run| run.get(index).copied());
            *cell = bytes::triple(runs.map(|run| at(run).unwrap_or(zero)));
            any |= *cell;
        }
    }
    any
}
