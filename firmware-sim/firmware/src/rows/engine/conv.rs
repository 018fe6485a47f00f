//! A convolution over all channels: one row of outputs, or of pooled outputs.
//!
//! A few places at a time, a chunk of taps at a time: their activations are gathered into a patch once, and multiplied
//! with the weights of a group of outputs. Of a row that is pooled the places come window by window, so that of each
//! output only the largest sum of one window is held:
//!
//! ```text
//! place     0  1 │ 4  5 │ 8  9 │        by fours: the windows;  by threes: 0 1 2, 3 4 5, 6 7 8, …
//!           2  3 │ 6  7 │10 11 │
//! ```

mod fours;
mod threes;

use super::rows::{Output, Rows};
use crate::rows::format::{Channel, Geometry, MAX_KERNEL, MAX_POOLED_STRIDE, Order, POOL, Weights};

/// Places of a pooling window.
const WINDOW: usize = POOL * POOL;

/// What a convolution computes by.
pub(super) struct Layer<'a> {
    pub(super) geometry: Geometry,
    pub(super) weights: Weights,
    /// Taps that are summed up at once.
    pub(super) chunk: usize,
    /// Outputs that are.
    pub(super) group: usize,
    /// See [`plan::is_copied`](crate::rows::plan::is_copied).
    pub(super) is_copied: bool,
    /// The weights as they lie in the file.
    pub(super) bytes: &'a [u8],
    pub(super) channels: &'a [Channel],
}

/// Most rows of the input that a row of outputs needs: see [`MAX_KERNEL`].
const LINES: usize = MAX_KERNEL + MAX_POOLED_STRIDE;

/// A row of some outputs.
struct Group<'a> {
    layer: &'a Layer<'a>,
    /// The first output.
    first: usize,
    channels: &'a [Channel],
    rows: Rows<'a>,
    /// Rows of the input under the kernel, with their padding; empty above and below the map.
    lines: [&'a [u8]; LINES],
}

/// Where a window of the input lies.
#[derive(Debug, Clone, Copy, Default)]
struct Window {
    /// The first of its lines.
    line: usize,
    /// Where it begins in each, in bytes.
    start: usize,
}

impl Layer<'_> {
    /// Row `row`.
    pub(super) fn row(
        &self,
        row: usize,
        rows: &Rows<'_>,
        work: &mut [u32],
        output: &mut Output<'_>,
    ) -> Option<()> {
        output.bytes();
        let Geometry { kernel: [height, _], stride: [down, _], padding: [top, ..], .. } =
            self.geometry;
        let at_once = self.geometry.rows_at_once();
        let mut lines: [&[u8]; LINES] = [&[]; LINES];
        let first_line = row * at_once * down;
        for (index, line) in lines.iter_mut().enumerate().take((at_once - 1) * down + height) {
            // above the map it wraps around, and there is no such row
            *line = rows.row((first_line + index).wrapping_sub(top)).unwrap_or_default();
        }
        let mut first = 0;
        for channels in self.channels.chunks(self.group.max(1)) {
            let group = Group { layer: self, first, channels, rows: *rows, lines };
            match self.weights.order {
                Order::Blocks => group.by_threes(work, output)?,
                _ => group.by_fours(work, output)?,
            }
            first += channels.len();
        }
        Some(())
    }
}

impl Group<'_> {
    /// Places of the row.
    fn places(&self, output: &Output<'_>) -> usize {
        let width = usize::from(output.value().width.get());
        if self.layer.geometry.pooled { width * WINDOW } else { width }
    }

    /// The window of a place.
    fn window(&self, place: usize) -> Window {
        let Geometry { pooled, stride: [down, across], padding: [_, _, left, _], .. } =
            self.layer.geometry;
        let [row, column] = if pooled {
            [place % WINDOW / POOL, place / WINDOW * POOL + place % POOL]
        } else {
            [0, place]
        };
        Window { line: row * down, start: self.rows.window(column, across, left) }
    }

    /// The windows of `N` places from `place` on; of those from `end` on that of the first.
    fn windows<const N: usize>(&self, place: usize, end: usize) -> [Window; N] {
        core::array::from_fn(|index| {
            self.window(if place + index < end { place + index } else { place })
        })
    }

    /// Bytes of a kernel row: of all its columns and channels, which lie side by side.
    fn span(&self) -> usize {
        self.layer.geometry.kernel[1] * self.layer.weights.inputs
    }

    /// Row `row` of a window from `skip` bytes on, `len` bytes; `None` if it is above or below the map.
    #[inline]
    fn bytes(&self, window: Window, row: usize, skip: usize, len: usize) -> Option<&[u8]> {
        self.lines.get(window.line + row)?.get(window.start + skip..)?.get(..len)
    }

    /// The kernel rows that `len` taps from `first` on are of, each with its bytes to skip and to take.
    fn kernel_rows(&self, first: usize, len: usize) -> impl Iterator<Item = [usize; 3]> + use<> {
        let span = self.span();
        let mut row = first.checked_div(span).unwrap_or_default();
        let (mut skip, mut left) = (first - row * span, len);
        core::iter::from_fn(move || {
            let take = left.min(span - skip);
            let next = [row, skip, take];
            (row, skip, left) = (row + 1, 0, left - take);
            (take > 0).then_some(next)
        })
    }
}
