//! What a channel's sums may reach, by its weights.

use firmware::Model;
use firmware::format::{CHUNK_LIMIT, Kind, MAX_ACCUMULATOR, Order};

use super::Counterexample;

/// The largest byte that goes in.
const MAX_INPUT: i64 = 255;

/// What the accumulator of a channel may reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    /// The smallest accumulator, with its bias.
    pub low: i64,
    /// The largest.
    pub high: i64,
    /// The largest magnitude of a sum of some of its products, in whatever order they are added up, without the bias and
    /// with it.
    pub partial: u64,
    /// The largest magnitude of a sum of products that is packed with others, and what there is room for; if any is.
    pub packed: Option<[u64; 2]>,
}

impl Range {
    /// Of output channel `output` of a layer: from all weights in the file, one after another, and all bytes.
    ///
    /// # Panics
    /// If there is no such channel.
    #[must_use]
    pub fn of(model: Model<'_>, layer: usize, output: usize) -> Self {
        let bias = i64::from(model.channels(layer)[output].bias.get());
        let weights = weights(model, layer, output);
        // what any input makes of weights of one sign
        let reach = |weights: &[i64], sign: i64| -> i64 {
            let of_sign = weights.iter().filter(|weight| weight.signum() == sign);
            of_sign.map(|weight| weight * MAX_INPUT).sum()
        };
        let [low, high] = [-1, 1].map(|sign| reach(&weights, sign));
        let alone = low.unsigned_abs().max(high.unsigned_abs());
        let [low, high] = [low, high].map(|sum| sum + bias);
        let partial = alone.max(low.unsigned_abs()).max(high.unsigned_abs());
        let packed = packed(model, layer, &weights).map(|(chunk, limit)| {
            let chunks = weights.chunks(chunk.max(1));
            let magnitude = |part: &[i64]| {
                part.iter().map(|it| it.unsigned_abs()).sum::<u64>() * MAX_INPUT as u64
            };
            [chunks.map(magnitude).max().unwrap_or(0), limit]
        });
        Self { low, high, partial, packed }
    }

    /// The smallest and the largest accumulator of all.
    pub(super) fn union(ranges: &[Self]) -> [i64; 2] {
        let low = ranges.iter().map(|range| range.low).min();
        let high = ranges.iter().map(|range| range.high).max();
        [low, high].map(Option::unwrap_or_default)
    }

    /// What is wrong with it, if a file states this bound.
    pub(super) fn fault(&self, channel: usize, stated: u32) -> Option<Counterexample> {
        if self.partial > stated.into() {
            return Some(Counterexample::Bound { channel, stated, reached: self.partial });
        }
        let packed = self.packed.unwrap_or([0, 0]);
        let room = [self.partial.max(stated.into()), MAX_ACCUMULATOR.into()];
        [room, packed]
            .into_iter()
            .find(|[reached, limit]| reached > limit)
            .map(|[reached, limit]| Counterexample::Overflow { channel, reached, limit })
    }
}

/// What each byte that goes in counts.
fn weights(model: Model<'_>, layer: usize, output: usize) -> Vec<i64> {
    let record = &model.layers().records[layer];
    match (Kind::of_code(record.kind), model.layers().weights(layer)) {
        (Some(Kind::Add), _) => {
            let (factors, _) = model.weights(layer).as_chunks();
            factors.iter().map(|&factor| i32::from_le_bytes(factor).into()).collect()
        }
        // a mean: each counts one, and what lies outside as much as 0
        (_, None) => vec![1; record.kernel.map(usize::from).iter().product()],
        (_, Some(weights)) => {
            let bytes = model.weights(layer);
            (0..weights.taps).map(|tap| weights.get(bytes, output, tap).into()).collect()
        }
    }
}

/// How many taps are summed up where sums share words, and what there is room for.
fn packed(model: Model<'_>, layer: usize, all: &[i64]) -> Option<(usize, u64)> {
    let record = &model.layers().records[layer];
    match model.layers().weights(layer)?.order {
        Order::Blocks if record.kind == Kind::Conv.code() => {
            Some((record.chunk.get().into(), u64::from(CHUNK_LIMIT) - 1))
        }
        // two outputs in one word
        Order::Fours
        | Order::Windows(_)
        | Order::Grey
        | Order::DenseWords
        | Order::DenseColumns => Some((all.len(), MAX_ACCUMULATOR.into())),
        _ => None,
    }
}
