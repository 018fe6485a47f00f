//! The sum of two values of one shape.

use super::rows::{Output, Rows};
use crate::rows::format::Channel;

/// Row `row`: each value counts its factor.
#[inline(never)]
pub(super) fn row(
    row: usize,
    factors: &[u8],
    channels: &[Channel],
    [one, other]: [&Rows<'_>; 2],
    output: &mut Output<'_>,
) -> Option<()> {
    let &[a, b] = factors.as_chunks().0 else { return None };
    let [a, b] = [a, b].map(i32::from_le_bytes);
    let pairs = one.inside(row)?.iter().zip(other.inside(row)?);
    let sums = pairs.map(|(&one, &other)| i32::from(one) * a + i32::from(other) * b);
    output.bytes();
    put_row(sums, channels, output);
    Some(())
}

/// All channels of all columns.
fn put_row(mut sums: impl Iterator<Item = i32>, channels: &[Channel], output: &mut Output<'_>) {
    let value = output.value();
    for column in 0..value.width.get().into() {
        let sums = sums.by_ref().take(value.channels.get().into());
        output.put(column, 0, sums, channels.iter().cycle());
    }
}
