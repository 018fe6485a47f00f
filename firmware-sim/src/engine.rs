//! Integer inference, an image row at a time.
//!
//! Convolution, ReLU and pooling are one step. A pooled row needs [`WINDOW`] rows below it, so two rings of
//! that many rows, one of the image and one of the first stage, are all that is held of the maps.

use crate::format::{Contents, Layer, Model};
use crate::geometry::{
    CLASSES, HIDDEN, IMAGE_SIDE, KERNEL, MAPS1, MAPS2, PIXELS, POOL, SIDE1, SIDE2, TAPS, WINDOW,
};

/// The last [`WINDOW`] rows of `MAPS` maps: `[row mod WINDOW][map][column]`.
type Ring<const MAPS: usize, const SIDE: usize> = [[[u8; SIDE]; MAPS]; WINDOW];

/// Working memory of one inference; place it in a `static` or on the stack.
#[derive(Debug, Clone)]
pub struct Scratch {
    image: Ring<1, IMAGE_SIDE>,
    stage1: Ring<MAPS1, SIDE1>,
    /// `[map][row][column]` of the second stage
    flat: [[[u8; SIDE2]; SIDE2]; MAPS2],
    hidden: [u8; HIDDEN],
}

const _: () =
    assert!(size_of::<Scratch>() <= 3 * 1024, "the target leaves 1 KiB of 4 to the stack");

impl Scratch {
    /// Zeroed memory.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            image: [[[0; IMAGE_SIDE]; 1]; WINDOW],
            stage1: [[[0; SIDE1]; MAPS1]; WINDOW],
            flat: [[[0; SIDE2]; SIDE2]; MAPS2],
            hidden: [0; HIDDEN],
        }
    }
}

impl Default for Scratch {
    fn default() -> Self {
        Self::new()
    }
}

/// Class scores, in units of the model's logit scale.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Logits(pub [i32; CLASSES]);

impl Logits {
    /// The most likely class; of equals the first.
    #[must_use]
    pub fn digit(&self) -> u8 {
        let mut best = (0, i32::MIN);
        for (class, &logit) in (0..).zip(&self.0) {
            if logit > best.1 {
                best = (class, logit);
            }
        }
        best.0
    }
}

/// An image that is coming in.
#[derive(Debug)]
pub struct Frame<'a> {
    model: &'a Model<'a>,
    scratch: &'a mut Scratch,
    /// Image rows so far.
    rows: usize,
}

impl<'a> Model<'a> {
    /// Begins an image; what `scratch` held does not matter.
    #[must_use]
    pub fn start(&'a self, scratch: &'a mut Scratch) -> Frame<'a> {
        Frame { model: self, scratch, rows: 0 }
    }

    /// Scores a whole image: row by row, 0 = background, 255 = ink.
    #[must_use]
    pub fn infer(&self, image: &[u8; PIXELS], scratch: &mut Scratch) -> Logits {
        let mut frame = Frame { model: self, scratch, rows: 0 };
        for row in image.as_chunks().0 {
            frame.push_row(row);
        }
        frame.logits()
    }
}

impl Frame<'_> {
    /// Takes the next row from the top, and computes what it completes; rows after the last are ignored.
    pub fn push_row(&mut self, row: &[u8; IMAGE_SIDE]) {
        if self.is_complete() {
            return;
        }
        let Contents { conv1, conv2, .. } = self.model.contents();
        let Scratch { image, stage1, flat, .. } = &mut *self.scratch;
        image[self.rows % WINDOW] = [*row];
        self.rows += 1;
        let Some(row1) = pooled_row(self.rows) else { return };
        stage(conv1, &unroll(image, self.rows), &mut stage1[row1 % WINDOW]);
        let Some(row2) = pooled_row(row1 + 1) else { return };
        let mut pooled = [[0; SIDE2]; MAPS2];
        stage(conv2, &unroll(stage1, row1 + 1), &mut pooled);
        for (map, pooled) in flat.iter_mut().zip(&pooled) {
            if let Some(row) = map.get_mut(row2) {
                *row = *pooled;
            }
        }
    }

    /// Whether all rows are there.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.rows == IMAGE_SIDE
    }

    /// The answer, once all rows are there.
    #[must_use]
    pub fn finish(self) -> Option<Logits> {
        self.is_complete().then(|| self.logits())
    }

    fn logits(self) -> Logits {
        let Contents { dense1, dense2, .. } = self.model.contents();
        let Scratch { flat, hidden, .. } = self.scratch;
        for ((weights, channel), cell) in dense1.outputs().zip(hidden.iter_mut()) {
            *cell = channel.multiplier.requantize(dot(
                weights,
                flat.as_flattened().as_flattened(),
                channel.bias,
            ));
        }
        let mut logits = [0; CLASSES];
        for ((weights, channel), logit) in dense2.outputs().zip(&mut logits) {
            *logit = dot(weights, hidden, channel.bias);
        }
        Logits(logits)
    }
}

