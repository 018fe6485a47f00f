//! Rows of a value as they are held.

use core::ops::Range;

use crate::format::Value;
use crate::kernels::words::Pair;
use crate::loops::keep_rolled;
use crate::plan::RowPlaces;

/// Rows of a value that a step reads.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rows<'m> {
    /// From the lowest of them to the end of the highest; those of others may lie between.
    span: &'m [u8],
    /// Where the span begins, in bytes from the beginning of all rows.
    start: usize,
    places: RowPlaces<'m>,
}

impl<'m> Rows<'m> {
    /// Some rows, which `memory` has.
    #[inline(never)]
    pub(super) fn of(memory: &Memory<'m>, places: RowPlaces<'m>, rows: [usize; 2]) -> Option<Self> {
        let span = places.span(rows)?;
        Some(Self { start: span.start, span: memory.get(span)?, places })
    }

    /// What they are rows of.
    pub(super) const fn value(&self) -> &'m Value {
        self.places.value
    }

    /// Row `row` with its padding; `None` above and below the map.
    pub(super) fn row(&self, row: usize) -> Option<&'m [u8]> {
        self.span.get(self.offset(row)?..)?.get(..self.value().stride())
    }

    /// What a padding holds, as a pair of taps.
    pub(super) fn padding(&self) -> Pair {
        Pair::from(self.value().zero) * 0x0001_0001
    }

    /// All of them, as a dense layer takes them, or what they lie in.
    pub(super) fn span(&self) -> &'m [u8] {
        self.span
    }

    /// Where row `row` begins in the span; `None` above and below the map.
    pub(super) fn offset(&self, row: usize) -> Option<usize> {
        if row >= self.value().height.get().into() {
            return None;
        }
        self.places.row(row)?.checked_sub(self.start)
    }

    /// Row `row` without its padding.
    #[inline(never)] // for layers without products, once
    pub(super) fn inside(&self, row: usize) -> Option<&'m [u8]> {
        without_padding(self.row(row)?, self.value())
    }

    /// Where in a row with its padding a window begins: that of output column `column`.
    pub(super) fn window(&self, column: usize, stride: usize, padding: usize) -> usize {
        let column = (column * stride + usize::from(self.value().left)).saturating_sub(padding);
        column * usize::from(self.value().channels.get())
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
        let end = usize::from(rows.value().height.get()) + above;
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
            keep_rolled();
        }
        self.inside().len() < self.count
    }
}

/// Memory of the rows beside what a step writes.
pub(super) struct Memory<'m> {
    before: &'m [u8],
    after: &'m [u8],
    /// Where `after` begins.
    after_at: usize,
}

impl<'m> Memory<'m> {
    /// What a step writes, and what lies beside.
    pub(super) fn split(
        memory: &'m mut [u8],
        written: Range<usize>,
    ) -> Option<(&'m mut [u8], Self)> {
        let (before, rest) = memory.split_at_mut_checked(written.start)?;
        let (held, after) = rest.split_at_mut_checked(written.len())?;
        Some((held, Self { before, after, after_at: written.end }))
    }

    /// A row without its padding.
    #[inline(never)] // its locals are not on the stack of who asks
    pub(super) fn row(&self, places: RowPlaces<'m>, row: usize) -> Option<&'m [u8]> {
        without_padding(self.get(places.row_range(row)?)?, places.value)
    }

    fn get(&self, Range { start, end }: Range<usize>) -> Option<&'m [u8]> {
        match start.checked_sub(self.after_at) {
            Some(start) => self.after.get(start..end - self.after_at),
            None => self.before.get(start..end),
        }
    }
}

/// Fills a row's padding, which what lay there before may have left otherwise.
#[inline(never)]
pub(super) fn fill_padding(row: &mut [u8], value: &Value) {
    let channels = usize::from(value.channels.get());
    let right = row.len().saturating_sub(usize::from(value.right) * channels);
    let (row, right) = row.split_at_mut_checked(right).unwrap_or_default();
    fill(row.get_mut(..usize::from(value.left) * channels).unwrap_or_default(), value.zero);
    fill(right, value.zero);
}

/// Sets bytes.
#[inline(never)]
pub(super) fn fill(bytes: &mut [u8], byte: u8) {
    let (eights, rest) = bytes.as_chunks_mut();
    for eight in eights {
        *eight = [byte; 8];
        keep_rolled();
    }
    for to in rest {
        *to = byte;
        keep_rolled();
    }
}

/// Copies as many bytes as both have: a few, for which the C library's function would be long.
#[inline(never)]
pub(super) fn copy(to: &mut [u8], from: &[u8]) {
    let (to, last_to) = to.as_chunks_mut::<4>();
    let (from, last) = from.as_chunks::<4>();
    for (to, from) in to.iter_mut().zip(from) {
        *to = *from;
        keep_rolled();
    }
    for (to, from) in last_to.iter_mut().zip(last) {
        *to = *from;
        keep_rolled();
    }
}

fn without_padding<'m>(row: &'m [u8], value: &Value) -> Option<&'m [u8]> {
    let start = usize::from(value.left) * usize::from(value.channels.get());
    row.get(start..)?.get(..value.row_len())
}

/// A row without its padding.
pub(super) fn inside<'m>(row: &'m mut [u8], value: &Value) -> &'m mut [u8] {
    let start = usize::from(value.left) * usize::from(value.channels.get());
    let inside = row.get_mut(start..).and_then(|row| row.get_mut(..value.row_len()));
    inside.unwrap_or_default()
}
