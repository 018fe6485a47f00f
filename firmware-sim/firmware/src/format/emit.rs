//! Writes a file: the plan of memory, the places in the file and the checksum follow from the rest.

use crate::number::{I32, U16};
use zerocopy::IntoBytes;

use super::super::plan;
use super::{
    Channel, Header, Layers, Layout, MAGIC, Order, Record, VERSION, checksum, data, data_start,
};

/// A layer's channels and weights.
#[derive(Debug, Clone, Copy)]
pub struct Part<'a> {
    /// One for each output channel, or one for all: see [`Record::channels`].
    pub channels: &'a [Channel],
    /// `[output][tap]`; of a layer without taps none.
    pub weights: &'a [i8],
    /// Of an addition, what each value counts.
    pub factors: [i32; 2],
}

/// Bytes of the file of these layers; `None` if a layer takes what there is not, or more than any file has.
#[must_use]
pub fn file_len(layers: Layers<'_>) -> Option<usize> {
    let mut len = data_start(layers) + size_of::<u32>();
    for (layer, record) in layers.records.iter().enumerate() {
        let range = data(record, layers.weights(layer))?;
        len = len.checked_add(range.end - range.start)?;
    }
    Some(len)
}

/// Writes the file of `header`, of which the identity, the layout, the margins and the input's shape are taken, and of
/// `records`, of which the plans and places are set; `file` has [`file_len`] bytes. The plan is made in `rows`, which has
/// [`planned_rows`](plan::planned_rows).
///
/// `None` if it has not, if a part has another length than its layer, or if the memory cannot be planned. What is
/// written is not checked: [`super::Model::parse`] does that.
pub fn emit(
    header: &mut Header,
    records: &mut [Record],
    parts: &[Part<'_>],
    rows: &mut [plan::PlannedRow],
    file: &mut [u8],
) -> Option<()> {
    let words = |words: usize| u32::try_from(words).ok().map(Into::into);
    let layout = Layout::of_code(header.layout)?;
    for layer in 0..records.len() {
        let layers = Layers { input: &header.input, records, layout };
        let [chunk, group] = plan::tile(layers, layer, parts.get(layer)?.weights)?;
        let is_paired = plan::pairs_columns(layers, layer);
        let record = records.get_mut(layer)?;
        record.paired = is_paired.into();
        record.chunk = u16::try_from(chunk).ok()?.into();
        record.group = u16::try_from(group).ok()?.into();
    }
    let [work_at, rows_at, scratch_words] = plan::place(&mut header.input, records, layout, rows)?;
    (header.magic, header.version) = (MAGIC, VERSION.into());
    header.routines = Layers { input: &header.input, records, layout }.routines().into();
    header.length = words(file.len())?;
    header.layers = u8::try_from(records.len()).ok()?;
    [header.work_at, header.rows_at, header.scratch_words] =
        [words(work_at)?, words(rows_at)?, words(scratch_words)?];
    let mut place = data_start(Layers { input: &header.input, records, layout });
    for layer in 0..records.len() {
        let record = records.get_mut(layer)?;
        record.data = words(place)?;
        let channels = record.channels() * size_of::<Channel>();
        let layers = Layers { input: &header.input, records, layout };
        let range = data(records.get(layer)?, layers.weights(layer))?;
        place = range.end;
        let part = parts.get(layer)?;
        let (channels, weights) = file.get_mut(range)?.split_at_mut_checked(channels)?;
        part.channels.write_to(channels).ok()?;
        weights.fill(0);
        pack(layers, layer, part, weights)?;
    }
    let (content, crc) = file.split_last_chunk_mut()?;
    let (front, rest) = content.split_at_mut_checked(size_of::<Header>())?;
    header.write_to(front).ok()?;
    let (front, rest) = rest.split_at_mut_checked(size_of_val(records))?;
    records.write_to(front).ok()?;
    let layers = Layers { input: &header.input, records, layout };
    let table = rest.get_mut(..plan::table_len(layers))?;
    table.fill(0);
    for (to, place) in table.chunks_mut(size_of::<U16>()).zip(plan::found(layers, rows)) {
        U16::new(u16::try_from(place).ok()?).write_to(to).ok()?;
    }
    *crc = checksum(content).to_le_bytes();
    (place == content.len()).then_some(())
}

/// Writes the weights of a layer as they lie in the file.
fn pack(layers: Layers<'_>, layer: usize, part: &Part<'_>, bytes: &mut [u8]) -> Option<()> {
    let Some(weights) = layers.weights(layer) else { return Some(()) };
    if weights.order == Order::Factors {
        return part.factors.map(I32::new).write_to(bytes).ok();
    }
    if part.weights.len() != weights.outputs.checked_mul(weights.taps)? {
        return None;
    }
    for (output, taps) in part.weights.chunks_exact(weights.taps.max(1)).enumerate() {
        for (tap, &weight) in taps.iter().enumerate() {
            weights.set(bytes, output, tap, weight);
        }
    }
    Some(())
}
