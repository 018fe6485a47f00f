//! That a plan of memory holds, whoever made it.

use core::ops::Range;

use super::places::{MAX_DEPTHWISE_SPAN, Places};
use crate::format::{Kind, Layers, Rehearsal};
use crate::loops::keep_rolled;

/// Whether an inference finds everything where it left it: walks through all its steps, and looks at each whether what
/// it writes lies within `bytes`, and over nothing that is still needed.
///
/// What a step writes may not lie among the rows that it reads either: the engine gives its kernels one slice from the
/// lowest to the highest of these.
#[must_use]
#[inline(never)] // its locals are not on the stack of an inference
pub fn holds(layers: Layers<'_>, places: Places<'_>, bytes: usize) -> bool {
    let mut walk = Rehearsal::new(layers);
    while let Some(number) = walk.coming() {
        if !may_write(layers, places, bytes, walk.steps(), number).unwrap_or(false) {
            return false;
        }
        walk.count(number);
    }
    layers.is_done(walk.steps())
}

/// Whether the next step for value `number` does no harm.
fn may_write(
    layers: Layers<'_>,
    places: Places<'_>,
    bytes: usize,
    steps: &[u16],
    number: usize,
) -> Option<bool> {
    let written = places.written(layers, number, steps)?;
    if written.end > bytes {
        return Some(false);
    }
    if let Some(layer) = number.checked_sub(1) {
        let geometry = layers.geometry(layer)?;
        let [_, first, end] = layers.rows_of_step(layer, usize::from(*steps.get(number)?))?;
        let sources = [
            geometry.source,
            if geometry.kind == Kind::Add { geometry.other } else { geometry.source },
        ];
        for source in sources {
            let span = places.of(layers.value(source)?)?.span([first, end])?;
            let is_far = geometry.kind == Kind::Depthwise && span.len() > MAX_DEPTHWISE_SPAN;
            if is_far || span.end > bytes || meet(&written, &span) {
                return Some(false);
            }
            keep_rolled();
        }
    }
    let last = layers.records.len();
    for other in 0..last {
        let rows = places.of(layers.value(other)?)?;
        for row in layers.first_needed(other, steps)..layers.rows(other, steps) {
            if meet(&written, &rows.row_range(row)?) {
                return Some(false);
            }
            keep_rolled();
        }
    }
    let has_logits = number != last && *steps.get(last)? > 0;
    Some(!has_logits || !meet(&written, &places.written(layers, last, steps)?))
}

/// Whether two ranges, neither of which is empty, have a byte in common.
const fn meet(a: &Range<usize>, b: &Range<usize>) -> bool {
    a.start < b.end && b.start < a.end
}
