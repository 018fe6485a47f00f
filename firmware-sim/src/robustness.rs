//! For which inputs the device gives one class, however each pixel changes by a few grey levels: proven, refuted, or unknown.
//!
//! `.q8 model, samples ──certify──▶ Robustness`: for each sample and level, an [`Outcome`].
//!
//! The box of a sample and a level is every input of which each value is at most so many grey levels from the sample's, and
//! within a byte.
//!
//! # Why a certificate holds
//!
//! Bounds of every value, for all inputs of the box at once, go through the layers of the int8 network, as the device computes
//! them; whole numbers, as it does:
//! - a layer's sums are linear, so the interval of each is exact if those of what it takes are independent; of the first layer
//!   they are. All are whole numbers below 2²⁵ and added in `f64`, which holds them below 2⁵³;
//! - the largest of a window lies between the largest of the lower and of the upper bounds;
//! - requantisation, with its rounding and its clamps, never falls as its argument grows. Its bounds are what the device's own
//!   function gives of the bounds.
//!
//! Where that is not enough, sums are followed back to the input as linear forms ([`Effort`]): around each value there is a line
//! above and one below, which holds at every corner of the staircase that the device's function is; by how much others of a
//! pooling window may be above its likely largest is such a form, too. The forms' `f64`
//! coefficients are rounded; what that may change is bounded beside them, and taken off. Sums are whole numbers, so their bounds
//! are then rounded inwards. Both kinds of bounds hold, so their intersection does.
//!
//! The answer is certain if the lower bound of its output's difference to each other one is above 0, or not below where the
//! device prefers the first of equals. Such a difference is one form: of the difference of the last layer's weights.
//!
//! Tests hold that no input of a box leaves the bounds of any layer, on networks of all kinds of layers.
//!
//! # What it does not say
//!
//! Whether the class is right; what other changes than of grey levels do; of samples that are [`Outcome::Unknown`], anything.

mod attack;
mod bounds;
mod linear;
mod outcome;
mod stage;
mod stages;
mod steps;
mod substitution;

pub use bounds::Effort;
pub use outcome::{Attack, Counts, Outcome, Robustness, SampleRobustness};

use firmware::Model;
use rayon::prelude::*;
use runtime::Workspace;

use super::error::Error;
use super::int8::{CompiledInt8, Int8Network, outputs};
use super::random::Random;
use super::ranking::Ranking;
use super::samples::{Samples, bytes, takes, units};
use attack::Attacker;
use bounds::{Bounds, Known};
use linear::LANES;
use stages::Stages;
use substitution::{Forms, Substitution};

/// Products that bounds of one box may take before only the last layer's outputs are followed back: some seconds.
const MAX_PRODUCTS: f64 = 3e10;

/// Where lines below values are highest, from low to high, one after the other: each proves what others do not.
const PARTS: [f64; 5] = [0.5, 0.4, 0.6, 0.3, 0.7];

/// Samples that are worked on between two reports of progress.
const PROGRESS: usize = 8;

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Grey levels that each value may change by, in any order.
    pub levels: Vec<u8>,
    /// Where random starts of attacks come from: equal seeds give equal results.
    pub seed: u64,
    /// How much is done for a certificate at most; without it, what takes some seconds for each sample.
    pub effort: Option<Effort>,
}

impl Default for Options {
    fn default() -> Self {
        Self { levels: vec![1, 2, 4], seed: 1, effort: None }
    }
}

