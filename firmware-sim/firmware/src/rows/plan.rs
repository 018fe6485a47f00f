//! Where everything lies in the caller's memory.
//!
//! ```text
//! words   │ steps done │ logits │ sums of streamed pools │ working memory of a step │ rows of all values │
//! ```

use super::format::{
    BLOCK, CHUNK_LIMIT, Geometry, Kind, Layers, MAX_LAYERS, Record, Rehearsal, Value, chunk_bound,
};

/// Most words that a model may ask for: 1 MiB, far more than any microcontroller has to spare.
pub const MAX_SCRATCH_WORDS: usize = 1 << 18;

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
    let mut end = logits_at(layers.records.len());
    end += layers.records.last().map_or(0, |record| record.output.size());
    let mut work = 0;
    for (layer, record) in layers.records.iter().enumerate() {
        let geometry = layers.geometry(layer)?;
        if geometry.is_streamed() {
            if usize::from(record.sums.get()) != end {
                return None;
            }
            end += record.output.row_len();
        }
        work = work.max(work_words(record, &geometry, layers.value(geometry.source)?));
    }
    Some(Areas { work_at: end, work })
}

/// Where the logits lie: after the steps done, two a word, of the image and of each layer.
#[must_use]
pub const fn logits_at(layers: usize) -> usize {
    (layers + 1).div_ceil(2)
}

/// Words that a step of this layer works in.
#[must_use]
pub fn work_words(record: &Record, geometry: &Geometry, input: &Value) -> usize {
    let outputs = record.channels();
    let blocks = outputs.div_ceil(BLOCK);
    match geometry.kind {
        Kind::Conv => {
            let largest = if geometry.pooled { BLOCK * blocks } else { 0 };
            let taps = record.taps(input).min(record.chunk.get().into());
            3 * BLOCK * blocks + largest + taps
        }
        Kind::Depthwise => outputs,
        Kind::Dense => BLOCK * blocks.min(DENSE_BLOCKS),
        Kind::MaxPool | Kind::AveragePool | Kind::Add => 0,
    }
}

/// Columns of padding left and right that the readers of value `number` want, and the last of these, counted from 1.
#[must_use]
pub fn surroundings(layers: Layers<'_>, number: usize) -> [u8; 3] {
    let mut found = [0; 3];
    for (layer, record) in (1..).zip(layers.records) {
        let takes = layers.geometry(usize::from(layer) - 1).is_some_and(|it| it.takes(number));
        if takes {
            let [_, _, left, right] = record.padding;
            // pools take what is inside
            let pads = matches!(Kind::of_code(record.kind), Some(Kind::Conv | Kind::Depthwise));
            if pads {
                found = [found[0].max(left), found[1].max(right), layer];
            } else {
                found[2] = layer;
            }
        }
    }
    found
}

/// Whether two values are needed at one time and lie at one place.
#[must_use]
pub fn collide(one: &Value, other: &Value) -> bool {
    let time = |value: &Value| value.lifetime.map(|time| time.get() as usize);
    let place = |value: &Value| {
        let start = value.offset.get() as usize;
        [start, (start + value.len()).saturating_sub(1)]
    };
    let meet = |[a, b]: [usize; 2], [c, d]: [usize; 2]| a <= d && c <= b;
    meet(time(one), time(other)) && meet(place(one), place(other))
}

/// Taps of a convolution that are summed up at once, at most: more need more memory, and save little.
const CHUNK_TAPS: usize = 50;

