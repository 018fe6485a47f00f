//! A layer as the analysis sees it: linear sums, the largest of windows, and a staircase.

use std::ops::Range;

use network::{Conv, Kind, POOL, Pool, PoolMode, Shape};

use super::bounds::Bounds;
use super::linear::{Area, Linear, Windows, seen};
use super::steps::{Line, Steps, chord};
use crate::int8::{Int8Layer, Int8Network};

/// One layer.
#[derive(Debug)]
pub(super) struct Stage {
    /// The numbers of the values that it takes, 0 being the input, and what its accumulators take of each.
    pub(super) inputs: Vec<(usize, Linear)>,
    /// One of each map of accumulators.
    pub(super) bias: Vec<f64>,
    /// Shape of the accumulators.
    pub(super) accumulators: Shape,
    /// Windows of accumulators of which the largest counts.
    pool: Option<Pool>,
    /// Shape of what it gives.
    pub(super) output: Shape,
    /// Of each map, or one for all, how accumulators become activations; none, if they stay as they are.
    steps: Vec<Steps>,
    /// Of each map of accumulators what neither they, nor their bias, nor the magnitudes of their products together exceed.
    pub(super) magnitudes: Vec<f64>,
}

/// A line below or above an output, of one of the stage's accumulators.
#[derive(Debug, Clone, Copy)]
pub(super) struct Relaxation {
    pub(super) line: Line,
    /// Place of the accumulator in its map: row and column.
    pub(super) place: [usize; 2],
}

/// The accumulators of a window that may be its largest: map, and places in it.
#[derive(Debug)]
pub(super) struct Candidates {
    pub(super) map: usize,
    /// Of the one that likely is.
    pub(super) likely: [usize; 2],
    /// Of all others that may be.
    pub(super) others: Vec<[usize; 2]>,
}

/// Lines below and above each output of a stage.
#[derive(Debug)]
pub(super) struct Relaxed {
    pub(super) below: Vec<Relaxation>,
    pub(super) above: Vec<Relaxation>,
}

/// The largest magnitude that a value may have, in signed units around this byte.
pub(super) const fn largest(zero: u8) -> f64 {
    if zero == 0 { 255.0 } else { 128.0 }
}

impl Stage {
    pub(super) fn new(network: &Int8Network, int8: &Int8Layer, is_last: bool) -> Self {
        let layer = &int8.layer;
        let sources: Vec<usize> = layer.sources().collect();
        let zeros: Vec<u8> = sources.iter().map(|&it| network.encoding(it).zero).collect();
        let stored = int8.channels.first().map_or(0.0, |channel| channel.bias.get().into());
        let real = |values: &[f32]| values.iter().copied().map(f64::from).collect::<Vec<f64>>();
        let windows = |conv: Conv, weights| {
            Linear::Windows(Windows {
                input: layer.input(),
                output: layer.accumulators(),
                kernel: conv.kernel,
                stride: conv.stride,
                before: [conv.padding.top, conv.padding.left],
                groups: conv.groups,
                weights,
            })
        };
        let maps = layer.accumulators()[0];
        let (linears, bias, pool) = match layer.kind() {
            Kind::Conv(conv) => {
                let pool = conv.pool.then(|| Pool::new(PoolMode::Max, [POOL; 2]));
                (vec![windows(conv, real(&int8.affine.weights))], real(&int8.affine.bias), pool)
            }
            Kind::Dense { .. } => {
                let [_, height, width] = layer.input();
                let conv = Conv::new(maps, [height, width]);
                (vec![windows(conv, real(&int8.affine.weights))], real(&int8.affine.bias), None)
            }
            Kind::Pool(pool) if pool.mode == PoolMode::Max => {
                (vec![Linear::Factor(1.0)], vec![0.0; maps], Some(pool))
            }
            // the sum of each window
            Kind::Pool(Pool { window, stride, padding, .. }) => {
                let conv = Conv { stride, padding, groups: maps, ..Conv::new(maps, window) };
                let places = window[0] * window[1];
                let bias = stored + f64::from(zeros[0]) * places as f64;
                (vec![windows(conv, vec![1.0; maps * places])], vec![bias; maps], None)
            }
            Kind::Add { .. } => {
                let factors = int8.factors.map(f64::from);
                let zeros = [0, 1].map(|index| f64::from(zeros[index]));
                let bias = stored + zeros[0] * factors[0] + zeros[1] * factors[1];
                (factors.map(Linear::Factor).into(), vec![bias; maps], None)
            }
        };
        let is_max_pool = int8.is_max_pool();
        let steps = |channel: &firmware::format::Channel| {
            Steps::new(channel.multiplier(), int8.output.zero)
        };
        let inputs: Vec<_> = sources.into_iter().zip(linears).collect();
        let mut magnitudes: Vec<f64> = bias.iter().copied().map(f64::abs).collect();
        for ((_, linear), zero) in inputs.iter().zip(zeros) {
            for (map, magnitude) in magnitudes.iter_mut().enumerate() {
                *magnitude += linear.magnitude(map) * largest(zero);
            }
        }
        Self {
            inputs,
            bias,
            accumulators: if is_max_pool { layer.input() } else { layer.accumulators() },
            pool,
            output: layer.output(),
            steps: if is_last || is_max_pool {
                vec![]
            } else {
                int8.channels.iter().map(steps).collect()
            },
            magnitudes,
        }
    }

