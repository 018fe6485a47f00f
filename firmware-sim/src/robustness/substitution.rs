//! Linear forms of a layer's accumulators, followed back to the input: each value is replaced by the line below or above it,
//! whichever the sign of its coefficient asks for (Singh et al. 2019, "An abstract domain for certifying neural networks").
//!
//! # Rounding
//!
//! Coefficients are `f64`, and rounded. What that may do is added up beside them. With `u = 2⁻⁵³`, a coefficient that is
//! rounded `n` times differs from the exact one by `γ = n·u / (1 − n·u)` times the sum of its terms' magnitudes at most. An
//! accumulator's coefficient `a` spreads to the values that it takes as `a·w`; all that rounding does to those changes the
//! form by at most `γ·|a|·Σ|w|·|x|`, and the accumulator's magnitude bound `B` is not below `Σ|w|·|x| + |bias|`. So `γ·Σ|a|·B`
//! over all accumulators that are passed, and `γ` times the magnitudes of all constants, bound the whole error. It is a few
//! billionths of one unit; a form's minimum is lowered by eight times as much.

use super::bounds::Bounds;
use super::linear::{Area, Coefficients, LANES, Lanes};
use super::stage::{Relaxation, Relaxed, largest};
use super::stages::Stages;

/// [`LANES`] linear forms.
#[derive(Debug)]
pub(super) struct Forms {
    pub(super) layer: usize,
    pub(super) coefficients: Coefficients,
    /// Whether they are of what the layer gives, else of its accumulators.
    pub(super) are_of_outputs: bool,
}

/// Map, row and column.
pub(super) type Place = (usize, usize, usize);

impl Forms {
    /// Sums of a layer's accumulators, [`LANES`] at most, each with a factor.
    pub(super) fn of_accumulators(
        stages: &Stages,
        layer: usize,
        forms: &[Vec<(Place, f64)>],
    ) -> Self {
        let span = |axis: fn(&Place) -> usize| {
            let places = || forms.iter().flatten().map(|(place, _)| axis(place));
            places().min().unwrap_or(0)..places().max().map_or(0, |last| last + 1)
        };
        let area: Area = [span(|place| place.1), span(|place| place.2)];
        let mut coefficients = Coefficients::new(stages.layers[layer].accumulators[0], area);
        for (lane, form) in forms.iter().enumerate().take(LANES) {
            for &((map, y, x), factor) in form {
                coefficients.at(map, y, x)[lane] += factor;
            }
        }
        Self { layer, coefficients, are_of_outputs: false }
    }

    /// Of each of `others`, [`LANES`] at most, by how much the output `class` is above it.
    pub(super) fn differences(stages: &Stages, class: usize, others: &[usize]) -> Self {
        let layer = stages.layers.len() - 1;
        let [channels, height, width] = stages.layers[layer].output;
        let mut coefficients = Coefficients::new(channels, [0..height, 0..width]);
        for (lane, &other) in others.iter().enumerate().take(LANES) {
            coefficients.values[class][lane] += 1.0;
            coefficients.values[other][lane] -= 1.0;
        }
        Self { layer, coefficients, are_of_outputs: true }
    }
}

/// A network, and what is known of its values.
#[derive(Debug, Clone, Copy)]
pub(super) struct Substitution<'a> {
    pub(super) stages: &'a Stages,
    /// Bounds of the values before those that are asked about.
    pub(super) values: &'a [Bounds],
    /// Lines around them.
    pub(super) relaxed: &'a [Relaxed],
}

/// Forms of values that were reached, with what is added to them.
#[derive(Debug)]
pub(super) struct Reached {
    /// By number of the value.
    pub(super) values: Vec<Option<Coefficients>>,
    constants: Lanes,
    /// Sum of the magnitudes of all that was rounded.
    magnitudes: Lanes,
}