/// Whether the class of each of some samples may change, by a few grey levels of each value.
///
/// `numbers` are which samples, and `labels` one for each of all samples, or none at all. `progress` is told how many are done.
/// What is found is the same for any number of threads.
///
/// # Errors
/// [`Error::NoImages`] if there are none, [`Error::Labels`] if the labels do not fit, or if the samples are not what the model
/// takes.
///
/// # Panics
/// If `numbers` are of samples that are not there.
pub fn certify(
    model: Model<'_>,
    samples: Samples<'_>,
    numbers: &[usize],
    labels: &[u8],
    options: &Options,
    mut progress: impl FnMut(usize),
) -> Result<Robustness, Error> {
    if numbers.is_empty() {
        return Err(Error::NoImages);
    }
    if !labels.is_empty() && labels.len() != samples.len() {
        return Err(Error::Labels { samples: samples.len(), labels: labels.len() });
    }
    let network = Int8Network::of(model);
    samples.check(network.shape, takes(model))?;
    let stages = Stages::of(&network);
    let is_affordable = stages.products() <= MAX_PRODUCTS;
    let usual = if is_affordable { Effort::EveryLayer } else { Effort::LastLayer };
    let effort = options.effort.unwrap_or(usual);
    let attacker =
        Attacker { stages: &stages, network: &network, compiled: CompiledInt8::new(&network) };
    let mut levels = options.levels.clone();
    levels.sort_unstable();
    levels.dedup();
    let (stages, seed) = (&stages, options.seed);
    let certifier = Certifier { model, stages, effort, attacker, levels: &levels, seed };
    let mut found = Vec::with_capacity(numbers.len());
    for numbers in numbers.chunks(PROGRESS) {
        let of_sample = |workspace: &mut Workspace, &number: &usize| {
            let values = samples.values(number);
            SampleRobustness {
                sample: number,
                label: labels.get(number).copied(),
                ..certifier.sample(&values, number, workspace)
            }
        };
        // in their order, whoever is done first
        let part: Vec<_> = numbers.par_iter().map_init(Workspace::default, of_sample).collect();
        found.extend(part);
        progress(found.len());
    }
    Ok(Robustness { levels, all: samples.len(), effort, samples: found })
}

/// Smallest and largest number that a layer may sum up and give for any input of a box, `[channel][row][column]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerBounds {
    /// Of its accumulators with true biases, before a pooling that is part of the layer; of a max-pooling, of what it takes.
    pub accumulators: Vec<[i32; 2]>,
    /// Of what it gives, in signed units; of the last layer, of its outputs.
    pub outputs: Vec<[i32; 2]>,
}

/// What each layer of a model may sum up and give for inputs that differ from `input` by so many grey levels at most.
///
/// # Panics
/// If `input` has another size than what the model takes.
#[must_use]
pub fn layer_bounds(
    model: Model<'_>,
    input: &[f32],
    level: u8,
    effort: Effort,
) -> Vec<LayerBounds> {
    let network = Int8Network::of(model);
    let stages = Stages::of(&network);
    let center: Vec<f64> = units(input, network.input).into_iter().map(f64::from).collect();
    let within = Bounds::around(&center, level, network.input.zero);
    let known = Known::of(&stages, within, effort);
    let outputs = known.values.iter().skip(1).map(Bounds::pairs);
    let layers = known.accumulators.iter().map(Bounds::pairs).zip(outputs);
    layers.map(|(accumulators, outputs)| LayerBounds { accumulators, outputs }).collect()
}

/// A model, and what is to be done.
struct Certifier<'a> {
    model: Model<'a>,
    stages: &'a Stages,
    effort: Effort,
    attacker: Attacker<'a>,
    /// In ascending order: what a level shows may be used for those after it.
    levels: &'a [u8],
    seed: u64,
}

