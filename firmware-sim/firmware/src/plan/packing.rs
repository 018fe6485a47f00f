//! Finds a place for every row, so that all of them take little memory: for whoever writes a file.
//!
//! When each row is written and last read follows from the order of steps. Rows are placed one after another, each as
//! low as it can be beside those that are placed already. Which comes first decides how well it goes: what ends up
//! highest is placed earlier the next time, and the best of some tries is taken (Joslin and Clements 1999, "Squeaky
//! wheel optimization").

use core::ops::Range;

use super::places::{self, MAX_DEPTHWISE_SPAN};
use super::{MAX_SCRATCH_WORDS, areas, step_words, surroundings};
use crate::format::{Kind, Layers, Layout, MAX_LAYERS, MAX_SIDE, Record, Rehearsal, Value};

/// Tries from each of the two orders that are begun with.
const TRIES: usize = 48;
/// Most pairs of rows that are compared in all tries, or little more: so that a large network is planned in seconds.
const MAX_PAIRS: usize = 1 << 24;

/// A row of a value, or the logits, as they are planned.
#[derive(Debug, Clone, Copy, Default)]
pub struct PlannedRow {
    /// Which value it is of.
    value: usize,
    /// Bytes.
    len: usize,
    /// The steps of an inference that it is written in and last needed in.
    time: [usize; 2],
    /// Where it lies in this try, in bytes.
    at: Option<usize>,
    /// Where it lies in the best one.
    best: usize,
    /// Which row is placed at this turn.
    turn: usize,
}

impl PlannedRow {
    /// Where it lies, if it is placed.
    fn range(&self) -> Option<Range<usize>> {
        self.at.map(|at| at..at + self.len)
    }
}

/// How many rows are to be planned: those of all values, and the logits as one.
#[must_use]
pub fn planned_rows(layers: Layers<'_>) -> usize {
    let heights = (0..layers.records.len()).filter_map(|number| layers.value(number));
    heights.map(|value| usize::from(value.height.get())).sum::<usize>() + 1
}

/// The places that were found, in words, as they lie in the file: see [`super::Places`].
pub fn found(layers: Layers<'_>, rows: &[PlannedRow]) -> impl Iterator<Item = usize> {
    let values = rows.chunk_by(|a, b| a.value == b.value).enumerate();
    let places =
        values.flat_map(move |(number, rows)| rows.iter().take(places::count(layers, number)));
    places.map(|row| row.best / size_of::<u32>())
}

/// Plans the memory of the shapes that stand in the records: sets padding, readers and where sums lie in these, and the
/// places in `rows`, which has [`planned_rows`]. Gives where the working memory begins, where the rows do, and the
/// end, in words.
///
/// `None` if the layers cannot be computed, a map is higher than a file may have, or more than [`MAX_SCRATCH_WORDS`] are
/// needed.
pub fn place(
    input: &mut Value,
    records: &mut [Record],
    layout: Layout,
    rows: &mut [PlannedRow],
) -> Option<[usize; 3]> {
    let count = records.len();
    if count == 0 || count > MAX_LAYERS {
        return None;
    }
    let mut heights = records.iter().map(|record| record.output.height).chain([input.height]);
    // no file has more, and planning takes the square of the rows
    if heights.any(|height| height.get() > MAX_SIDE) {
        return None;
    }
    let mut first_place = 0;
    for number in 0..=count {
        let layers = Layers { input, records, layout };
        let [left, right, reader] = surroundings(layers, number);
        let places = places::count(layers, number);
        let value = match number.checked_sub(1) {
            None => &mut *input,
            Some(layer) => &mut records.get_mut(layer)?.output,
        };
        (value.left, value.right, value.reader) = (left, right, reader);
        value.first_place = u32::try_from(first_place).ok()?.into();
        value.places = u16::try_from(places).ok()?.into();
        first_place += places;
    }
    let mut sums = step_words(count);
    for layer in 0..count {
        let geometry = Layers { input, records, layout }.geometry(layer)?;
        let record = records.get_mut(layer)?;
        record.sums = 0.into();
        if geometry.is_streamed() {
            record.sums = u16::try_from(sums).ok()?.into();
            sums += record.output.row_len();
        }
    }
    let layers = Layers { input, records, layout };
    let areas = areas(layers)?;
    let mut packing = Packing::new(layers, rows)?;
    let end = packing.best()?;
    let rows_at = areas.work_at + areas.work;
    let end = rows_at + end.div_ceil(size_of::<u32>());
    (end <= MAX_SCRATCH_WORDS).then_some([areas.work_at, rows_at, end])
}

/// Rows on their way to their places.
struct Packing<'a> {
    layers: Layers<'a>,
    rows: &'a mut [PlannedRow],
    /// Of each value, which row is its first.
    firsts: [usize; MAX_LAYERS + 1],
}

