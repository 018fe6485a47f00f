//! Makes everything true in a changed file that follows from its layers: shapes, bounds, the plan, places, checksum.

use firmware::format::{
    Channel, Header, Kind, Layers, Layout, MAX_ACCUMULATOR, MAX_LAYERS, Order, Record, ZERO_POINTS,
    accumulator_bound, checksum,
};
use firmware::multiplier::Multiplier;
use firmware::plan::planned_rows;
use zerocopy::FromBytes;

use super::network::Network;

/// Weights that a layer may have, and values between layers: more would take long.
const MAX_SIZE: usize = 1 << 16;
/// Rows of all values: planning takes the square of them.
const MAX_ROWS: usize = 256;

/// The file of the layers that `bytes` begin with; `None` if they cannot be computed.
pub(crate) fn repaired(bytes: &[u8]) -> Option<Vec<u8>> {
    let (header, rest) = Header::ref_from_prefix(bytes).ok()?;
    let layout = Layout::of_code(header.layout)?;
    let count = usize::from(header.layers).min(MAX_LAYERS);
    let (records, rest) = <[Record]>::ref_from_prefix_with_elems(rest, count).ok()?;
    let values = records.iter().map(|record| &record.output).chain([&header.input]);
    let places: usize = values.map(|value| usize::from(value.places.get())).sum();
    let mut rest = rest.get((2 * places).next_multiple_of(4)..).unwrap_or_default();
    let mut network =
        Network { input: header.input, records: vec![], weights: vec![], channels: vec![] };
    for &record in records {
        if usize::from(record.source.max(record.other)) > network.records.len() {
            return None;
        }
        let record = shaped(record, &network)?;
        network.records.push(record);
        let (weights, channels) = parts(&network, layout, &mut rest)?;
        network.weights.push(weights);
        network.channels.push(channels);
    }
    let layers = Layers { input: &network.input, records: &network.records, layout };
    if planned_rows(layers) > MAX_ROWS {
        return None;
    }
    for channel in network.channels.last_mut()? {
        *channel = Channel::new(channel.bias.get(), Multiplier::ONE, channel.bound.get());
    }
    network.emit(layout)
}

/// The same bytes with the bounds that their weights and biases have, and the checksum; `None` if they hold no layers.
pub(crate) fn restated(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut file = bytes.to_vec();
    let (header, rest) = Header::ref_from_prefix(bytes).ok()?;
    let layout = Layout::of_code(header.layout)?;
    let (records, _) = <[Record]>::ref_from_prefix_with_elems(rest, header.layers.into()).ok()?;
    let layers = Layers { input: &header.input, records, layout };
    for (layer, record) in records.iter().enumerate() {
        let Some(weights) = layers.weights(layer) else { continue };
        if weights.order == Order::Factors || weights.taps > MAX_SIZE {
            continue;
        }
        let zero = layers.value(record.source.into())?.zero;
        let start = record.data.get() as usize;
        let (channels, bytes) =
            <[Channel]>::mut_from_prefix_with_elems(file.get_mut(start..)?, record.channels())
                .ok()?;
        for (output, channel) in channels.iter_mut().enumerate() {
            let all = (0..weights.taps).chain(weights.filling());
            let all = all.map(|tap| weights.get(bytes, output, tap));
            let bound = accumulator_bound(all, channel.bias.get(), zero);
            channel.bound = u32::try_from(bound).unwrap_or(u32::MAX).into();
        }
    }
    let (content, crc) = file.split_last_chunk_mut()?;
    *crc = checksum(content).to_le_bytes();
    Some(file)
}

