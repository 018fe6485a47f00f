//! A dense layer: some blocks of outputs at a time.

use zerocopy::{FromBytes, IntoBytes};

use super::Step;
use super::output::Output;
use crate::format::BLOCK;
use crate::kernels::bytes::{self, Block};
use crate::kernels::words::{self, Word};
use crate::weights::DENSE_PAIRS;

/// By the layout Bytes.
#[inline(never)]
pub(super) fn blocks(step: &Step<'_>, work: &mut [u32], output: &mut Output<'_>) -> Option<()> {
    let (taps, outputs) = (step.weights.taps, step.channels.len());
    let weights = <[Block]>::ref_from_bytes(step.bytes).ok()?.get(step.first / BLOCK * taps..)?;
    let sums = work.get_mut(..outputs.next_multiple_of(BLOCK))?;
    sums.fill(0);
    let sums = <[i32]>::mut_from_bytes(sums.as_mut_bytes()).ok()?;
    bytes::one_place(weights, taps, step.rows.span(), sums.as_chunks_mut().0);
    output.put(0, step.first, sums, step.channels);
    Some(())
}

/// By the layout Words.
#[inline(never)]
pub(super) fn pairs(step: &Step<'_>, work: &mut [u32], output: &mut Output<'_>) -> Option<()> {
    let (inputs, width) = (step.rows.span(), step.weights.words());
    let words = <[Word]>::ref_from_bytes(step.bytes).ok()?;
    let mut words = words.get(step.first / 2 * width..)?;
    // the last inputs, filled up to four
    let (whole, rest) = inputs.as_chunks::<4>();
    let mut last = [0; 4];
    last.iter_mut().zip(rest).for_each(|(to, &from)| *to = from);
    let sums = work.get_mut(..step.channels.len().next_multiple_of(2))?.as_chunks_mut().0;
    sums.as_flattened_mut().fill(0);
    for sums in sums.chunks_mut(DENSE_PAIRS) {
        words::dense(words, inputs, sums);
        if !rest.is_empty() {
            words::dense(words.get(2 * whole.len() * sums.len()..)?, &last, sums);
        }
        words = words.get(width * sums.len()..)?;
    }
    output.put_block(step.first, sums, step.channels);
    Some(())
}
