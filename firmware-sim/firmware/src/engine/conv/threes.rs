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
#[derive(Clone, Copy)]
struct Tile {
    place: usize,
    /// Of places.
    count: usize,
    /// The first output.
    first: usize,
    /// How many.
    outputs: usize,
}

/// Any places, of some outputs if they are pooled, else of all.
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
        let tile = Tile { place, count, first: step.first, outputs: step.channels.len() };
        if step.record.pooled != 0 {
            step.sum_up(tile, &mut work, false)?;
            step.put_windows(tile, &mut work, output)?;
        } else {
            step.put_places(tile, &mut work, output)?;
        }
        place += count;
    }
    Some(())
}

impl Step<'_> {
    /// Some places of all outputs, a group of these at a time.
    #[inline(never)]
    fn put_places(
        &self,
        mut tile: Tile,
        work: &mut Work<'_>,
        output: &mut Output<'_>,
    ) -> Option<()> {
        let step = if tile.count == 1 { 1 } else { PLACES };
        let mut is_gathered = false;
        for channels in self.channels.chunks(usize::from(self.record.group.get()).max(1)) {
            tile.outputs = channels.len();
            is_gathered = self.sum_up(tile, work, is_gathered)?;
            for index in 0..tile.count {
                let sums = work.sums.get(index..)?;
                output.put_every(tile.place + index, tile.first, sums, step, channels);
            }
            tile.first += channels.len();
        }
        Some(())
    }

    /// Takes the largest sum of each window; of some, what is there.
    #[inline(never)]
    fn put_windows(
        &self,
        Tile { place, count, .. }: Tile,
        work: &mut Work<'_>,
        output: &mut Output<'_>,
    ) -> Option<()> {
        let Work { largest, sums, .. } = work;
        let step = if count == 1 { 1 } else { PLACES };
        let mut index = 0;
        while index < count {
            let in_window = (place + index) % WINDOW;
            let of_window = (WINDOW - in_window).min(count - index);
            let sums = sums.get(index..)?;
            let take = match of_window {
                1 => take_largest::<1>,
                2 => take_largest::<2>,
                _ => take_largest::<PLACES>,
            };
            take(in_window > 0, largest, sums, step);
            index += of_window;
            if in_window + of_window == WINDOW {
                let column = (place + index) / WINDOW - 1;
                output.put(column, self.first, largest, self.channels);
            }
        }
        Some(())
    }

    /// Sums of products; `is_gathered` says that the patch holds these places' activations, for all taps. Gives whether
    /// it does so now.
    fn sum_up(&self, tile: Tile, work: &mut Work<'_>, is_gathered: bool) -> Option<bool> {
        if tile.count == 1 {
            self.sum_up_one(tile, work, is_gathered)
        } else {
            self.sum_up_three(tile, work, is_gathered)
        }
    }

    /// The weights of the outputs from `first` on.
    fn blocks(&self, first: usize) -> Option<&[Block]> {
        let weights = <[Block]>::ref_from_bytes(self.bytes).ok()?;
        weights.get(first / BLOCK * self.weights.taps..)
    }

    #[inline(never)]
    fn sum_up_three(&self, tile: Tile, work: &mut Work<'_>, is_gathered: bool) -> Option<bool> {
        let Tile { place, count, outputs, .. } = tile;
        let sums = work.sums.get_mut(..outputs.next_multiple_of(BLOCK) * PLACES)?;
        sums.fill(0);
        let sums = sums.as_chunks_mut().0.as_chunks_mut().0;
        let windows =
            [0, 1, 2].map(|index| self.window(place + if index < count { index } else { 0 }));
        let (weights, taps) = (self.blocks(tile.first)?, self.weights.taps);
        let mut first = 0;
        while first < taps {
            let patch = work.patch.get_mut(..self.chunk().min(taps - first))?;
            let mut any = 0;
            if is_gathered {
                any = 1;
            } else {
                let mut rest = &mut *patch;
                for [row, skip, take] in self.kernel_rows(first, rest.len()) {
                    let (cells, after) = rest.split_at_mut_checked(take)?;
                    rest = after;
                    let lines = (work.lines, work.is_padded);
                    let runs = windows.map(|window| self.run(window, lines, row, [skip, take]));
                    any |= gather_triples(runs, self.rows.value().zero, cells);
                }
            }
            // most of a digit's picture is background
            if any != 0 {
                bytes::three_places(weights.get(first..)?, taps, patch, sums);
            }
            first += patch.len();
        }
        Some(taps <= self.chunk())
    }

    #[inline(never)]
    fn sum_up_one(&self, tile: Tile, work: &mut Work<'_>, is_gathered: bool) -> Option<bool> {
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
            let rows = if is_gathered { 0 } else { rest.len() };
            for [row, skip, take] in self.kernel_rows(first, rows) {
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
        Some(taps <= most)
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

/// Takes the largest of some sums, every `step`, or what of them is larger.
///
/// Requantisation is monotonic, so the largest of four requantised sums is the requantised largest one.
#[inline(never)]
fn take_largest<const PLACES: usize>(
    is_next: bool,
    largest: &mut [i32],
    sums: &[i32],
    step: usize,
) {
    let places = sums.chunks(step.max(1)).filter_map(<[i32]>::first_chunk::<PLACES>);
    for (largest, places) in largest.iter_mut().zip(places) {
        let first = if is_next { *largest } else { i32::MIN };
        *largest = places.iter().fold(first, |largest, &sum| sum.max(largest));
    }
}

/// Fills `cells` with the activations of three runs, `zero` where there is none, and gives the bits that are in any.
#[inline(never)] // alone, it has all registers
fn gather_triples(runs: [Option<&[u8]>; PLACES], zero: u8, cells: &mut [Triple]) -> Triple {
    let mut any = 0;
    match runs {
        [Some(a), Some(b), Some(c)] => {
            let (fours, rest) = cells.as_chunks_mut::<4>();
            let [(a, last_a), (b, last_b), (c, last_c)] = [a, b, c].map(<[u8]>::as_chunks::<4>);
            for (((cells, a), b), c) in fours.iter_mut().zip(a).zip(b).zip(c) {
                for (((cell, &a), &b), &c) in cells.iter_mut().zip(a).zip(b).zip(c) {
                    *cell = bytes::triple([a, b, c]);
                    any |= *cell;
                }
            }
            for (((cell, &a), &b), &c) in rest.iter_mut().zip(last_a).zip(last_b).zip(last_c) {
                *cell = bytes::triple([a, b, c]);
                any |= *cell;
            }
        }
        [None, None, None] => {
            any = bytes::triple([zero; PLACES]);
            cells.fill(any);
        }
        _ => {
            for (index, cell) in cells.iter_mut().enumerate() {
                let at = |run: Option<&[u8]>| run.and_then(|run| run.get(index).copied());
                *cell = bytes::triple(runs.map(|run| at(run).unwrap_or(zero)));
                any |= *cell;
            }
        }
    }
    any
}
