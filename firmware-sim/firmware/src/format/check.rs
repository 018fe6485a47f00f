//! The check of a file: after it, inference has nothing left to fail on.
//!
//! In this order, since each step relies on those before: header, checksum, shapes, places in the file, channels and
//! bounds of sums, plan of memory.

use core::ops::Range;

use zerocopy::FromBytes;
use zerocopy::little_endian::{U16, U32};

use super::super::plan;
use super::{
    BLOCK, CHUNK_LIMIT, FormatError, Header, Kind, Layers, Layout, MAGIC, MAX_ACCUMULATOR,
    MAX_CHANNELS, MAX_KERNEL, MAX_LAYERS, MAX_OUTPUTS, MAX_POOLED_STRIDE, MAX_SIDE, Model, Order,
    Record, Rehearsal, VERSION, Value, Weights, ZERO_POINTS, checksum, data,
};
use crate::multiplier::Multiplier;

/// Bits of the positive, normal numbers of IEEE 754 binary32: exponents 1 to 254.
const POSITIVE: Range<u32> = 1 << 23..255 << 23;

/// Most weights of an output: of a byte each, more than there is memory for.
const MAX_TAPS: usize = 4 * plan::MAX_SCRATCH_WORDS;

/// Largest byte.
const MAX_ACTIVATION: u64 = 255;

/// Largest |accumulator| that any input gives: `|bias + zero · Σ weight| + 255 · Σ |weight|`.
///
/// The first part is the true bias, where the input's byte `zero` stands for 0. So it bounds the sum of products as it
/// is computed, of bytes, and the accumulator of real values alike, at any point of the summation in any order.
#[must_use]
pub fn accumulator_bound(weights: impl IntoIterator<Item = i16>, bias: i32, zero: u8) -> u64 {
    let (mut sum, mut magnitudes) = (0_i64, 0_u64);
    for weight in weights {
        sum += i64::from(weight);
        magnitudes += u64::from(weight.unsigned_abs());
    }
    total_bound(sum, magnitudes, bias, zero)
}

fn total_bound(sum: i64, magnitudes: u64, bias: i32, zero: u8) -> u64 {
    (i64::from(bias) + i64::from(zero) * sum).unsigned_abs() + MAX_ACTIVATION * magnitudes
}

/// Largest |sum of products| of some taps: `255 · Σ |weight|`.
#[must_use]
pub fn chunk_bound(weights: impl IntoIterator<Item = i16>) -> u64 {
    accumulator_bound(weights, 0, 0)
}

/// See [`Model::parse`].
pub(super) fn check(flash: &[u8]) -> Result<Model<'_>, FormatError> {
    if let Some((magic, rest)) = flash.split_first_chunk() {
        if *magic != MAGIC {
            return Err(FormatError::Magic(*magic));
        }
        if let Some((version, _)) = rest.split_first_chunk()
            && u32::from_le_bytes(*version) != VERSION
        {
            return Err(FormatError::Version(u32::from_le_bytes(*version)));
        }
    }
    let length = FormatError::Length(flash.len());
    let (header, rest) = Header::ref_from_prefix(flash).map_err(|_| length)?;
    let (content, stored) = flash.split_last_chunk().ok_or(length)?;
    if header.length.get() as usize != flash.len() || !flash.len().is_multiple_of(4) {
        return Err(length);
    }
    let (stored, computed) = (u32::from_le_bytes(*stored), checksum(content));
    if stored != computed {
        return Err(FormatError::Checksum { stored, computed });
    }
    let layers = usize::from(header.layers);
    if layers == 0 || layers > MAX_LAYERS || Layout::of_code(header.layout).is_none() {
        return Err(FormatError::Header);
    }
    if header.layout == Layout::Words.code()
        && !flash.as_ptr().addr().is_multiple_of(size_of::<u32>())
    {
        return Err(FormatError::Alignment);
    }
    let (records, _) = <[Record]>::ref_from_prefix_with_elems(rest, layers).map_err(|_| length)?;
    let model = Model::from_checked_parts(flash, header, records);
    check_layers(model, content.len())?;
    for (number, _) in (0..).zip(records) {
        check_channels(model, number)?;
    }
    check_plan(model)?;
    if header.routines.get() != model.layers().routines() {
        return Err(FormatError::Header);
    }
    Ok(model)
}