    /// Whether outputs are the largest of windows.
    pub(super) const fn has_windows(&self) -> bool {
        self.pool.is_some()
    }

    /// Whether its outputs are its accumulators.
    pub(super) fn is_linear(&self) -> bool {
        self.pool.is_none() && self.steps.is_empty()
    }

    fn steps(&self, map: usize) -> Option<&Steps> {
        self.steps.get(map).or(self.steps.first())
    }

    /// The accumulators of an area of outputs.
    pub(super) fn accumulator_area(&self, area: &Area) -> Area {
        self.pool.map_or_else(
            || area.clone(),
            |Pool { window, stride, padding, .. }| {
                let before = [padding.top, padding.left];
                [0, 1].map(|axis| {
                    let length = self.accumulators[axis + 1];
                    seen(&area[axis], window[axis], stride[axis], before[axis], length)
                })
            },
        )
    }

    /// The smallest and largest accumulators of values within bounds, exact if these are independent of each other.
    pub(super) fn accumulators_within(&self, values: &[Bounds]) -> Bounds {
        let [_, height, width] = self.accumulators;
        let bias = self.bias.iter().flat_map(|&bias| std::iter::repeat_n(bias, height * width));
        let mut low: Vec<f64> = bias.collect();
        let mut high = low.clone();
        for (number, linear) in &self.inputs {
            let Bounds { low: from, high: to } = &values[*number];
            let rising = |weight: f64| weight.max(0.0);
            let falling = |weight: f64| weight.min(0.0);
            linear.add(rising, from, &mut low);
            linear.add(falling, to, &mut low);
            linear.add(rising, to, &mut high);
            linear.add(falling, from, &mut high);
        }
        Bounds { low, high }
    }

    /// For each output: its map, and the places of the accumulators that it is the largest of.
    fn windows(&self) -> impl Iterator<Item = (usize, Area)> {
        let [maps, height, width] = self.output;
        let places = (0..height).flat_map(move |y| (0..width).map(move |x| [y, x]));
        (0..maps).flat_map(move |map| {
            places.clone().map(move |[y, x]| (map, self.accumulator_area(&[y..y + 1, x..x + 1])))
        })
    }

