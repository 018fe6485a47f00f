//! The sum of two values of one shape.

use zerocopy::{FromBytes, IntoBytes};

use super::rows::{Output, Rows};
use crate::rows::format::Channel;

/// Row `row`: each value counts its factor.
#[inline(never)]
pub(super) fn row(
    row: usize,
    factors: &[u8],
    channels: &[Channel],
    [one, other]: [&Rows<'_>; 2],
    work: &mut [u32],
    output: &mut Output<'_>,
) -> Option<()> {
    let &[a, b] = factors.as_chunks().0 else { return None };
    let [a, b] = [a, b].map(i32::from_le_bytes);
    output.bytes();
    let value = output.value();
    let outputs = usize::from(value.channels.get());
    let sums = <[i32]>::mut_from_bytes(work.get_mut(..outputs)?.as_mut_bytes()).ok()?;
    let [one, other] = [one, other].map(|rows| rows.inside(row).unwrap_or_default());
    let places = one.chunks(outputs.max(1)).zip(other.chunks(outputs.max(1)));
    for (column, (one, other)) in places.enumerate() {
        for ((sum, &one), &other) in sums.iter_mut().zip(one).zip(other) {
            *sum = i32::from(one) * a + i32::from(other) * b;
        }
        output.put_alike(column, sums, channels.first()?);
    }
    Some(())
}
