//! Any four places at a time, by the kernels of the layout Words: of a row that is pooled a window.

use zerocopy::{FromBytes, IntoBytes};

use super::WINDOW;
use crate::engine::Step;
use crate::engine::output::Output;
use crate::format::POOL;
use crate::kernels::words::{self, Offsets, Pair, Tile, gathered_pairs};
use crate::loops::clear;

/// Places that are computed at once.
const PLACES: usize = 4;

/// Working memory of a step.
struct Work<'m> {
    /// Where each kernel row lies at each place, from the first place's window on.
    rows: &'m mut [[u32; PLACES]],
    /// `[pair of outputs]`
    sums: &'m mut [Tile],
    /// `[pair of taps][place]`
    patch: &'m mut [[Pair; PLACES]],
}

impl<'m> Work<'m> {
    fn of(words: &'m mut [u32], rows: usize, outputs: usize) -> Option<Self> {
        let (rows, rest) = words.as_chunks_mut().0.split_at_mut_checked(rows)?;
        let (sums, patch) = rest.split_at_mut_checked(outputs.next_multiple_of(2))?;
        let sums = <[Tile]>::mut_from_bytes(sums.as_mut_bytes()).ok()?;
        Some(Self { rows, sums, patch })
    }
}

/// Any places.
#[inline(never)]
pub(in crate::engine) fn by_fours(
    step: &Step<'_>,
    work: &mut [u32],
    output: &mut Output<'_>,
) -> Option<()> {
    let kernel_rows = step.geometry().kernel[0];
    let Work { rows, sums, patch } = Work::of(work, kernel_rows, step.channels.len())?;
    let places = step.places(output);
    step.place_rows(PLACES.min(places), rows);
    for place in (0..places).step_by(PLACES) {
        let count = PLACES.min(places - place);
        if count < PLACES {
            step.place_rows(count, rows);
        }
        step.sum_up_fours(place, rows, sums, patch)?;
        if step.record.pooled != 0 {
            output.put_largest(place / WINDOW, step.first, sums, step.channels);
        } else {
            for index in 0..count {
                output.put_place(place + index, step.first, sums, index, step.channels);
            }
        }
    }
    Some(())
}

impl Step<'_> {
    /// Sets where the kernel rows lie at the first `count` places; at the others as at the first.
    #[inline(never)]
    fn place_rows(&self, count: usize, rows: &mut [[u32; PLACES]]) {
        let lines = self.lines();
        let [_, start] = self.window(0);
        for place in 0..PLACES {
            let [line, at] = self.window(if place < count { place } else { 0 });
            for (row, places) in rows.iter_mut().enumerate() {
                if let Some(offset) = places.get_mut(place) {
                    *offset = lines.offset(line + row) + (at - start) as u32;
                }
            }
        }
    }

    /// Sums of products at four places from `place` on.
    #[inline(never)]
    fn sum_up_fours(
        &self,
        place: usize,
        rows: &[[u32; PLACES]],
        sums: &mut [Tile],
        patch: &mut [[Pair; PLACES]],
    ) -> Option<()> {
        clear(sums);
        let [_, start] = self.window(place);
        let pixels = self.rows.span().get(start..)?;
        let mut words = self.words()?;
        let [at_once, run] = self.weights.chunk(self.chunk());
        for (number, rows) in rows.chunks(at_once.max(1)).enumerate() {
            let mut skip = 0;
            while skip < self.weights.run {
                let run = run.min(self.weights.run - skip);
                let patch = patch.get_mut(..gathered_pairs(rows.len(), run))?;
                words::gather_places(pixels.get(skip..)?, Offsets::of_places(rows), run, patch);
                if self.lines().outside().next().is_some() {
                    self.pad_fours([number * at_once, rows.len()], run, patch);
                }
                words::four_places(words, self.weights.words(), patch, sums);
                words = words.get(patch.len()..)?;
                skip += run;
            }
        }
        Some(())
    }

    /// Fills in the padding of kernel rows above and below the map, for which another row was gathered.
    #[inline(never)]
    fn pad_fours(&self, [first, rows]: [usize; 2], run: usize, patch: &mut [[Pair; PLACES]]) {
        let padding = self.rows.padding();
        let (pairs, left) = (run / 4 * 2, run % 4);
        let Some((whole, halves)) = patch.split_at_mut_checked(pairs * rows) else { return };
        for row in 0..rows {
            for place in 0..PLACES {
                let [line, _] = self.window(place);
                if self.lines().is_inside(line + first + row) {
                    continue;
                }
                for places in whole.iter_mut().skip(row * pairs).take(pairs) {
                    places[place] = padding;
                }
                for number in row * left..(row + 1) * left {
                    if let Some(places) = halves.get_mut(number / 2) {
                        let half = 0xffff << (16 * (number % 2));
                        places[place] = places[place] & !half | padding & half;
                    }
                }
            }
        }
    }
}

const _: () = assert!(PLACES == POOL * POOL);