/// A record with the shape that its layer gives, and without what its kind has not.
fn shaped(mut record: Record, network: &Network) -> Option<Record> {
    let kind = Kind::of_code(record.kind)?;
    let input = *network.value(record.source.into());
    if matches!(kind, Kind::Add | Kind::Dense) {
        (record.kernel, record.stride, record.padding) = ([1; 2], [1; 2], [0; 4]);
    }
    record.pooled = if kind == Kind::Conv { record.pooled % 2 } else { 0 };
    record.other = if kind == Kind::Add { record.other } else { 0 };
    record.reserved = 0;
    if record.kernel.contains(&0) {
        return None;
    }
    let output = &mut record.output;
    if kind == Kind::MaxPool {
        output.zero = input.zero;
    } else if !ZERO_POINTS.contains(&output.zero) {
        output.zero = ZERO_POINTS[usize::from(output.zero % 2)];
    }
    let wanted = output.channels.get().max(1);
    let channels = input.channels.get().max(1);
    output.channels = match kind {
        Kind::Conv | Kind::Dense => wanted,
        Kind::Depthwise => wanted.checked_next_multiple_of(channels)?,
        Kind::MaxPool | Kind::AveragePool | Kind::Add => channels,
    }
    .into();
    let [height, width] = match kind {
        Kind::Dense => [1; 2],
        _ => [record.places_along(&input, 0)?, record.places_along(&input, 1)?],
    };
    record.output.height = u16::try_from(height).ok()?.into();
    record.output.width = u16::try_from(width).ok()?.into();
    let weights = record.taps(&input).checked_mul(record.channels())?;
    (weights.max(input.size()).max(record.output.size()) <= MAX_SIZE).then_some(record)
}

/// The weights and channels of the last layer, which are taken from `bytes`, as far as these go, within bounds.
fn parts(network: &Network, layout: Layout, bytes: &mut &[u8]) -> Option<(Vec<i32>, Vec<Channel>)> {
    let layer = network.records.len() - 1;
    let record = &network.records[layer];
    let found = take(bytes, record.channels() * size_of::<Channel>());
    let (found, _) = <[Channel]>::ref_from_prefix(found).ok()?;
    let layers = Layers { input: &network.input, records: &network.records, layout };
    let mut weights = match layers.weights(layer) {
        None => vec![],
        Some(weights) => {
            let bytes = take(bytes, weights.file_len()?);
            if weights.order == Order::Factors {
                let factor = |at: usize| bytes.get(at..).and_then(|bytes| bytes.first_chunk());
                [0, 4].map(|at| factor(at).map_or(0, |it| i32::from_le_bytes(*it))).to_vec()
            } else {
                let weight = |at| weights.get(bytes, at / weights.taps, at % weights.taps);
                (0..weights.outputs * weights.taps)
                    .map(|at| weight(at).clamp(-127, 127).into())
                    .collect()
            }
        }
    };
    let mut of_outputs = weights.chunks_mut(match record.channels() {
        0 | 1 => usize::MAX,
        _ => record.taps(network.value(record.source.into())).max(1),
    });
    let channels = (0..record.channels()).map(|output| {
        let weights = of_outputs.next().unwrap_or_default();
        let found = found.get(output);
        let mut bias = found.map_or(0, |it| it.bias.get());
        let multiplier = found.and_then(|it| Multiplier::from_parts(it.mantissa.get(), it.shift));
        // halves everything until it fits
        loop {
            let bound = network.bound(record, weights, bias);
            if bound <= u64::from(MAX_ACCUMULATOR) {
                let multiplier = multiplier.unwrap_or(Multiplier::ONE);
                return Some(Channel::new(bias, multiplier, bound as u32));
            }
            // a mean of too many values has none that could be smaller
            if bias == 0 && weights.iter().all(|&weight| weight == 0) {
                return None;
            }
            bias /= 2;
            for weight in &mut *weights {
                *weight /= 2;
            }
        }
    });
    let channels = channels.collect::<Option<_>>()?;
    Some((weights, channels))
}

/// The next `len` bytes, or what there is.
fn take<'a>(bytes: &mut &'a [u8], len: usize) -> &'a [u8] {
    let (taken, rest) = bytes.split_at(len.min(bytes.len()));
    *bytes = rest;
    taken
}
