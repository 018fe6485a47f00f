//! What holds for every sum that a channel of a model may reach: shown by computing all of them.
//!
//! `.q8 file ──prove──▶ Proof`: of each layer how much was checked, and the first counterexample if there is one.
//!
//! For every channel, from what its weights can give, not from what any image gave:
//!
//! 1. The **range** of its accumulator follows from its weights in the file, its bias, and bytes of 0 to 255 that go in. The
//!    bound that the file states is at least as large, and no sum on the way leaves it, in whatever order it is added up; so
//!    none leaves 32 bits. Where sums are packed, those of a chunk of taps stay below
//!    [`CHUNK_LIMIT`](firmware::format::CHUNK_LIMIT), and those of an output below
//!    [`MAX_ACCUMULATOR`](firmware::format::MAX_ACCUMULATOR): what `firmware/proofs` takes for granted.
//! 2. **Every accumulator** from minus the bound to the bound, one whole number after the other, is requantised by the engine's
//!    function, and compared with its definition in 128 bits, [`definition`]: both give the same, so it is a byte, and never less than
//!    that of the accumulator before.
//!
//! The last layer's accumulators are the outputs, and of these only the first is to be shown.

mod definition;
mod range;
mod text;

pub use definition::definition;
pub use range::Range;

use firmware::Model;
use firmware::format::Channel;
use rayon::prelude::*;
use serde_json::{Value, json};

use crate::int8::Int8Network;

/// What was shown of a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// The layers in order.
    pub layers: Vec<LayerProof>,
}

/// What was shown of a layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerProof {
    /// Its name, such as `conv1`.
    pub layer: String,
    /// Channels with a multiplier of their own; of a max-pooling none, it hands bytes on.
    pub channels: usize,
    /// Whether its accumulators are requantised: not of the last layer.
    pub is_requantised: bool,
    /// Accumulators for which the engine's function was compared with the definition.
    pub sums: u64,
    /// Maximum of the bounds that the file states.
    pub bound: u32,
    /// The smallest and the largest accumulator that any input gives.
    pub reached: [i64; 2],
    /// What is wrong first, if anything.
    pub counterexample: Option<Counterexample>,
}

/// What a channel does that it must not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Counterexample {
    /// The bound that the file states is below what the accumulator or a sum on the way to it reaches.
    Bound {
        /// The channel, from 0.
        channel: usize,
        /// What the file states.
        stated: u32,
        /// The magnitude that is reached.
        reached: u64,
    },
    /// A sum may leave 32 bits, or what packed sums have.
    Overflow {
        /// The channel, from 0.
        channel: usize,
        /// The magnitude that is reached.
        reached: u64,
        /// The largest that there is room for.
        limit: u64,
    },
    /// An accumulator is requantised to something else than the definition says, or to no byte.
    Value {
        /// The channel, from 0.
        channel: usize,
        /// The accumulator, with its bias.
        sum: i32,
        /// What the function gave.
        found: i64,
        /// What the definition gives.
        definition: u8,
    },
}

impl Proof {
    /// Whether all was shown.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.layers.iter().all(|layer| layer.counterexample.is_none())
    }

    /// Channels of all layers that are requantised.
    #[must_use]
    pub fn requantised_channels(&self) -> usize {
        let layers = self.layers.iter().filter(|layer| layer.is_requantised);
        layers.map(|layer| layer.channels).sum()
    }

    /// Accumulators that were compared with the definition.
    #[must_use]
    pub fn sums(&self) -> u64 {
        self.layers.iter().map(|layer| layer.sums).sum()
    }

    /// All of it, with the same names.
    #[must_use]
    pub fn json(&self) -> Value {
        json!({
            "holds": self.holds(),
            "channels": self.requantised_channels(),
            "sums": self.sums(),
            "layers": self.layers.iter().map(LayerProof::json).collect::<Value>(),
        })
    }
}

/// Proves all of a model, on all cores. `progress` is told how many accumulators more are done, from any thread.
#[must_use]
pub fn prove(model: Model<'_>, progress: impl Fn(u64) + Sync) -> Proof {
    let engine = |channel: &Channel, sum: i32, zero: u8| {
        // the engine adds the bias itself
        i64::from(channel.activation(sum.wrapping_sub(channel.bias.get()), zero))
    };
    prove_requantizer(model, engine, progress)
}

/// The same of another function than the engine's, which is given a channel, an accumulator with its bias, and the byte that
/// stands for 0: to show that a wrong one is found.
#[must_use]
pub fn prove_requantizer(
    model: Model<'_>,
    requantize: impl Fn(&Channel, i32, u8) -> i64 + Sync,
    progress: impl Fn(u64) + Sync,
) -> Proof {
    let network = Int8Network::of(model);
    let records = model.layers().records;
    let prove = |(index, name): (usize, &str)| {
        let is_last = index + 1 == records.len();
        let (channels, zero) = (model.channels(index), records[index].output.zero);
        let ranges: Vec<Range> =
            (0..channels.len()).map(|output| Range::of(model, index, output)).collect();
        let is_requantised = !is_last && !channels.is_empty();
        let found: Vec<(u64, Option<Counterexample>)> = channels
            .par_iter()
            .zip(&ranges)
            .enumerate()
            .map(|(number, (channel, range))| {
                let fault = range.fault(number, channel.bound.get());
                if !is_requantised || fault.is_some() {
                    return (0, fault);
                }
                let result = definition::compare(number, channel, zero, &requantize);
                progress(result.0);
                result
            })
            .collect();
        LayerProof {
            layer: name.to_owned(),
            channels: channels.len(),
            is_requantised,
            sums: found.iter().map(|(sums, _)| sums).sum(),
            bound: crate::int8::bound(channels),
            reached: Range::union(&ranges),
            counterexample: found.into_iter().find_map(|(_, fault)| fault),
        }
    };
    Proof { layers: network.names().enumerate().map(prove).collect() }
}

/// Accumulators that [`prove`] will compare with the definition.
#[must_use]
pub fn sums(model: Model<'_>) -> u64 {
    let layers = model.layers().records.len() - 1;
    let channels = (0..layers).flat_map(|layer| model.channels(layer));
    channels.map(|channel| 2 * u64::from(channel.bound.get()) + 1).sum()
}