/// Whether each layer gives what follows from what it takes, and lies where the one before it ends.
#[inline(never)] // as the others: their locals are not on the stack at once
fn check_layers(model: Model<'_>, len: usize) -> Result<(), FormatError> {
    let layers = model.layers();
    check_value(layers.input, 0)?;
    let mut place = size_of::<Header>() + size_of_val(layers.records);
    for (number, record) in (0..).zip(layers.records) {
        check_layer(layers, record, number).ok_or(FormatError::Layer(number))??;
        // in order, without gaps
        let range = data(layers, number.into()).ok_or(FormatError::Layer(number))?;
        if range.start != place || range.end > len {
            return Err(FormatError::Layer(number));
        }
        place = range.end;
    }
    if place == len { Ok(()) } else { Err(FormatError::Length(len + size_of::<u32>())) }
}

/// Whether a value has a shape, a scale and a plan that may be, on their own.
fn check_value(value: &Value, number: u8) -> Result<(), FormatError> {
    let [channels, height, width] = [value.channels, value.height, value.width].map(U16::get);
    let shape = (1..=MAX_CHANNELS).contains(&channels)
        && (1..=MAX_SIDE).contains(&height)
        && (1..=MAX_SIDE).contains(&width);
    let is_scaled = POSITIVE.contains(&value.scale.get());
    // an image may be of pixels of which any stands for 0
    let zero = number == 0 || ZERO_POINTS.contains(&value.zero);
    let rows = value.rows.get() <= height && value.offset.get().is_multiple_of(4);
    if shape && is_scaled && zero && rows { Ok(()) } else { Err(FormatError::Value(number)) }
}

