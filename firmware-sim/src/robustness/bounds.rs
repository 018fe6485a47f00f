//! Bounds of every value of a network, for all inputs of a box.

use super::linear::LANES;
use super::stage::{Candidates, Relaxed, Stage};
use super::stages::Stages;
use super::substitution::{Forms, Place, Substitution};

/// Where lines below values are highest, if nothing speaks for another place: half of the way.
const MIDDLE: f64 = 0.5;

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
    /// Of each layer's outputs, by how much others of a window may be above the accumulator that is likely the largest;
    /// nothing, if that is not known.
    leads: Vec<Vec<f64>>,
    /// Lines around what each layer gives.
    relaxed: Vec<Relaxed>,
}

impl Known {
    /// What follows from bounds of the input. Without [`Effort::EveryLayer`], intervals alone.
    pub(super) fn of(stages: &Stages, input: Bounds, effort: Effort) -> Self {
        let mut known =
            Self { values: vec![input], accumulators: vec![], leads: vec![], relaxed: vec![] };
        for (index, stage) in stages.layers.iter().enumerate() {
            let mut accumulators = stage.accumulators_within(&known.values);
            let is_last = index + 1 == stages.layers.len();
            if effort == Effort::EveryLayer && !stage.is_exact() && !is_last {
                known.refine(stages, index, &mut accumulators);
            }
            known.values.push(stage.outputs_within(&accumulators));
            let has_leads = effort == Effort::EveryLayer && stage.has_windows();
            let leads = if has_leads { known.leads(stages, index, &accumulators) } else { vec![] };
            known.relaxed.push(stage.relaxed(&accumulators, &leads, MIDDLE));
            known.leads.push(leads);
            known.accumulators.push(accumulators);
        }
        known
    }

    /// Follows forms by what is known.
    pub(super) fn substitution<'a>(&'a self, stages: &'a Stages) -> Substitution<'a> {
        Substitution { stages, values: &self.values, relaxed: &self.relaxed }
    }

    /// Lines below values that are the highest at `part` of the way, in place of those in the middle.
    pub(super) fn tilt(&mut self, stages: &Stages, part: f64) {
        let of_layer = |(index, stage): (usize, &Stage)| {
            stage.relaxed(&self.accumulators[index], &self.leads[index], part)
        };
        self.relaxed = stages.layers.iter().enumerate().map(of_layer).collect();
    }

    /// By how much others may be above the accumulator of each window that is likely the largest.
    fn leads(&self, stages: &Stages, index: usize, bounds: &Bounds) -> Vec<f64> {
        let stage = &stages.layers[index];
        let candidates = stage.candidates(bounds);
        let mut pairs: Vec<(usize, Place, Place)> = vec![];
        for (output, Candidates { map, likely, others }) in candidates.iter().enumerate() {
            let of = |[y, x]: [usize; 2]| (*map, y, x);
            pairs.extend(others.iter().map(|&other| (output, of(*likely), of(other))));
        }
        pairs.sort_by_key(|&(output, (map, y, x), _)| (y, x, map, output));
        let mut leads = vec![0.0; candidates.len()];
        let substitution = self.substitution(stages);
        for pairs in pairs.chunks(LANES) {
            let forms = pairs.iter().map(|&(_, likely, other)| vec![(likely, 1.0), (other, -1.0)]);
            let forms = Forms::of_accumulators(stages, index, &forms.collect::<Vec<_>>());
            for ((output, ..), found) in pairs.iter().zip(substitution.minima(forms, 0)) {
                // whole numbers; what is unknown is no lead
                let lead = if found.is_nan() { f64::INFINITY } else { (-found).floor() };
                leads[*output] = lead.max(leads[*output]);
            }
        }
        leads
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
            let sign = if is_low { 1.0 } else { -1.0 };
            for chosen in chosen.chunks(LANES) {
                let place = |at: usize| (at / (height * width), at / width % height, at % width);
                let forms: Vec<_> = chosen.iter().map(|&at| vec![(place(at), sign)]).collect();
                let forms = Forms::of_accumulators(stages, index, &forms);
                let found = substitution.minima(forms, 0);
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
