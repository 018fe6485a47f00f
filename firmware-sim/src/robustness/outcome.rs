//! What was found of each sample, and how often.

use dataset::Interval;
use serde_json::{Value, json};

use super::Effort;

/// What is known of a sample's class within some grey levels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// No input of the box gets another class: a proof, and what it took.
    Certified(Effort),
    /// One does.
    Attacked(Attack),
    /// Neither was found.
    Unknown,
}

/// An input that gets another class, run on the engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attack {
    /// What it gets.
    pub class: u16,
    /// Its bytes, `[channel][row][column]`.
    pub input: Vec<u8>,
}

/// What was found of one sample.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SampleRobustness {
    /// Its number among all.
    pub sample: usize,
    /// Its label, if there are labels.
    pub label: Option<u8>,
    /// The class that the device gives.
    pub class: u16,
    /// One for each level.
    pub outcomes: Vec<Outcome>,
}

/// What was found of all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Robustness {
    /// Grey levels, in ascending order.
    pub levels: Vec<u8>,
    /// Samples of which some were chosen.
    pub all: usize,
    /// How much was done for a certificate at most.
    pub effort: Effort,
    /// Those that were.
    pub samples: Vec<SampleRobustness>,
}

/// How many samples had each outcome, at one level.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Proven to keep their class.
    pub certified: u64,
    /// Of these, those whose class is their label.
    pub certified_right: u64,
    /// Refuted by an input.
    pub attacked: u64,
    /// Neither.
    pub unknown: u64,
}

impl Effort {
    /// All, from the least.
    pub const ALL: [Self; 3] = [Self::Intervals, Self::LastLayer, Self::EveryLayer];

    /// What commands and reports call it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Intervals => "intervals",
            Self::LastLayer => "last-layer",
            Self::EveryLayer => "every-layer",
        }
    }
}

impl Effort {
    /// What it does.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Intervals => "Intervals of every value",
            Self::LastLayer => "Also the differences of outputs, followed back to the input",
            Self::EveryLayer => "Also every layer's sums, followed back to the input",
        }
    }
}

impl SampleRobustness {
    /// Whether the device's class is its label, if it has one.
    #[must_use]
    pub fn is_right(&self) -> Option<bool> {
        self.label.map(|label| u16::from(label) == self.class)
    }
}

impl Robustness {
    /// Samples that were looked at.
    #[must_use]
    pub const fn len(&self) -> u64 {
        self.samples.len() as u64
    }

    /// Whether none were.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.samples.is_empty()
    }

    /// Samples that have a label, and those of them whose class it is.
    #[must_use]
    pub fn labelled_and_right(&self) -> [u64; 2] {
        let right = || self.samples.iter().filter_map(SampleRobustness::is_right);
        [right().count(), right().filter(|&is_right| is_right).count()].map(|count| count as u64)
    }

    /// The outcomes at one level, by its place among [`Self::levels`].
    #[must_use]
    pub fn counts(&self, level: usize) -> Counts {
        let mut counts = Counts::default();
        for sample in &self.samples {
            match sample.outcomes.get(level) {
                Some(Outcome::Certified(_)) => {
                    counts.certified += 1;
                    counts.certified_right += u64::from(sample.is_right() == Some(true));
                }
                Some(Outcome::Attacked(_)) => counts.attacked += 1,
                Some(Outcome::Unknown) => counts.unknown += 1,
                None => {}
            }
        }
        counts
    }

    /// Certificates of one level that took just this effort.
    #[must_use]
    pub fn certified_by(&self, level: usize, effort: Effort) -> u64 {
        let by = Outcome::Certified(effort);
        self.samples.iter().filter(|sample| sample.outcomes.get(level) == Some(&by)).count() as u64
    }

    /// For programs. Fields may be added, not renamed.
    ///
    /// | field | what |
    /// |---|---|
    /// | `images`, `of` | images that were looked at, and all |
    /// | `labelled`, `right` | of those, the ones that have a label, and of these the ones whose class it is |
    /// | `effort` | what was done for a certificate at most: `intervals`, `last-layer` or `every-layer` |
    /// | `levels` | of each: `level`; `certified`, `attacked` and `unknown`, each `count`, `share`, and `low` and `high` of the 95 % interval; `certified_right`, the count of those whose class is their label; `certified_by`, counts by effort |
    /// | `attacked` | each attacked image at the smallest level: `image`, `label`, `class`, `level`, `to`, the class that it gets |
    /// | `unknown` | each unknown image at the smallest level: `image`, `label`, `class`, `level` |
    #[must_use]
    pub fn json(&self) -> Value {
        let share = |count: u64| {
            let Interval { low, high } = Interval::wilson(count, self.len());
            json!({ "count": count, "share": count as f64 / self.len() as f64, "low": low, "high": high })
        };
        let level = |(index, level): (usize, &u8)| {
            let counts = self.counts(index);
            let by =
                Effort::ALL.map(|it| (it.name().to_owned(), self.certified_by(index, it).into()));
            json!({
                "level": level,
                "certified": share(counts.certified),
                "attacked": share(counts.attacked),
                "unknown": share(counts.unknown),
                "certified_right": counts.certified_right,
                "certified_by": Value::Object(by.into_iter().collect()),
            })
        };
        let first = |is: fn(&Outcome) -> bool| {
            let of_sample = move |sample: &SampleRobustness| {
                let index = sample.outcomes.iter().position(is)?;
                let mut value = json!({
                    "image": sample.sample, "label": sample.label, "class": sample.class, "level": self.levels[index],
                });
                if let Outcome::Attacked(attack) = &sample.outcomes[index] {
                    value["to"] = attack.class.into();
                }
                Some(value)
            };
            self.samples.iter().filter_map(of_sample).collect::<Value>()
        };
        let [labelled, right] = self.labelled_and_right();
        json!({
            "images": self.len(),
            "of": self.all,
            "labelled": labelled,
            "right": right,
            "effort": self.effort.name(),
            "levels": self.levels.iter().enumerate().map(level).collect::<Value>(),
            "attacked": first(|outcome| matches!(outcome, Outcome::Attacked(_))),
            "unknown": first(|outcome| matches!(outcome, Outcome::Unknown)),
        })
    }
}
