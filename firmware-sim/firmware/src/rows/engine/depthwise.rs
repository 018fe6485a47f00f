//! A convolution of each channel by itself.

use zerocopy::{FromBytes, IntoBytes};

use super::rows::{Output, Rows};
use crate::kernels::bytes::{self, Block};
use crate::kernels::words::{self, ChannelWeights};
use crate::rows::format::{BLOCK, Channel, Geometry, Order, Weights};

/// Row `row`.
#[inline(never)]
pub(super) fn row(
    (geometry, weights): (&Geometry, &Weights),
    row: usize,
    bytes: &[u8],
    channels: &[Channel],
    rows: &Rows<'_>,
    work: &mut [u32],
    output: &mut Output<'_>,
) -> Option<()> {
    output.bytes();
    let (sums, offsets) = work.split_at_mut_checked(channels.len())?;
    let sums = <[i32]>::mut_from_bytes(sums.as_mut_bytes()).ok()?;
    let layer = Layer { geometry, weights, bytes, rows, row };
    // kernel rows above and below the map
    let [top, height] = [geometry.padding[0], usize::from(rows.value.height.get())];
    let first = top.saturating_sub(row * geometry.stride[0]).min(geometry.kernel[0]);
    let last = (height + top).saturating_sub(row * geometry.stride[0]).min(geometry.kernel[0]);
    for column in 0..output.value().width.get().into() {
        sums.fill(0);
        layer.add_padding(first, last, sums);
        match weights.order {
            Order::Blocks => layer.blocks(column, first, last, offsets, sums)?,
            Order::Halves => layer.halves(column, first, last, offsets, sums)?,
            _ => layer.taps(column, first, last, sums)?,
        }
        output.put(column, 0, sums, channels);
    }
    Some(())
}

struct Layer<'a> {
    geometry: &'a Geometry,
    weights: &'a Weights,
    bytes: &'a [u8],
    rows: &'a Rows<'a>,
    row: usize,
}

impl Layer<'_> {
    /// Adds what the kernel rows outside the map count, where the padding's bytes are not zero.
    fn add_padding(&self, first: usize, last: usize, sums: &mut [i32]) {
        let zero = i32::from(self.rows.value.zero);
        if zero == 0 {
            return;
        }
        let columns = self.geometry.kernel[1];
        for row in (0..first).chain(last..self.geometry.kernel[0]) {
            for tap in row * columns..(row + 1) * columns {
                for (output, sum) in sums.iter_mut().enumerate() {
                    *sum += zero * i32::from(self.weights.get(self.bytes, output, tap));
                }
            }
        }
    }

    /// Where each tap of kernel rows `first` to before `last` lies, for the place in column 0.
    fn offsets<T: TryFrom<usize>>(
        &self,
        first: usize,
        last: usize,
        offsets: &mut [T],
    ) -> Option<()> {
        let columns = self.geometry.kernel[1];
        for (index, offset) in offsets.iter_mut().enumerate() {
            let kernel_row = first + index.checked_div(columns)?;
            let column = index - (kernel_row - first) * columns;
            let row = self.row * self.geometry.stride[0] + kernel_row;
            let at = self.rows.offset(row.wrapping_sub(self.geometry.padding[0]))?
                + self.rows.window(0, 1, self.geometry.padding[2])
                + column * self.weights.inputs;
            *offset = T::try_from(at).ok()?;
        }
        let _ = last;
        Some(())
    }

    fn blocks(
        &self,
        column: usize,
        first: usize,
        last: usize,
        offsets: &mut [u32],
        sums: &mut [i32],
    ) -> Option<()> {
        let columns = self.geometry.kernel[1];
        let count = (last - first) * columns;
        let offsets = <[u16]>::mut_from_bytes(offsets.as_mut_bytes()).ok()?.get_mut(..count)?;
        self.offsets(first, last, offsets)?;
        let weights = <[Block]>::ref_from_bytes(self.bytes).ok()?.get(first * columns..)?;
        let place_bytes = self.geometry.stride[1] * self.weights.inputs;
        let window = bytes::Window {
            map: self.rows.ring().get(column * place_bytes..)?,
            offsets,
            place_bytes,
            places: 1,
            blocks: sums.len() / BLOCK,
        };
        bytes::depthwise(weights, self.weights.taps, &window, sums.as_chunks_mut().0);
        Some(())
    }

    fn halves(
        &self,
        column: usize,
        first: usize,
        last: usize,
        offsets: &mut [u32],
        sums: &mut [i32],
    ) -> Option<()> {
        let columns = self.geometry.kernel[1];
        let offsets = offsets.get_mut(..(last - first) * columns)?;
        if offsets.len() < self.weights.taps {
            return self.taps(column, first, last, sums);
        }
        self.offsets(first, last, offsets)?;
        let weights = <[ChannelWeights]>::ref_from_bytes(self.bytes).ok()?;
        let place_bytes = self.geometry.stride[1] * self.weights.inputs;
        let pixels = self.rows.ring().get(column * place_bytes..)?;
        words::depthwise(weights, pixels, words::Taps::new(offsets), sums.as_chunks_mut().0);
        Some(())
    }

    /// Any number of channels and outputs.
    fn taps(&self, column: usize, first: usize, last: usize, sums: &mut [i32]) -> Option<()> {
        let inputs = self.weights.inputs;
        let multiplier = sums.len().checked_div(inputs)?.max(1);
        let start = self.rows.window(column, self.geometry.stride[1], self.geometry.padding[2]);
        let columns = self.geometry.kernel[1];
        for tap in first * columns..last * columns {
            let kernel_row = tap.checked_div(columns)?;
            let row = self.row * self.geometry.stride[0] + kernel_row;
            let from = self.rows.row(row.wrapping_sub(self.geometry.padding[0]))?;
            let from = from.get(start + (tap - kernel_row * columns) * inputs..)?;
            for (output, sum) in sums.iter_mut().enumerate() {
                let value = from.get(output.checked_div(multiplier)?).copied().map_or(0, i32::from);
                *sum += value * i32::from(self.weights.get(self.bytes, output, tap));
            }
        }
        Some(())
    }
}
