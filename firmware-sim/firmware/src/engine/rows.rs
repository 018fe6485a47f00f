//! Rows of a value as they are held.

use core::ops::Range;

use crate::format::Value;
use crate::kernels::words::Pair;

/// Rows of a value, to be read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rows<'m> {
    /// All rows that are held.
    ring: &'m [u8],
    /// What they are rows of.
    pub(super) value: &'m Value,
}

impl<'m> Rows<'m> {
    pub(super) const fn new(ring: &'m [u8], value: &'m Value) -> Self {
        Self { ring, value }
    }

    /// Row `row` with its padding; `None` above and below the map.
    pub(super) fn row(&self, row: usize) -> Option<&'m [u8]> {
        self.ring.get(self.offset(row)?..)?.get(..self.value.stride())
    }

    /// What a padding holds, as a pair of taps.
    pub(super) fn padding(&self) -> Pair {
        Pair::from(self.value.zero) * 0x0001_0001
    }

    /// All that is held.
    pub(super) fn ring(&self) -> &'m [u8] {
        self.ring
    }

    /// Where row `row` begins in what is held; `None` above and below the map.
    pub(super) fn offset(&self, row: usize) -> Option<usize> {
        if row >= self.value.height.get().into() {
            return None;
        }
        let slot = row.checked_rem(self.value.rows.get().into())?;
        Some(slot * self.value.stride())
    }

    /// Row `row` without its padding.
    pub(super) fn inside(&self, row: usize) -> Option<&'m [u8]> {
        let channels = usize::from(self.value.channels.get());
        self.row(row)?.get(usize::from(self.value.left) * channels..)?.get(..self.value.row_len())
    }

    /// Where in a row with its padding a window begins: that of output column `column`.
    pub(super) fn window(&self, column: usize, stride: usize, padding: usize) -> usize {
        let column = (column * stride + usize::from(self.value.left)).saturating_sub(padding);
        column * usize::from(self.value.channels.get())
    }
}

/// Lines of the input under a row of windows, from the padding above the map to the one below it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lines<'a> {
    rows: &'a Rows<'a>,
    /// Row of the map that the first of them would be, plus `above`.
    first: usize,
    /// Rows of padding above the map.
    above: usize,
    count: usize,
    /// The first that is inside the map, and the one after the last that is.
    inside: [usize; 2],
}

impl<'a> Lines<'a> {
    /// `count` lines from `first` on, which is counted with the rows of padding above.
    pub(super) fn new(rows: &'a Rows<'a>, first: usize, above: usize, count: usize) -> Self {
        let end = usize::from(rows.value.height.get()) + above;
        let inside = [above, end].map(|row| row.saturating_sub(first).min(count));
        Self { rows, first, above, count, inside }
    }

    /// How many they are.
    pub(super) const fn count(&self) -> usize {
        self.count
    }

    /// Whether a line is inside the map.
    pub(super) fn is_inside(&self, line: usize) -> bool {
        let [start, end] = self.inside;
        (start..end).contains(&line)
    }

    /// The lines that are.
    pub(super) const fn inside(&self) -> Range<usize> {
        let [start, end] = self.inside;
        start..end
    }

    /// Those that are not.
    pub(super) fn outside(&self) -> impl Iterator<Item = usize> + use<> {
        let inside = self.inside();
        (0..self.count).filter(move |line| !inside.contains(line))
    }

    /// Where a line begins in what is held; of a line outside the map, where the next one inside does.
    pub(super) fn offset(&self, line: usize) -> u32 {
        let [start, end] = self.inside;
        let line = line.min(end.saturating_sub(1)).max(start);
        let row = (self.first + line).wrapping_sub(self.above);
        self.rows.offset(row).unwrap_or_default() as u32
    }

    /// Where each line begins; whether any is outside the map.
    #[inline(never)]
    pub(super) fn offsets(&self, offsets: &mut [u32]) -> bool {
        for (line, offset) in offsets.iter_mut().enumerate() {
            *offset = self.offset(line);
        }
        self.inside().len() < self.count
    }
}

/// Where row `row` is held, in bytes from the beginning of all rows.
pub(super) fn slot(value: &Value, row: usize) -> Option<Range<usize>> {
    let stride = value.stride();
    let slot = row.checked_rem(value.rows.get().into())?;
    let start = value.offset.get() as usize + slot * stride;
    Some(start..start + stride)
}

/// Fills a row's padding, which what lay there before may have left otherwise.
pub(super) fn fill_padding(row: &mut [u8], value: &Value) {
    let channels = usize::from(value.channels.get());
    let left = row.get_mut(..usize::from(value.left) * channels);
    left.unwrap_or_default().fill(value.zero);
    let right = row.len().saturating_sub(usize::from(value.right) * channels);
    row.get_mut(right..).unwrap_or_default().fill(value.zero);
}

/// A row without its padding.
pub(super) fn inside<'m>(row: &'m mut [u8], value: &Value) -> &'m mut [u8] {
    let start = usize::from(value.left) * usize::from(value.channels.get());
    let inside = row.get_mut(start..).and_then(|row| row.get_mut(..value.row_len()));
    inside.unwrap_or_default()
}
