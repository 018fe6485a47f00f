//! A dense layer: some blocks of outputs at a time.

use zerocopy::{FromBytes, IntoBytes};

use super::Step;
use super::output::Output;
use crate::format::BLOCK;
use crate::kernels::bytes::{self, Block};
use crate::kernels::unpack_accumulators;
use crate::kernels::words::{self, Word};
use crate::loops::{keep_rolled, zero};
use crate::weights::DENSE_PAIRS;

/// By the layout Bytes.
#[inline(never)]
pub(super) fn blocks(step: &Step<'_>, work: &mut [u32], output: &mut Output<'_>) -> Option<()> {
    let sums = work.get_mut(..step.channels.len().next_multiple_of(BLOCK))?;
    zero(sums);
    let sums = <[i32]>::mut_from_bytes(sums.as_mut_bytes()).ok()?;
    add_blocks(step, sums.as_chunks_mut().0)?;
    output.put(0, step.first, sums, step.channels);
    Some(())
}

/// The same of a last layer: the outputs themselves.
#[inline(never)]
pub(super) fn block_outputs<'w>(step: &Step<'_>, work: &'w mut [u32]) -> Option<&'w [i32]> {
    let count = step.channels.len();
    let sums = work.get_mut(..count.next_multiple_of(BLOCK))?;
    let sums = <[i32]>::mut_from_bytes(sums.as_mut_bytes()).ok()?;
    for (sum, channel) in sums.iter_mut().zip(step.channels) {
        *sum = channel.bias.get();
        keep_rolled();
    }
    add_blocks(step, sums.as_chunks_mut().0)?;
    sums.get(..count)
}

/// Adds the products of all inputs.
fn add_blocks(step: &Step<'_>, sums: &mut [[i32; BLOCK]]) -> Option<()> {
    let taps = step.weights.taps;
    let weights = <[Block]>::ref_from_bytes(step.bytes).ok()?.get(step.first / BLOCK * taps..)?;
    bytes::one_place(weights, taps, step.rows.span(), sums);
    Some(())
}

/// By the layout Words.
#[inline(never)]
pub(super) fn pairs(step: &Step<'_>, work: &mut [u32], output: &mut Output<'_>) -> Option<()> {
    let sums = work.get_mut(..step.channels.len().next_multiple_of(2))?.as_chunks_mut().0;
    zero(sums.as_flattened_mut());
    add_pairs(step, sums)?;
    output.put_block(step.first, sums, step.channels);
    Some(())
}

/// The same of a last layer: the outputs themselves.
#[inline(never)]
pub(super) fn pair_outputs<'w>(step: &Step<'_>, work: &'w mut [u32]) -> Option<&'w [i32]> {
    let count = step.channels.len();
    let sums = work.get_mut(..count.next_multiple_of(2))?.as_chunks_mut().0;
    for ([whole, even], channels) in sums.iter_mut().zip(step.channels.chunks(2)) {
        let mut biases = channels.iter().map(|channel| channel.bias.get());
        let mut next = || biases.next().unwrap_or_default().cast_unsigned();
        *even = next();
        *whole = (next() << 8).wrapping_add(*even);
        keep_rolled();
    }
    add_pairs(step, sums)?;
    for pair in &mut *sums {
        *pair = unpack_accumulators(pair).map(i32::cast_unsigned);
        keep_rolled();
    }
    <[i32]>::ref_from_bytes(sums.as_bytes()).ok()?.get(..count)
}

/// Adds the products of all inputs.
fn add_pairs(step: &Step<'_>, sums: &mut [[u32; 2]]) -> Option<()> {
    let (inputs, width) = (step.rows.span(), step.weights.words());
    let words = <[Word]>::ref_from_bytes(step.bytes).ok()?;
    let mut words = words.get(step.first / 2 * width..)?;
    // the last inputs, filled up to four
    let (whole, rest) = inputs.as_chunks::<4>();
    let mut last = [0; 4];
    last.iter_mut().zip(rest).for_each(|(to, &from)| *to = from);
    for sums in sums.chunks_mut(DENSE_PAIRS) {
        words::dense(words, inputs, sums);
        if !rest.is_empty() {
            words::dense(words.get(2 * whole.len() * sums.len()..)?, &last, sums);
        }
        words = words.get(width * sums.len()..)?;
    }
    Some(())
}
