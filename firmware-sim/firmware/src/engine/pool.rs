//! Pooling that is a layer of its own.

use super::Step;
use super::output::Output;
use super::rows::{Rows, fill};
use crate::format::Geometry;
use crate::loops::{keep_rolled, zero};

/// Row `row` of the largest of each window, of what is inside the map.
#[inline(never)]
pub(super) fn largest(step: &Step<'_>, output: &mut Output<'_>) {
    let (geometry, rows, row) = (&step.geometry(), &step.rows, step.number);
    let channels = usize::from(rows.value().channels.get());
    let places = output.bytes().chunks_mut(channels.max(1));
    for (column, largest) in places.enumerate() {
        // every byte is at least 0, and every window has something inside
        fill(largest, 0);
        let first = row * geometry.stride[0];
        for row in first..first + geometry.kernel[0] {
            each_inside(geometry, [row, column], rows, &mut |values| {
                for (largest, &value) in largest.iter_mut().zip(values) {
                    *largest = value.max(*largest);
                    keep_rolled();
                }
            });
        }
    }
}

/// Row `row` of the mean of each window.
#[inline(never)]
pub(super) fn mean(step: &Step<'_>, work: &mut [u32], output: &mut Output<'_>) -> Option<()> {
    let (geometry, rows, row) = (&step.geometry(), &step.rows, step.number);
    let sums = work.get_mut(..rows.value().channels.get().into())?;
    let first = row * geometry.stride[0];
    for column in 0..output.value().width.get().into() {
        zero(sums);
        for row in first..first + geometry.kernel[0] {
            add_row(geometry, [row, column], rows, sums);
        }
        output.put_alike(column, signed(sums), step.channels.first()?);
    }
    Some(())
}

/// Adds a row to the sums `[column][channel]` of windows that do not overlap, and hands on their means after the last.
#[inline(never)]
pub(super) fn streamed_mean(
    step: &Step<'_>,
    sums: &mut [u32],
    output: &mut Output<'_>,
) -> Option<()> {
    let (geometry, rows, channels) = (&step.geometry(), &step.rows, step.channels);
    let step = step.number;
    let value = output.value();
    let sums = sums.get_mut(..value.row_len())?;
    let height = geometry.kernel[0];
    let in_window = step - geometry.rows_after(step) * height;
    if in_window == 0 {
        zero(sums);
    }
    let row = geometry.rows_after(step) * geometry.stride[0] + in_window;
    let columns = sums.chunks_mut(usize::from(value.channels.get()).max(1));
    for (column, sums) in columns.enumerate() {
        add_row(geometry, [row, column], rows, sums);
        if in_window + 1 == height {
            output.put_alike(column, signed(sums), channels.first()?);
        }
    }
    Some(())
}

/// Adds one row of a window to the sums of all channels; a padding counts as zeros.
#[inline(never)]
fn add_row(geometry: &Geometry, place: [usize; 2], rows: &Rows<'_>, sums: &mut [u32]) {
    let mut there = 0;
    each_inside(geometry, place, rows, &mut |values| {
        there += 1;
        let (fours, rest) = sums.as_chunks_mut::<4>();
        let (values, last) = values.as_chunks::<4>();
        for ([a, b, c, d], &[e, f, g, h]) in fours.iter_mut().zip(values) {
            *a += u32::from(e);
            *b += u32::from(f);
            *c += u32::from(g);
            *d += u32::from(h);
            keep_rolled();
        }
        for (sum, &value) in rest.iter_mut().zip(last) {
            *sum += u32::from(value);
            keep_rolled();
        }
    });
    let padding = geometry.kernel[1].saturating_sub(there) as u32 * u32::from(rows.value().zero);
    if padding > 0 {
        for sum in sums {
            *sum += padding;
            keep_rolled();
        }
    }
}

fn signed(sums: &[u32]) -> &[i32] {
    zerocopy::FromBytes::ref_from_bytes(zerocopy::IntoBytes::as_bytes(sums)).unwrap_or(&[])
}

/// All channels at each place of one row of a window that is inside the map; rows are counted with the padding above.
fn each_inside(
    geometry: &Geometry,
    [row, column]: [usize; 2],
    rows: &Rows<'_>,
    action: &mut dyn FnMut(&[u8]),
) {
    let [top, _, left, _] = geometry.padding;
    let channels = usize::from(rows.value().channels.get());
    let first = column * geometry.stride[1];
    let Some(from) = rows.inside(row.wrapping_sub(top)) else { return };
    for column in first..first + geometry.kernel[1] {
        let at = column.checked_sub(left).map(|column| column * channels);
        if let Some(values) = at.and_then(|at| from.get(at..)?.get(..channels)) {
            action(values);
        }
    }
}
