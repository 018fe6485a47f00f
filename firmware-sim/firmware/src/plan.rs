//! Where everything lies in the caller's memory.
//!
//! ```text
//! words   │ steps done │ sums of streamed pools │ working memory of a step │ rows of all values, logits │
//! ```
//!
//! Every row has a place of its own in the file, which it shares with rows that are needed at other times: see
//! [`Places`].

mod packing;
mod places;
mod proof;

pub use packing::{PlannedRow, found, place, planned_rows};
pub use places::{MAX_DEPTHWISE_SPAN, Places, RowPlaces, count, table_len};
pub use proof::holds;

use super::format::{
    BLOCK, CHUNK_LIMIT, Kind, Layers, Order, POOL, Record, Routine, Weights, chunk_bound,
};
use crate::kernels::words::gathered_pairs;
use crate::loops::keep_rolled;

/// Most words that a model may ask for: 256 KiB, as far as a place is told in 16 bits.
pub const MAX_SCRATCH_WORDS: usize = 1 << 16;

/// Outputs that a depthwise layer sums up at once, at most.
pub const DEPTHWISE_OUTPUTS: usize = 64;

/// The same of one whose channels are not four each, or have a multiplier.
const TAPS_OUTPUTS: usize = 8;

/// Places that such a layer sums up at once, at most.
pub const TAPS_PLACES: usize = 8;

/// Blocks of outputs that a dense layer sums up at once, at most.
pub const DENSE_BLOCKS: usize = 8;

/// Words of each area before the rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Areas {
    /// Where the working memory begins.
    pub work_at: usize,
    /// Words that the most demanding step works in.
    pub work: usize,
}

/// The areas that these layers need; `None` if the sums of a pool lie elsewhere than they should.
#[must_use]
pub fn areas(layers: Layers<'_>) -> Option<Areas> {
    let mut end = step_words(layers.records.len());
    let mut work = 0;
    for (layer, record) in layers.records.iter().enumerate() {
        let geometry = layers.geometry(layer)?;
        if geometry.is_streamed() {
            if usize::from(record.sums.get()) != end {
                return None;
            }
            end += record.output.row_len();
        }
        work = work.max(work_words(layers, layer)?);
    }
    Some(Areas { work_at: end, work })
}

/// Words of the steps done, two a word, of the image and of each layer.
#[must_use]
pub const fn step_words(layers: usize) -> usize {
    (layers + 1).div_ceil(2)
}

/// Words that a step of this layer works in.
#[must_use]
pub fn work_words(layers: Layers<'_>, layer: usize) -> Option<usize> {
    let record = layers.records.get(layer)?;
    let input = layers.value(record.source.into())?;
    let outputs = record.channels();
    let kind = Kind::of_code(record.kind)?;
    Some(match kind {
        Kind::Conv => {
            let weights = layers.weights(layer)?;
            let group = usize::from(record.group.get());
            let chunk = usize::from(record.chunk.get());
            let kernel_rows = usize::from(record.kernel[0]);
            let lines = kernel_rows + usize::from(record.pooled) * usize::from(record.stride[0]);
            match weights.order {
                Order::Blocks => {
                    let group = group.min(outputs).next_multiple_of(BLOCK);
                    // of three places, and the largest of a window
                    let sums = if record.pooled != 0 { 4 } else { 3 };
                    lines + sums * group + chunk.min(weights.taps)
                }
                order => {
                    let patch = match order {
                        Order::Windows(_) => chunk / 2 * lines * lines,
                        Order::Grey => lines * lines,
                        _ => {
                            let [rows, run] = weights.chunk(chunk);
                            let offsets =
                                2 * kernel_rows * if record.pooled != 0 { POOL } else { 1 };
                            let sums = fours_sums(record, &weights, group.min(outputs));
                            return Some(offsets + sums + 2 * gathered_pairs(rows, run));
                        }
                    };
                    lines + 4 * group.min(outputs).next_multiple_of(2) + patch
                }
            }
        }
        Kind::Depthwise => {
            let weights = layers.weights(layer)?;
            weights.taps
                + match weights.order {
                    Order::Blocks => 3 * outputs.min(DEPTHWISE_OUTPUTS),
                    Order::Taps => TAPS_PLACES * outputs.min(TAPS_OUTPUTS),
                    _ => outputs.min(DEPTHWISE_OUTPUTS),
                }
        }
        Kind::Dense => BLOCK * outputs.div_ceil(BLOCK).min(DENSE_BLOCKS),
        Kind::AveragePool => input.channels.get().into(),
        Kind::MaxPool => 0,
        Kind::Add => record.output.channels.get().into(),
    })
}

/// Words of the sums of so many outputs of [`Order::Fours`], at two places, or at the four of a pooling window: none
/// where all taps are summed up at once.
#[must_use]
pub fn fours_sums(record: &Record, weights: &Weights, outputs: usize) -> usize {
    let places = match () {
        () if record.pooled != 0 => POOL * POOL,
        () if usize::from(record.chunk.get()) < weights.taps => 2,
        () => 0,
    };
    places * outputs.next_multiple_of(BLOCK)
}

/// Outputs that are computed at once.
#[must_use]
pub fn group(record: &Record, routine: Routine) -> usize {
    match routine {
        Routine::DenseWords | Routine::DenseBlocks => BLOCK * DENSE_BLOCKS,
        Routine::DepthwiseHalves | Routine::DepthwiseStrips | Routine::DepthwiseBlocks => {
            DEPTHWISE_OUTPUTS
        }
        Routine::DepthwiseTaps => TAPS_OUTPUTS,
        Routine::MaxPool | Routine::AveragePool | Routine::StreamedPool | Routine::Add => {
            record.channels()
        }
        // of places that are not pooled all outputs, a group at a time
        Routine::Threes if record.pooled == 0 => record.channels(),
        _ => record.group.get().into(),
    }
}

