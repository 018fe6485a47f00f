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
    /// Of each output, the largest of a pooling window.
    largest: &'m mut [i32],
    /// `[block][output][place]`, or `[block][output]`
    sums: &'m mut [i32],
    patch: &'m mut [u32],
}

impl<'m> Work<'m> {
    fn of(step: &Step<'_>, words: &'m mut [u32]) -> Option<Self> {
        if step.chunk() == 0 {
            return None; // flash changed since it was checked: the taps would never end
        }
        let outputs = usize::from(step.record.group.get()).min(step.channels.len());
        let outputs = outputs.next_multiple_of(BLOCK);
        let windows = if step.record.pooled != 0 { outputs } else { 0 };
        let (lines, rest) = words.split_at_mut_checked(step.lines().count())?;
        let is_padded = step.lines().offsets(lines);
        let (largest, rest) = rest.split_at_mut_checked(windows)?;
        let (sums, patch) = rest.split_at_mut_checked(outputs * PLACES)?;
        let largest = <[i32]>::mut_from_bytes(largest.as_mut_bytes()).ok()?;
        let sums = <[i32]>::mut_from_bytes(sums.as_mut_bytes()).ok()?;
        Some(Self { lines, is_padded, largest, sums, patch })
    }
}

/// Places of a row, and outputs, that are computed at once.
struct Tile {
    place: usize,
    /// Of places.
    count: usize,
    /// The first output.
    first: usize,
    /// How many.
    outputs: usize,
}

/// Places of all outputs, a group of these at a time.
#[inline(never)]
pub(in crate::engine) fn by_threes(
    step: &Step<'_>,
    work: &mut [u32],
    output: &mut Output<'_>,
) -> Option<()> {
    let mut work = Work::of(step, work)?;
    let group = usize::from(step.record.group.get()).max(1);
    let places = step.places(output);
    let mut place = 0;
    while place < places {
        let count = PLACES.min(places - place);
        let mut first = 0;
        for channels in step.channels.chunks(group) {
            let tile = Tile { place, count, first, outputs: channels.len() };
            // a patch of all taps serves all groups
            if first > 0 && step.chunk() >= step.weights.taps {
                step.sum_up_again(&tile, &mut work)?;
            } else {
                step.sum_up(&tile, &mut work)?;
            }
            let between = if count == 1 { 1 } else { PLACES };
            output.put_places(place, first, work.sums, [count, between], channels);
            first += channels.len();
        }
        place += count;
    }
    Some(())
}

/// Pooled places of some outputs.
#[inline(never)]
pub(in crate::engine) fn windows_by_threes(
    step: &Step<'_>,
    work: &mut [u32],
    output: &mut Output<'_>,
) -> Option<()> {
    let mut work = Work::of(step, work)?;
    let places = step.places(output);
    let mut place = 0;
    while place < places {
        let count = PLACES.min(places - place);
        let tile = Tile { place, count, first: step.first, outputs: step.channels.len() };
        step.sum_up(&tile, &mut work)?;
        step.put_windows(&tile, &mut work, output);
        place += count;
    }
    Some(())
}

