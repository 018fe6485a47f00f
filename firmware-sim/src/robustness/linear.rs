//! The linear part of a layer: its accumulators as sums of products of the values that it takes, forwards for intervals and
//! backwards for coefficients.

use std::ops::Range;

use network::Shape;
use pulp::Arch;

/// Linear forms that are followed at once: so many fill a register of the widest machines.
pub(super) const LANES: usize = 8;

/// One number of each of [`LANES`] linear forms.
pub(super) type Lanes = [f64; LANES];

/// Rows and columns of a map.
pub(super) type Area = [Range<usize>; 2];

/// What a layer's accumulators take of one value.
#[derive(Debug)]
pub(super) enum Linear {
    /// Each value, times this.
    Factor(f64),
    /// Sums over windows.
    Windows(Windows),
}

/// Sums of products over windows: of a dense layer there is one window, the whole input.
#[derive(Debug)]
pub(super) struct Windows {
    pub(super) input: Shape,
    pub(super) output: Shape,
    pub(super) kernel: [usize; 2],
    pub(super) stride: [usize; 2],
    /// Rows above and columns left of the input that count as zero.
    pub(super) before: [usize; 2],
    pub(super) groups: usize,
    /// `[map][channel of its group][row][column]`, whole numbers.
    pub(super) weights: Vec<f64>,
}

/// Coefficients of the values in a part of each map, `[channel][row][column]`, for [`LANES`] linear forms at once.
#[derive(Debug)]
pub(super) struct Coefficients {
    pub(super) channels: usize,
    pub(super) area: Area,
    pub(super) values: Vec<Lanes>,
}

impl Coefficients {
    /// Zeros.
    pub(super) fn new(channels: usize, area: Area) -> Self {
        let count = channels * area[0].len() * area[1].len();
        Self { channels, area, values: vec![[0.0; LANES]; count] }
    }

    /// Where a row of a channel begins among the values.
    pub(super) fn row_start(&self, channel: usize, row: usize) -> usize {
        let [rows, columns] = &self.area;
        (channel * rows.len() + row - rows.start) * columns.len()
    }

    pub(super) fn at(&mut self, channel: usize, row: usize, column: usize) -> &mut Lanes {
        let at = self.row_start(channel, row) + column - self.area[1].start;
        &mut self.values[at]
    }
}

/// The smallest area that holds both.
pub(super) fn united(one: &Area, other: &Area) -> Area {
    let axis = |axis: usize| {
        let [one, other] = [&one[axis], &other[axis]];
        match (one.is_empty(), other.is_empty()) {
            (true, _) => other.clone(),
            (_, true) => one.clone(),
            _ => one.start.min(other.start)..one.end.max(other.end),
        }
    };
    [axis(0), axis(1)]
}

/// Places along an axis that windows see, of which there are `length`.
pub(super) fn seen(
    windows: &Range<usize>,
    size: usize,
    stride: usize,
    before: usize,
    length: usize,
) -> Range<usize> {
    if windows.is_empty() {
        return 0..0;
    }
    let start = (windows.start * stride).saturating_sub(before).min(length);
    let end = ((windows.end - 1) * stride + size).saturating_sub(before).min(length);
    start..end.max(start)
}

impl Linear {
    /// Adds what it makes of whole numbers: exact, in any order, since all sums are far below 2⁵³. `of` changes each weight.
    pub(super) fn add(&self, of: fn(f64) -> f64, input: &[f64], output: &mut [f64]) {
        match self {
            Self::Factor(factor) => {
                let factor = of(*factor);
                for (sum, value) in output.iter_mut().zip(input) {
                    *sum += factor * value;
                }
            }
            Self::Windows(windows) => windows.add(of, input, output),
        }
    }

    /// The part of the input that the accumulators of an area take.
    pub(super) fn area(&self, area: &Area) -> Area {
        match self {
            Self::Factor(_) => area.clone(),
            Self::Windows(it) => [0, 1].map(|axis| {
                let length = it.input[axis + 1];
                seen(&area[axis], it.kernel[axis], it.stride[axis], it.before[axis], length)
            }),
        }
    }

    /// Products for each accumulator.
    pub(super) const fn taps(&self) -> usize {
        match self {
            Self::Factor(_) => 1,
            Self::Windows(it) => it.input[0] / it.groups * it.kernel[0] * it.kernel[1],
        }
    }