/// Taps that may be summed up at once, of a convolution with these weights, `[block][tap]`: parts as equal as can be.
#[must_use]
pub fn chunk(weights: &[[i8; BLOCK]], taps: usize) -> usize {
    let fits = |chunk: usize| {
        let chunks = weights.chunks(taps.max(1)).flat_map(|block| block.chunks(chunk));
        let mut bounds = chunks.flat_map(|taps| {
            (0..BLOCK).map(|output| {
                chunk_bound(taps.iter().filter_map(|weights| weights.get(output).copied()))
            })
        });
        bounds.all(|bound| bound < CHUNK_LIMIT.into())
    };
    let most = taps.clamp(1, CHUNK_TAPS);
    let equal = (taps.div_ceil(most)..=taps).map(|parts| taps.div_ceil(parts.max(1)));
    equal.filter(|&chunk| fits(chunk)).next().unwrap_or(1)
}

/// Plans the memory: sets the rows that are held of each value, where they lie, and where sums do; of the shapes that
/// stand in the records. Gives where the working memory begins, where the rows do, and the end, in words.
///
/// Values that are never needed at once share a place; the largest are placed first, each as low as may be.
///
/// `None` if the layers cannot be computed, or need more than [`MAX_SCRATCH_WORDS`].
pub fn place(input: &mut Value, records: &mut [Record]) -> Option<[usize; 3]> {
    let count = records.len();
    if count == 0 || count > MAX_LAYERS {
        return None;
    }
    for number in 0..=count {
        let [left, right, reader] = surroundings(Layers { input, records }, number);
        let value = value_mut(input, records, number)?;
        (value.left, value.right, value.reader) = (left, right, reader);
    }
    let mut sums = logits_at(count) + records.last()?.output.size();
    for layer in 0..count {
        let geometry = Layers { input, records }.geometry(layer)?;
        let record = records.get_mut(layer)?;
        record.sums = 0.into();
        if geometry.is_streamed() {
            record.sums = u16::try_from(sums).ok()?.into();
            sums += record.output.row_len();
        }
    }
    for number in 0..=count {
        let need = Rehearsal::need(Layers { input, records }, number);
        let value = value_mut(input, records, number)?;
        value.offset = 0.into();
        // the last layer's outputs are the logits
        let rows = if number == count { 0 } else { u16::try_from(need.rows).ok()? };
        value.rows = rows.into();
        value.lifetime =
            if number == count { [0.into(); 2] } else { [need.from.into(), need.to.into()] };
    }
    let mut is_placed = [false; MAX_LAYERS + 1];
    let mut end = 0;
    for _ in 0..count {
        let layers = Layers { input, records };
        let unplaced = (0..count).filter(|&number| !is_placed.get(number).is_some_and(|it| *it));
        let len = |&number: &usize| layers.value(number).map_or(0, Value::len);
        // of equals the first
        let number = unplaced.rev().max_by_key(len)?;
        let value = *layers.value(number)?;
        let placed = || (0..count).filter(|&other| is_placed.get(other).is_some_and(|it| *it));
        let others = || placed().filter_map(|other| layers.value(other));
        let ends = others().map(|other| {
            (other.offset.get() as usize + other.len()).next_multiple_of(size_of::<u32>())
        });
        let fits = |&offset: &usize| {
            u32::try_from(offset).is_ok_and(|offset| {
                let moved = Value { offset: offset.into(), ..value };
                !others().any(|other| collide(&moved, other))
            })
        };
        let offset = core::iter::once(0).chain(ends).filter(fits).min()?;
        end = end.max(offset + value.len());
        value_mut(input, records, number)?.offset = u32::try_from(offset).ok()?.into();
        *is_placed.get_mut(number)? = true;
    }
    let areas = areas(Layers { input, records })?;
    let rows_at = areas.work_at + areas.work;
    let end = rows_at + end.div_ceil(size_of::<u32>());
    (end <= MAX_SCRATCH_WORDS).then_some([areas.work_at, rows_at, end])
}

fn value_mut<'a>(
    input: &'a mut Value,
    records: &'a mut [Record],
    number: usize,
) -> Option<&'a mut Value> {
    match number.checked_sub(1) {
        None => Some(input),
        Some(layer) => records.get_mut(layer).map(|record| &mut record.output),
    }
}
