//! Integer inference, a row at a time: see [`super::schedule`] for the order, [`super::plan`] for the memory.

mod add;
mod conv;
mod dense;
mod depthwise;
mod finish;
mod output;
mod pool;
mod rows;

pub use finish::Logits;

use zerocopy::{FromBytes, IntoBytes};

use super::format::{Channel, Geometry, Model, OF_THIS_CORE, Record, Routine, Weights};
use super::plan;
use super::schedule::Cursor;
use crate::kernels::words;
use crate::loops::zero;
use output::Output;
use rows::{Lines, Memory, Rows};

/// What [`Frame::step`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// Computed a row of this layer, counted from 0; more may be due.
    Computed(usize),
    /// Nothing: it needs the next row, by [`Frame::push_row`].
    NeedsRow,
    /// Nothing: all is there for [`Frame::finish`], or for [`Frame::finish_in_blocks`].
    Ready,
}

/// An image that is coming in.
#[derive(Debug)]
pub struct Frame<'a, 'm, const ROUTINES: u16 = { OF_THIS_CORE }> {
    model: Model<'a, ROUTINES>,
    /// Of the model's length.
    scratch: &'m mut [u32],
    cursor: Cursor,
}

impl<'a, const ROUTINES: u16> Model<'a, ROUTINES> {
    /// Begins an image; what `scratch` held does not matter.
    ///
    /// `None` if it has less than [`Model::scratch_words`].
    #[must_use]
    pub fn start<'m>(&self, scratch: &'m mut [u32]) -> Option<Frame<'a, 'm, ROUTINES>> {
        let scratch = scratch.get_mut(..self.scratch_words())?;
        let mut frame = Frame { model: *self, scratch, cursor: Cursor::START };
        frame.restart();
        Some(frame)
    }
}

impl<const ROUTINES: u16> Frame<'_, '_, ROUTINES> {
    /// Begins another image in the same memory.
    pub fn restart(&mut self) {
        let words = plan::step_words(self.model.layers().records.len());
        zero(self.scratch.get_mut(..words).unwrap_or_default());
        self.cursor = Cursor::START;
    }

    /// Takes the next row from the top, `[column][channel]`, after computing what the rows before it have made
    /// possible; rows after the last are ignored.
    ///
    /// `None` if it has another length than the model's rows have.
    pub fn push_row(&mut self, row: &[u8]) -> Option<()> {
        let input = &self.model.header().input;
        if row.len() != input.row_len() {
            return None;
        }
        if !self.cursor.is_idle() {
            self.run();
        }
        let number = usize::from(*self.steps().first()?);
        if number < usize::from(input.height.get()) {
            let rows_at = self.model.header().rows_at.get() as usize;
            let all = self.scratch.get_mut(rows_at..)?.as_mut_bytes();
            let place = self.model.places().of(input)?.row_range(number)?;
            let held = all.get_mut(place)?;
            rows::fill_padding(held, input);
            rows::copy(rows::inside(held, input), row);
            self.count(0);
        }
        Some(())
    }

