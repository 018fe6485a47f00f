//! The check of a file: after it, inference has nothing left to fail on.
//!
//! In this order, since each step relies on those before: header, checksum, shapes, places in the file, channels and
//! bounds of sums, plan of memory.

use core::ops::Range;

use crate::number::U16;
use zerocopy::FromBytes;

use super::super::plan;
use super::{
    BLOCK, CHUNK_LIMIT, Channel, FormatError, Header, Kind, Layers, Layout, MAGIC, MAX_ACCUMULATOR,
    MAX_CHANNELS, MAX_KERNEL, MAX_LAYERS, MAX_OUTPUTS, MAX_POOLED_STRIDE, MAX_SIDE, Model, Order,
    Places, Record, VERSION, Value, Weights, ZERO_POINTS, checksum, data, data_start,
};
use crate::loops::keep_rolled;
use crate::multiplier::Multiplier;

/// Bits of the positive, normal numbers of IEEE 754 binary32: exponents 1 to 254.
const POSITIVE: Range<u32> = 1 << 23..255 << 23;

/// Most weights of an output: of a byte each, more than there is memory for.
const MAX_TAPS: usize = 4 * plan::MAX_SCRATCH_WORDS;

/// Largest byte.
const MAX_ACTIVATION: u32 = 255;

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
    (i64::from(bias) + i64::from(zero) * sum).unsigned_abs()
        + u64::from(MAX_ACTIVATION) * magnitudes
}

/// Largest |sum of products| of some taps: `255 · Σ |weight|`.
#[must_use]
pub fn chunk_bound(weights: impl IntoIterator<Item = i16>) -> u64 {
    accumulator_bound(weights, 0, 0)
}

/// See [`Model::parse`].
pub(super) fn check(flash: &[u8]) -> Result<Model<'_>, FormatError> {
    let model = read(flash)?;
    check_layers(model, flash.len() - size_of::<u32>())?;
    for (number, _) in (0..).zip(model.layers().records) {
        check_channels(model, number)?;
    }
    check_plan(model)?;
    if model.header().routines.get() != model.layers().routines() {
        return Err(FormatError::Header);
    }
    Ok(model)
}

/// A file that is whole: what its numbers say is not checked.
#[inline(never)]
pub(super) fn read(flash: &[u8]) -> Result<Model<'_>, FormatError> {
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
    if flash.len() < size_of::<Header>() {
        return Err(length);
    }
    if !flash.as_ptr().addr().is_multiple_of(size_of::<u32>()) {
        return Err(FormatError::Alignment);
    }
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
    let (records, rest) =
        <[Record]>::ref_from_prefix_with_elems(rest, layers).map_err(|_| length)?;
    let values = || core::iter::once(&header.input).chain(records.iter().map(|it| &it.output));
    let places = values().fold(0, |sum, value| {
        keep_rolled();
        sum + usize::from(value.places.get())
    });
    let (places, _) = <[U16]>::ref_from_prefix_with_elems(rest, places).map_err(|_| length)?;
    Ok(Model::from_checked_parts(flash, header, records, Places(places)))
}

/// Whether each layer gives what follows from what it takes, and lies where the one before it ends.
#[inline(never)] // as the others: their locals are not on the stack at once
fn check_layers(model: Model<'_>, len: usize) -> Result<(), FormatError> {
    let layers = model.layers();
    check_value(layers.input, 0)?;
    let mut place = data_start(layers);
    for (number, record) in (0..).zip(layers.records) {
        let wrong = FormatError::Layer(number);
        // of values before it
        if record.source > number || record.other > number {
            return Err(wrong);
        }
        check_value(&record.output, number + 1)?;
        if check_layer(layers, record, number) != Some(true) {
            return Err(wrong);
        }
        // in order, without gaps
        let range = data(record, layers.weights(number.into())).ok_or(wrong)?;
        if range.start != place || range.end > len {
            return Err(wrong);
        }
        place = range.end;
    }
    if place == len { Ok(()) } else { Err(FormatError::Length(len + size_of::<u32>())) }
}

/// Whether a value has a shape and a scale that may be, on their own.
#[inline(never)] // once for the image and for what layers give
fn check_value(value: &Value, number: u8) -> Result<(), FormatError> {
    let [channels, height, width] = [value.channels, value.height, value.width].map(U16::get);
    let shape = (1..=MAX_CHANNELS).contains(&channels)
        && (1..=MAX_SIDE).contains(&height)
        && (1..=MAX_SIDE).contains(&width);
    let is_scaled = POSITIVE.contains(&value.scale.get());
    // an image may be of pixels of which any stands for 0
    let zero = number == 0 || ZERO_POINTS.contains(&value.zero);
    if shape && is_scaled && zero { Ok(()) } else { Err(FormatError::Value(number)) }
}

