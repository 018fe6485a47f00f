//! Which step comes next: the last layer that can do one, so that a row is used up as soon as it may be.
//!
//! The engine runs by it, and a model's plan of memory is made and checked by it: when each row is written, and until
//! when it is needed. A row may be written over once no layer needs it any more. Since the last layer goes first,
//! whatever is due is computed before another row is taken in:
//!
//! ```text
//! image row 5 comes   →  conv1 row 0
//! image row 7 comes   →  conv1 row 1
//!   ...
//! image row 15 comes  →  conv1 row 5  →  conv2 row 0
//! ```

use super::record::{Geometry, Kind, Record, Value};
use super::weights::{Layout, Weights};

/// Most layers of a model.
pub const MAX_LAYERS: usize = 64;

/// Most outputs of a last dense layer that are held: as many as there are classes at most.
pub const MAX_HELD_OUTPUTS: usize = 256;

/// A network without its weights.
#[derive(Debug, Clone, Copy)]
pub struct Layers<'a> {
    /// The image.
    pub input: &'a Value,
    /// All layers in order, of which each takes values that come before it.
    pub records: &'a [Record],
    /// For which cores the weights are laid out.
    pub layout: Layout,
}

/// How far an inference is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    /// The last layer that may be due, counted from 1: those after it are not, since nothing they take has grown.
    layer: u8,
}

impl Cursor {
    /// Before the first row.
    pub const START: Self = Self { layer: 0 };

    /// Whether nothing can be due.
    #[must_use]
    pub const fn is_idle(self) -> bool {
        self.layer == 0
    }

    /// Leaves the last layer out, if its outputs are not held: it comes once all else is done.
    pub fn pass_over_outputs(&mut self, layers: Layers<'_>) {
        if !layers.holds_outputs() {
            self.layer = self.layer.min(layers.records.len().saturating_sub(1) as u8);
        }
    }

    /// Value `number` has grown by a row.
    pub fn grown(&mut self, value: &Value) {
        self.layer = self.layer.max(value.reader);
    }
}