    /// Whether all rows are there.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        let height = self.model.header().input.height.get();
        self.steps().first().is_some_and(|&rows| rows == height)
    }

    /// The memory that it works in: for experiments with faults in memory, which change it between steps.
    pub const fn memory(&mut self) -> &mut [u32] {
        self.scratch
    }

    /// Does the next thing that is due, a row of one layer: for those who do something in between, or measure.
    #[inline]
    pub fn step(&mut self) -> Progress {
        match self.next() {
            Some(layer) => {
                let computed = self.compute(layer);
                debug_assert!(computed.is_some(), "the model was checked");
                self.count(layer + 1);
                Progress::Computed(layer)
            }
            None if self.is_complete() => Progress::Ready,
            None => Progress::NeedsRow,
        }
    }

    /// The layer that comes next.
    fn next(&mut self) -> Option<usize> {
        let mut cursor = self.cursor;
        let layers = self.model.layers();
        if Model::<ROUTINES>::has(Routine::OutputBlocks) {
            cursor.pass_over_outputs(layers);
        }
        let next = layers.next(self.steps(), &mut cursor);
        self.cursor = cursor;
        next
    }

    /// Does all that is due.
    fn run(&mut self) {
        while let Progress::Computed(_) = self.step() {}
    }

    /// Rows of the image so far, then the steps that each layer has done.
    fn steps(&self) -> &[u16] {
        let words = plan::step_words(self.model.layers().records.len());
        let bytes = self.scratch.get(..words).unwrap_or_default().as_bytes();
        <[u16]>::ref_from_bytes(bytes).unwrap_or_default()
    }

    /// Counts a step done for value `number`.
    fn count(&mut self, number: usize) {
        let words = plan::step_words(self.model.layers().records.len());
        let bytes = self.scratch.get_mut(..words).unwrap_or_default().as_mut_bytes();
        let Ok(steps) = <[u16]>::mut_from_bytes(bytes) else { return };
        if let (Some(steps), Some(value)) =
            (steps.get_mut(number), self.model.layers().value(number))
        {
            *steps = steps.wrapping_add(1);
            self.cursor.grown(value);
        }
    }

    /// Computes the next step of `layer`.
    #[inline(never)]
    fn compute(&mut self, layer: usize) -> Option<()> {
        let mut job = self.job(layer);
        let Job { step, work, output } = job.as_mut()?;
        let all = step.channels;
        loop {
            step.channels = all.get(step.first..)?;
            step.channels = step.channels.get(..step.group).unwrap_or(step.channels);
            let has = Model::<ROUTINES>::has;
            match step.routine {
                Routine::Grey if has(Routine::Grey) => conv::grey(step, work, output)?,
                Routine::Window3 if has(Routine::Window3) => {
                    conv::windows(step, work, output, words::window3)?;
                }
                Routine::Window5 if has(Routine::Window5) => {
                    conv::windows(step, work, output, words::window5)?;
                }
                Routine::Fours if has(Routine::Fours) && step.record.pooled != 0 => {
                    conv::by_halves(step, work, output)?;
                }
                Routine::Fours if has(Routine::Fours) => conv::by_fours(step, work, output)?,
                Routine::Threes if has(Routine::Threes) && step.record.pooled != 0 => {
                    conv::windows_by_threes(step, work, output)?;
                }
                Routine::Threes if has(Routine::Threes) => conv::by_threes(step, work, output)?,
                Routine::DenseWords if has(Routine::DenseWords) => {
                    dense::pairs(step, work, output)?;
                }
                Routine::DenseBlocks if has(Routine::DenseBlocks) => {
                    dense::blocks(step, work, output)?;
                }
                Routine::DepthwiseHalves if has(Routine::DepthwiseHalves) => {
                    depthwise::halves(step, work, output)?;
                }
                Routine::DepthwiseStrips if has(Routine::DepthwiseStrips) => {
                    depthwise::strips(step, work, output)?;
                }
                Routine::DepthwiseBlocks if has(Routine::DepthwiseBlocks) => {
                    depthwise::blocks(step, work, output)?;
                }
                Routine::DepthwiseTaps if has(Routine::DepthwiseTaps) => {
                    depthwise::taps(step, work, output)?;
                }
                Routine::MaxPool if has(Routine::MaxPool) => pool::largest(step, output),
                Routine::AveragePool if has(Routine::AveragePool) => {
                    pool::mean(step, work, output)?;
                }
                Routine::StreamedPool if has(Routine::StreamedPool) => {
                    pool::streamed_mean(step, work, output)?;
                }
                Routine::Add if has(Routine::Add) => add::row(step, work, output)?,
                // such a file was refused
                _ => return None,
            }
            step.first += step.channels.len();
            if step.first >= all.len() {
                return Some(());
            }
        }
    }

    /// What the next step of `layer` computes by, where it works, and where its results go.
    #[inline(never)] // its locals are not on the stack while it is done
    fn job(&mut self, layer: usize) -> Option<Job<'_>> {
        let (header, layers) = (self.model.header(), self.model.layers());
        let number = usize::from(*self.steps().get(layer + 1)?);
        let record = layers.records.get(layer)?;
        let input = layers.value(record.source.into())?;
        let places = self.model.places();
        let written = places.written(layers, layer + 1, self.steps())?;
        let [row, first, end] = layers.rows_of_step(layer, number)?;
        let weights = layers.weights(layer);
        let routine = Routine::of(&record.geometry(input), weights.map(|it| it.order));
        let (channels, bytes) = self.model.parts_of(record, weights)?;

        let (words, all) = self.scratch.split_at_mut_checked(header.rows_at.get() as usize)?;
        let (words, work) = words.split_at_mut_checked(header.work_at.get() as usize)?;
        let steps = plan::step_words(layers.records.len());
        let work = match usize::from(record.sums.get()) {
            at if routine == Routine::StreamedPool => words.get_mut(at.max(steps)..)?,
            _ => work,
        };
        let output = &record.output;
        let is_last = layer + 1 == layers.records.len();
        let (held, memory) = Memory::split(all.as_mut_bytes(), written)?;
        let rows = Rows::of(&memory, places.of(input)?, [first, end])?;
        let other = if routine == Routine::Add {
            memory.row(places.of(layers.value(record.other.into())?)?, number)?
        } else {
            &[]
        };
        let output = if is_last {
            Output::Logits { logits: <[u32]>::mut_from_bytes(held).ok()?, value: output, row }
        } else {
            rows::fill_padding(held, output);
            Output::Row { bytes: held, value: output, is_paired: record.paired != 0 }
        };
        let group = plan::group(record, routine);
        if group == 0 && !channels.is_empty() {
            return None; // flash changed since it was checked: the row would never end
        }
        let step = Step {
            routine,
            number,
            record,
            weights: weights.unwrap_or(Weights::NONE),
            bytes,
            channels,
            first: 0,
            group,
            rows,
            other,
        };
        Some(Job { step, work, output })
    }
}

/// All that a step needs.
struct Job<'a> {
    step: Step<'a>,
    work: &'a mut [u32],
    output: Output<'a>,
}

/// A step of a layer: what it computes by, what it takes, and for which outputs.
struct Step<'a> {
    routine: Routine,
    /// How many the layer has done.
    number: usize,
    record: &'a Record,
    weights: Weights,
    /// The weights of all outputs as they lie in the file.
    bytes: &'a [u8],
    /// Of the outputs that are computed now.
    channels: &'a [Channel],
    /// The first of these.
    first: usize,
    /// How many are computed at once.
    group: usize,
    rows: Rows<'a>,
    /// The row of the second value of an addition.
    other: &'a [u8],
}

impl Step<'_> {
    /// The layer in numbers.
    #[expect(clippy::inline_always, reason = "whoever needs a few does not make the others")]
    #[inline(always)]
    fn geometry(&self) -> Geometry {
        self.record.geometry(self.rows.value())
    }

    /// The lines of the input under the windows of the row.
    fn lines(&self) -> Lines<'_> {
        let Geometry { kernel, stride, padding, .. } = self.geometry();
        let rows = self.geometry().rows_at_once();
        let count = (rows - 1) * stride[0] + kernel[0];
        Lines::new(&self.rows, self.number * rows * stride[0], padding[0], count)
    }
}