impl Substitution<'_> {
    /// Lower bounds of the forms; values up to number `until` are not replaced by earlier ones.
    pub(super) fn minima(&self, forms: Forms, until: usize) -> Lanes {
        let Reached { values, mut constants, mut magnitudes } = self.reached(forms, until);
        for (number, coefficients) in values.iter().enumerate() {
            let Some(coefficients) = coefficients else { continue };
            let [_, height, width] = self.stages.shapes[number];
            let bounds = &self.values[number];
            add_minima(coefficients, bounds, [height, width], &mut constants, &mut magnitudes);
        }
        let mut minima = [0.0; LANES];
        for (lane, minimum) in minima.iter_mut().enumerate() {
            // the last part is for numbers too small to be rounded relatively
            *minimum = constants[lane] - 8.0 * self.stages.rounding * magnitudes[lane] - 1e-200;
        }
        minima
    }

    /// The forms by values up to number `until`.
    pub(super) fn reached(&self, forms: Forms, until: usize) -> Reached {
        let Forms { layer, mut coefficients, are_of_outputs } = forms;
        let mut reached = Reached {
            values: (0..=layer).map(|_| None).collect(),
            constants: [0.0; LANES],
            magnitudes: [0.0; LANES],
        };
        if are_of_outputs && !self.stages.layers[layer].is_linear() {
            coefficients = self.relax(layer, &coefficients, &mut reached);
        }
        let areas = self.stages.areas(layer, &coefficients.area, until);
        self.pass(layer, &coefficients, &areas, &mut reached);
        for index in (until..layer).rev() {
            if let Some(coefficients) = reached.values[index + 1].take() {
                let coefficients = self.relax(index, &coefficients, &mut reached);
                self.pass(index, &coefficients, &areas, &mut reached);
            }
        }
        reached
    }

    /// From a layer's accumulators to the values that it takes.
    fn pass(&self, index: usize, from: &Coefficients, areas: &[Area], reached: &mut Reached) {
        let stage = &self.stages.layers[index];
        let of_map = from.area[0].len() * from.area[1].len();
        for (map, lanes) in from.values.chunks(of_map.max(1)).enumerate() {
            let (bias, magnitude) = (stage.bias[map], stage.magnitudes[map]);
            for lanes in lanes {
                for (lane, coefficient) in lanes.iter().enumerate() {
                    reached.constants[lane] += coefficient * bias;
                    reached.magnitudes[lane] += coefficient.abs() * magnitude;
                }
            }
        }
        for (number, linear) in &stage.inputs {
            let channels = self.stages.shapes[*number][0];
            let to = reached.values[*number]
                .get_or_insert_with(|| Coefficients::new(channels, areas[*number].clone()));
            linear.add_transposed(from, to);
        }
    }

    /// From what a layer gives to its accumulators.
    fn relax(&self, index: usize, from: &Coefficients, reached: &mut Reached) -> Coefficients {
        let stage = &self.stages.layers[index];
        let relaxed = &self.relaxed[index];
        let mut to = Coefficients::new(from.channels, stage.accumulator_area(&from.area));
        let [_, height, width] = stage.output;
        let mut lanes = from.values.iter();
        for map in 0..from.channels {
            for y in from.area[0].clone() {
                for x in from.area[1].clone() {
                    let Some(lanes) = lanes.next() else { break };
                    let at = (map * height + y) * width + x;
                    let [below, above] = [&relaxed.below[at], &relaxed.above[at]];
                    let split = [lanes.map(|it| it.max(0.0)), lanes.map(|it| it.min(0.0))];
                    for (lanes, Relaxation { line, place }) in split.iter().zip([below, above]) {
                        for (lane, coefficient) in lanes.iter().enumerate() {
                            let constant = coefficient * line.offset;
                            reached.constants[lane] += constant;
                            reached.magnitudes[lane] += constant.abs();
                        }
                        if line.slope == 0.0 {
                            continue;
                        }
                        let sums = to.at(map, place[0], place[1]);
                        for (lane, coefficient) in lanes.iter().enumerate() {
                            let product = coefficient * line.slope;
                            sums[lane] += product;
                            // terms may cancel each other, their roundings do not
                            reached.magnitudes[lane] += product.abs() * stage.magnitudes[map];
                        }
                    }
                }
            }
        }
        to
    }
}

/// Adds the smallest that forms can be of values within bounds, of maps of some height and width.
fn add_minima(
    from: &Coefficients,
    bounds: &Bounds,
    [height, width]: [usize; 2],
    constants: &mut Lanes,
    magnitudes: &mut Lanes,
) {
    let mut lanes = from.values.iter();
    for map in 0..from.channels {
        for y in from.area[0].clone() {
            for x in from.area[1].clone() {
                let Some(lanes) = lanes.next() else { break };
                let at = (map * height + y) * width + x;
                let (low, high) = (bounds.low[at], bounds.high[at]);
                for (lane, coefficient) in lanes.iter().enumerate() {
                    constants[lane] += coefficient.max(0.0) * low + coefficient.min(0.0) * high;
                    magnitudes[lane] += coefficient.abs() * largest(0);
                }
            }
        }
    }
}
