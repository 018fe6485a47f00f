//! One flip, and what the engine makes of it.

use std::panic::{AssertUnwindSafe, catch_unwind};

use firmware::{FlashCheck, FlashState, Frame, Model, Progress};

use super::{Counts, Effect, Group, Random, WRAPS_AS_A_DEVICE};
use crate::ranking::Ranking;

/// Bytes of flash that are re-checked at a time.
const PIECE: usize = 4096;

/// What the model gives when nothing has flipped.
#[derive(Debug)]
pub(super) struct Golden<'a> {
    images: &'a [Vec<u8>],
    outputs: Vec<Vec<i32>>,
    /// Rows that an inference takes and computes.
    steps: u64,
}

/// A flip of memory, and the step before which it happens.
#[derive(Debug, Clone, Copy)]
struct Injection {
    step: u64,
    flip: Flip,
}

/// One bit or two, each a byte and a bit in it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Flip([[usize; 2]; 2], usize);

impl Flip {
    /// A bit of a group, and if it is double another of the same 32.
    pub(super) fn new(group: &Group, bit: u64, is_double: bool, random: &mut Random) -> Self {
        let first @ [byte, bit] = group.place(bit);
        let in_word = 8 * (byte % 4) + bit;
        let other = (in_word + 1 + random.below(31) as usize) % 32;
        let second = [byte / 4 * 4 + other / 8, other % 8];
        Self([first, second], 1 + usize::from(is_double))
    }

    /// Flips, or flips back.
    fn apply(self, bytes: &mut [u8]) {
        for [byte, bit] in self.0.into_iter().take(self.1) {
            bytes[byte] ^= 1 << bit;
        }
    }

    fn apply_to_words(self, words: &mut [u32]) {
        for [byte, bit] in self.0.into_iter().take(self.1) {
            // of the memory that there is: a program's does not change with a flip
            if let Some(word) = words.get_mut(byte / 4) {
                *word ^= 1 << (8 * (byte % 4) + bit);
            }
        }
    }
}

impl<'a> Golden<'a> {
    /// Of these images, which the model takes.
    pub(super) fn of(model: Model<'_>, images: &'a [Vec<u8>]) -> Self {
        let mut scratch = vec![0; model.scratch_words()];
        let mut steps = 0;
        let outputs = images
            .iter()
            .map(|image| {
                let run = run(model, image, &mut scratch, u64::MAX, None);
                let (outputs, taken) = run.expect("the model was checked, and takes the image");
                steps = taken;
                outputs
            })
            .collect();
        Self { images, outputs, steps }
    }
}

/// A device with a model in flash and memory of its own.
#[derive(Debug)]
pub(super) struct Device<'a> {
    model: Model<'a>,
    golden: &'a Golden<'a>,
    is_classifier: bool,
    /// Aligned, as flash is.
    flash: Vec<u32>,
    scratch: Vec<u32>,
}

impl<'a> Device<'a> {
    pub(super) fn new(model: Model<'a>, golden: &'a Golden<'a>, is_classifier: bool) -> Self {
        let (words, _) = model.bytes().as_chunks();
        let flash = words.iter().map(|&word| u32::from_ne_bytes(word)).collect();
        Self { model, golden, is_classifier, flash, scratch: vec![0; model.scratch_words()] }
    }

    /// What a flip does.
    pub(super) fn try_flip(&mut self, group: &Group, flip: Flip, random: &mut Random) -> Counts {
        let mut counts = Counts { flips: 1, ..Counts::default() };
        if group.part.is_scratch() {
            let image = random.below(self.golden.images.len() as u64) as usize;
            let injection = Injection { step: random.below(self.golden.steps), flip };
            counts.count(self.effect(self.model, image, Some(injection)));
            return counts;
        }
        let mut flash = std::mem::take(&mut self.flash);
        let bytes = zerocopy::IntoBytes::as_mut_bytes(&mut flash[..]);
        flip.apply(bytes);
        if let Some(damaged) = self.model.after_faults(bytes) {
            counts.at_start = u64::from(<Model<'_>>::parse_embedded(bytes).is_err());
            counts.by_steps = u64::from(is_damaged(damaged));
            let names_it =
                |layer| damaged.layer_checksum(layer) != self.model.layer_checksum(layer);
            counts.by_layer = u64::from(group.number.is_some_and(names_it));
            let mut worst = Effect::Masked;
            for image in 0..self.golden.images.len() {
                worst = worst.max(self.effect(damaged, image, None));
                if worst >= Effect::Class {
                    break;
                }
            }
            counts.count(worst);
        }
        flip.apply(bytes);
        self.flash = flash;
        counts
    }

    /// What comes of an image.
    fn effect(&mut self, model: Model<'_>, image: usize, injection: Option<Injection>) -> Effect {
        let (golden, scratch) = (self.golden, &mut self.scratch);
        let (pixels, expected) = (&golden.images[image], &golden.outputs[image]);
        let mut run = || run(model, pixels, scratch, 2 * golden.steps, injection);
        // a build that checks for overflow panics where a device wraps
        let result =
            if WRAPS_AS_A_DEVICE { Some(run()) } else { catch_unwind(AssertUnwindSafe(run)).ok() };
        match result.flatten() {
            None => Effect::NoAnswer,
            Some((found, _)) if found.len() != expected.len() => Effect::NoAnswer,
            Some((found, _)) if found == *expected => Effect::Masked,
            Some((found, _)) => {
                let [found, expected] = [&found, expected].map(|it| Ranking::of(it).class);
                if found != expected || !self.is_classifier {
                    Effect::Class
                } else {
                    Effect::Outputs
                }
            }
        }
    }
}

/// Whether a check of flash, piece by piece, finds a change.
fn is_damaged(model: Model<'_>) -> bool {
    let mut check = FlashCheck::START;
    loop {
        match model.verify_step(&mut check, PIECE) {
            FlashState::InProgress => {}
            state => return state == FlashState::Damaged,
        }
    }
}

/// The outputs of an image and how many rows it took and computed for them; `None` if these are more than `max`, or if there
/// are none.
fn run(
    model: Model<'_>,
    image: &[u8],
    scratch: &mut [u32],
    max: u64,
    injection: Option<Injection>,
) -> Option<(Vec<i32>, u64)> {
    // what the last one left would make a result depend on which that was
    scratch.fill(0);
    let mut frame: Frame<'_, '_> = model.start(scratch)?;
    let mut rows = image.chunks(model.header().input.row_len().max(1));
    let mut step = 0;
    loop {
        if let Some(injection) = injection.filter(|injection| injection.step == step) {
            injection.flip.apply_to_words(frame.memory());
        }
        match frame.step() {
            Progress::Computed(_) => {}
            Progress::NeedsRow => frame.push_row(rows.next()?)?,
            Progress::Ready => break,
        }
        step += 1;
        if step > max {
            return None;
        }
    }
    let mut outputs = vec![];
    frame.finish_in_blocks(|_, block| outputs.extend_from_slice(block))?;
    Some((outputs, step))
}
