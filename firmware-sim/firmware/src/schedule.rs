//! Which step comes next: the last layer that can do one, so that a row is used up as soon as it may be.
//!
//! The engine runs by it, and a model's plan of memory is checked by it: how many rows of each value are ever needed at
//! once, and when. A row may be replaced once no layer needs it any more. Since the last layer goes first, whatever is
//! due is computed before another row is taken in:
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
        let mut first = self.value(number).map_or(0, |value| value.height.get().into());
        for (layer, &done) in (0..self.records.len()).zip(steps.get(1..).unwrap_or_default()) {
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

/// What a value needs of memory, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Need {
    /// Most rows at once.
    pub rows: usize,
    /// When its first row is written: in steps of all layers and rows of the image, from 1.
    pub from: u32,
    /// When the last of as many rows is written for the first time, or before.
    pub late: u32,
    /// When it was last needed.
    pub to: u32,
}

/// A walk through an inference without computing anything.
#[derive(Debug)]
pub struct Rehearsal<'a> {
    layers: Layers<'a>,
    steps: [u16; MAX_LAYERS + 1],
    cursor: Cursor,
}

impl<'a> Rehearsal<'a> {
    /// What value `number` needs: one at a time, since a device has no room for all.
    #[must_use]
    #[inline(never)] // its locals are not on the stack of an inference
    pub fn need(layers: Layers<'a>, number: usize) -> Need {
        let mut walk = Self { layers, steps: [0; MAX_LAYERS + 1], cursor: Cursor::START };
        let (mut need, mut time) = (Need::default(), 0);
        let giver = number.checked_sub(1).and_then(|layer| layers.geometry(layer));
        let is_streamed = giver.is_some_and(|giver| giver.is_streamed());
        while let Some(grown) = walk.step() {
            time += 1;
            let mut is_needed = grown == number;
            if is_needed {
                if need.from == 0 {
                    (need.from, need.late) = (time, time);
                }
                let there = layers.rows(number, &walk.steps);
                let held = there.saturating_sub(layers.first_needed(number, &walk.steps));
                if held > need.rows {
                    need.rows = held;
                    // a streamed pool's row is begun before it is there
                    if held == there && !is_streamed {
                        need.late = time;
                    }
                }
            }
            let layer = grown.checked_sub(1).and_then(|layer| layers.geometry(layer));
            is_needed |= layer.is_some_and(|layer| layer.takes(number));
            if is_needed {
                need.to = time;
            }
        }
        if number == layers.records.len() {
            // the logits stay
            (need.rows, need.late, need.to) = (0, need.from, time);
        }
        need
    }

    /// Whether it comes to an end with all layers done.
    #[must_use]
    #[inline(never)]
    pub fn is_complete(layers: Layers<'a>) -> bool {
        let mut walk = Self { layers, steps: [0; MAX_LAYERS + 1], cursor: Cursor::START };
        while walk.step().is_some() {}
        layers.is_done(&walk.steps)
    }

    /// Does what comes next, and gives the number of the value that it is done for.
    fn step(&mut self) -> Option<usize> {
        let rows = self.layers.input.height.get();
        let number = match self.layers.next(&self.steps, &mut self.cursor) {
            Some(layer) => layer + 1,
            None if self.steps[0] < rows => 0,
            None => return None,
        };
        *self.steps.get_mut(number)? += 1;
        self.cursor.grown(self.layers.value(number)?);
        Some(number)
    }
}