/// The pooled row that the `count`-th row completes, if it completes one.
const fn pooled_row(count: usize) -> Option<usize> {
    if count >= WINDOW && (count - WINDOW).is_multiple_of(POOL) {
        Some((count - WINDOW) / POOL)
    } else {
        None
    }
}

/// The rows of a ring from the oldest to the newest, after `count` rows.
fn unroll<const MAPS: usize, const SIDE: usize>(
    ring: &Ring<MAPS, SIDE>,
    count: usize,
) -> [&[[u8; SIDE]; MAPS]; WINDOW] {
    core::array::from_fn(|age| &ring[(count + age) % WINDOW])
}

/// One row of pooled outputs: valid convolution, 2×2 max-pooling on the accumulators, then requantisation.
///
/// Requantisation never decreases, so the largest of four requantised sums is the requantised largest sum.
fn stage<
    const IN: usize,
    const FAN_IN: usize,
    const SIDE: usize,
    const OUT: usize,
    const POOLED: usize,
>(
    layer: &Layer<'_, OUT, FAN_IN>,
    window: &[&[[u8; SIDE]; IN]; WINDOW],
    pooled: &mut [[u8; POOLED]; OUT],
) {
    const { assert!(POOLED * POOL == SIDE - KERNEL + 1 && FAN_IN == IN * TAPS) }
    for ((weights, channel), pooled) in layer.outputs().zip(pooled) {
        // `[row][column of the pooled row][column in its pool]`
        let mut sums = [[[channel.bias; POOL]; POOLED]; POOL];
        for (input, kernel) in weights.as_chunks::<TAPS>().0.iter().enumerate().take(IN) {
            let rows = window.map(|maps| &maps[input]);
            for (offset, sums) in sums.iter_mut().enumerate() {
                let rows = rows.iter().skip(offset);
                for (&weights, row) in kernel.as_chunks::<KERNEL>().0.iter().zip(rows) {
                    add_row(sums.as_flattened_mut(), weights, *row);
                }
            }
        }
        let [above, below] = &sums;
        for ((above, below), pooled) in above.iter().zip(below).zip(pooled) {
            let largest = above[0].max(above[1]).max(below[0].max(below[1]));
            *pooled = channel.multiplier.requantize(largest);
        }
    }
}

/// Adds one row of a kernel over one row of a map. Cannot overflow: [`Model::parse`] has checked the bound.
fn add_row(sums: &mut [i32], weights: [u8; KERNEL], row: &[u8]) {
    for (x, weight) in weights.into_iter().enumerate() {
        let weight = i32::from(weight.cast_signed());
        for (sum, &pixel) in sums.iter_mut().zip(row.iter().skip(x)) {
            *sum += weight * i32::from(pixel);
        }
    }
}

/// `bias + Σ weight · value`. Cannot overflow: [`Model::parse`] has checked the bound.
fn dot(weights: &[u8], values: &[u8], bias: i32) -> i32 {
    weights.iter().zip(values).fold(bias, |sum, (weight, &value)| {
        sum + i32::from(weight.cast_signed()) * i32::from(value)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_stage_pools_every_second_row_once_its_window_is_full() {
        let completed =
            |rows: usize| (1..=rows).filter_map(pooled_row).collect::<std::vec::Vec<_>>();
        assert_eq!(completed(IMAGE_SIDE), (0..SIDE1).collect::<std::vec::Vec<_>>());
        assert_eq!(completed(SIDE1), (0..SIDE2).collect::<std::vec::Vec<_>>());
    }

    #[test]
    fn of_equal_logits_the_first_wins_and_the_lowest_can_win() {
        assert_eq!(Logits([3, 7, 7, 0, 0, 0, 0, 0, 0, 0]).digit(), 1);
        assert_eq!(Logits([i32::MIN; CLASSES]).digit(), 0);
    }
}
