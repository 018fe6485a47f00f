//! What comes out of an inference: all outputs at once, or block by block.

use core::ops::Range;

use zerocopy::{FromBytes, IntoBytes};

use super::{Frame, Job, dense};
use crate::format::{Model, Routine};

/// Outputs of the last layer, in units of its scale: scores of the classes, or raw outputs `[channel][row][column]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Logits<'m>(pub &'m [i32]);

impl<const ROUTINES: u16> Model<'_, ROUTINES> {
    /// Scores a whole image, `[row][column][channel]`.
    ///
    /// `None` if `scratch` is too short, `image` has other rows than the model takes, or the outputs
    /// [are not held](Model::holds_outputs).
    #[must_use]
    pub fn infer<'m>(&self, image: &[u8], scratch: &'m mut [u32]) -> Option<Logits<'m>> {
        self.read(image, scratch)?.finish()
    }

    /// As [`Self::infer`] of any number of outputs: gives them to `take` as [`Frame::finish_in_blocks`] does.
    #[must_use]
    pub fn infer_in_blocks(
        &self,
        image: &[u8],
        scratch: &mut [u32],
        take: impl FnMut(usize, &[i32]),
    ) -> Option<()> {
        self.read(image, scratch)?.finish_in_blocks(take)
    }

    /// Takes all rows of an image.
    fn read<'s, 'm>(
        &'s self,
        image: &[u8],
        scratch: &'m mut [u32],
    ) -> Option<Frame<'s, 'm, ROUTINES>> {
        let input = &self.header().input;
        if image.len() != input.size() {
            return None;
        }
        let mut frame = self.start(scratch)?;
        for row in image.chunks_exact(input.row_len().max(1)) {
            frame.push_row(row)?;
        }
        Some(frame)
    }
}

impl<'m, const ROUTINES: u16> Frame<'_, 'm, ROUTINES> {
    /// The outputs, once all rows are there.
    ///
    /// `None` if a row is missing, or if the outputs [are not held](Model::holds_outputs).
    #[must_use]
    pub fn finish(mut self) -> Option<Logits<'m>> {
        let place = self.held()?;
        <[i32]>::ref_from_bytes(self.scratch.get(place)?.as_bytes()).ok().map(Logits)
    }

    /// Where in scratch the outputs lie, if they do.
    fn held(&mut self) -> Option<Range<usize>> {
        self.run();
        if !self.is_complete() || !self.model.layers().is_done(self.steps()) {
            return None;
        }
        let output = &self.model.layers().records.last()?.output;
        let offset = self.model.places().of(output)?.row(0)?;
        let at = self.model.header().rows_at.get() as usize + offset / size_of::<u32>();
        Some(at..at + self.model.outputs())
    }

    /// Gives the outputs in order to `take`, a block of some dozens as soon as they are computed: the number of its
    /// first output, counted from 0, and the outputs. Those that [are held](Model::holds_outputs) are one block.
    ///
    /// `None` if a row is missing.
    #[must_use]
    pub fn finish_in_blocks(mut self, mut take: impl FnMut(usize, &[i32])) -> Option<()> {
        if !Model::<ROUTINES>::has(Routine::OutputBlocks) || self.model.holds_outputs() {
            let place = self.held()?;
            take(0, <[i32]>::ref_from_bytes(self.scratch.get(place)?.as_bytes()).ok()?);
            return Some(());
        }
        self.run();
        if self.is_complete() { self.compute_last(&mut take) } else { None }
    }

    /// As [`Self::finish_in_blocks`], as often as they are needed.
    pub(crate) fn outputs(&mut self, take: impl FnMut(usize, &[i32])) -> Option<()> {
        let Self { model, scratch, cursor } = self;
        Frame { model: *model, scratch, cursor: *cursor }.finish_in_blocks(take)
    }

    /// Computes a last layer whose outputs are not held.
    #[inline(never)]
    fn compute_last(&mut self, take: &mut dyn FnMut(usize, &[i32])) -> Option<()> {
        let last = self.model.layers().records.len().checked_sub(1)?;
        // not copied out of the option
        let mut job = self.job(last);
        let Job { step, work, .. } = job.as_mut()?;
        let all = step.channels;
        while let Some(channels) = all.get(step.first..)
            && !channels.is_empty()
        {
            step.channels = channels.get(..step.group).unwrap_or(channels);
            let has = Model::<ROUTINES>::has;
            let outputs = match step.routine {
                Routine::DenseWords if has(Routine::DenseWords) => dense::pair_outputs(step, work)?,
                Routine::DenseBlocks if has(Routine::DenseBlocks) => {
                    dense::block_outputs(step, work)?
                }
                _ => return None,
            };
            take(step.first, outputs);
            step.first += step.channels.len();
        }
        Some(())
    }
}