/// Columns of padding left and right that the readers of value `number` want, and the last of these, counted from 1.
#[must_use]
pub fn surroundings(layers: Layers<'_>, number: usize) -> [u8; 3] {
    let mut found = [0; 3];
    for (layer, record) in (1..).zip(layers.records) {
        if record.takes(number) {
            let [_, _, left, right] = record.padding;
            // pools take what is inside
            let pads = matches!(Kind::of_code(record.kind), Some(Kind::Conv | Kind::Depthwise));
            if pads {
                found = [found[0].max(left), found[1].max(right), layer];
            } else {
                found[2] = layer;
            }
        }
        keep_rolled();
    }
    found
}

/// Whether what a layer gives lies with its columns in pairs:
/// `[row][pair of columns][pair of channels][column][channel]`.
///
/// A dense layer passes over pairs of zeros, and more neighbours of one channel are zeros together than channels of one
/// place are. So the output of a pooled convolution does that only dense layers take.
#[must_use]
pub fn pairs_columns(layers: Layers<'_>, layer: usize) -> bool {
    let Some(record) = layers.records.get(layer) else { return false };
    let mut takers = layers.records.iter().filter(|it| it.takes(layer + 1)).peekable();
    let [channels, _, width] = record.output.shape();
    channels.is_multiple_of(2)
        && width.is_multiple_of(2)
        && layers.weights(layer).is_some_and(|it| matches!(it.order, Order::Windows(_)))
        && takers.peek().is_some()
        && takers.all(|it| it.kind == Kind::Dense.code())
}

/// Taps of a convolution that are summed up at once, at most: more need more memory, and save little.
const CHUNK_TAPS: usize = 56;
/// The same of places that are pooled, by threes: the largest of their windows are held besides.
const POOLED_TAPS: usize = 50;
/// Taps of a kernel row that are summed up at once all the same.
const ROW_TAPS: usize = 96;
/// Outputs, at most.
const GROUP: usize = 32;
/// Of [`Order::Fours`]: taps that leave no sums in memory, at most.
const WHOLE_TAPS: usize = 256;
/// Of more, or of a pooled layer: taps that are summed up at once.
const PART_TAPS: usize = 96;
/// Outputs that are, of more taps.
const PART_OUTPUTS: usize = 64;

/// Taps and outputs of a convolution that are summed up at once, in parts as equal as can be; zeros for other layers.
///
/// Weights are `[output][tap]`.
#[must_use]
pub fn tile(layers: Layers<'_>, layer: usize, weights: &[i8]) -> Option<[usize; 2]> {
    let record = layers.records.get(layer)?;
    if record.kind != Kind::Conv.code() {
        return Some([0; 2]);
    }
    let weights_of = layers.weights(layer)?;
    let Weights { order, outputs, taps, run, .. } = weights_of;
    let equal = |all: usize, most: usize, unit: usize| {
        let parts = all.div_ceil(most.max(1)).max(1);
        all.div_ceil(parts).next_multiple_of(unit)
    };
    let is_pooled = record.pooled != 0;
    let most = if is_pooled { PART_TAPS } else { WHOLE_TAPS };
    let chunk = match order {
        // a kernel row at once
        Order::Blocks if record.pooled != 0 && (POOLED_TAPS..=ROW_TAPS).contains(&run) => {
            chunk(weights, taps, run)
        }
        Order::Blocks if record.pooled != 0 => chunk(weights, taps, POOLED_TAPS),
        // so many more as there are fewer sums
        Order::Blocks => chunk(weights, taps, CHUNK_TAPS + GROUP),
        // of the channels, of which each has the whole window
        Order::Windows(_) => BLOCK,
        Order::Grey => taps,
        _ if !run.is_multiple_of(4) || taps <= most => taps,
        _ if run > PART_TAPS => equal(run, PART_TAPS, BLOCK),
        _ => equal(weights_of.rows(), PART_TAPS / run.max(1), 1) * run,
    };
    let group = match order {
        Order::Blocks => equal(outputs, GROUP, BLOCK),
        Order::Fours if is_pooled => equal(outputs, GROUP, BLOCK),
        Order::Fours if chunk == taps => outputs.next_multiple_of(BLOCK),
        Order::Fours => equal(outputs, PART_OUTPUTS, BLOCK),
        _ => equal(outputs, GROUP, 2),
    };
    Some([chunk, group])
}

/// Taps that may be summed up at once by threes, at most `most`: see [`CHUNK_LIMIT`].
fn chunk(weights: &[i8], taps: usize, most: usize) -> usize {
    let fits = |chunk: usize| {
        let chunks = weights.chunks(taps.max(1)).flat_map(|taps| taps.chunks(chunk));
        let mut bounds = chunks.map(|taps| chunk_bound(taps.iter().map(|&it| i16::from(it))));
        bounds.all(|bound| bound < CHUNK_LIMIT.into())
    };
    let most = taps.clamp(1, most);
    let mut equal = (taps.div_ceil(most)..=taps).map(|parts| taps.div_ceil(parts.max(1)));
    equal.find(|&chunk| fits(chunk)).unwrap_or(1)
}