/// Whether the shape that a layer gives is the one that follows from what it takes, and its numbers are such as its kind
/// has.
///
/// `None` if a number is none.
#[inline(never)]
fn check_layer(layers: Layers<'_>, record: &Record, number: u8) -> Option<bool> {
    let kind = Kind::of_code(record.kind)?;
    let input = layers.value(record.source.into())?;
    let output = &record.output;
    let [channels, out_channels] = [input, output].map(|it| usize::from(it.channels.get()));
    let channels_fit = match kind {
        Kind::Conv | Kind::Dense => true,
        Kind::Depthwise => out_channels.is_multiple_of(channels),
        Kind::MaxPool | Kind::AveragePool => out_channels == channels,
        Kind::Add => out_channels == channels && has_shape_of(layers, record.other, input)?,
    };
    // what passes bytes on as they are passes on what they mean
    let zero_fits = kind != Kind::MaxPool || output.zero == input.zero;
    // the last layer's outputs are sums
    let is_last = usize::from(number) + 1 == layers.records.len();
    let flags_fit = !(is_last && kind == Kind::MaxPool)
        && record.pooled <= u8::from(kind == Kind::Conv)
        && (kind == Kind::Add || record.other == 0)
        && record.reserved == 0
        && record.taps(input) <= MAX_TAPS
        && (record.sums.get() > 0) == record.geometry(input).is_streamed();
    Some(
        channels_fit
            && zero_fits
            && flags_fit
            && fits_along(record, input, 0)?
            && fits_along(record, input, 1)?
            && tile_fits(layers, record, number)?,
    )
}

/// Whether the second value of an addition has the shape of its first.
fn has_shape_of(layers: Layers<'_>, number: u8, value: &Value) -> Option<bool> {
    let other = layers.value(number.into())?;
    Some(
        other.channels == value.channels
            && other.height == value.height
            && other.width == value.width,
    )
}

/// Whether kernel, stride and padding are such as the layer's kind has, and give the length that is stated: down
/// with an `axis` of 0, across with 1.
#[inline(never)] // once for both
fn fits_along(record: &Record, input: &Value, axis: usize) -> Option<bool> {
    let kind = Kind::of_code(record.kind)?;
    let is_windowed =
        matches!(kind, Kind::Conv | Kind::Depthwise | Kind::MaxPool | Kind::AveragePool);
    let axis = axis & 1;
    let [kernel, stride] = [record.kernel[axis], record.stride[axis]];
    let [before, after] = [record.padding[2 * axis], record.padding[2 * axis + 1]];
    // a window of padding alone would be of no use
    let mut fits =
        kernel > before && kernel > after && stride > 0 && (is_windowed || kernel.max(stride) == 1);
    if kind == Kind::Conv {
        let is_small = record.pooled == 0 || axis == 1 || usize::from(stride) <= MAX_POOLED_STRIDE;
        fits &= is_small && usize::from(kernel) <= MAX_KERNEL;
    }
    let output = &record.output;
    let length = if axis == 0 { output.height } else { output.width };
    let expected = if kind == Kind::Dense { 1 } else { record.places_along(input, axis)? };
    Some(fits && usize::from(length.get()) == expected)
}

/// Whether the taps and outputs that are computed at once are such as the weights' order has.
fn tile_fits(layers: Layers<'_>, record: &Record, number: u8) -> Option<bool> {
    let (chunk, group) = (usize::from(record.chunk.get()), usize::from(record.group.get()));
    if record.kind != Kind::Conv.code() {
        return Some(chunk == 0 && group == 0);
    }
    let Weights { order, run, taps, inputs, .. } = layers.weights(number.into())?;
    let unit = if matches!(order, Order::Blocks | Order::Fours) { BLOCK } else { 2 };
    let chunk_fits = match order {
        Order::Blocks => true,
        Order::Windows(_) => chunk.is_multiple_of(BLOCK) && inputs.is_multiple_of(chunk),
        _ if !run.is_multiple_of(4) => chunk == taps,
        _ => chunk.is_multiple_of(4) && (chunk < run || chunk.is_multiple_of(run)),
    };
    // outputs share words, and so do taps
    Some(chunk > 0 && group > 0 && group.is_multiple_of(unit) && chunk_fits)
}

