//! A convolution over all channels: one row of outputs, or of pooled outputs.
//!
//! A few places at a time, a chunk of taps at a time: their activations are gathered into a patch once, and multiplied
//! with the weights of a group of outputs. Of a row that is pooled the places come window by window, so that of each
//! output only the sums of one window are held:
//!
//! ```text
//! place     0  1 │ 4  5 │ 8  9 │        by fours: the windows;  by threes: 0 1 2, 3 4 5, 6 7 8, …
//!           2  3 │ 6  7 │10 11 │
//! ```

mod fours;
mod threes;
mod windows;

use super::Step;
use super::output::Output;
use super::rows::Lines;
use crate::kernels::words;
use crate::rows::format::{Channel, Order, POOL, Weights};

/// Places of a pooling window.
const WINDOW: usize = POOL * POOL;

/// A row of some outputs.
struct Group<'a> {
    step: &'a Step<'a>,
    weights: &'a Weights,
    /// The first output.
    first: usize,
    channels: &'a [Channel],
    lines: Lines<'a>,
}

/// The next row.
pub(super) fn row(
    step: &Step<'_>,
    weights: &Weights,
    work: &mut [u32],
    output: &mut Output<'_>,
) -> Option<()> {
    let mut first = 0;
    for channels in step.channels.chunks(usize::from(step.record.group.get()).max(1)) {
        let group = Group { step, weights, first, channels, lines: step.lines() };
        match weights.order {
            Order::Blocks => group.by_threes(work, output)?,
            Order::Grey => group.grey(work, output)?,
            Order::Windows(3) => group.windows(work, output, words::window3)?,
            Order::Windows(_) => group.windows(work, output, words::window5)?,
            _ => group.by_fours(work, output)?,
        }
        first += channels.len();
    }
    Some(())
}

impl Group<'_> {
    /// Places of the row.
    fn places(&self, output: &Output<'_>) -> usize {
        let width = usize::from(output.value().width.get());
        if self.step.geometry.pooled { width * WINDOW } else { width }
    }

    /// Where a place's window is: the first of its lines, and where it begins in each, in bytes.
    fn window(&self, place: usize) -> [usize; 2] {
        let geometry = &self.step.geometry;
        let [down, across] = geometry.stride;
        let [row, column] = if geometry.pooled {
            [place % WINDOW / POOL, place / WINDOW * POOL + place % POOL]
        } else {
            [0, place]
        };
        [row * down, self.step.rows.window(column, across, geometry.padding[2])]
    }

    /// Taps that are summed up at once.
    fn chunk(&self) -> usize {
        self.step.record.chunk.get().into()
    }
}
