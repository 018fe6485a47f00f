//! Four places at a time, by the kernels of the layout Words: of a row that is pooled a window.

use zerocopy::{FromBytes, IntoBytes};

use super::{Group, WINDOW, Window};
use crate::kernels::grey;
use crate::kernels::unpack_accumulators;
use crate::kernels::words::{self, Pair, Tile, WindowPatch, Word};
use crate::rows::engine::rows::Output;
use crate::rows::format::{BLOCK, Order};

/// Places that are computed at once.
const PLACES: usize = 4;

/// Working memory of a step.
struct Work<'m> {
    /// Of each output, the sum of one place, or the largest of a pooling window.
    place: &'m mut [i32],
    /// `[pair of outputs]`
    sums: &'m mut [Tile],
    patch: &'m mut [u32],
}

impl<'m> Work<'m> {
    fn of(words: &'m mut [u32], outputs: usize) -> Option<Self> {
        let outputs = outputs.next_multiple_of(2);
        let (place, rest) = words.split_at_mut_checked(outputs)?;
        let (sums, patch) = rest.split_at_mut_checked(outputs * PLACES)?;
        let place = <[i32]>::mut_from_bytes(place.as_mut_bytes()).ok()?;
        let sums = <[Tile]>::mut_from_bytes(sums.as_mut_bytes()).ok()?;
        Some(Self { place, sums, patch })
    }
}