impl<'a> Packing<'a> {
    /// No row is placed.
    fn new(layers: Layers<'a>, rows: &'a mut [PlannedRow]) -> Option<Self> {
        if rows.len() != planned_rows(layers) {
            return None;
        }
        let mut firsts = [0; MAX_LAYERS + 1];
        let mut next = 0;
        for number in 0..=layers.records.len() {
            let value = layers.value(number)?;
            let (height, len) = if number == layers.records.len() {
                let held = places::count(layers, number) * size_of::<i32>();
                (1, value.size().checked_mul(held)?)
            } else {
                (value.height.get().into(), value.stride())
            };
            *firsts.get_mut(number)? = next;
            for row in rows.get_mut(next..)?.get_mut(..height)? {
                *row = PlannedRow { value: number, len, ..PlannedRow::default() };
            }
            next += height;
        }
        let mut packing = Self { layers, rows, firsts };
        packing.set_times()?;
        Some(packing)
    }

    /// Which planned row a step for value `number` writes, and which row of the value that is.
    fn written(&self, number: usize, steps: &[u16]) -> Option<[usize; 2]> {
        let is_last = number == self.layers.records.len();
        let row = if is_last { 0 } else { self.layers.rows(number, steps) };
        Some([self.firsts.get(number)? + row, row])
    }

    /// Sets when rows are written and last needed, from 1.
    fn set_times(&mut self) -> Option<()> {
        let layers = self.layers;
        let mut walk = Rehearsal::new(layers);
        let mut now = 0;
        while let Some(number) = walk.coming() {
            now += 1;
            let [index, _] = self.written(number, walk.steps())?;
            let [from, to] = &mut self.rows.get_mut(index)?.time;
            *from = if *from == 0 { now } else { *from };
            *to = now;
            if let Some(layer) = number.checked_sub(1) {
                let geometry = layers.geometry(layer)?;
                let [first, end] = geometry.needs(usize::from(*walk.steps().get(number)?));
                for value in (0..layers.records.len()).filter(|&it| geometry.takes(it)) {
                    let start = *self.firsts.get(value)?;
                    for row in self.rows.get_mut(start + first..start + end)? {
                        row.time[1] = now;
                    }
                }
            }
            walk.count(number);
        }
        // the logits stay
        self.rows.last_mut()?.time[1] = now;
        layers.is_done(walk.steps()).then_some(())
    }

    /// Finds the best places, and gives where they end.
    fn best(&mut self) -> Option<usize> {
        let least = self.least();
        let pairs = self.rows.len() * self.rows.len();
        let tries = (MAX_PAIRS / pairs).clamp(1, TRIES);
        let mut best = None;
        for by_len in [true, false] {
            self.sort(|it| {
                let [len, from] = [usize::MAX - it.len, it.time[0]];
                if by_len { [len, from] } else { [from, len] }
            });
            for _ in 0..tries {
                let turn = match self.try_turns(best.unwrap_or(usize::MAX)) {
                    Ok(end) => {
                        best = Some(end);
                        for row in &mut *self.rows {
                            row.best = row.at?;
                        }
                        if end <= least {
                            return best;
                        }
                        self.highest()
                    }
                    Err(turn) => turn,
                };
                self.advance(turn)?;
            }
        }
        best
    }

    /// Most bytes that are ever needed at once: no plan takes less.
    fn least(&self) -> usize {
        let needed = |time: usize| {
            let rows = self.rows.iter().filter(|it| it.time[0] <= time && time <= it.time[1]);
            rows.map(|it| it.len).sum::<usize>()
        };
        let most = self.rows.iter().map(|it| needed(it.time[0])).max();
        most.unwrap_or(0).next_multiple_of(size_of::<u32>())
    }

    /// Sets the order of turns.
    fn sort(&mut self, key: impl Fn(&PlannedRow) -> [usize; 2]) {
        for row in 0..self.rows.len() {
            let mut turn = row;
            // by insertion
            while let Some(before) = turn.checked_sub(1)
                && let Some(other) = self.at_turn(before)
                && let [Some(this), Some(that)] = [row, other].map(|it| self.rows.get(it))
                && key(this) < key(that)
            {
                self.set_turn(turn, other);
                turn = before;
            }
            self.set_turn(turn, row);
        }
    }

    fn at_turn(&self, turn: usize) -> Option<usize> {
        self.rows.get(turn).map(|row| row.turn)
    }

    fn set_turn(&mut self, turn: usize, row: usize) {
        if let Some(at) = self.rows.get_mut(turn) {
            at.turn = row;
        }
    }

    /// Lets what has this turn come in half the time.
    fn advance(&mut self, turn: usize) -> Option<()> {
        let row = self.at_turn(turn)?;
        for turn in (turn / 2..turn).rev() {
            self.set_turn(turn + 1, self.at_turn(turn)?);
        }
        self.set_turn(turn / 2, row);
        Some(())
    }

    /// The turn of what ends highest.
    fn highest(&self) -> usize {
        let end = |turn: &usize| {
            let row = self.at_turn(*turn).and_then(|row| self.rows.get(row)?.range());
            row.map_or(0, |range| range.end)
        };
        (0..self.rows.len()).rev().max_by_key(end).unwrap_or(0)
    }

