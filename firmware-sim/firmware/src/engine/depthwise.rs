//! A convolution of each channel by itself.

use core::ops::Range;

use zerocopy::{FromBytes, IntoBytes};

use super::Step;
use super::output::Output;
use super::rows::Lines;
use crate::format::{BLOCK, Weights};
use crate::kernels::bytes::{self, Block, STRIP, Strip};
use crate::kernels::words::{self, ChannelWeights, Depthwise, Offsets, StripWeights};
use crate::loops::{keep_rolled, zero};
use crate::plan::TAPS_PLACES;

/// Places that are computed at once in the layout Bytes.
const PLACES: usize = 3;

/// A row of some channels, by the layout Bytes: a few places at a time.
pub(super) fn blocks(step: &Step<'_>, work: &mut [u32], output: &mut Output<'_>) -> Option<()> {
    if bytes::HAS_STRIPS && has_strips(step) {
        block_strips(step, work, output)
    } else {
        windows(step, work, output)
    }
}

/// Whether there are [`Strip`]s, and room for their sums.
fn has_strips(step: &Step<'_>) -> bool {
    let [rows, columns] = step.record.kernel;
    rows <= 3 && columns == 3 && step.record.stride[1] == 1 && step.channels.len() >= 2 * BLOCK
}

#[inline(never)] // as the next one: their locals are not on the stack at once
fn windows(step: &Step<'_>, work: &mut [u32], output: &mut Output<'_>) -> Option<()> {
    let layer = Layer::of(step);
    let (offsets, work) = work.split_at_mut_checked(layer.inside().len())?;
    let offsets = <[u16]>::mut_from_bytes(offsets.as_mut_bytes()).ok()?;
    let offsets = offsets.get_mut(..layer.inside().len())?;
    layer.offsets(offsets)?;
    let weights = layer.weights(<[Block]>::ref_from_bytes(step.bytes).ok()?)?;
    let place_bytes = step.geometry().stride[1] * step.weights.inputs;
    let outputs = step.channels.len();
    let width = usize::from(output.value().width.get());
    let mut column = 0;
    while column < width {
        let places = PLACES.min(width - column);
        let sums = sums_of(work, places * outputs)?;
        layer.add_padding(sums);
        let (map, blocks) = (layer.pixels(column)?, outputs / BLOCK);
        let window = bytes::Window { map, offsets, place_bytes, places, blocks };
        bytes::depthwise(weights, step.weights.taps, &window, sums.as_chunks_mut().0);
        for sums in sums.chunks(outputs.max(1)) {
            output.put(column, step.first, sums, step.channels);
            column += 1;
        }
    }
    Some(())
}

/// The same by strips.
#[inline(never)]
fn block_strips(step: &Step<'_>, work: &mut [u32], output: &mut Output<'_>) -> Option<()> {
    let layer = Layer::of(step);
    let mut rows = [0; 3];
    layer.lines.offsets(rows.get_mut(..layer.lines.count())?);
    // every window has some inside
    let rows = rows.get(layer.lines.inside())?;
    let weights = layer.weights(<[Block]>::ref_from_bytes(step.bytes).ok()?)?;
    let sums = work.get_mut(..PLACES * step.channels.len())?;
    let sums = <[i32]>::mut_from_bytes(sums.as_mut_bytes()).ok()?.as_chunks_mut::<STRIP>().0;
    // of so many channels there is room for the sums
    let group = (sums.len() / BLOCK * BLOCK).max(1);
    let (taps, place_bytes) = (step.weights.taps, step.weights.inputs);
    let width = usize::from(output.value().width.get());
    let mut column = 0;
    while column < width {
        let places = part(width - column);
        let (mut first, mut weights) = (step.first, weights);
        let mut map = step.rows.span().get(layer.window(column) + first..)?;
        for channels in step.channels.chunks(group) {
            let sums = sums.get_mut(..channels.len())?;
            let blocks = channels.len() / BLOCK;
            let strip = Strip { map, rows, place_bytes, places, blocks };
            bytes::strip(weights, taps, &strip, sums.as_chunks_mut().0);
            if layer.is_padded() {
                layer.add_padding_to_strips(first, sums);
            }
            output.put_places(column, first, sums.as_flattened(), [places, STRIP], channels);
            first += channels.len();
            // of the last channels there may be no more
            map = map.get(channels.len()..).unwrap_or_default();
            weights = weights.get(blocks * taps..).unwrap_or_default();
        }
        column += places;
    }
    Some(())
}