impl Step<'_> {
    /// Takes the largest sum of each window; of some, what is there.
    ///
    /// Requantisation is monotonic, so the largest of four requantised sums is the requantised largest one.
    #[inline(never)]
    fn put_windows(&self, tile: &Tile, work: &mut Work<'_>, output: &mut Output<'_>) {
        let (largest, column) = (&mut *work.largest, tile.place / WINDOW);
        let sums = work.sums.as_chunks::<PLACES>().0;
        match (tile.place % WINDOW, tile.count) {
            (0, _) => return take_largest(largest, sums, |_, [a, b, c]| a.max(b).max(c)),
            // a single place is the last of a window, of which only the last two may be left
            (_, 1) => {
                let sums = work.sums.as_chunks::<1>().0;
                take_largest(largest, sums, |largest, [a]| largest.max(a));
            }
            (1, _) => take_largest(largest, sums, |it, [a, b, c]| it.max(a).max(b.max(c))),
            (2, _) => take_largest(largest, sums, |it, [a, b, _]| it.max(a).max(b)),
            _ => take_largest(largest, sums, |it, [a, _, _]| it.max(a)),
        }
        output.put(column, self.first, largest, self.channels);
        // the others are of the next window
        match (tile.place % WINDOW, tile.count) {
            (2, PLACES) => take_largest(largest, sums, |_, [_, _, c]| c),
            (3, PLACES) => take_largest(largest, sums, |_, [_, b, c]| b.max(c)),
            _ => {}
        }
    }

    /// Sums of products.
    fn sum_up(&self, tile: &Tile, work: &mut Work<'_>) -> Option<()> {
        if tile.count == 1 { self.sum_up_one(tile, work) } else { self.sum_up_three(tile, work) }
    }

    /// The same of other outputs at the places that the patch holds.
    #[inline(never)]
    fn sum_up_again(&self, tile: &Tile, work: &mut Work<'_>) -> Option<()> {
        let (weights, taps) = (self.blocks(tile.first)?, self.weights.taps);
        if tile.count == 1 {
            let sums = work.sums.get_mut(..tile.outputs.next_multiple_of(BLOCK))?;
            sums.fill(0);
            let patch = work.patch.as_bytes().get(..taps)?;
            bytes::one_place(weights, taps, patch, sums.as_chunks_mut().0);
        } else {
            let sums = work.sums.get_mut(..tile.outputs.next_multiple_of(BLOCK) * PLACES)?;
            let sums = sums.as_chunks_mut().0.as_chunks_mut().0;
            bytes::three_places(weights, taps, work.patch.get(..taps)?, sums, true);
        }
        Some(())
    }

    /// The weights of the outputs from `first` on.
    fn blocks(&self, first: usize) -> Option<&[Block]> {
        let weights = <[Block]>::ref_from_bytes(self.bytes).ok()?;
        weights.get(first / BLOCK * self.weights.taps..)
    }

    #[inline(never)]
    fn sum_up_three(&self, tile: &Tile, work: &mut Work<'_>) -> Option<()> {
        let &Tile { place, count, outputs, .. } = tile;
        let sums = work.sums.get_mut(..outputs.next_multiple_of(BLOCK) * PLACES)?;
        let sums = sums.as_chunks_mut().0.as_chunks_mut().0;
        let (weights, taps) = (self.blocks(tile.first)?, self.weights.taps);
        let windows =
            [0, 1, 2].map(|index| self.window(place + if index < count { index } else { 0 }));
        let (mut first, mut are_new) = (0, true);
        while first < taps {
            let patch = work.patch.get_mut(..self.chunk().min(taps - first))?;
            let mut any = 0;
            let mut rest = &mut *patch;
            for [row, skip, take] in self.kernel_rows(first, rest.len()) {
                let (cells, after) = rest.split_at_mut_checked(take)?;
                rest = after;
                let lines = (work.lines, work.is_padded);
                let runs = windows.map(|window| self.run(window, lines, row, [skip, take]));
                any |= gather_triples(&runs, self.rows.value().zero, cells);
            }
            // most of a digit's picture is background
            if any != 0 {
                bytes::three_places(weights.get(first..)?, taps, patch, sums, are_new);
                are_new = false;
            }
            first += patch.len();
        }
        if are_new {
            sums.fill([[0; PLACES]; BLOCK]);
        }
        Some(())
    }

    #[inline(never)]
    fn sum_up_one(&self, tile: &Tile, work: &mut Work<'_>) -> Option<()> {
        let sums = work.sums.get_mut(..tile.outputs.next_multiple_of(BLOCK))?;
        sums.fill(0);
        let sums = sums.as_chunks_mut().0;
        let window = self.window(tile.place);
        let patch = work.patch.as_mut_bytes();
        let (weights, taps, most) = (self.blocks(tile.first)?, self.weights.taps, patch.len());
        let mut first = 0;
        while first < taps {
            let patch = patch.get_mut(..most.min(taps - first))?;
            let mut rest = &mut *patch;
            for [row, skip, take] in self.kernel_rows(first, rest.len()) {
                let (bytes, after) = rest.split_at_mut_checked(take)?;
                rest = after;
                match self.run(window, (work.lines, work.is_padded), row, [skip, take]) {
                    Some(run) => bytes.iter_mut().zip(run).for_each(|(to, &from)| *to = from),
                    None => bytes.fill(self.rows.value().zero),
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
        self.rows.span().get(offset + start + skip..)?.get(..take)
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

/// Takes of each output what `of` gives of what there is and its sums.
fn take_largest<const PLACES: usize>(
    largest: &mut [i32],
    sums: &[[i32; PLACES]],
    of: impl Fn(i32, [i32; PLACES]) -> i32,
) {
    for (largest, &sums) in largest.iter_mut().zip(sums) {
        *largest = of(*largest, sums);
    }
}

/// Fills `cells` with the activations of three runs, `zero` where there is none; gives bits of which none is set only
/// where all are zero.
#[inline(never)] // alone, it has all registers
fn gather_triples(runs: &[Option<&[u8]>; PLACES], zero: u8, cells: &mut [Triple]) -> Triple {
    let Some(&one) = runs.iter().flatten().next() else {
        cells.fill(bytes::triple([zero; PLACES]));
        return zero.into();
    };
    let mut any = 0;
    let [Some(a), Some(b), Some(c)] = runs.map(|run| run.unwrap_or(one).get(..cells.len())) else {
        return 0;
    };
    for (((cell, &a), &b), &c) in cells.iter_mut().zip(a).zip(b).zip(c) {
        *cell = bytes::triple([a, b, c]);
        any |= *cell;
    }
    if runs.iter().all(Option::is_some) { any } else { pad_triples(runs, zero, cells) }
}

/// Fills in `zero` where there is no run.
#[inline(never)] // its locals are not on the stack otherwise
fn pad_triples(runs: &[Option<&[u8]>; PLACES], zero: u8, cells: &mut [Triple]) -> Triple {
    let at = |byte| bytes::triple(runs.map(|run| if run.is_some() { 0 } else { byte }));
    let [mask, filling] = [u8::MAX, zero].map(at);
    for cell in cells {
        *cell = *cell & !mask | filling;
    }
    u32::MAX // of those that are there, some bit may be set
}
