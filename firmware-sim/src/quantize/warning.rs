//! What a user should know of a model that is made all the same.

use std::fmt;

use firmware::format::MAX_ACCUMULATOR;

/// From how much coarser weights on it is told: a bit is lost.
pub(super) const MIN_COARSENESS: f64 = 2.0;

/// Of fewer calibration images it is told. The largest value of each layer is taken from them, and of `n` images and a
/// further one, the largest is in the further one once in `n + 1` times.
pub(super) const MIN_SAMPLES: usize = 32;

/// Something odd about a model.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Warning {
    /// Few samples that it is calibrated on.
    Few {
        /// How many.
        samples: usize,
    },
    /// A layer gives only 0 for all samples that it is calibrated on, so that its scale is a guess.
    Dead {
        /// Its name.
        layer: String,
        /// How many samples.
        samples: usize,
    },
    /// Weights are rounded more coarsely than to 8 bits, so that their sums fit.
    Coarse {
        /// The layer's name.
        layer: String,
        /// Values that go into each output.
        inputs: usize,
        /// How many times more coarsely, at most.
        factor: f64,
    },
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Few { samples } => write!(
                f,
                "calibrated on {samples} image{}: of others, one in {} or more has larger values in a layer, which are cut off: take \
                 some hundreds, of all kinds that there are",
                if *samples == 1 { "" } else { "s" },
                samples + 1
            ),
            Self::Dead { layer, samples } => write!(
                f,
                "{layer} gives only 0 for all {samples} calibration images, and on a device too: calibrate on other images, or \
                 train the model anew"
            ),
            Self::Coarse { layer, inputs, factor } => write!(
                f,
                "{layer}: each output sums up {inputs} inputs, by weights of which the sums may exceed {MAX_ACCUMULATOR}: they are \
                 rounded {factor:.1} times more coarsely than to 8 bits; pool before it, or make it smaller"
            ),
        }
    }
}