impl Certifier<'_> {
    fn sample(&self, values: &[f32], number: usize, workspace: &mut Workspace) -> SampleRobustness {
        let encoding = self.attacker.network.input;
        let center: Vec<f64> = units(values, encoding).into_iter().map(f64::from).collect();
        let class = self.class(&center);
        let mut outcomes: Vec<Outcome> = vec![];
        for &level in self.levels {
            let outcome = match outcomes.last() {
                // a larger box holds it too
                Some(Outcome::Attacked(attack)) => Outcome::Attacked(attack.clone()),
                last => {
                    let within = Bounds::around(&center, level, encoding.zero);
                    // what fails for a box fails for a larger one
                    let is_hopeless = matches!(last, Some(Outcome::Unknown));
                    let effort = if is_hopeless { None } else { self.certificate(&within, class) };
                    match effort {
                        Some(effort) => Outcome::Certified(effort),
                        None => {
                            self.attack(&center, &within, class, [number, level.into()], workspace)
                        }
                    }
                }
            };
            outcomes.push(outcome);
        }
        SampleRobustness { sample: number, label: None, class, outcomes }
    }

    /// The class that the device gives.
    fn class(&self, units: &[f64]) -> u16 {
        let network = self.attacker.network;
        let units: Vec<f32> = units.iter().map(|&unit| unit as f32).collect();
        let bytes = bytes(&units, network.shape, network.input.zero);
        let mut scratch = vec![0; self.model.scratch_words()];
        let outputs = outputs(self.model, &bytes, &mut scratch).expect("the input has its shape");
        Ranking::of(&outputs).class
    }

    /// By what effort it is certain that all inputs of a box get this class, if it is.
    fn certificate(&self, within: &Bounds, class: u16) -> Option<Effort> {
        let last = self.stages.layers.len() - 1;
        let outputs: usize = self.stages.shapes[last + 1].iter().product();
        // the others, as long as it is not certain that they are below
        let mut others: Vec<usize> =
            (0..outputs).filter(|&other| other != usize::from(class)).collect();
        let mut known = Known::of(self.stages, within.clone(), Effort::Intervals);
        for effort in Effort::ALL.into_iter().filter(|&effort| effort <= self.effort) {
            if effort == Effort::EveryLayer {
                known = Known::of(self.stages, within.clone(), effort);
            }
            let until = if effort == Effort::Intervals { last } else { 0 };
            // not worth it if better bounds come next
            let parts = if effort == self.effort { PARTS.len() } else { 1 };
            for (number, &part) in PARTS.iter().enumerate().take(parts) {
                if number > 0 {
                    known.tilt(self.stages, part);
                }
                others = known.substitution(self.stages).uncertain(class, &others, until);
                if others.is_empty() {
                    return Some(effort);
                }
            }
        }
        None
    }

    fn attack(
        &self,
        center: &[f64],
        within: &Bounds,
        class: u16,
        [number, level]: [usize; 2],
        workspace: &mut Workspace,
    ) -> Outcome {
        let mut random = Random(self.seed ^ ((number as u64) << 16) ^ ((level as u64) << 56));
        let found = self.attacker.search(center, within, class, &mut random, workspace);
        let attacked = |input: Vec<f64>| {
            // the engine has the last word
            let to = self.class(&input);
            let zero = f64::from(self.attacker.network.input.zero);
            let input = input.iter().map(|value| (value + zero) as u8).collect();
            (to != class).then_some(Outcome::Attacked(Attack { class: to, input }))
        };
        found.and_then(attacked).unwrap_or(Outcome::Unknown)
    }
}

impl Bounds {
    /// Both of each value.
    fn pairs(&self) -> Vec<[i32; 2]> {
        self.low.iter().zip(&self.high).map(|(&low, &high)| [low as i32, high as i32]).collect()
    }

    /// All inputs that differ from `center` by so many grey levels at most, in signed units around a byte.
    fn around(center: &[f64], level: u8, zero: u8) -> Self {
        let [lowest, highest] = [0.0, 255.0].map(|byte| byte - f64::from(zero));
        let level = f64::from(level);
        Self {
            low: center.iter().map(|value| (value - level).max(lowest)).collect(),
            high: center.iter().map(|value| (value + level).min(highest)).collect(),
        }
    }
}

impl Substitution<'_> {
    /// Those of the outputs `others` that may be larger than `class`, or as large and before it. Values up to number `until` are
    /// not followed back.
    fn uncertain(&self, class: u16, others: &[usize], until: usize) -> Vec<usize> {
        let class = usize::from(class);
        let of_chunk = |others: &[usize]| {
            let minima = self.minima(Forms::differences(self.stages, class, others), until);
            let is_below = |&(&other, minimum): &(&usize, f64)| {
                // whole numbers: above −1 is not below 0
                if other < class { minimum > 0.0 } else { minimum > -1.0 }
            };
            let uncertain = others.iter().zip(minima).filter(|pair| !is_below(pair));
            uncertain.map(|(&other, _)| other).collect::<Vec<usize>>()
        };
        others.chunks(LANES).flat_map(of_chunk).collect()
    }
}