    /// Places all rows, each at its turn, and gives where they end; or the turn of one that does not go below `most`.
    fn try_turns(&mut self, most: usize) -> Result<usize, usize> {
        for row in &mut *self.rows {
            row.at = None;
        }
        let mut end = 0;
        for turn in 0..self.rows.len() {
            let place = || {
                let row = self.at_turn(turn)?;
                let group = self.group(row)?;
                let at = if self.rows.get(row)?.at.is_some() {
                    None
                } else {
                    Some(self.lowest(group.clone())?)
                };
                Some((group, at))
            };
            let (group, at) = place().ok_or(turn)?;
            let Some(mut at) = at else { continue };
            for row in self.rows.get_mut(group).unwrap_or_default() {
                row.at = Some(at);
                at += row.len;
            }
            end = end.max(at);
            if end >= most {
                return Err(turn);
            }
        }
        Ok(end)
    }

    /// The rows that lie one after another with this one.
    fn group(&self, row: usize) -> Option<Range<usize>> {
        let value = self.rows.get(row)?.value;
        if places::count(self.layers, value) > 1 {
            return Some(row..row + 1);
        }
        let first = *self.firsts.get(value)?;
        let next = self.firsts.get(value + 1).copied().filter(|&next| next > first);
        Some(first..next.unwrap_or(self.rows.len()))
    }

    /// The lowest place that is free for a group; `None` if there is none at all.
    fn lowest(&self, group: Range<usize>) -> Option<usize> {
        let mut at = 0;
        loop {
            let (before, mut offset) = (at, 0);
            for row in group.clone() {
                let free = self.raised(row, at + offset)?;
                at = (free - offset).next_multiple_of(size_of::<u32>());
                offset += self.rows.get(row)?.len;
            }
            if at == before {
                return Some(at);
            }
        }
    }

    /// The next place from `at` on that may be free for a row: `at` itself, if it is.
    fn raised(&self, row: usize, mut at: usize) -> Option<usize> {
        let this = *self.rows.get(row)?;
        for other in &*self.rows {
            let meet = this.time[0] <= other.time[1] && other.time[0] <= this.time[1];
            if meet
                && let Some(range) = other.range()
                && range.start < at + this.len
                && at < range.end
            {
                at = range.end;
            }
        }
        let number = row - self.firsts.get(this.value)?;
        at = self.outside_of_sources(this, number, at)?;
        self.beside_sources(this, number, at)
    }

    /// A row that is written lies outside of those that its step reads.
    fn outside_of_sources(&self, this: PlannedRow, number: usize, mut at: usize) -> Option<usize> {
        let Some(layer) = this.value.checked_sub(1) else { return Some(at) };
        let geometry = self.layers.geometry(layer)?;
        if geometry.is_streamed() || geometry.kind == Kind::Dense {
            return Some(at);
        }
        let is_last = this.value == self.layers.records.len();
        let steps = if is_last { 0..geometry.steps() } else { number..number + 1 };
        for step in steps {
            if let Some(span) = self.span(geometry.source, geometry.needs(step))
                && span.start < at + this.len
                && at < span.end
            {
                at = span.end;
            }
        }
        Some(at)
    }

    /// And rows that are read together have none between them that their step writes, and lie within reach.
    fn beside_sources(&self, this: PlannedRow, number: usize, mut at: usize) -> Option<usize> {
        let last = self.layers.records.len();
        if this.value == last || places::count(self.layers, this.value) == 1 {
            return Some(at);
        }
        let reader = usize::from(self.layers.value(this.value)?.reader);
        for layer in this.value..reader {
            let geometry = self.layers.geometry(layer)?;
            if !geometry.takes(this.value) || geometry.is_streamed() {
                continue;
            }
            for step in 0..geometry.steps() {
                let [first, end] = geometry.needs(step);
                if end <= number {
                    continue;
                }
                if first > number {
                    break;
                }
                let Some(others) = self.span(this.value, [first, end]) else { continue };
                if geometry.kind == Kind::Depthwise {
                    at = at.max((others.end).saturating_sub(MAX_DEPTHWISE_SPAN));
                    if at + this.len > others.start + MAX_DEPTHWISE_SPAN {
                        return None;
                    }
                }
                let written =
                    self.firsts.get(layer + 1)? + if layer + 1 == last { 0 } else { step };
                let Some(written) = self.rows.get(written)?.range() else { continue };
                if others.start.min(at) < written.end
                    && written.start < others.end.max(at + this.len)
                {
                    if others.start < written.end {
                        return None;
                    }
                    at = at.max(written.end);
                }
            }
        }
        Some(at)
    }

    /// From the lowest to the highest of those of some rows that are placed.
    fn span(&self, value: usize, [first, end]: [usize; 2]) -> Option<Range<usize>> {
        let start = *self.firsts.get(value)?;
        let rows = self.rows.get(start + first..start + end)?;
        let placed = rows.iter().filter_map(PlannedRow::range);
        placed.reduce(|a, b| a.start.min(b.start)..a.end.max(b.end))
    }
}
