//! Any four places at a time, by the kernels of the layout Words: of a row that is pooled a window.

use zerocopy::{FromBytes, IntoBytes};

use super::{Group, WINDOW};
use crate::kernels::words::{self, Offsets, Pair, Tile, gathered_pairs};
use crate::rows::engine::output::Output;
use crate::rows::format::POOL;

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

impl Group<'_> {
    #[inline(never)]
    pub(super) fn by_fours(&self, work: &mut [u32], output: &mut Output<'_>) -> Option<()> {
        let kernel_rows = self.step.geometry.kernel[0];
        let Work { rows, sums, patch } = Work::of(work, kernel_rows, self.channels.len())?;
        let places = self.places(output);
        self.place_rows(PLACES.min(places), rows);
        for place in (0..places).step_by(PLACES) {
            let count = PLACES.min(places - place);
            if count < PLACES {
                self.place_rows(count, rows);
            }
            let [_, start] = self.window(place);
            self.sum_up_fours(self.step.rows.ring().get(start..)?, rows, sums, patch)?;
            if self.step.geometry.pooled {
                output.put_largest(place / WINDOW, self.first, sums, self.channels);
            } else {
                for index in 0..count {
                    output.put_place(place + index, self.first, sums, index, self.channels);
                }
            }
        }
        Some(())
    }

    /// Sets where the kernel rows lie at the first `count` places; at the others as at the first.
    fn place_rows(&self, count: usize, rows: &mut [[u32; PLACES]]) {
        let [_, start] = self.window(0);
        for place in 0..PLACES {
            let [line, at] = self.window(if place < count { place } else { 0 });
            for (row, places) in rows.iter_mut().enumerate() {
                if let Some(offset) = places.get_mut(place) {
                    *offset = self.lines.offset(line + row) + (at - start) as u32;
                }
            }
        }
    }

    /// Sums of products at four places.
    fn sum_up_fours(
        &self,
        pixels: &[u8],
        rows: &[[u32; PLACES]],
        sums: &mut [Tile],
        patch: &mut [[Pair; PLACES]],
    ) -> Option<()> {
        sums.fill([0; 8]);
        let mut words = self.words()?;
        let [at_once, run] = self.weights.chunk(self.chunk());
        for (number, rows) in rows.chunks(at_once.max(1)).enumerate() {
            let mut skip = 0;
            while skip < self.weights.run {
                let run = run.min(self.weights.run - skip);
                let patch = patch.get_mut(..gathered_pairs(rows.len(), run))?;
                words::gather_places(pixels.get(skip..)?, Offsets::of_places(rows), run, patch);
                if self.lines.outside().next().is_some() {
                    self.pad(number * at_once, rows.len(), run, patch);
                }
                words::four_places(words, self.weights.words(), patch, sums);
                words = words.get(patch.len()..)?;
                skip += run;
            }
        }
        Some(())
    }

    /// Fills in the padding of kernel rows above and below the map, for which another row was gathered.
    fn pad(&self, first: usize, rows: usize, run: usize, patch: &mut [[Pair; PLACES]]) {
        let padding = self.step.rows.padding();
        let (pairs, left) = (run / 4 * 2, run % 4);
        let Some((whole, halves)) = patch.split_at_mut_checked(pairs * rows) else { return };
        for row in 0..rows {
            for place in 0..PLACES {
                let [line, _] = self.window(place);
                if self.lines.is_inside(line + first + row) {
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
