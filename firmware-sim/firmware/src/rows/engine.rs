//! Integer inference, a row at a time: see [`super::schedule`] for the order, [`super::plan`] for the memory.

mod add;
mod conv;
mod dense;
mod depthwise;
mod output;
mod pool;
mod rows;

use zerocopy::{FromBytes, IntoBytes};

use super::format::{Channel, Geometry, Kind, Layers, Model, Record};
use super::plan;
use super::schedule::Cursor;
use output::Output;
use rows::{Lines, Rows};

/// Outputs of the last layer, in units of its scale: scores of the classes, or raw outputs `[channel][row][column]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Logits<'m>(pub &'m [i32]);

/// What [`Frame::step`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// Computed a row of this layer, counted from 0; more may be due.
    Computed(usize),
    /// Nothing: it needs the next row, by [`Frame::push_row`].
    NeedsRow,
    /// Nothing: the logits are there, for [`Frame::finish`].
    Ready,
}

/// An image that is coming in.
#[derive(Debug)]
pub struct Frame<'a, 'm> {
    model: Model<'a>,
    /// Of the model's length.
    scratch: &'m mut [u32],
    cursor: Cursor,
}

impl<'a> Model<'a> {
    /// Begins an image; what `scratch` held does not matter.
    ///
    /// `None` if it has less than [`Model::scratch_words`].
    #[must_use]
    pub fn start<'m>(&self, scratch: &'m mut [u32]) -> Option<Frame<'a, 'm>> {
        let scratch = scratch.get_mut(..self.scratch_words())?;
        let steps = scratch.get_mut(..plan::logits_at(self.layers().records.len()))?;
        steps.fill(0);
        Some(Frame { model: *self, scratch, cursor: Cursor::START })
    }

    /// Scores a whole image, `[row][column][channel]`.
    ///
    /// `None` if `scratch` is too short, or `image` has other rows than the model takes.
    #[must_use]
    pub fn infer<'m>(&self, image: &[u8], scratch: &'m mut [u32]) -> Option<Logits<'m>> {
        let input = &self.header().input;
        if image.len() != input.size() {
            return None;
        }
        let mut frame = self.start(scratch)?;
        for row in image.chunks_exact(input.row_len().max(1)) {
            frame.push_row(row)?;
        }
        frame.finish()
    }
}