impl Group<'_> {
    #[inline(never)]
    pub(super) fn by_fours(&self, work: &mut [u32], output: &mut Output<'_>) -> Option<()> {
        let mut work = Work::of(work, self.channels.len())?;
        let all = <[Word]>::ref_from_bytes(self.layer.bytes).ok()?;
        let all = all.get(self.first / 2 * self.layer.weights.words()..)?;
        let places = self.places(output);
        let mut place = 0;
        while place < places {
            match self.layer.weights.order {
                Order::Grey => self.grey(all, self.window(place), &mut work)?,
                Order::Windows(3) => {
                    self.pooled(all, self.window(place), &mut work, words::window3)?;
                }
                Order::Windows(_) => {
                    self.pooled(all, self.window(place), &mut work, words::window5)?;
                }
                _ => self.sum_up_fours(all, self.windows(place, places), &mut work)?,
            }
            if self.layer.geometry.pooled {
                self.put_largest(place / WINDOW, &mut work, output);
            } else {
                for index in 0..PLACES.min(places - place) {
                    for (pair, tile) in work.place.as_chunks_mut().0.iter_mut().zip(&*work.sums) {
                        let sums = tile.as_chunks().0.get(index);
                        *pair = sums.map_or([0; 2], unpack_accumulators);
                    }
                    output.put(place + index, self.first, work.place, self.channels);
                }
            }
            place += PLACES;
        }
        Some(())
    }

    /// Hands on the largest sums of a window.
    fn put_largest(&self, column: usize, work: &mut Work<'_>, output: &mut Output<'_>) {
        if let Some((bytes, zero)) = output.place(column, self.first) {
            let outputs = bytes.chunks_mut(2).zip(self.channels.chunks(2));
            for ((bytes, channels), tile) in outputs.zip(&*work.sums) {
                for ((byte, channel), sum) in bytes.iter_mut().zip(channels).zip(max_pool(tile)) {
                    *byte = channel.activation(sum, zero);
                }
            }
            return;
        }
        for (pair, tile) in work.place.as_chunks_mut().0.iter_mut().zip(&*work.sums) {
            *pair = max_pool(tile);
        }
        output.put(column, self.first, work.place, self.channels);
    }

    /// A window of pixels of one channel.
    fn grey(&self, all: &[Word], window: Window, work: &mut Work<'_>) -> Option<()> {
        let zero = self.rows.value.zero;
        let rows = core::array::from_fn(|row| {
            let bytes = self.bytes(window, row, 0, grey::SIDE).and_then(|it| it.first_chunk());
            bytes.copied().unwrap_or([zero; grey::SIDE])
        });
        let patch = work.patch.first_chunk_mut::<{ grey::SIDE * grey::SIDE }>()?;
        let patch = patch.as_chunks_mut().0.first_chunk_mut()?;
        if grey::gather(&rows, patch) {
            grey::convolve(all, patch, work.sums);
        } else {
            // most of a digit's picture is background: 0 times anything
            work.sums.fill([0; 8]);
        }
        Some(())
    }

    /// A window of several channels at a time.
    fn pooled<const SIDE: usize>(
        &self,
        all: &[Word],
        window: Window,
        work: &mut Work<'_>,
        kernel: fn(&[Word], usize, &[WindowPatch<SIDE>], &mut [Tile]),
    ) -> Option<()> {
        work.sums.fill([0; 8]);
        let inputs = self.layer.weights.inputs;
        let zero = self.rows.value.zero;
        let patches = work.patch.as_chunks_mut::<SIDE>().0.as_chunks_mut::<SIDE>().0;
        let patches = patches.get_mut(..self.layer.chunk / 2)?;
        let mut channel = 0;
        while channel < inputs {
            for y in 0..SIDE {
                let len = (SIDE - 1) * inputs + self.layer.chunk;
                match self.bytes(window, y, channel, len) {
                    Some(row) => words::gather_window(row, inputs, y, patches),
                    None => {
                        for patch in patches.iter_mut() {
                            *patch.get_mut(y)? = [Pair::from(zero) * 0x0001_0001; SIDE];
                        }
                    }
                }
            }
            let words = all.get(channel / 2 * (SIDE - 1) * (SIDE - 1)..)?;
            kernel(words, self.layer.weights.words(), patches, work.sums);
            channel += self.layer.chunk;
        }
        Some(())
    }

    /// Any kernel at four places.
    fn sum_up_fours(
        &self,
        all: &[Word],
        windows: [Window; PLACES],
        work: &mut Work<'_>,
    ) -> Option<()> {
        work.sums.fill([0; 8]);
        let taps = self.layer.weights.taps;
        let chunk = self.layer.chunk.min(taps.next_multiple_of(BLOCK));
        let (patch, bytes) = work.patch.split_at_mut_checked(2 * chunk)?;
        let patch = patch.as_chunks_mut::<PLACES>().0;
        let mut first = 0;
        while first < taps {
            let len = chunk.min(taps - first);
            let patch = patch.get_mut(..len.next_multiple_of(BLOCK) / 2)?;
            self.gather_fours(windows, [first, len], patch, bytes.as_mut_bytes())?;
            words::four_places(all.get(first / 2..)?, self.layer.weights.words(), patch, work.sums);
            first += len;
        }
        Some(())
    }

    /// Fills `patch` with the activations of `len` taps from `first` on, by way of `bytes` if these do not lie in fours.
    fn gather_fours(
        &self,
        windows: [Window; PLACES],
        [first, len]: [usize; 2],
        patch: &mut [[Pair; PLACES]],
        bytes: &mut [u8],
    ) -> Option<()> {
        if !self.layer.is_copied {
            let mut rest = patch;
            for [row, skip, take] in self.kernel_rows(first, len) {
                let (pairs, after) = rest.split_at_mut_checked(take / 2)?;
                rest = after;
                let zero: &[u8] = &[];
                let runs =
                    windows.map(|window| self.bytes(window, row, skip, take).unwrap_or(zero));
                words::gather_places(runs, pairs);
            }
            return Some(());
        }
        let mut rest = bytes;
        let mut runs: [&[u8]; PLACES] = [&[]; PLACES];
        for (run, window) in runs.iter_mut().zip(windows) {
            let (place, after) = rest.split_at_mut_checked(len)?;
            rest = after;
            self.copy_taps(window, first, place)?;
            *run = place;
        }
        words::gather_places(runs, patch);
        Some(())
    }

    /// Fills `place` with the activations of the taps from `first` on.
    fn copy_taps(&self, window: Window, first: usize, place: &mut [u8]) -> Option<()> {
        let len = place.len();
        let mut rest = place;
        for [row, skip, take] in self.kernel_rows(first, len) {
            let (to, after) = rest.split_at_mut_checked(take)?;
            rest = after;
            match self.bytes(window, row, skip, take) {
                Some(from) => to.iter_mut().zip(from).for_each(|(to, &from)| *to = from),
                None => to.fill(self.rows.value.zero),
            }
        }
        Some(())
    }
}

/// 2×2 max-pooling of the sums of two outputs.
fn max_pool(tile: &Tile) -> [i32; 2] {
    let [first, rest @ ..] = tile.as_chunks().0 else { return [0; 2] };
    rest.iter().fold(unpack_accumulators(first), |largest, sums| {
        let sums = unpack_accumulators(sums);
        [largest[0].max(sums[0]), largest[1].max(sums[1])]
    })
}
