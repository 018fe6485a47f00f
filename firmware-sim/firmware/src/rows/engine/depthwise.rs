//! A convolution of each channel by itself.

use zerocopy::{FromBytes, IntoBytes};

use super::Step;
use super::output::Output;
use super::rows::Lines;
use crate::kernels::bytes::{self, Block};
use crate::kernels::words::{self, ChannelWeights, Offsets};
use crate::rows::format::{BLOCK, Order, Weights};
use crate::rows::plan::DEPTHWISE_OUTPUTS;

/// The next row: some channels after the other, of each a few places at a time.
#[inline(never)]
pub(super) fn row(
    step: &Step<'_>,
    weights: &Weights,
    work: &mut [u32],
    output: &mut Output<'_>,
) -> Option<()> {
    let columns = step.geometry.kernel[1];
    let mut layer = Layer { step, weights, columns, lines: step.lines(), first: 0 };
    // of the taps that are inside the map
    let taps = layer.lines.inside().len() * columns;
    let (offsets, sums) = work.split_at_mut_checked(taps)?;
    let short_offsets = <[u16]>::mut_from_bytes(offsets.as_mut_bytes()).ok()?.get_mut(..taps)?;
    if weights.order == Order::Blocks {
        layer.offsets(short_offsets)?;
    } else {
        layer.offsets(offsets)?;
    }
    let width = usize::from(output.value().width.get());
    for channels in step.channels.chunks(DEPTHWISE_OUTPUTS) {
        let mut column = 0;
        while column < width {
            let places = if weights.order == Order::Blocks { PLACES.min(width - column) } else { 1 };
            let sums = sums.get_mut(..places * channels.len())?;
            let sums = <[i32]>::mut_from_bytes(sums.as_mut_bytes()).ok()?;
            sums.fill(0);
            layer.add_padding(channels.len(), sums);
            match weights.order {
                Order::Blocks => {
                    let offsets = <[u16]>::ref_from_bytes(offsets.as_bytes()).ok()?.get(..taps)?;
                    layer.blocks([column, places], offsets, sums)?;
                }
                Order::Halves => layer.halves(column, offsets, sums)?,
                _ => layer.taps(column, sums)?,
            }
            for sums in sums.chunks(channels.len()) {
                output.put(column, layer.first, sums, channels);
                column += 1;
            }
        }
        layer.first += channels.len();
    }
    Some(())
}

/// Places that are computed at once in the layout Bytes.
const PLACES: usize = 3;

struct Layer<'a> {
    step: &'a Step<'a>,
    weights: &'a Weights,
    /// Of the kernel.
    columns: usize,
    lines: Lines<'a>,
    /// The first output.
    first: usize,
}

impl Layer<'_> {
    /// Adds what the kernel rows outside the map count, where the padding's bytes are not zero.
    fn add_padding(&self, outputs: usize, sums: &mut [i32]) {
        let zero = i32::from(self.step.rows.value.zero);
        if zero == 0 {
            return;
        }
        for row in self.lines.outside() {
            for tap in row * self.columns..(row + 1) * self.columns {
                for sums in sums.chunks_mut(outputs.max(1)) {
                    for (output, sum) in (self.first..).zip(sums) {
                        *sum += zero * i32::from(self.weights.get(self.step.bytes, output, tap));
                    }
                }
            }
        }
    }

    /// Where each tap lies, for the place in column 0.
    fn offsets<T: TryFrom<u32>>(&self, offsets: &mut [T]) -> Option<()> {
        let start = self.window(0);
        let rows = offsets.chunks_mut(self.columns.max(1));
        for (line, offsets) in self.lines.inside().zip(rows) {
            let mut at = self.lines.offset(line) + start as u32;
            for offset in offsets {
                *offset = T::try_from(at).ok()?;
                at += self.weights.inputs as u32;
            }
        }
        Some(())
    }

    /// Where the window of a column begins in each line.
    fn window(&self, column: usize) -> usize {
        let geometry = &self.step.geometry;
        self.step.rows.window(column, geometry.stride[1], geometry.padding[2])
    }

    /// What is held, from where a place's window is as far from as that of column 0 from the beginning.
    fn pixels(&self, column: usize) -> Option<&[u8]> {
        let at = column * self.step.geometry.stride[1] * self.weights.inputs;
        self.step.rows.ring().get(at + self.first..)
    }

    /// Of the weights `[four channels][tap]` those from the first output and the first tap on.
    fn inside<'w, T>(&self, weights: &'w [T]) -> Option<&'w [T]> {
        let first = self.first / BLOCK * self.weights.taps;
        weights.get(first + self.lines.inside().start * self.columns..)
    }

    fn blocks(
        &self,
        [column, places]: [usize; 2],
        offsets: &[u16],
        sums: &mut [i32],
    ) -> Option<()> {
        let weights = <[Block]>::ref_from_bytes(self.step.bytes).ok()?;
        let window = bytes::Window {
            map: self.pixels(column)?,
            offsets,
            place_bytes: self.step.geometry.stride[1] * self.weights.inputs,
            places,
            blocks: (sums.len() / BLOCK).checked_div(places)?,
        };
        let weights = self.inside(weights)?;
        bytes::depthwise(weights, self.weights.taps, &window, sums.as_chunks_mut().0);
        Some(())
    }

    fn halves(&self, column: usize, offsets: &[u32], sums: &mut [i32]) -> Option<()> {
        let weights = <[ChannelWeights]>::ref_from_bytes(self.step.bytes).ok()?;
        let (weights, taps) = (self.inside(weights)?, self.weights.taps);
        let offsets = Offsets::new(offsets);
        words::depthwise(weights, taps, self.pixels(column)?, offsets, sums.as_chunks_mut().0);
        Some(())
    }

    /// Any number of channels and outputs.
    fn taps(&self, column: usize, sums: &mut [i32]) -> Option<()> {
        let inputs = self.weights.inputs;
        let multiplier = self.weights.outputs.checked_div(inputs)?.max(1);
        for line in self.lines.inside() {
            let from = self.lines.offset(line) as usize + self.window(column);
            let from = self.step.rows.ring().get(from..)?;
            let taps = line * self.columns..(line + 1) * self.columns;
            for (tap, from) in taps.zip(from.chunks(inputs.max(1))) {
                for (output, sum) in (self.first..).zip(sums.iter_mut()) {
                    let value = from.get(output.checked_div(multiplier)?);
                    let value = value.copied().map_or(0, i32::from);
                    *sum += value * i32::from(self.weights.get(self.step.bytes, output, tap));
                }
            }
        }
        Some(())
    }
}