impl<'m> Frame<'_, 'm> {
    /// Takes the next row from the top, `[column][channel]`, after computing what the rows before it have made
    /// possible; rows after the last are ignored.
    ///
    /// `None` if it has another length than the model's rows have.
    pub fn push_row(&mut self, row: &[u8]) -> Option<()> {
        let input = &self.model.header().input;
        if row.len() != input.row_len() {
            return None;
        }
        self.run();
        let number = usize::from(*self.steps().first()?);
        if number < usize::from(input.height.get()) {
            let rows_at = self.model.header().rows_at.get() as usize;
            let all = self.scratch.get_mut(rows_at..)?.as_mut_bytes();
            let ring = all.get_mut(input.offset.get() as usize..)?.get_mut(..input.len())?;
            let inside = rows::inside(rows::slot(ring, input, number)?, input);
            inside.iter_mut().zip(row).for_each(|(to, &from)| *to = from);
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

    /// Does the next thing that is due, a row of one layer: for those who do something in between, or measure.
    pub fn step(&mut self) -> Progress {
        let layers = self.model.layers();
        let mut cursor = self.cursor;
        let next = layers.next(self.steps(), &mut cursor);
        self.cursor = cursor;
        match next {
            Some(layer) => {
                let computed = self.compute(layer, layers);
                debug_assert!(computed.is_some(), "the model was checked");
                self.count(layer + 1);
                Progress::Computed(layer)
            }
            None if self.is_complete() => Progress::Ready,
            None => Progress::NeedsRow,
        }
    }

    /// Does all that is due.
    fn run(&mut self) {
        while let Progress::Computed(_) = self.step() {}
    }

    /// The outputs, once all rows are there.
    #[must_use]
    pub fn finish(mut self) -> Option<Logits<'m>> {
        self.run();
        if !self.is_complete() || !self.model.layers().is_done(self.steps()) {
            return None;
        }
        let at = plan::logits_at(self.model.layers().records.len());
        let logits = self.scratch.get(at..)?.get(..self.model.outputs())?;
        <[i32]>::ref_from_bytes(logits.as_bytes()).ok().map(Logits)
    }

    /// Rows of the image so far, then the steps that each layer has done.
    fn steps(&self) -> &[u16] {
        let words = plan::logits_at(self.model.layers().records.len());
        let bytes = self.scratch.get(..words).unwrap_or_default().as_bytes();
        <[u16]>::ref_from_bytes(bytes).unwrap_or_default()
    }

    /// Counts a step done for value `number`.
    fn count(&mut self, number: usize) {
        let words = plan::logits_at(self.model.layers().records.len());
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
    fn compute(&mut self, layer: usize, layers: Layers<'_>) -> Option<()> {
        let step = usize::from(*self.steps().get(layer + 1)?);
        let header = self.model.header();
        let record = layers.records.get(layer)?;
        let geometry = layers.geometry(layer)?;
        let input = layers.value(geometry.source)?;
        let row = geometry.rows_after(step);
        let channels = self.model.channels(layer);
        let bytes = self.model.weights(layer);

        let (words, all) = self.scratch.split_at_mut_checked(header.rows_at.get() as usize)?;
        let (words, work) = words.split_at_mut_checked(header.work_at.get() as usize)?;
        let (logits, sums) = words
            .get_mut(plan::logits_at(layers.records.len())..)?
            .split_at_mut_checked(self.model.outputs())?;
        // of a streamed pool
        let sums_at = plan::logits_at(layers.records.len()) + self.model.outputs();
        let sums = match usize::from(record.sums.get()).checked_sub(sums_at) {
            Some(at) => sums.get_mut(at..)?,
            None => &mut [],
        };
        let all = all.as_mut_bytes();
        let range = |value: &super::format::Value| {
            let start = value.offset.get() as usize;
            start..start + value.len()
        };
        let is_last = layer + 1 == layers.records.len();
        let [first, _] = geometry.needs(step);
        // of an addition, whose values may be one and the same
        let other = layers.value(geometry.other)?;
        let is_double = geometry.kind == Kind::Add && geometry.other != geometry.source;
        let output = &record.output;
        let (rings, held) = if is_double {
            let [source, other, held] =
                all.get_disjoint_mut([range(input), range(other), range(output)]).ok()?;
            ([&*source, &*other], held)
        } else {
            let [source, held] = all.get_disjoint_mut([range(input), range(output)]).ok()?;
            ([&*source, &*source], held)
        };
        let rows = Rows::new(rings[0], input, first);
        let mut output = if is_last {
            Output::Logits { logits, value: output, row }
        } else {
            let is_paired = record.paired != 0;
            Output::Row { bytes: rows::slot(held, output, row)?, value: output, is_paired }
        };
        let output = &mut output;
        let weights = layers.weights(layer);
        let step = Step { number: step, record, geometry, bytes, channels, rows };
        match step.geometry.kind {
            Kind::Conv => conv::row(&step, &weights?, work, output),
            Kind::Depthwise => depthwise::row(&step, &weights?, work, output),
            Kind::Dense => dense::outputs(&step, &weights?, work, output),
            Kind::MaxPool => pool::largest(&step, output),
            Kind::AveragePool if step.geometry.is_streamed() => {
                pool::streamed_mean(&step, sums, output)
            }
            Kind::AveragePool => pool::mean(&step, work, output),
            Kind::Add => add::row(&step, &Rows::new(rings[1], other, first), work, output),
        }
    }
}

/// A step of a layer: what it computes by, and what it takes.
struct Step<'a> {
    /// How many the layer has done.
    number: usize,
    record: &'a Record,
    geometry: Geometry,
    /// The weights as they lie in the file.
    bytes: &'a [u8],
    channels: &'a [Channel],
    rows: Rows<'a>,
}

impl Step<'_> {
    /// The lines of the input under the windows of the row.
    fn lines(&self) -> Lines<'_> {
        let Geometry { kernel, stride, padding, .. } = self.geometry;
        let rows = self.geometry.rows_at_once();
        let count = (rows - 1) * stride[0] + kernel[0];
        Lines::new(&self.rows, self.number * rows * stride[0], padding[0], count)
    }
}
