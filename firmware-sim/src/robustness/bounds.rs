//! Bounds of every value of a network, for all inputs of a box.

use super::linear::{Area, Coefficients, LANES};
use super::stage::{Relaxed, Stages};
use super::substitution::{Forms, Substitution};

/// Smallest and largest whole number of each value, `[channel][row][column]`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Bounds {
    pub(super) low: Vec<f64>,
    pub(super) high: Vec<f64>,
}

/// How much is done for a tighter bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effort {
    /// Intervals of each value, and differences of the last layer's weights.
    Intervals,
    /// The differences of outputs, followed back to the input by lines above and below what each layer gives.
    LastLayer,
    /// The same of every accumulator that may matter, layer by layer.
    EveryLayer,
}

/// What is known of a network's values.
#[derive(Debug)]
pub(super) struct Known {
    /// The input, then what each layer gives.
    pub(super) values: Vec<Bounds>,
    /// What each layer sums up.
    pub(super) accumulators: Vec<Bounds>,
    /// Lines around what each layer gives.
    pub(super) relaxed: Vec<Relaxed>,
}

impl Known {
    /// What follows from bounds of the input. Without [`Effort::EveryLayer`], intervals alone.
    pub(super) fn of(stages: &Stages, input: Bounds, effort: Effort) -> Self {
        let mut known = Self { values: vec![input], accumulators: vec![], relaxed: vec![] };
        for (index, stage) in stages.layers.iter().enumerate() {
            let mut accumulators = stage.accumulators_within(&known.values);
            let is_last = index + 1 == stages.layers.len();
            if effort == Effort::EveryLayer && !stage.is_exact() && !is_last {
                known.refine(stages, index, &mut accumulators);
            }
            known.values.push(stage.outputs_within(&accumulators));
            known.relaxed.push(stage.relaxed(&accumulators));
            known.accumulators.push(accumulators);
        }
        known
    }

    /// Follows forms by what is known.
    pub(super) fn substitution<'a>(&'a self, stages: &'a Stages) -> Substitution<'a> {
        Substitution { stages, values: &self.values, relaxed: &self.relaxed }
    }

    /// Tightens the bounds of a layer's accumulators, of those that may matter.
    fn refine(&self, stages: &Stages, index: usize, bounds: &mut Bounds) {
        let substitution = self.substitution(stages);
        let [_, height, width] = stages.layers[index].accumulators;
        for is_low in [false, true] {
            let matters = stages.layers[index].matters(bounds);
            // those of one place take the same values
            let mut chosen: Vec<usize> = (0..matters.len()).filter(|&at| matters[at]).collect();
            chosen.sort_by_key(|at| at % (height * width));
            for chosen in chosen.chunks(LANES) {
                let found = substitution.least(index, chosen, if is_low { 1.0 } else { -1.0 });
                for (&at, found) in chosen.iter().zip(found) {
                    // accumulators are whole numbers
                    if is_low {
                        bounds.low[at] = bounds.low[at].max(found.ceil());
                    } else {
                        bounds.high[at] = bounds.high[at].min((-found).floor());
                    }
                }
            }
        }
    }
}

impl Substitution<'_> {
    /// Lower bounds of some accumulators of a layer, times a sign.
    fn least(&self, index: usize, chosen: &[usize], sign: f64) -> [f64; LANES] {
        let [maps, height, width] = self.stages.layers[index].accumulators;
        let place = |at: usize| [at / width % height, at % width];
        let span = |axis: usize| {
            let places = chosen.iter().map(|&at| place(at)[axis]);
            places.clone().min().unwrap_or(0)..places.max().map_or(0, |last| last + 1)
        };
        let area: Area = [span(0), span(1)];
        let mut coefficients = Coefficients::new(maps, area);
        for (lane, &at) in chosen.iter().enumerate() {
            let [y, x] = place(at);
            coefficients.at(at / (height * width), y, x)[lane] = sign;
        }
        self.minima(Forms { layer: index, coefficients, are_of_outputs: false }, 0)
    }
}
