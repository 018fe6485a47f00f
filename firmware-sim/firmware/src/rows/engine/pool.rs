//! Pooling that is a layer of its own.

use super::rows::{Output, Rows};
use crate::rows::format::{Channel, Geometry};

/// Row `row` of the largest of each window, of what is inside the map.
#[inline(never)]
pub(super) fn largest(
    geometry: &Geometry,
    row: usize,
    rows: &Rows<'_>,
    output: &mut Output<'_>,
) -> Option<()> {
    let channels = usize::from(rows.value.channels.get());
    let places = output.bytes().chunks_mut(channels.max(1));
    for (column, largest) in places.enumerate() {
        // every byte is at least 0, and every window has something inside
        largest.fill(0);
        for values in inside(*geometry, row, column, *rows) {
            for (largest, &value) in largest.iter_mut().zip(values) {
                *largest = value.max(*largest);
            }
        }
    }
    Some(())
}

/// Row `row` of the mean of each window.
#[inline(never)]
pub(super) fn mean(
    geometry: &Geometry,
    row: usize,
    channels: &[Channel],
    rows: &Rows<'_>,
    output: &mut Output<'_>,
) -> Option<()> {
    let all = geometry.kernel[0] * geometry.kernel[1];
    for column in 0..output.value().width.get().into() {
        let there = inside(*geometry, row, column, *rows).count();
        let padding = all.saturating_sub(there) as i32 * i32::from(rows.value.zero);
        for channel in 0..rows.value.channels.get().into() {
            let values = inside(*geometry, row, column, *rows);
            let values = values.filter_map(|values| values.get(channel).copied().map(i32::from));
            let sum = padding + values.sum::<i32>();
            output.put(column, channel, core::iter::once(sum), channels.iter());
        }
    }
    output.bytes();
    Some(())
}

/// Adds a row to the sums `[column][channel]` of windows that do not overlap, and hands on their means after the last.
#[inline(never)]
pub(super) fn streamed_mean(
    geometry: &Geometry,
    step: usize,
    channels: &[Channel],
    rows: &Rows<'_>,
    sums: &mut [u32],
    output: &mut Output<'_>,
) -> Option<()> {
    let value = output.value();
    let inputs = usize::from(value.channels.get());
    let sums = sums.get_mut(..value.row_len())?;
    let [height, width] = geometry.kernel;
    let in_window = step - geometry.rows_after(step) * height;
    let is_last = in_window + 1 == height;
    if in_window == 0 {
        sums.fill(0);
    }
    let row = geometry.rows_after(step) * geometry.stride[0] + in_window;
    for (column, sums) in sums.chunks_mut(inputs.max(1)).enumerate() {
        let mut there = 0;
        for values in columns(*geometry, row, column, *rows) {
            there += 1;
            for (sum, &value) in sums.iter_mut().zip(values) {
                *sum += u32::from(value);
            }
        }
        let padding = width.saturating_sub(there) as u32 * u32::from(rows.value.zero);
        for sum in &mut *sums {
            *sum += padding;
        }
        if is_last {
            let sums = sums.iter().map(|sum| sum.cast_signed());
            output.put(column, 0, sums, channels.iter().cycle());
        }
    }
    if is_last {
        output.bytes();
    }
    Some(())
}

/// All channels at each place of a window that is inside the map.
fn inside<'m>(
    geometry: Geometry,
    row: usize,
    column: usize,
    rows: Rows<'m>,
) -> impl Iterator<Item = &'m [u8]> {
    let top = geometry.padding[0];
    let first = row * geometry.stride[0];
    (first..first + geometry.kernel[0])
        .flat_map(move |row| columns(geometry, row.wrapping_sub(top), column, rows))
}

/// All channels at each place of one row of a window that is inside the map.
fn columns<'m>(
    geometry: Geometry,
    row: usize,
    column: usize,
    rows: Rows<'m>,
) -> impl Iterator<Item = &'m [u8]> {
    let [_, _, left, _] = geometry.padding;
    let channels = usize::from(rows.value.channels.get());
    let first = column * geometry.stride[1];
    let from = rows.inside(row).unwrap_or_default();
    (first..first + geometry.kernel[1])
        .filter_map(move |column| from.get(column.checked_sub(left)? * channels..)?.get(..channels))
}
