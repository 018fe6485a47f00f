//! The input in shifted planes, as [`super`] draws them.

use network::{Layer, POOL};
use pulp::{Simd, WithSimd};

use super::super::Value;

/// How the input of a layer is laid out in shifted planes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Planes {
    /// Channels, height and width of the input.
    pub(super) input: [usize; 3],
    /// Shifts by which the input is copied.
    shifts: usize,
    /// Pixels from one output to the next: 2 with pooling, else 1.
    pub(super) step: usize,
    /// Rows of one plane: what the output's rows need of every `step`th row of the input.
    rows: usize,
    /// Columns of one plane: those of the output.
    columns: usize,
}

impl Planes {
    pub(super) fn of(layer: &Layer, kernel: [usize; 2]) -> Self {
        let step = if layer.kind().pool() { POOL } else { 1 };
        let [_, height, width] = layer.output();
        Self {
            input: layer.input(),
            shifts: kernel[1] + step - 1,
            step,
            rows: height + (kernel[0] + step - 2) / step,
            columns: width,
        }
    }

    /// Floats of one input channel: a plane per shift and residue of the row.
    pub(super) const fn channel_length(&self) -> usize {
        self.shifts * self.step * self.rows * self.columns
    }

    /// Where the inputs of the first output lie in a channel, for this row and column of the kernel.
    pub(super) const fn offset(&self, row: usize, column: usize) -> usize {
        let plane = column * self.step + row % self.step;
        (plane * self.rows + row / self.step) * self.columns
    }
}

/// Puts an input into shifted planes.
pub(super) struct ShiftTask<'a, V> {
    pub(super) planes: &'a Planes,
    pub(super) input: &'a [V],
    pub(super) workspace: &'a mut [f32],
}

impl<V: Value> WithSimd for ShiftTask<'_, V> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self { planes, input, workspace } = self;
        if planes.step == POOL {
            shift::<V, POOL>(planes, input, workspace);
        } else {
            shift::<V, 1>(planes, input, workspace);
        }
    }
}

/// Fills the workspace with shifted planes, but for the room for a channel of floats at its end.
#[inline(always)]
fn shift<V: Value, const STEP: usize>(planes: &Planes, input: &[V], workspace: &mut [f32]) {
    let [channels, height, width] = planes.input;
    let (workspace, room) = workspace.split_at_mut(workspace.len() - height * width);
    let mut rows = workspace.chunks_exact_mut(planes.columns);
    for channel in input.chunks_exact(height * width).take(channels) {
        let channel = V::floats(channel, room);
        for shift in 0..planes.shifts {
            for residue in 0..STEP {
                let plane = rows.by_ref().take(planes.rows);
                for (to, row) in plane.zip((residue..).step_by(STEP)) {
                    // an odd last row is in no window
                    let Some(from) = channel.get(row * width + shift..(row + 1) * width) else {
                        continue;
                    };
                    for (to, pixel) in to.iter_mut().zip(from.iter().step_by(STEP)) {
                        *to = *pixel;
                    }
                }
            }
        }
    }
}