    /// Adds to the coefficients of the input what those of the accumulators make of them.
    pub(super) fn add_transposed(&self, from: &Coefficients, to: &mut Coefficients) {
        match self {
            Self::Factor(factor) => {
                for channel in 0..from.channels {
                    for row in from.area[0].clone() {
                        let start = from.row_start(channel, row);
                        let lanes = &from.values[start..start + from.area[1].len()];
                        let start =
                            to.row_start(channel, row) + from.area[1].start - to.area[1].start;
                        for (sum, lanes) in to.values[start..].iter_mut().zip(lanes) {
                            add_lanes(sum, *factor, lanes);
                        }
                    }
                }
            }
            Self::Windows(windows) => Arch::new().dispatch(|| windows.add_transposed(from, to)),
        }
    }
}

#[inline(always)]
#[expect(clippy::inline_always, reason = "it is compiled for the instructions of its caller")]
fn add_lanes(sum: &mut Lanes, weight: f64, lanes: &Lanes) {
    for (sum, lane) in sum.iter_mut().zip(lanes) {
        *sum += weight * lane;
    }
}

impl Windows {
    fn weights_of_map(&self) -> usize {
        self.input[0] / self.groups * self.kernel[0] * self.kernel[1]
    }

    fn add(&self, of: fn(f64) -> f64, input: &[f64], output: &mut [f64]) {
        let [_, height, width] = self.input;
        let [maps, out_height, out_width] = self.output;
        let of_map = self.weights_of_map();
        if [out_height, out_width] == [1; 2] && of_map == input.len() {
            for (sum, weights) in output.iter_mut().zip(self.weights.chunks(of_map.max(1))) {
                *sum += weights
                    .iter()
                    .zip(input)
                    .map(|(weight, value)| of(*weight) * value)
                    .sum::<f64>();
            }
            return;
        }
        let in_group = self.input[0] / self.groups;
        let [rows, columns] = self.kernel;
        let maps_of_group = maps / self.groups;
        for (map, sums) in output.chunks_mut(out_height * out_width).enumerate() {
            let first = map / maps_of_group * in_group;
            let weights = &self.weights[map * of_map..][..of_map];
            for (channel, kernel) in weights.chunks(rows * columns).enumerate() {
                let from = &input[(first + channel) * height * width..][..height * width];
                for (at, &weight) in kernel.iter().enumerate() {
                    let weight = of(weight);
                    let [ky, kx] = [at / columns, at % columns];
                    for (y, sums) in sums.chunks_mut(out_width).enumerate() {
                        let row = (y * self.stride[0] + ky).checked_sub(self.before[0]);
                        let Some(row) = row.filter(|&row| row < height) else { continue };
                        let from = &from[row * width..][..width];
                        for (x, sum) in sums.iter_mut().enumerate() {
                            let column = (x * self.stride[1] + kx).wrapping_sub(self.before[1]);
                            if let Some(value) = from.get(column) {
                                *sum += weight * value;
                            }
                        }
                    }
                }
            }
        }
    }

    #[inline(always)]
    #[expect(clippy::inline_always, reason = "it is compiled for the instructions of its caller")]
    fn add_transposed(&self, from: &Coefficients, to: &mut Coefficients) {
        let in_group = self.input[0] / self.groups;
        let [rows, columns] = self.kernel;
        let [_, height, width] = self.input;
        let of_map = self.weights_of_map();
        let maps_of_group = self.output[0] / self.groups;
        for map in 0..from.channels {
            let first = map / maps_of_group * in_group;
            let weights = &self.weights[map * of_map..][..of_map];
            for y in from.area[0].clone() {
                let start = from.row_start(map, y);
                for (x, lanes) in from.area[1].clone().zip(&from.values[start..]) {
                    if lanes.iter().all(|&lane| lane == 0.0) {
                        continue;
                    }
                    // of the kernel, what lies on the input
                    let [top, left] = [y * self.stride[0], x * self.stride[1]];
                    let inside = |at: usize, before: usize, size: usize, length: usize| {
                        before.saturating_sub(at)..(length + before).saturating_sub(at).min(size)
                    };
                    let kernel_columns = inside(left, self.before[1], columns, width);
                    for (channel, kernel) in weights.chunks_exact(rows * columns).enumerate() {
                        for row in inside(top, self.before[0], rows, height) {
                            let kernel = &kernel[row * columns..][kernel_columns.clone()];
                            let start = to.row_start(first + channel, top + row - self.before[0]);
                            let column = left + kernel_columns.start - self.before[1];
                            let sums = &mut to.values[start + column - to.area[1].start..];
                            for (sum, weight) in sums.iter_mut().zip(kernel) {
                                add_lanes(sum, *weight, lanes);
                            }
                        }
                    }
                }
            }
        }
    }
}
