//! A search for an input of the box that gets another class: descents along the gradient of the int8 network's own margins,
//! with momentum (Dong et al. 2018, "Boosting adversarial attacks with momentum").
//!
//! The gradient takes each requantisation for the straight line that it rounds. What is found is always run.

use runtime::Workspace;

use super::bounds::Bounds;
use super::linear::Coefficients;
use super::stage::Relaxed;
use super::stages::Stages;
use super::substitution::{Forms, Substitution};
use crate::int8::{CompiledInt8, Int8Network, Trace};
use crate::random::Random;
use crate::ranking::Ranking;

/// Classes that it aims at: those nearest to the right one.
const TARGETS: usize = 4;
/// Steps of a descent.
const STEPS: usize = 12;
/// Descents for each target: one from the image, others from random corners of the box.
const STARTS: usize = 3;
/// What is left of a step's direction in the next.
const MOMENTUM: f64 = 0.9;

/// Searches by a network.
#[derive(Debug)]
pub(super) struct Attacker<'a> {
    pub(super) stages: &'a Stages,
    pub(super) network: &'a Int8Network,
    pub(super) compiled: CompiledInt8<'a>,
}

impl Attacker<'_> {
    /// What every layer gives of an input in signed units.
    pub(super) fn run(&self, input: &[f64], workspace: &mut Workspace) -> Trace {
        let input: Vec<f32> = input.iter().map(|&value| value as f32).collect();
        self.compiled.run(&input, workspace)
    }

    /// An input of the box around `center` whose class is not `class`, if one is found.
    pub(super) fn search(
        &self,
        center: &[f64],
        within: &Bounds,
        class: u16,
        random: &mut Random,
        workspace: &mut Workspace,
    ) -> Option<Vec<f64>> {
        let logits = self.run(center, workspace).logits();
        let mut others: Vec<usize> =
            (0..logits.len()).filter(|&other| other != usize::from(class)).collect();
        others.sort_by_key(|&other| std::cmp::Reverse(logits[other]));
        others.truncate(TARGETS);
        for start in 0..STARTS {
            for &target in &others {
                let from = if start == 0 { center.to_vec() } else { corner(within, random) };
                let found = self.descend(from, within, [class.into(), target], workspace);
                if found.is_some() {
                    return found;
                }
            }
        }
        None
    }

    /// Goes down the slope of the margin of one class over another.
    fn descend(
        &self,
        mut input: Vec<f64>,
        within: &Bounds,
        pair: [usize; 2],
        workspace: &mut Workspace,
    ) -> Option<Vec<f64>> {
        let mut direction = vec![0.0; input.len()];
        for step in 0..=STEPS {
            let trace = self.run(&input, workspace);
            if usize::from(Ranking::of(&trace.logits()).class) != pair[0] {
                return Some(input);
            }
            if step == STEPS {
                break;
            }
            let gradient = self.gradient(&input, &trace, pair);
            let sum: f64 = gradient.iter().copied().map(f64::abs).sum();
            if sum <= 0.0 {
                break;
            }
            for (direction, slope) in direction.iter_mut().zip(gradient) {
                *direction = *direction * MOMENTUM + slope / sum;
            }
            // a linear function is least in a corner
            for (at, value) in input.iter_mut().enumerate() {
                if direction[at] > 0.0 {
                    *value = within.low[at];
                } else if direction[at] < 0.0 {
                    *value = within.high[at];
                }
            }
        }
        None
    }

    /// By how much the margin of the first class over the other grows with each value of the input.
    fn gradient(&self, input: &[f64], trace: &Trace, [class, other]: [usize; 2]) -> Vec<f64> {
        let relaxed: Vec<Relaxed> = (0..self.stages.layers.len())
            .map(|index| {
                let stage = &self.stages.layers[index];
                let real = |values: &[f32]| values.iter().copied().map(f64::from).collect();
                let accumulators: Vec<f64> = match &trace.accumulators[index][..] {
                    // of a max-pooling, what it takes
                    [] => match stage.inputs[0].0.checked_sub(1) {
                        None => input.to_vec(),
                        Some(before) => real(&trace.activations[before]),
                    },
                    accumulators => real(accumulators),
                };
                stage.slopes(&accumulators)
            })
            .collect();
        let substitution = Substitution { stages: self.stages, values: &[], relaxed: &relaxed };
        let forms = Forms::differences(self.stages, class, &[other]);
        let reached = substitution.reached(forms, 0);
        let [_, height, width] = self.network.shape;
        let mut gradient = vec![0.0; input.len()];
        let Some(Coefficients { channels, area, values }) =
            reached.values.into_iter().flatten().next()
        else {
            return gradient;
        };
        let mut values = values.into_iter();
        for channel in 0..channels {
            for y in area[0].clone() {
                for (x, lanes) in area[1].clone().zip(values.by_ref()) {
                    gradient[(channel * height + y) * width + x] = lanes[0];
                }
            }
        }
        gradient
    }
}

/// A random corner of a box.
fn corner(within: &Bounds, random: &mut Random) -> Vec<f64> {
    let sides = within.low.iter().zip(&within.high);
    sides.map(|(&low, &high)| if random.next() >> 63 == 0 { low } else { high }).collect()
}
