//! A channel's requantisation as the staircase that it is, and the straight lines above and below it.
//!
//! The steps are found by asking the device's own function, which never falls as its argument grows; nothing here knows how
//! it rounds.

use firmware::multiplier::Multiplier;

/// More than any accumulator's magnitude, which a model's file proves to be below 2²³.
const REACH: i32 = 1 << 24;

/// What rounding may make of a slope times an accumulator and a difference, in relation to their magnitudes: four
/// operations, each within 2⁻⁵³.
const ROUNDING: f64 = 1.0 / (1_u64 << 50) as f64;

/// `value ≥ slope · accumulator + offset`, or the same with `≤`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Line {
    /// Not below 0.
    pub(super) slope: f64,
    pub(super) offset: f64,
}

impl Line {
    /// The value itself.
    pub(super) const IDENTITY: Self = Self { slope: 1.0, offset: 0.0 };

    /// What it is in the middle of a range.
    pub(super) fn middle(self, [low, high]: [f64; 2]) -> f64 {
        self.slope * f64::midpoint(low, high) + self.offset
    }

    /// The line that this one is of accumulators to which `more`, not below 0, is added.
    pub(super) fn after(self, more: f64) -> Self {
        let offset = self.offset + self.slope * more;
        Self { offset: offset + slack(self.slope, more, self.offset), ..self }
    }

    /// The same value everywhere.
    pub(super) const fn constant(offset: f64) -> Self {
        Self { slope: 0.0, offset }
    }
}

/// Where a channel's activation grows by one: all in signed units.
#[derive(Debug, Clone)]
pub(super) struct Steps {
    /// What the smallest accumulators become.
    floor: i32,
    /// The smallest accumulator that becomes `floor + 1`, `floor + 2`, and so on.
    first: Vec<i32>,
    /// Activations for each unit of the accumulator.
    slope: f64,
}

impl Steps {
    /// Those of a multiplier around the byte that stands for 0.
    pub(super) fn new(multiplier: Multiplier, zero: u8) -> Self {
        let activation =
            |accumulator: i32| i32::from(multiplier.requantize_around(accumulator, zero));
        let [floor, ceiling] = [-REACH, REACH].map(activation);
        let first = (floor + 1..=ceiling).map(|value| {
            // the last below and the first not below
            let (mut below, mut reached) = (-REACH, REACH);
            while reached - below > 1 {
                let middle = i32::midpoint(below, reached);
                if activation(middle) < value {
                    below = middle;
                } else {
                    reached = middle;
                }
            }
            reached
        });
        let first = first.collect();
        let slope = f64::from(multiplier.mantissa()) / (1_u64 << multiplier.shift()) as f64;
        Self { floor: floor - i32::from(zero), first, slope }
    }

    /// What an accumulator becomes.
    pub(super) fn activation(&self, accumulator: f64) -> f64 {
        f64::from(self.floor)
            + self.first.partition_point(|&it| f64::from(it) <= accumulator) as f64
    }

    /// The largest accumulator that becomes the smallest value.
    pub(super) fn dead_end(&self) -> f64 {
        self.first.first().map_or(f64::from(REACH), |&first| f64::from(first - 1))
    }

    /// Activations for each unit of this accumulator: 0 where they are clamped.
    pub(super) fn slope_at(&self, accumulator: f64) -> f64 {
        let clamped = |&first: &i32| accumulator < f64::from(first);
        let is_low = self.first.first().is_none_or(clamped);
        let is_high = self.first.last().is_some_and(|last| !clamped(last));
        if is_low || is_high { 0.0 } else { self.slope }
    }

    /// The accumulators from which `value` on are reached.
    fn first(&self, value: i32) -> f64 {
        f64::from(self.first[(value - self.floor - 1) as usize])
    }

    /// The line above all activations of accumulators from `low` to `high` that is lowest in their middle, where none counts
    /// less than `least` or more than `most`.
    pub(super) fn above(&self, [low, high]: [f64; 2], [least, most]: [f64; 2]) -> Line {
        let start = self.activation(low).max(least).min(most) as i32;
        let end = (self.activation(high).min(most) as i32).max(start);
        let corners = (start + 1..=end).map(|value| (self.first(value), f64::from(value)));
        let corners: Vec<_> = [(low, f64::from(start))].into_iter().chain(corners).collect();
        let slope = hull_slope(&corners, f64::midpoint(low, high), 1.0);
        let offset = |&(x, y): &(f64, f64)| y - slope * x;
        let offset = corners.iter().map(offset).fold(f64::NEG_INFINITY, f64::max);
        Line { slope, offset: offset + slack(slope, low, high) }
    }

    /// The line below all activations of accumulators from `low` to `high` that is highest at `part` of the way, where none
    /// counts less than `least`.
    pub(super) fn below(&self, [low, high]: [f64; 2], least: f64, part: f64) -> Line {
        let start = self.activation(low).max(least) as i32;
        let end = self.activation(high) as i32;
        if end <= start {
            return Line::constant(start.into());
        }
        let corners = (start..end).map(|value| (self.first(value + 1) - 1.0, f64::from(value)));
        let corners: Vec<_> = [(low, f64::from(start))]
            .into_iter()
            .chain(corners)
            .chain([(high, f64::from(end))])
            .collect();
        let slope = hull_slope(&corners, low + part * (high - low), -1.0);
        let offset = |&(x, y): &(f64, f64)| y - slope * x;
        let offset = corners.iter().map(offset).fold(f64::INFINITY, f64::min);
        Line { slope, offset: offset - slack(slope, low, high) }
    }
}

