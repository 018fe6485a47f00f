//! Writes a file: the plan of memory, the places in the file and the checksum follow from the rest.

use zerocopy::IntoBytes;

use super::super::plan;
use super::{Channel, Header, Layers, MAGIC, Record, VERSION, checksum, weights_len};

/// A layer's channels and weights.
#[derive(Debug, Clone, Copy)]
pub struct Part<'a> {
    /// One for each output channel, or one for all: see [`Record::channels`].
    pub channels: &'a [Channel],
    /// As they lie in the file, see [`super`]; zeros at the end may be left out.
    pub weights: &'a [u8],
}

/// Bytes of the file of these layers; `None` if a layer takes what there is not, or more than any file has.
#[must_use]
pub fn file_len(layers: Layers<'_>) -> Option<usize> {
    let mut len = size_of::<Header>() + size_of_val(layers.records) + size_of::<u32>();
    for record in layers.records {
        let input = layers.value(record.source.into())?;
        len = len.checked_add(record.channels().checked_mul(size_of::<Channel>())?)?;
        len = len.checked_add(weights_len(record, input)?)?;
    }
    Some(len)
}

/// Writes the file of `header`, of which the first seven numbers are set here, and of `records`, of which the plans and
/// places are; `file` has [`file_len`] bytes.
///
/// `None` if it has not, if a part has another length than its layer, or if the memory cannot be planned. What is
/// written is not checked: [`super::Model::parse`] does that.
pub fn emit(
    header: &mut Header,
    records: &mut [Record],
    parts: &[Part<'_>],
    file: &mut [u8],
) -> Option<()> {
    let words = |words: usize| u32::try_from(words).ok().map(Into::into);
    let [work_at, rows_at, scratch_words] = plan::place(&mut header.input, records)?;
    (header.magic, header.version, header.reserved) = (MAGIC, VERSION.into(), [0; 3]);
    header.length = words(file.len())?;
    header.layers = u8::try_from(records.len()).ok()?;
    [header.work_at, header.rows_at, header.scratch_words] =
        [words(work_at)?, words(rows_at)?, words(scratch_words)?];
    let mut place = size_of::<Header>() + size_of_val(records);
    for layer in 0..records.len() {
        let layers = Layers { input: &header.input, records };
        let record = records.get(layer)?;
        let channels = record.channels() * size_of::<Channel>();
        let weights = weights_len(record, layers.value(record.source.into())?)?;
        let part = parts.get(layer)?;
        let bytes = file.get_mut(place..)?.get_mut(..channels + weights)?;
        let (channels, weights) = bytes.split_at_mut_checked(channels)?;
        part.channels.write_to(channels).ok()?;
        weights.fill(0);
        weights.get_mut(..part.weights.len())?.copy_from_slice(part.weights);
        records.get_mut(layer)?.data = words(place)?;
        place += channels.len() + weights.len();
    }
    let (content, crc) = file.split_last_chunk_mut()?;
    let (front, rest) = content.split_at_mut_checked(size_of::<Header>())?;
    header.write_to(front).ok()?;
    records.as_bytes().write_to_prefix(rest).ok()?;
    *crc = checksum(content).to_le_bytes();
    (place == content.len()).then_some(())
}