impl<'a> Layers<'a> {
    /// Value `number`: the image, or what a layer gives.
    #[must_use]
    pub fn value(&self, number: usize) -> Option<&'a Value> {
        match number.checked_sub(1) {
            None => Some(self.input),
            Some(layer) => self.records.get(layer).map(|record| &record.output),
        }
    }

    /// A layer in numbers.
    #[must_use]
    #[expect(
        clippy::inline_always,
        reason = "whoever needs a few numbers does not make the others"
    )]
    #[inline(always)]
    pub fn geometry(&self, layer: usize) -> Option<Geometry> {
        let record = self.records.get(layer)?;
        Some(record.geometry(self.value(record.source.into())?))
    }

    /// Whether the outputs lie in memory until the next image: not of a last dense layer with more than
    /// [`MAX_HELD_OUTPUTS`], which are given out as they are computed.
    #[must_use]
    #[inline(never)] // small once, large wherever it is asked
    pub fn holds_outputs(&self) -> bool {
        self.records.last().is_none_or(|last| {
            last.kind != Kind::Dense.code()
                || usize::from(last.output.channels.get()) <= MAX_HELD_OUTPUTS
        })
    }

    /// How a layer's weights lie; `None` if it has none.
    #[must_use]
    pub fn weights(&self, layer: usize) -> Option<Weights> {
        let record = self.records.get(layer)?;
        let source = usize::from(record.source).checked_sub(1);
        let is_paired = source.and_then(|it| self.records.get(it)).is_some_and(|it| it.paired != 0);
        Weights::of(self.layout, record, self.value(record.source.into())?, is_paired)
    }

    /// Rows of value `number` that are there: `steps` are the image's rows, then the steps that each layer has done.
    #[must_use]
    pub fn rows(&self, number: usize, steps: &[u16]) -> usize {
        let done = steps.get(number).copied().map_or(0, usize::from);
        match number.checked_sub(1) {
            None => done,
            Some(layer) => self.geometry(layer).map_or(0, |geometry| geometry.rows_after(done)),
        }
    }

    /// The row that step `step` of a layer is for, and which of its input's rows it needs, see [`Geometry::needs`].
    #[must_use]
    #[inline(never)] // its numbers are not on the stack of who asks
    pub fn rows_of_step(&self, layer: usize, step: usize) -> Option<[usize; 3]> {
        let geometry = self.geometry(layer)?;
        let [first, end] = geometry.needs(step);
        Some([geometry.rows_after(step), first, end])
    }

    /// The last layer that can do a step.
    #[must_use]
    pub fn next(&self, steps: &[u16], cursor: &mut Cursor) -> Option<usize> {
        while let Some(layer) = cursor.layer.checked_sub(1) {
            if self.is_due(layer.into(), steps).unwrap_or(false) {
                return Some(layer.into());
            }
            cursor.layer = layer;
        }
        None
    }

    #[inline(never)] // its numbers are not on the stack while a step is done
    fn is_due(&self, layer: usize, steps: &[u16]) -> Option<bool> {
        let geometry = self.geometry(layer)?;
        let done = usize::from(*steps.get(layer + 1)?);
        if done >= geometry.steps() {
            return Some(false);
        }
        let [_, end] = geometry.needs(done);
        let has = |value| self.rows(value, steps) >= end;
        Some(has(geometry.source) && (geometry.kind != Kind::Add || has(geometry.other)))
    }

    /// The first row of value `number` that a layer still needs; all rows, if none does.
    #[must_use]
    pub fn first_needed(&self, number: usize, steps: &[u16]) -> usize {
        let Some(value) = self.value(number) else { return 0 };
        let mut first = usize::from(value.height.get());
        let later = steps.get(number + 1..).unwrap_or_default();
        for (layer, &done) in (number..value.reader.into()).zip(later) {
            let done = usize::from(done);
            if let Some(geometry) = self.geometry(layer)
                && geometry.takes(number)
                && done < geometry.steps()
            {
                first = first.min(geometry.needs(done)[0]);
            }
        }
        first
    }

    /// Whether all steps of all layers are done.
    #[must_use]
    pub fn is_done(&self, steps: &[u16]) -> bool {
        let last = self.records.len();
        let done = steps.get(last).copied().map_or(0, usize::from);
        last.checked_sub(1)
            .and_then(|layer| self.geometry(layer))
            .is_some_and(|geometry| done >= geometry.steps())
    }
}

/// A walk through an inference without computing anything.
#[derive(Debug)]
pub struct Rehearsal<'a> {
    layers: Layers<'a>,
    steps: [u16; MAX_LAYERS + 1],
    cursor: Cursor,
}

impl<'a> Rehearsal<'a> {
    /// Before the first row.
    #[must_use]
    pub const fn new(layers: Layers<'a>) -> Self {
        Self { layers, steps: [0; MAX_LAYERS + 1], cursor: Cursor::START }
    }

    /// Rows of the image so far, then the steps that each layer has done.
    #[must_use]
    pub const fn steps(&self) -> &[u16] {
        &self.steps
    }

    /// Number of the value that the next step is for; `None` at the end. Outputs that are not held come last.
    #[must_use]
    pub fn coming(&mut self) -> Option<usize> {
        self.cursor.pass_over_outputs(self.layers);
        match self.layers.next(&self.steps, &mut self.cursor) {
            Some(layer) => Some(layer + 1),
            None if self.steps[0] < self.layers.input.height.get() => Some(0),
            // outputs that are not held
            None => {
                let number = self.layers.records.len();
                let is_due = self.layers.is_due(number.checked_sub(1)?, &self.steps)?;
                is_due.then_some(number)
            }
        }
    }

    /// That step is done.
    pub fn count(&mut self, number: usize) {
        if let (Some(steps), Some(value)) = (self.steps.get_mut(number), self.layers.value(number))
        {
            *steps += 1;
            self.cursor.grown(value);
        }
    }

    /// Most rows of value `number` that are there and needed at once.
    #[must_use]
    pub fn most_rows(layers: Layers<'a>, number: usize) -> usize {
        let (mut walk, mut most) = (Self::new(layers), 0);
        while let Some(grown) = walk.coming() {
            walk.count(grown);
            let there = layers.rows(number, walk.steps());
            most = most.max(there.saturating_sub(layers.first_needed(number, walk.steps())));
        }
        most
    }
}
