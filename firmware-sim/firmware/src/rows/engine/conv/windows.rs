//! Windows of a pooling of stride 1, by the kernels of the layout Words that are made for them.

use zerocopy::{FromBytes, IntoBytes};

use super::{Group, WINDOW};
use crate::kernels::grey;
use crate::kernels::words::{Offsets, Tile, WindowPatch, Word, gather_window};
use crate::rows::engine::output::Output;
use crate::rows::format::POOL;

/// Working memory of a step.
struct Work<'m, const SIDE: usize> {
    /// Where the rows of a window lie.
    lines: &'m mut [u32; SIDE],
    /// `[pair of outputs]`
    sums: &'m mut [Tile],
    patches: &'m mut [WindowPatch<SIDE>],
}

impl<'m, const SIDE: usize> Work<'m, SIDE> {
    fn of(words: &'m mut [u32], outputs: usize) -> Option<Self> {
        let (lines, rest) = words.split_first_chunk_mut()?;
        let (sums, patch) = rest.split_at_mut_checked(outputs.next_multiple_of(2) * WINDOW)?;
        let sums = <[Tile]>::mut_from_bytes(sums.as_mut_bytes()).ok()?;
        Some(Self { lines, sums, patches: patch.as_chunks_mut().0.as_chunks_mut().0 })
    }
}

impl Group<'_> {
    /// Of several channels.
    #[inline(never)] // as the others: their locals are not on the stack at once
    pub(super) fn windows<const SIDE: usize>(
        &self,
        work: &mut [u32],
        output: &mut Output<'_>,
        multiply: fn(&[Word], usize, &[WindowPatch<SIDE>], &mut [Tile]),
    ) -> Option<()> {
        let Work { lines, sums, patches } = Work::of(work, self.channels.len())?;
        let patches = patches.get_mut(..self.chunk() / 2)?;
        self.lines.offsets(lines);
        let (lines, padding) = (Offsets::new(lines), self.step.rows.padding());
        let [_, start] = self.window(0);
        let inputs = self.weights.inputs;
        let all = self.words()?;
        for column in 0..output.value().width.get().into() {
            let mut pixels = self.step.rows.ring().get(start + column * POOL * inputs..)?;
            let mut words = all;
            sums.fill([0; 8]);
            for _ in (0..inputs).step_by(self.chunk().max(1)) {
                gather_window(pixels, lines, inputs, patches);
                for line in self.lines.outside() {
                    for patch in &mut *patches {
                        *patch.get_mut(line)? = [padding; SIDE];
                    }
                }
                multiply(words, self.weights.words(), patches, sums);
                pixels = pixels.get(self.chunk()..)?;
                words = words.get(patches.len() * (SIDE - 1) * (SIDE - 1)..)?;
            }
            output.put_largest(column, self.first, sums, self.channels);
        }
        Some(())
    }

    /// Of one channel.
    #[inline(never)]
    pub(super) fn grey(&self, work: &mut [u32], output: &mut Output<'_>) -> Option<()> {
        let Work { lines, sums, patches } = Work::of(work, self.channels.len())?;
        let patch = patches.first_mut()?;
        self.lines.offsets(lines);
        let (offsets, padding) = (Offsets::new(lines), self.step.rows.value.zero);
        let [_, start] = self.window(0);
        let words = self.words()?;
        let mut was_blank = false;
        for column in 0..output.value().width.get().into() {
            let pixels = self.step.rows.ring().get(start + column * POOL..)?;
            // most of a digit's picture is background: 0 times anything
            let mut is_blank = !grey::gather(pixels, offsets, patch);
            for line in self.lines.outside() {
                grey::fill_row(patch, line, padding);
                is_blank &= padding == 0;
            }
            if !is_blank {
                grey::convolve(words, patch, sums);
            } else if was_blank {
                output.repeat(column, self.first, self.channels.len());
                continue;
            } else {
                sums.fill([0; 8]);
            }
            was_blank = is_blank;
            output.put_largest(column, self.first, sums, self.channels);
        }
        Some(())
    }

    /// The words of the group's outputs.
    pub(super) fn words(&self) -> Option<&[Word]> {
        let words = <[Word]>::ref_from_bytes(self.step.bytes).ok()?;
        words.get(self.first / 2 * self.weights.words()..)
    }
}