/// A row of some channels, by the layout Words.
#[inline(never)]
pub(super) fn halves(step: &Step<'_>, work: &mut [u32], output: &mut Output<'_>) -> Option<()> {
    let (offsets, sums) = padded(step, work)?;
    let mut fours = row(step, offsets)?;
    fours.columns = output.value().width.get().into();
    let done = output.put_depthwise([step.first, 0], &fours, sums, step.channels);
    if done * BLOCK < step.channels.len() {
        output.put_rest([step.first, done], &fours, sums, step.channels);
    }
    Some(())
}

/// Where the taps go, and what the kernel rows outside the map count, if anything.
#[inline(never)] // as the next one: their locals are not on the stack while the kernel runs
fn padded<'m>(step: &Step<'_>, work: &'m mut [u32]) -> Option<(&'m mut [u32], &'m [[i32; BLOCK]])> {
    let layer = Layer::of(step);
    let (offsets, work) = work.split_at_mut_checked(layer.inside().len())?;
    let sums = if layer.is_padded() { sums_of(work, step.channels.len())? } else { &mut [] };
    layer.add_padding(sums);
    Some((offsets, sums.as_chunks().0))
}

/// What is summed up, in no columns yet.
#[inline(never)]
fn row<'a>(step: &'a Step<'_>, offsets: &'a mut [u32]) -> Option<Depthwise<'a>> {
    let layer = Layer::of(step);
    layer.offsets(offsets)?;
    let weights = <[ChannelWeights]>::ref_from_bytes(step.bytes).ok()?;
    Some(Depthwise {
        weights: layer.weights(weights)?,
        stride: step.weights.taps,
        pixels: step.rows.span().get(step.first..)?,
        taps: Offsets::new(offsets),
        columns: 0,
        across: step.geometry().stride[1] * step.weights.inputs,
    })
}

/// A row of some channels of a 3×3 kernel, by the layout Words: as many places as a strip has.
#[inline(never)]
pub(super) fn strips(step: &Step<'_>, work: &mut [u32], output: &mut Output<'_>) -> Option<()> {
    let width = usize::from(output.value().width.get());
    let sums: &[i32] = if Layer::of(step).is_padded() { padding(step, work)? } else { &[] };
    let mut strip = first_strip(step);
    let mut column = 0;
    while column < width {
        strip.places = part(width - column);
        let done = output.put_strips([column, step.first], &strip, sums, step.channels);
        if done < step.channels.len() {
            output.put_rest_of_strips([column, step.first, done], &strip, sums, step.channels);
        }
        strip.pixels = strip.pixels.get(strip.places * strip.across..).unwrap_or_default();
        column += strip.places;
    }
    Some(())
}

/// Of this many places those that are the next strip: in parts as equal as can be.
#[inline(never)]
fn part(places: usize) -> usize {
    places.div_ceil(places.div_ceil(STRIP).max(1))
}

/// What the kernel rows outside the map count.
#[inline(never)]
fn padding<'m>(step: &Step<'_>, work: &'m mut [u32]) -> Option<&'m [i32]> {
    let sums = sums_of(work, step.channels.len())?;
    Layer::of(step).add_padding(sums);
    Some(sums)
}

/// The strip of the first channels in the first columns, of no places yet.
#[inline(never)]
fn first_strip<'a>(step: &'a Step<'_>) -> words::Strip<'a> {
    let layer = Layer::of(step);
    let weights = <[StripWeights]>::ref_from_bytes(step.bytes).unwrap_or_default();
    let mut rows = [0; 3];
    layer.lines.offsets(&mut rows);
    let start = layer.window(0) + step.first;
    words::Strip {
        weights: weights.get(step.first..).unwrap_or_default(),
        pixels: step.rows.span().get(start..).unwrap_or_default(),
        rows,
        are_inside: [0, 1, 2].map(|line| layer.lines.is_inside(line)),
        across: step.weights.inputs,
        places: 0,
    }
}

