//! The table of places: where each row of each value lies, and the logits.

use core::ops::Range;

use crate::number::U16;

use crate::format::{Kind, Layers, Value};
use crate::loops::keep_rolled;

/// Bytes that the rows under a depthwise layer's window may lie apart, at most: its kernels take offsets of 16 bits.
pub const MAX_DEPTHWISE_SPAN: usize = 1 << 16;

/// Where the rows of all values lie, in words from the beginning of all rows: a table in the file.
///
/// Value by value it has a place for each row. Of what a dense layer takes, which lies in one piece, it has one, and so
/// of the logits, if they [are held](Layers::holds_outputs). Rows that are never needed at once may lie at one place:
///
/// ```text
/// words    0         40        80        120       160
///          │ conv1 0 │ conv1 1 │ conv1 2 │ conv2 0 │       image row 5
///          │ conv1 3 │ conv1 1 │ conv1 2 │ conv2 0 │       image row 6: nobody needs row 0 any more
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Places<'a>(pub &'a [U16]);

impl<'a> Places<'a> {
    /// Those of one value.
    #[must_use]
    pub fn of(&self, value: &'a Value) -> Option<RowPlaces<'a>> {
        let places = self.0.get(value.first_place.get() as usize..)?;
        let places = places.get(..value.places.get().into())?;
        Some(RowPlaces { places, value })
    }

    /// What a step for value `number` writes: a row with its padding, or all logits; nothing of those that are not held.
    #[must_use]
    pub fn written(
        &self,
        layers: Layers<'a>,
        number: usize,
        steps: &[u16],
    ) -> Option<Range<usize>> {
        let value = layers.value(number)?;
        let places = self.of(value)?;
        if number == layers.records.len() {
            let held = if places.places.is_empty() { 0 } else { value.size() };
            let start = places.row(0).unwrap_or_default();
            return Some(start..start + held * size_of::<i32>());
        }
        places.row_range(layers.rows(number, steps))
    }
}

/// How many places value `number` has: one for each row, or one where its rows lie one after another; none of outputs
/// that are not held.
#[must_use]
#[inline(never)] // once for the parse and for the table
pub fn count(layers: Layers<'_>, number: usize) -> usize {
    if number == layers.records.len() {
        return layers.holds_outputs().into();
    }
    let is_whole = layers
        .records
        .iter()
        .any(|record| record.kind == Kind::Dense.code() && usize::from(record.source) == number);
    if is_whole { 1 } else { layers.value(number).map_or(0, |value| value.height.get().into()) }
}

/// Bytes of the table in a file.
#[must_use]
pub fn table_len(layers: Layers<'_>) -> usize {
    let places: usize = (0..=layers.records.len()).map(|number| count(layers, number)).sum();
    (places * size_of::<U16>()).next_multiple_of(size_of::<u32>())
}

/// Where the rows of one value lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RowPlaces<'a> {
    /// One for each row, or one for all.
    places: &'a [U16],
    /// What they are rows of.
    pub value: &'a Value,
}

impl RowPlaces<'_> {
    /// Where a row begins, in bytes from the beginning of all rows.
    #[must_use]
    pub fn row(&self, row: usize) -> Option<usize> {
        match self.places {
            [all] => Some(bytes(*all) + row * self.value.stride()),
            each => each.get(row).copied().map(bytes),
        }
    }

    /// A row with its padding.
    #[must_use]
    pub fn row_range(&self, row: usize) -> Option<Range<usize>> {
        let start = self.row(row)?;
        Some(start..start + self.value.stride())
    }

    /// From the lowest of some rows to the end of the highest; empty, if there are none.
    #[must_use]
    pub fn span(&self, [first, end]: [usize; 2]) -> Option<Range<usize>> {
        // a step may lie in the padding altogether
        if first == end {
            return Some(0..0);
        }
        if let [all] = self.places {
            let [start, end] = [first, end].map(|row| bytes(*all) + row * self.value.stride());
            return Some(start..end);
        }
        let rows = self.places.get(first..end)?;
        let (lowest, highest) = rows.iter().fold((usize::MAX, 0), |(lowest, highest), &place| {
            keep_rolled();
            (lowest.min(bytes(place)), highest.max(bytes(place)))
        });
        Some(lowest..highest + self.value.stride())
    }
}

fn bytes(place: U16) -> usize {
    usize::from(place.get()) * size_of::<u32>()
}
