//! A dense layer: all outputs in one step, some blocks of them at a time.

use zerocopy::{FromBytes, IntoBytes};

use super::Step;
use super::output::Output;
use crate::kernels::bytes::{self, Block};
use crate::kernels::words::{self, Word};
use crate::rows::format::{BLOCK, Order, Weights};
use crate::rows::plan::DENSE_BLOCKS;
use crate::rows::weights::DENSE_PAIRS;

/// All outputs of the rows of the input, which are all there.
#[inline(never)]
pub(super) fn outputs(
    step: &Step<'_>,
    weights: &Weights,
    work: &mut [u32],
    output: &mut Output<'_>,
) -> Option<()> {
    match weights.order {
        Order::Blocks => blocks(step, weights, work, output),
        _ => pairs(step, weights, work, output),
    }
}

fn blocks(
    step: &Step<'_>,
    weights: &Weights,
    work: &mut [u32],
    output: &mut Output<'_>,
) -> Option<()> {
    let mut weights_left = <[Block]>::ref_from_bytes(step.bytes).ok()?;
    let mut first = 0;
    for channels in step.channels.chunks(BLOCK * DENSE_BLOCKS) {
        let blocks = channels.len().div_ceil(BLOCK);
        let sums = work.get_mut(..blocks * BLOCK)?;
        sums.fill(0);
        let sums = <[[i32; BLOCK]]>::mut_from_bytes(sums.as_mut_bytes()).ok()?;
        bytes::one_place(weights_left, weights.taps, step.rows.ring(), sums);
        weights_left = weights_left.get(weights.taps * blocks..)?;
        output.put(0, first, sums.as_flattened(), channels);
        first += channels.len();
    }
    Some(())
}

fn pairs(
    step: &Step<'_>,
    weights: &Weights,
    work: &mut [u32],
    output: &mut Output<'_>,
) -> Option<()> {
    let mut words_left = <[Word]>::ref_from_bytes(step.bytes).ok()?;
    let inputs = step.rows.ring();
    // the last inputs, filled up to four
    let whole = inputs.len() / 4 * 4;
    let mut last = [0; 4];
    let rest = inputs.get(whole..)?;
    last.iter_mut().zip(rest).for_each(|(to, &from)| *to = from);
    let mut first = 0;
    for channels in step.channels.chunks(BLOCK * DENSE_BLOCKS) {
        let sums = work.get_mut(..channels.len().next_multiple_of(2))?.as_chunks_mut().0;
        sums.fill([0; 2]);
        for sums in sums.chunks_mut(DENSE_PAIRS) {
            words::dense(words_left, inputs, sums);
            if !rest.is_empty() {
                words::dense(words_left.get(whole / 2 * sums.len()..)?, &last, sums);
            }
            words_left = words_left.get(weights.words() * sums.len()..)?;
        }
        output.put_block(first, sums, channels);
        first += channels.len();
    }
    Some(())
}
