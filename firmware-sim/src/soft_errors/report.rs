//! What came of all flips: counts, shares with intervals, JSON.

use dataset::Interval;
use serde_json::{Value, json};

use super::{Effect, Part};

/// What came of some flips.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// How many were tried.
    pub flips: u64,
    /// All outputs of all images are as they were.
    pub masked: u64,
    /// Some output is another, and no class.
    pub outputs: u64,
    /// The class of an image is another; of outputs that are no classes, an output is.
    pub class: u64,
    /// There is no answer for an image.
    pub no_answer: u64,
    /// The check at the next start refuses the file.
    pub at_start: u64,
    /// The check between frames finds flash damaged.
    pub by_steps: u64,
    /// The layer's checksum is another.
    pub by_layer: u64,
}

impl Counts {
    pub(super) fn add(&mut self, other: &Self) {
        self.flips += other.flips;
        self.masked += other.masked;
        self.outputs += other.outputs;
        self.class += other.class;
        self.no_answer += other.no_answer;
        self.at_start += other.at_start;
        self.by_steps += other.by_steps;
        self.by_layer += other.by_layer;
    }

    pub(super) fn count(&mut self, effect: Effect) {
        let count = match effect {
            Effect::Masked => &mut self.masked,
            Effect::Outputs => &mut self.outputs,
            Effect::Class => &mut self.class,
            Effect::NoAnswer => &mut self.no_answer,
        };
        *count += 1;
    }

    /// Flips after which an image has another class or no answer.
    #[must_use]
    pub const fn wrong(&self) -> u64 {
        self.class + self.no_answer
    }

    /// All of them, with the same names.
    #[must_use]
    pub fn json(&self) -> Value {
        json!({
            "flips": self.flips,
            "masked": self.masked,
            "outputs": self.outputs,
            "class": self.class,
            "no_answer": self.no_answer,
            "at_start": self.at_start,
            "by_steps": self.by_steps,
            "by_layer": self.by_layer,
        })
    }
}

/// A share of flips, 0 to 1, and where the share of all bits lies with 95 % confidence.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Share {
    /// What was found.
    pub found: f64,
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

impl Share {
    /// All of it, with the same names.
    #[must_use]
    pub fn json(&self) -> Value {
        json!({ "share": self.found, "low": self.low, "high": self.high })
    }
}

/// What came of the flips of one part of one layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupReport {
    /// What the bits are of.
    pub part: Part,
    /// The layer, if they are of one.
    pub layer: Option<String>,
    /// How many bits there are.
    pub bits: u64,
    /// Whether all of them were tried.
    pub is_all: bool,
    /// By the bit of an item, of which 0 counts least: of a weight 8, of a bias 32.
    pub by_bit: Vec<Counts>,
}

impl GroupReport {
    /// Of all bits together.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let mut all = Counts::default();
        self.by_bit.iter().for_each(|counts| all.add(counts));
        all
    }

    /// The share of what `of` counts: exact if all bits were tried, else with Wilson's interval.
    #[must_use]
    pub fn share(&self, of: impl Fn(&Counts) -> u64) -> Share {
        let counts = self.counts();
        let count = of(&counts);
        let found = count as f64 / counts.flips.max(1) as f64;
        if self.is_all {
            return Share { found, low: found, high: found };
        }
        let Interval { low, high } = Interval::wilson(count, counts.flips);
        Share { found, low, high }
    }

    /// All of it, with the same names, and `wrong`, the share of flips after which an image has another class or no answer.
    #[must_use]
    pub fn json(&self) -> Value {
        json!({
            "part": self.part.name(),
            "layer": self.layer,
            "bits": self.bits,
            "is_all": self.is_all,
            "counts": self.counts().json(),
            "wrong": self.share(Counts::wrong).json(),
            "by_bit": self.by_bit.iter().map(Counts::json).collect::<Value>(),
        })
    }
}

/// What lies in flash, or what an inference works in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Memory {
    /// The model's file.
    Flash,
    /// The caller's memory.
    Scratch,
}

/// What came of all flips.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SoftErrors {
    /// Whether two bits of 32 flipped at once.
    pub is_double: bool,
    /// What the samples follow from.
    pub seed: u64,
    /// Images that were shown after each flip of flash; after each of scratch one of them.
    pub images: usize,
    /// Whether the outputs are classes.
    pub is_classifier: bool,
    /// By part and layer, in the order of the file, then of scratch.
    pub groups: Vec<GroupReport>,
}

impl SoftErrors {
    /// The groups of a memory.
    pub fn of(&self, memory: Memory) -> impl Iterator<Item = &GroupReport> {
        let is_scratch = memory == Memory::Scratch;
        self.groups.iter().filter(move |group| group.part.is_scratch() == is_scratch)
    }

    /// Of a flip of any bit of a memory: each part counts by its bits. The interval is that of the parts at their ends, all at
    /// once, so it is rather too wide; `None` if nothing of it was tried.
    #[must_use]
    pub fn share(&self, memory: Memory, of: impl Fn(&Counts) -> u64 + Copy) -> Option<Share> {
        let bits: u64 = self.of(memory).map(|group| group.bits).sum();
        if bits == 0 {
            return None;
        }
        let mut all = Share { found: 0.0, low: 0.0, high: 0.0 };
        for group in self.of(memory) {
            let (share, weight) = (group.share(of), group.bits as f64 / bits as f64);
            all.found += weight * share.found;
            all.low += weight * share.low;
            all.high += weight * share.high;
        }
        // the weights' rounding may bring it above
        let Share { found, low, high } = all;
        Some(Share { found: found.min(1.0), low: low.min(1.0), high: high.min(1.0) })
    }

    /// All of it, with the same names; `flash` and `scratch` are shares of flips of any of their bits, null if none was tried.
    #[must_use]
    pub fn json(&self) -> Value {
        let memory = |memory| {
            let share = |of: fn(&Counts) -> u64| self.share(memory, of).map(|share| share.json());
            self.share(memory, Counts::wrong).map(|_| {
                json!({
                    "bits": self.of(memory).map(|group| group.bits).sum::<u64>(),
                    "flips": self.of(memory).map(|group| group.counts().flips).sum::<u64>(),
                    "masked": share(|it| it.masked),
                    "outputs": share(|it| it.outputs),
                    "class": share(|it| it.class),
                    "no_answer": share(|it| it.no_answer),
                    "at_start": share(|it| it.at_start),
                    "by_steps": share(|it| it.by_steps),
                    "by_layer": share(|it| it.by_layer),
                })
            })
        };
        json!({
            "is_double": self.is_double,
            "seed": self.seed,
            "images": self.images,
            "is_classifier": self.is_classifier,
            "flash": memory(Memory::Flash),
            "scratch": memory(Memory::Scratch),
            "groups": self.groups.iter().map(GroupReport::json).collect::<Value>(),
        })
    }
}
