//! The sum of two values of one shape.

use zerocopy::{FromBytes, IntoBytes};

use super::Step;
use super::output::Output;

/// Row `row`: each value counts its factor.
#[inline(never)]
pub(super) fn row(step: &Step<'_>, work: &mut [u32], output: &mut Output<'_>) -> Option<()> {
    let &[a, b] = step.bytes.as_chunks().0 else { return None };
    let [a, b] = [a, b].map(i32::from_le_bytes);
    let value = output.value();
    let outputs = usize::from(value.channels.get());
    let sums = <[i32]>::mut_from_bytes(work.get_mut(..outputs)?.as_mut_bytes()).ok()?;
    let one = step.rows.inside(step.number)?;
    let places = one.chunks(outputs.max(1)).zip(step.other.chunks(outputs.max(1)));
    for (column, (one, other)) in places.enumerate() {
        for ((sum, &one), &other) in sums.iter_mut().zip(one).zip(other) {
            *sum = i32::from(one) * a + i32::from(other) * b;
        }
        output.put_alike(column, sums, step.channels.first()?);
    }
    Some(())
}
