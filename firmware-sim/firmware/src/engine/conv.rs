//! A convolution over all channels: one row of some outputs, or of pooled outputs.
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

pub(super) use fours::{by_fours, by_halves};
pub(super) use threes::{by_threes, windows_by_threes};
pub(super) use windows::{grey, windows};

use zerocopy::FromBytes;

use super::Step;
use super::output::Output;
use crate::format::POOL;
use crate::kernels::words::Word;

/// Places of a pooling window.
const WINDOW: usize = POOL * POOL;

impl Step<'_> {
    /// Places of the row.
    fn places(&self, output: &Output<'_>) -> usize {
        let width = usize::from(output.value().width.get());
        if self.record.pooled != 0 { width * WINDOW } else { width }
    }

    /// Where a place's window is: the first of its lines, and where it begins in each, in bytes.
    fn window(&self, place: usize) -> [usize; 2] {
        let [down, across] = self.geometry().stride;
        let [row, column] = if self.record.pooled != 0 {
            [place % WINDOW / POOL, place / WINDOW * POOL + place % POOL]
        } else {
            [0, place]
        };
        [row * down, self.rows.window(column, across, self.record.padding[2].into())]
    }

    /// Taps that are summed up at once.
    fn chunk(&self) -> usize {
        self.record.chunk.get().into()
    }

    /// The words of the outputs.
    fn words(&self) -> Option<&[Word]> {
        let words = <[Word]>::ref_from_bytes(self.bytes).ok()?;
        words.get(self.first / 2 * self.weights.words()..)
    }
}