/// Whether multipliers are in range, and sums within the bounds that are stated.
#[inline(never)]
fn check_channels(model: Model<'_>, number: u8) -> Result<(), FormatError> {
    let layer = usize::from(number);
    let is_last = layer + 1 == model.layers().records.len();
    let sums = Sums::of(model, layer).ok_or(FormatError::Bound(number))?;
    for (output, channel) in sums.channels.iter().enumerate() {
        let multiplier = Multiplier::from_parts(channel.mantissa.get(), channel.shift);
        // logits are compared with each other
        let is_scaled =
            if is_last { multiplier == Some(Multiplier::ONE) } else { multiplier.is_some() };
        if !is_scaled || channel.reserved.iter().any(|byte| *byte != 0) {
            return Err(FormatError::Channel(number));
        }
        match sums.bound(output, channel.bias.get()) {
            Ok(bound) if bound <= MAX_ACCUMULATOR && bound == channel.bound.get() => {}
            Err(Filled) => return Err(FormatError::Channel(number)),
            _ => return Err(FormatError::Bound(number)),
        }
    }
    Ok(())
}

/// What the sums of a layer are made of.
struct Sums<'a> {
    record: &'a Record,
    channels: &'a [Channel],
    bytes: &'a [u8],
    /// Of a layer that has any.
    weights: Option<Weights>,
    /// The input's byte that stands for 0.
    zero: u8,
}

/// A weight that fills up is not zero.
struct Filled;

impl<'a> Sums<'a> {
    fn of(model: Model<'a>, layer: usize) -> Option<Self> {
        let layers = model.layers();
        let record = layers.records.get(layer)?;
        let (channels, bytes) = model.parts(layer)?;
        let zero = layers.value(record.source.into())?.zero;
        Some(Self { record, channels, bytes, weights: layers.weights(layer), zero })
    }

    /// The largest accumulator of one output; a number above [`MAX_ACCUMULATOR`], if it or a chunk is too large.
    #[inline(never)]
    fn bound(&self, output: usize, bias: i32) -> Result<u32, Filled> {
        let (mut sum, mut magnitudes) = (0_i32, 0_u32);
        match self.weights {
            Some(Weights { order: Order::Factors, .. }) => {
                for factor in self.bytes.as_chunks().0 {
                    let magnitude = i32::from_le_bytes(*factor).unsigned_abs();
                    magnitudes = magnitudes.saturating_add(magnitude);
                    keep_rolled();
                }
            }
            Some(weights) => {
                let count = weights.count();
                for tap in weights.taps..count {
                    let number = weights.number(tap);
                    if weights.sums(self.bytes, output, number..number + 1).1 > 0 {
                        return Err(Filled);
                    }
                }
                // of a convolution by blocks what is summed up at once is bounded too
                let chunk = usize::from(self.record.chunk.get());
                let is_packed = weights.order == Order::Blocks && chunk > 0;
                let step = if is_packed { chunk } else { count };
                let mut from = 0;
                while from < count {
                    let end = count.min(from + step);
                    let part = weights.sums(self.bytes, output, from..end);
                    if is_packed && part.1 > (CHUNK_LIMIT - 1) / MAX_ACTIVATION {
                        return Ok(u32::MAX);
                    }
                    // none overflows: taps are at most `MAX_TAPS`
                    (sum, magnitudes) = (sum + part.0, magnitudes + part.1);
                    from = end;
                }
            }
            // a mean
            None => {
                magnitudes = u32::from(self.record.kernel[0]) * u32::from(self.record.kernel[1]);
            }
        }
        if magnitudes > MAX_ACCUMULATOR / MAX_ACTIVATION {
            return Ok(u32::MAX);
        }
        let real = bias.saturating_add(i32::from(self.zero) * sum);
        Ok(real.unsigned_abs() + MAX_ACTIVATION * magnitudes)
    }
}

/// Whether the plan of memory holds everything, and nothing is written where something is still needed.
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
    if !has_room {
        return Err(FormatError::Plan);
    }
    // what a dense layer takes lies in one piece
    for record in layers.records {
        let input = layers.value(record.source.into()).ok_or(FormatError::Plan)?;
        if record.kind == Kind::Dense.code() && (input.left, input.right) != (0, 0) {
            return Err(FormatError::Plan);
        }
        keep_rolled();
    }
    for (number, record) in layers.records.iter().enumerate() {
        if record.paired != u8::from(plan::pairs_columns(layers, number)) {
            return Err(FormatError::Layer(number as u8));
        }
    }
    let mut first_place = 0;
    for number in 0..=layers.records.len() {
        let value = layers.value(number).ok_or(FormatError::Plan)?;
        let is_last = number == layers.records.len();
        let places = plan::count(layers, number);
        let is_planned = [value.left, value.right, value.reader]
            == plan::surroundings(layers, number)
            && usize::from(value.places.get()) == places
            && value.first_place.get() as usize == first_place
            && if is_last { value.size() <= MAX_OUTPUTS } else { value.reader > 0 };
        if !is_planned {
            return Err(FormatError::Value(number as u8));
        }
        first_place += places;
    }
    let bytes = (end - rows_at) * size_of::<u32>();
    if plan::holds(layers, model.places(), bytes) { Ok(()) } else { Err(FormatError::Plan) }
}