    /// What is known of the accumulators of a window: place, and bounds.
    fn seen<'b>(
        &'b self,
        bounds: &'b Bounds,
        map: usize,
        [rows, columns]: Area,
    ) -> impl Iterator<Item = ([usize; 2], [f64; 2])> + Clone + 'b {
        let [_, height, width] = self.accumulators;
        rows.flat_map(move |y| {
            columns.clone().map(move |x| {
                let at = (map * height + y) * width + x;
                ([y, x], [bounds.low[at], bounds.high[at]])
            })
        })
    }

    /// The smallest and largest outputs of accumulators within bounds.
    pub(super) fn outputs_within(&self, accumulators: &Bounds) -> Bounds {
        if self.is_linear() {
            return accumulators.clone();
        }
        let (mut low, mut high) = (vec![], vec![]);
        for (map, window) in self.windows() {
            let [least, most] = self.largest(accumulators, map, window);
            let activation = |value| self.steps(map).map_or(value, |steps| steps.activation(value));
            low.push(activation(least));
            high.push(activation(most));
        }
        Bounds { low, high }
    }

    /// Bounds of the largest accumulator of a window.
    fn largest(&self, bounds: &Bounds, map: usize, window: Area) -> [f64; 2] {
        let infinite = [f64::NEG_INFINITY; 2];
        self.seen(bounds, map, window)
            .fold(infinite, |[low, high], (_, [from, to])| [low.max(from), high.max(to)])
    }

    /// Which accumulators may be of any account: of a window the largest one, and not as dead as others.
    pub(super) fn matters(&self, accumulators: &Bounds) -> Vec<bool> {
        let mut matters = vec![false; accumulators.low.len()];
        let [_, height, width] = self.accumulators;
        for (map, window) in self.windows() {
            let [least, most] = self.largest(accumulators, map, window.clone());
            let activation = |value| self.steps(map).map_or(value, |steps| steps.activation(value));
            if activation(least) >= activation(most) {
                continue;
            }
            let floor = self.steps(map).map_or(f64::NEG_INFINITY, Steps::dead_end).max(least);
            for ([y, x], [_, high]) in self.seen(accumulators, map, window) {
                matters[(map * height + y) * width + x] |= high > floor;
            }
        }
        matters
    }

    /// Of each output, which accumulator of its window is likely the largest, and which others may be larger than it: as dead
    /// as others they do not count.
    pub(super) fn candidates(&self, accumulators: &Bounds) -> Vec<Candidates> {
        let candidates = |(map, window): (usize, Area)| {
            let likely = self.likely(accumulators, map, window.clone());
            let [least, most] = self.largest(accumulators, map, window.clone());
            let activation = |value| self.steps(map).map_or(value, |steps| steps.activation(value));
            let floor = self.steps(map).map_or(f64::NEG_INFINITY, Steps::dead_end).max(least);
            let may_be = |(place, [_, high]): ([usize; 2], [f64; 2])| {
                (place != likely && high > floor).then_some(place)
            };
            let others = if activation(least) < activation(most) {
                self.seen(accumulators, map, window).filter_map(may_be).collect()
            } else {
                vec![]
            };
            Candidates { map, likely, others }
        };
        self.windows().map(candidates).collect()
    }

    /// Place of the accumulator of a window that is likely the largest.
    fn likely(&self, bounds: &Bounds, map: usize, window: Area) -> [usize; 2] {
        let middle = |[low, high]: [f64; 2]| low + high;
        let seen = self.seen(bounds, map, window);
        seen.max_by(|a, b| middle(a.1).total_cmp(&middle(b.1))).map_or([0; 2], |(place, _)| place)
    }

    /// Lines below and above each output, by an accumulator.
    ///
    /// `leads` tell by how much others of a window may be above the one that is likely the largest. Lines below are highest at
    /// `part` of the way.
    pub(super) fn relaxed(&self, accumulators: &Bounds, leads: &[f64], part: f64) -> Relaxed {
        let (mut below, mut above) = (vec![], vec![]);
        let [_, height, width] = self.accumulators;
        for (output, (map, window)) in self.windows().enumerate() {
            let seen = self.seen(accumulators, map, window.clone());
            let [least, most] = self.largest(accumulators, map, window.clone());
            let place = self.likely(accumulators, map, window);
            let at = (map * height + place[0]) * width + place[1];
            let range = [accumulators.low[at], accumulators.high[at]];
            // the one that may be the largest, and what all others stay below
            let Some((top, top_range)) = seen.clone().max_by(|a, b| a.1[1].total_cmp(&b.1[1]))
            else {
                continue;
            };
            let others = seen.filter(|(place, _)| *place != top).map(|(_, [_, high])| high);
            let others = others.fold(f64::NEG_INFINITY, f64::max);
            let lead = leads.get(output).copied().unwrap_or(f64::INFINITY);
            let raised = range.map(|it| it + lead);
            let [lower, upper, upper_by_lead] = match self.steps(map) {
                Some(steps) => {
                    let [low, high] = [least, most].map(|it| steps.activation(it));
                    if low >= high {
                        [Line::constant(low); 3]
                    } else {
                        let others = steps.activation(others);
                        let by_lead = if lead.is_finite() {
                            steps.above(raised, [low, high]).after(lead)
                        } else {
                            Line::constant(f64::INFINITY)
                        };
                        [
                            steps.below(range, low, part),
                            steps.above(top_range, [others, high]),
                            by_lead,
                        ]
                    }
                }
                // what is no rival is not above the largest of the lower bounds
                None => {
                    [Line::IDENTITY, chord(top_range, others), chord(raised, least).after(lead)]
                }
            };
            below.push(Relaxation { line: lower, place });
            // the lower in the middle
            above.push(if upper_by_lead.middle(range) <= upper.middle(top_range) {
                Relaxation { line: upper_by_lead, place }
            } else {
                Relaxation { line: upper, place: top }
            });
        }
        Relaxed { below, above }
    }

    /// At these accumulators: the slope of each output, by the accumulator that it is of.
    pub(super) fn slopes(&self, accumulators: &[f64]) -> Relaxed {
        let bounds = Bounds { low: accumulators.to_vec(), high: accumulators.to_vec() };
        let slope = |(map, window): (usize, Area)| {
            let seen = self.seen(&bounds, map, window);
            let (place, [value, _]) =
                seen.max_by(|a, b| a.1[0].total_cmp(&b.1[0])).unwrap_or(([0; 2], [0.0; 2]));
            let slope = self.steps(map).map_or(1.0, |steps| steps.slope_at(value));
            Relaxation { line: Line { slope, offset: 0.0 }, place }
        };
        let below: Vec<_> = self.windows().map(slope).collect();
        Relaxed { above: below.clone(), below }
    }

    /// Products that accumulators of an area take.
    pub(super) fn products(&self, [rows, columns]: &Area) -> usize {
        let taps: usize = self.inputs.iter().map(|(_, linear)| linear.taps()).sum();
        self.accumulators[0] * rows.len() * columns.len() * taps
    }

    /// Whether intervals of its accumulators are exact: sums of the network's input alone.
    pub(super) fn is_exact(&self) -> bool {
        matches!(self.inputs[..], [(0, _)])
    }
}

impl Linear {
    /// Sum of the magnitudes of an accumulator's weights, of the map `map`.
    fn magnitude(&self, map: usize) -> f64 {
        match self {
            Self::Factor(factor) => factor.abs(),
            Self::Windows(windows) => {
                let of_map: Range<usize> = map * self.taps()..(map + 1) * self.taps();
                windows.weights[of_map].iter().copied().map(f64::abs).sum()
            }
        }
    }
}