/// More than rounding takes from an offset.
fn slack(slope: f64, low: f64, high: f64) -> f64 {
    ROUNDING * (256.0 + (1.0 + slope) * low.abs().max(high.abs()))
}

/// The line above `max(x, least)` for `x` from `low` to `high` that is lowest in the middle.
pub(super) fn chord([low, high]: [f64; 2], least: f64) -> Line {
    if least <= low && high.is_finite() {
        return Line::IDENTITY;
    }
    if least >= high {
        return Line::constant(least);
    }
    if !high.is_finite() {
        return Line::constant(high);
    }
    let slope = (high - least) / (high - low);
    let offset = (high - slope * high).max(least - slope * low);
    Line { slope, offset: offset + 4.0 * ROUNDING * (1.0 + low.abs().max(high.abs())) }
}

/// Slope of the edge of the points' hull over `middle`: of the upper hull with a `side` of 1, of the lower one with −1. The
/// points go from left to right, and never down.
fn hull_slope(points: &[(f64, f64)], middle: f64, side: f64) -> f64 {
    let mut hull: Vec<(f64, f64)> = Vec::with_capacity(points.len());
    for &point in points {
        while let [.., before, last] = hull[..] {
            let turn = (last.0 - before.0) * (point.1 - before.1)
                - (last.1 - before.1) * (point.0 - before.0);
            if turn * side < 0.0 && last.0 > before.0 {
                break;
            }
            hull.pop();
        }
        // of points above one another the one that counts
        match hull.last() {
            Some(last) if last.0 >= point.0 => {
                if side > 0.0 {
                    hull.pop();
                    hull.push(point);
                }
            }
            _ => hull.push(point),
        }
    }
    let edge = hull.windows(2).find(|edge| edge[1].0 >= middle);
    edge.map_or(0.0, |edge| ((edge[1].1 - edge[0].1) / (edge[1].0 - edge[0].0)).max(0.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Multipliers of small and large shifts, around both zeros.
    fn channels() -> impl Iterator<Item = (Multiplier, u8)> {
        let multipliers = [0.9, 0.31, 0.017, 0.000_9, 0.000_02]
            .map(|real: f64| Multiplier::from_f64_bits(real.to_bits()).unwrap());
        multipliers.into_iter().flat_map(|multiplier| [0, 128].map(|zero| (multiplier, zero)))
    }

    fn device(multiplier: Multiplier, zero: u8, accumulator: i32) -> f64 {
        f64::from(multiplier.requantize_around(accumulator, zero)) - f64::from(zero)
    }

    #[test]
    fn a_staircase_is_the_devices_function() {
        for (multiplier, zero) in channels() {
            let steps = Steps::new(multiplier, zero);
            let near = steps.first.iter().flat_map(|first| [first - 1, *first, first + 1]);
            for accumulator in (-5_000_000..5_000_000).step_by(9_973).chain(near) {
                let expected = device(multiplier, zero, accumulator);
                assert_eq!(
                    steps.activation(accumulator.into()) as i32,
                    expected as i32,
                    "{accumulator}"
                );
            }
            let dead = steps.dead_end() as i32;
            assert!(device(multiplier, zero, dead) < device(multiplier, zero, dead + 1));
        }
    }

    #[test]
    fn lines_hold_for_every_accumulator_of_a_range() {
        for (number, (multiplier, zero)) in channels().enumerate() {
            let steps = Steps::new(multiplier, zero);
            for (start, length) in
                [(-3000, 4000), (-200, 450), (-9, 1), (5, 0), (-40_000, 90_000), (100, 3000)]
            {
                let range = [start, start + length].map(f64::from);
                let [low, high] = range.map(|end| steps.activation(end));
                let raised = (low + (number % 5) as f64).min(high);
                for least in [low, raised] {
                    for most in [high, (high - 2.0).max(least)] {
                        let above = steps.above(range, [least, most]);
                        let below = steps.below(range, least, 0.1 + 0.2 * (number % 5) as f64);
                        for accumulator in start..=start + length {
                            let value = device(multiplier, zero, accumulator).max(least);
                            let at = f64::from(accumulator);
                            assert!(
                                value.min(most) <= above.slope * at + above.offset,
                                "{at}: {above:?}"
                            );
                            assert!(value >= below.slope * at + below.offset, "{at}: {below:?}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn the_line_above_what_a_relu_cuts_is_its_chord() {
        let steps = Steps::new(Multiplier::from_f64_bits(0.1_f64.to_bits()).unwrap(), 0);
        let Line { slope, offset } = steps.above([-1000.0, 1000.0], [0.0, 255.0]);
        // from the least accumulator to the first that becomes 100
        let chord = 100.0 / (steps.first(100) + 1000.0);
        assert!((slope - chord).abs() < 1e-12 && (offset - 1000.0 * chord).abs() < 1e-9);
        let below = steps.below([-1000.0, 500.0], 0.0, 0.5);
        assert_eq!(below.slope as i32, 0, "mostly cut");
        let below = steps.below([-500.0, 1000.0], 0.0, 0.5);
        assert!((below.slope - 0.1).abs() < 1e-3, "mostly not");
    }

    #[test]
    fn a_chord_is_above_the_larger_of_two() {
        for (low, high, least) in
            [(-3.0, 9.0, 2.0), (1.0, 5.0, 0.0), (1.0, 5.0, 7.0), (4.0, 4.0, 4.0)]
        {
            let line = chord([low, high], least);
            for value in [low, f64::midpoint(low, high), high] {
                assert!(line.slope * value + line.offset >= value.max(least));
            }
        }
        assert!(chord([0.0, f64::INFINITY], 1.0).offset.is_infinite());
    }
}