/// Whether the shape that a layer gives is the one that follows from what it takes.
///
/// `None` if a length is none.
fn check_layer(layers: Layers<'_>, record: &Record, number: u8) -> Option<Result<(), FormatError>> {
    let kind = Kind::of_code(record.kind)?;
    let (source, other) = (record.source, record.other);
    // of values before it
    if source > number || other > number {
        return None;
    }
    if let Err(error) = check_value(&record.output, number + 1) {
        return Some(Err(error));
    }
    let input = layers.value(source.into())?;
    let geometry = record.geometry(input);
    let [rows, columns] = geometry.kernel;
    let [down, across] = geometry.stride;
    let is_windowed =
        matches!(kind, Kind::Conv | Kind::Depthwise | Kind::MaxPool | Kind::AveragePool);
    let lengths_fit = if is_windowed {
        let [top, bottom, left, right] = geometry.padding;
        // a window of padding alone would be of no use
        rows > 0
            && columns > 0
            && down > 0
            && across > 0
            && top < rows
            && bottom < rows
            && left < columns
            && right < columns
    } else {
        (geometry.kernel, geometry.stride, geometry.padding) == ([1; 2], [1; 2], [0; 4])
    };
    let [channels, height, width] = input.shape();
    let [out_channels, out_height, out_width] = record.output.shape();
    let out = geometry.output(input.shape())?;
    let shape_fits = match kind {
        Kind::Conv => out == [out_height, out_width],
        Kind::Depthwise => out == [out_height, out_width] && out_channels.is_multiple_of(channels),
        Kind::MaxPool | Kind::AveragePool => {
            out == [out_height, out_width] && out_channels == channels
        }
        Kind::Add => {
            layers.value(other.into())?.shape() == input.shape()
                && [out_channels, out_height, out_width] == [channels, height, width]
        }
        Kind::Dense => [out_height, out_width] == [1; 2],
    };
    // what passes bytes on as they are passes on what they mean
    let zero_fits = kind != Kind::MaxPool || record.output.zero == input.zero;
    let (chunk, group) = (usize::from(record.chunk.get()), usize::from(record.group.get()));
    let is_small = rows <= MAX_KERNEL
        && columns <= MAX_KERNEL
        && (!geometry.pooled || down <= MAX_POOLED_STRIDE);
    let tile_fits = if kind == Kind::Conv {
        let weights = layers.weights(number.into())?;
        let run = weights.run;
        let unit = if weights.order == Order::Blocks { BLOCK } else { 2 };
        chunk > 0
            && group > 0
            // outputs share words, and so do taps
            && group.is_multiple_of(unit)
            && match weights.order {
                Order::Blocks => true,
                Order::Windows(_) => chunk.is_multiple_of(BLOCK) && channels.is_multiple_of(chunk),
                _ if !run.is_multiple_of(4) => chunk == weights.taps,
                _ => chunk.is_multiple_of(4) && (chunk < run || chunk.is_multiple_of(run)),
            }
    } else {
        [chunk, group] == [0; 2]
    };
    // the last layer's outputs are sums
    let is_last = usize::from(number) + 1 == layers.records.len();
    let flags_fit = !(is_last && kind == Kind::MaxPool)
        && record.pooled <= 1
        && (record.pooled == 0 || kind == Kind::Conv)
        && (kind == Kind::Add || other == 0)
        && tile_fits
        && (is_small || kind != Kind::Conv)
        && record.reserved == 0
        && record.taps(input) <= MAX_TAPS
        && (record.sums.get() > 0) == geometry.is_streamed();
    (lengths_fit && shape_fits && zero_fits && flags_fit).then_some(Ok(()))
}

/// Whether multipliers are in range, and sums within the bounds that are stated.
#[inline(never)]
fn check_channels(model: Model<'_>, number: u8) -> Result<(), FormatError> {
    let is_last = usize::from(number) + 1 == model.layers().records.len();
    let channels = model.channels(number.into());
    for channel in channels {
        let multiplier = Multiplier::from_parts(channel.mantissa.get(), channel.shift)
            .ok_or(FormatError::Channel(number))?;
        // logits are compared with each other
        if channel.reserved != [0; 3] || (is_last && multiplier != Multiplier::ONE) {
            return Err(FormatError::Channel(number));
        }
    }
    let weights = model.layers().weights(number.into());
    for (output, channel) in channels.iter().enumerate() {
        let bytes = model.weights(number.into());
        let is_filled =
            |weights: &Weights| weights.filling().all(|tap| weights.get(bytes, output, tap) == 0);
        if !weights.is_none_or(|weights| is_filled(&weights)) {
            return Err(FormatError::Channel(number));
        }
        let bound =
            bound(model, number, output, channel.bias.get()).ok_or(FormatError::Bound(number))?;
        if bound > u64::from(MAX_ACCUMULATOR) || bound != u64::from(channel.bound.get()) {
            return Err(FormatError::Bound(number));
        }
    }
    Ok(())
}

