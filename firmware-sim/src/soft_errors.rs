//! What flipped bits do: of the model in flash, and of an inference's memory.
//!
//! `.q8 file and images ──inject──▶ SoftErrors`: for each part of memory and each bit of what lies there, how many flips were
//! tried and what came of them.
//!
//! Each trial is the engine itself, on bytes that differ from the file or from what the engine left in memory:
//!
//! - **Flash**: bits flip after [`Model::parse`] has checked the file, which is the worst time. What an inference then gives is
//!   compared for every image, until one gets another class. Beside that, whether the check at the next start refuses the
//!   file, whether [`Model::verify_step`] finds it damaged, and whether [`Model::layer_checksum`] names the layer.
//! - **Scratch**: a bit flips at a random moment of an inference of one image, between two rows of layers. No checksum is over
//!   what changes all the time, so these are masked, or change the answer, or there is none.
//!
//! An inference ends in any case: after twice as many rows as usual, and if a bit has changed what the engine goes by, there is
//! no answer, which a program sees. Registers, the stack and the program's own code are not tried.
//!
//! Bits are sampled by part and by bit, as many of each, by a generator that is seeded: equal options give equal results on any
//! number of cores. Shares of a whole memory weigh each part by its bits.

mod parts;
mod report;
mod trial;

pub use parts::{Group, Part, groups};
pub use report::{Counts, GroupReport, Memory, Share, SoftErrors};

use firmware::Model;
use rayon::prelude::*;

use crate::error::Error;
use crate::random::Random;
use crate::samples::{self, Samples};
use trial::{Device, Flip};

/// Whether the engine's sums wrap in this build as they do on a device. A build that checks for overflow panics instead, with a
/// message, which counts as no answer: it may have more of these.
pub const WRAPS_AS_A_DEVICE: bool = !cfg!(debug_assertions);

/// What is tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Whether a second bit of the same 32 flips too.
    pub is_double: bool,
    /// Flips of each part of each layer; `None` for all bits of flash. A part of fewer bits is tried whole.
    pub samples: Option<u64>,
    /// What the samples follow from.
    pub seed: u64,
    /// Which parts; empty for all.
    pub parts: Vec<Part>,
    /// Whether the outputs are classes; if not, any change of them is [`Effect::Class`].
    pub is_classifier: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { is_double: false, samples: Some(256), seed: 1, parts: vec![], is_classifier: true }
    }
}

/// What came of a flip: the worst of the images, up to the first of another class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effect {
    /// All outputs are as they were.
    Masked,
    /// Some output differs, and the class is the same.
    Outputs,
    /// The class is another; of outputs that are no classes, an output is.
    Class,
    /// There is no answer.
    NoAnswer,
}

/// Flips bits of a model and of its memory, on all cores; `progress` is told how many flips more are done, from any thread.
///
/// # Errors
/// [`Error::NoImages`] if there are no samples, or if they are not what the model takes.
pub fn inject(
    model: Model<'_>,
    samples: Samples<'_>,
    options: &Options,
    progress: impl Fn(u64) + Sync,
) -> Result<SoftErrors, Error> {
    if samples.is_empty() {
        return Err(Error::NoImages);
    }
    let numbers: Vec<usize> = (0..samples.len()).collect();
    let images = samples::frames(model, samples, &numbers)?;
    let golden = trial::Golden::of(model, &images);
    let report = |(number, group): (usize, Group)| {
        let trials = trials(&group, options);
        let counts = (0..trials)
            .into_par_iter()
            .map_init(
                || Device::new(model, &golden, options.is_classifier),
                |device, trial| {
                    let mut random = Random::of([options.seed, number as u64, trial]);
                    let bit = if trials == group.bits() && !group.part.is_scratch() {
                        trial
                    } else {
                        group.drawn(trial, &mut random)
                    };
                    let flip = Flip::new(&group, bit, options.is_double, &mut random);
                    let counts = device.try_flip(&group, flip, &mut random);
                    progress(1);
                    (group.bit_of_item(bit), counts)
                },
            )
            .fold(
                || vec![Counts::default(); group.item_bits()],
                |mut all, (bit, counts)| {
                    all[bit].add(&counts);
                    all
                },
            )
            .reduce(
                || vec![Counts::default(); group.item_bits()],
                |mut all, others| {
                    all.iter_mut().zip(&others).for_each(|(all, other)| all.add(other));
                    all
                },
            );
        let is_all = trials == group.bits() && !group.part.is_scratch() && !options.is_double;
        GroupReport {
            bits: group.bits(),
            part: group.part,
            layer: group.layer,
            is_all,
            by_bit: counts,
        }
    };
    let groups = wanted(model, options).into_iter().enumerate().map(report).collect();
    Ok(SoftErrors {
        is_double: options.is_double,
        seed: options.seed,
        images: images.len(),
        is_classifier: options.is_classifier,
        groups,
    })
}

/// Flips that [`inject`] will try.
#[must_use]
pub fn flips(model: Model<'_>, options: &Options) -> u64 {
    wanted(model, options).iter().map(|group| trials(group, options)).sum()
}

fn wanted(model: Model<'_>, options: &Options) -> Vec<Group> {
    let is_wanted = |group: &Group| options.parts.is_empty() || options.parts.contains(&group.part);
    groups(model).into_iter().filter(is_wanted).collect()
}

/// Of scratch there are moments without number, so it is sampled in any case.
fn trials(group: &Group, options: &Options) -> u64 {
    match options.samples {
        Some(samples) if group.part.is_scratch() => samples,
        None if group.part.is_scratch() => Options::default().samples.unwrap_or(0),
        Some(samples) => samples.min(group.bits()),
        None => group.bits(),
    }
}