/// A row of some of any number of channels and outputs: a few places at a time, of each output by itself.
#[inline(never)]
pub(super) fn taps(step: &Step<'_>, work: &mut [u32], output: &mut Output<'_>) -> Option<()> {
    let layer = Layer::of(step);
    let Weights { inputs, outputs, .. } = step.weights;
    let multiplier = outputs.checked_div(inputs)?.max(1);
    let across = (step.geometry().stride[1] * inputs).max(1);
    let width = usize::from(output.value().width.get());
    let mut column = 0;
    while column < width {
        let places = TAPS_PLACES.min(width - column);
        let sums = sums_of(work, places * step.channels.len())?;
        for (number, sums) in (step.first..).zip(sums.chunks_mut(places)) {
            if layer.is_padded() {
                sums.fill(layer.outside(number));
            }
            for line in layer.lines.inside() {
                let from = layer.lines.offset(line) as usize + layer.window(column);
                let mut from = step.rows.span().get(from + number / multiplier..)?;
                for tap in line * layer.columns..(line + 1) * layer.columns {
                    let weight = step.bytes.get(tap * outputs + number)?.cast_signed();
                    for (sum, from) in sums.iter_mut().zip(from.chunks(across)) {
                        *sum += i32::from(*from.first()?) * i32::from(weight);
                        keep_rolled();
                    }
                    from = from.get(inputs..).unwrap_or_default();
                }
            }
        }
        output.put_places(column, step.first, sums, [places, places], step.channels);
        column += places;
    }
    Some(())
}

/// Sums of zero.
fn sums_of(work: &mut [u32], count: usize) -> Option<&mut [i32]> {
    let sums = work.get_mut(..count)?;
    zero(sums);
    <[i32]>::mut_from_bytes(sums.as_mut_bytes()).ok()
}

struct Layer<'a> {
    step: &'a Step<'a>,
    /// Of the kernel.
    columns: usize,
    lines: Lines<'a>,
}

impl<'a> Layer<'a> {
    fn of(step: &'a Step<'a>) -> Self {
        Self { step, columns: step.geometry().kernel[1], lines: step.lines() }
    }

    /// The taps that are inside the map.
    fn inside(&self) -> Range<usize> {
        let Range { start, end } = self.lines.inside();
        start * self.columns..end * self.columns
    }

    /// Whether kernel rows outside the map count.
    fn is_padded(&self) -> bool {
        self.step.rows.value().zero != 0 && self.inside().len() < self.step.weights.taps
    }

    /// Adds what the kernel rows outside the map count, where the padding's bytes are not zero: to all places.
    #[inline(never)]
    fn add_padding(&self, sums: &mut [i32]) {
        if !self.is_padded() {
            return;
        }
        let outputs = self.step.channels.len();
        for number in 0..outputs {
            let more = self.outside(self.step.first + number);
            let sums = sums.get_mut(number..).unwrap_or_default();
            for sum in sums.iter_mut().step_by(outputs) {
                *sum += more;
            }
        }
    }

    /// The same to the strips of the channels from `first` on.
    #[inline(never)]
    fn add_padding_to_strips(&self, first: usize, sums: &mut [[i32; STRIP]]) {
        for (number, sums) in (first..).zip(sums) {
            let more = self.outside(number);
            for sum in sums {
                *sum += more;
                keep_rolled();
            }
        }
    }

    /// What the kernel rows outside the map count of an output.
    #[inline(never)]
    fn outside(&self, output: usize) -> i32 {
        let zero = i32::from(self.step.rows.value().zero);
        let weights = &self.step.weights;
        let outside = (0..weights.taps).filter(|tap| !self.inside().contains(tap));
        let weight = |tap| i32::from(weights.of_depthwise(self.step.bytes, output, tap));
        zero * outside.map(weight).sum::<i32>()
    }

    /// Where each tap lies, for the place in column 0.
    fn offsets<T: TryFrom<u32>>(&self, offsets: &mut [T]) -> Option<()> {
        let start = self.window(0);
        let rows = offsets.chunks_mut(self.columns.max(1));
        for (line, offsets) in self.lines.inside().zip(rows) {
            let mut at = self.lines.offset(line) + start as u32;
            for offset in offsets {
                *offset = T::try_from(at).ok()?;
                at += self.step.weights.inputs as u32;
            }
        }
        Some(())
    }

    /// Where the window of a column begins in each line.
    fn window(&self, column: usize) -> usize {
        let geometry = self.step.geometry();
        self.step.rows.window(column, geometry.stride[1], geometry.padding[2])
    }

    /// What is held, from where a place's window is as far from as that of column 0 from the beginning.
    fn pixels(&self, column: usize) -> Option<&[u8]> {
        let at = column * self.step.geometry().stride[1] * self.step.weights.inputs;
        self.step.rows.span().get(at + self.step.first..)
    }

    /// Of the weights `[four channels][tap]` those from the first output and the first tap on.
    fn weights<'w, T>(&self, weights: &'w [T]) -> Option<&'w [T]> {
        weights.get(self.step.first / BLOCK * self.step.weights.taps + self.inside().start..)
    }
}