/// The largest accumulator of one output.
///
/// `None` if a chunk of it is too large.
fn bound(model: Model<'_>, number: u8, output: usize, bias: i32) -> Option<u64> {
    let layers = model.layers();
    let record = layers.records.get(usize::from(number))?;
    let bytes = model.weights(number.into());
    match Kind::of_code(record.kind)? {
        kind @ (Kind::Conv | Kind::Dense | Kind::Depthwise) => {
            let zero = layers.value(record.source.into())?.zero;
            let weights = layers.weights(number.into())?;
            let chunk = record.chunk.get();
            let is_packed = kind == Kind::Conv && weights.order == Order::Blocks;
            // none overflows: taps are at most `MAX_TAPS`
            let (mut sum, mut magnitudes) = (0_i32, 0_u32);
            let (mut in_chunk, mut left, mut largest) = (0, chunk, 0);
            weights.each(bytes, output, |weight| {
                sum += i32::from(weight);
                let magnitude = u32::from(weight.unsigned_abs());
                magnitudes += magnitude;
                if is_packed {
                    in_chunk += magnitude;
                    left -= 1;
                    if left == 0 {
                        (largest, in_chunk, left) = (in_chunk.max(largest), 0, chunk);
                    }
                }
            });
            let largest = u64::from(in_chunk.max(largest));
            let fits = MAX_ACTIVATION * largest < CHUNK_LIMIT.into();
            fits.then(|| total_bound(sum.into(), magnitudes.into(), bias, zero))
        }
        Kind::Add => {
            let factors = bytes.as_chunks::<4>().0.iter().map(|bytes| i32::from_le_bytes(*bytes));
            // each a byte times its factor
            let sum: u64 =
                factors.map(|factor| MAX_ACTIVATION * u64::from(factor.unsigned_abs())).sum();
            Some(sum + u64::from(bias.unsigned_abs()))
        }
        Kind::AveragePool => {
            let [rows, columns] = record.kernel.map(u64::from);
            Some(rows * columns * MAX_ACTIVATION + u64::from(bias.unsigned_abs()))
        }
        Kind::MaxPool => Some(0),
    }
}

/// Whether the plan of memory holds everything: rows as many as are ever needed, and no two values at one place at once.
#[inline(never)]
fn check_plan(model: Model<'_>) -> Result<(), FormatError> {
    let (header, layers) = (model.header(), model.layers());
    let areas = plan::areas(layers).ok_or(FormatError::Plan)?;
    let [work_at, rows_at, end] =
        [header.work_at, header.rows_at, header.scratch_words].map(|words| words.get() as usize);
    let has_room = areas.work_at == work_at
        && rows_at.checked_sub(work_at).is_some_and(|words| words >= areas.work)
        && rows_at <= end
        && end <= plan::MAX_SCRATCH_WORDS;
    if !has_room || !Rehearsal::is_complete(layers) {
        return Err(FormatError::Plan);
    }
    let bytes = (end - rows_at) * size_of::<u32>();
    // what a dense layer takes lies in one piece
    for record in layers.records {
        let input = layers.value(record.source.into()).ok_or(FormatError::Plan)?;
        if record.kind == Kind::Dense.code() && (input.left, input.right) != (0, 0) {
            return Err(FormatError::Plan);
        }
    }
    for (number, record) in layers.records.iter().enumerate() {
        if record.paired != u8::from(plan::pairs_columns(layers, number)) {
            return Err(FormatError::Layer(number as u8));
        }
    }
    for number in 0..=layers.records.len() {
        let value = layers.value(number).ok_or(FormatError::Plan)?;
        let wrong = FormatError::Value(number as u8);
        let is_last = number == layers.records.len();
        let [left, right, reader] = plan::surroundings(layers, number);
        let need = Rehearsal::need(layers, number);
        let rows = usize::from(value.rows.get());
        let is_planned = [value.left, value.right, value.reader] == [left, right, reader]
            && value.lifetime.map(U32::get) == [need.from, need.late, need.to]
            && if is_last { rows == 0 && value.size() <= MAX_OUTPUTS } else { rows >= need.rows }
            && plan::Held::of(layers, number).is_some_and(|held| held.place[2] <= bytes);
        if !is_planned || (!is_last && reader == 0) {
            return Err(wrong);
        }
    }
    let values = || (0..=layers.records.len()).filter_map(|number| plan::Held::of(layers, number));
    for (index, value) in values().enumerate() {
        if values().take(index).any(|other| value.collides(&other)) {
            return Err(FormatError::Plan);
        }
    }
    Ok(())
}
