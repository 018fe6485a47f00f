//! A dense layer: all outputs in one step, some blocks of them at a time.

use zerocopy::{FromBytes, IntoBytes};

use super::rows::{Output, Rows};
use crate::rows::format::{BLOCK, Channel};
use crate::rows::plan::DENSE_BLOCKS;
use crate::rows::products::{self, Block};

/// All outputs of the rows of the input, which are all there.
#[inline(never)]
pub(super) fn outputs(
    weights: &[u8],
    channels: &[Channel],
    rows: &Rows<'_>,
    work: &mut [u32],
    output: &mut Output<'_>,
) -> Option<()> {
    let taps = rows.value.size();
    let weights = weights.as_chunks::<BLOCK>().0;
    let weights = <[Block]>::ref_from_bytes(weights.as_bytes()).ok()?;
    let blocks = channels.len().div_ceil(BLOCK).min(DENSE_BLOCKS);
    let sums = work.get_mut(..blocks * BLOCK)?;
    let sums = <[[i32; BLOCK]]>::mut_from_bytes(sums.as_mut_bytes()).ok()?;
    let groups =
        channels.chunks(BLOCK * DENSE_BLOCKS).zip(weights.chunks((taps * DENSE_BLOCKS).max(1)));
    let mut first = 0;
    for (channels, weights) in groups {
        let sums = sums.get_mut(..channels.len().div_ceil(BLOCK))?;
        sums.fill([0; BLOCK]);
        let mut taps_before = 0;
        for row in 0..rows.value.height.get().into() {
            let values = rows.inside(row)?;
            products::one_place(weights.get(taps_before..)?, taps, values, sums);
            taps_before += values.len();
        }
        output.put(0, first, sums.as_flattened().iter().copied(), channels.iter());
        first += channels.len();
    }
    Some(())
}
