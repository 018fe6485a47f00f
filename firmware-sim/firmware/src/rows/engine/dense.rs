//! A dense layer: all outputs in one step, some blocks of them at a time.

use zerocopy::{FromBytes, IntoBytes};

use super::rows::{Output, Rows};
use crate::kernels::bytes::{self, Block};
use crate::kernels::unpack_accumulators;
use crate::kernels::words::{self, Word};
use crate::rows::format::{BLOCK, Channel, Order, Weights};
use crate::rows::plan::DENSE_BLOCKS;
use crate::rows::weights::DENSE_PAIRS;

/// All outputs of the rows of the input, which are all there.
#[inline(never)]
pub(super) fn outputs(
    weights: &Weights,
    bytes: &[u8],
    channels: &[Channel],
    rows: &Rows<'_>,
    work: &mut [u32],
    output: &mut Output<'_>,
) -> Option<()> {
    let inputs = rows.all();
    match weights.order {
        Order::Blocks => blocks(weights, bytes, channels, inputs, work, output),
        _ => pairs(weights, bytes, channels, inputs, output),
    }
}

fn blocks(
    weights: &Weights,
    bytes: &[u8],
    channels: &[Channel],
    inputs: &[u8],
    work: &mut [u32],
    output: &mut Output<'_>,
) -> Option<()> {
    let mut weights_left = <[Block]>::ref_from_bytes(bytes).ok()?;
    let mut first = 0;
    for channels in channels.chunks(BLOCK * DENSE_BLOCKS) {
        let blocks = channels.len().div_ceil(BLOCK);
        let sums = work.get_mut(..blocks * BLOCK)?;
        sums.fill(0);
        let sums = <[[i32; BLOCK]]>::mut_from_bytes(sums.as_mut_bytes()).ok()?;
        bytes::one_place(weights_left, weights.taps, inputs, sums);
        weights_left = weights_left.get(weights.taps * blocks..)?;
        output.put(0, first, sums.as_flattened(), channels);
        first += channels.len();
    }
    Some(())
}

fn pairs(
    weights: &Weights,
    bytes: &[u8],
    channels: &[Channel],
    inputs: &[u8],
    output: &mut Output<'_>,
) -> Option<()> {
    let mut words_left = <[Word]>::ref_from_bytes(bytes).ok()?;
    // the last inputs, filled up to four
    let whole = inputs.len() / 4 * 4;
    let mut last = [0; 4];
    let rest = inputs.get(whole..)?;
    last.iter_mut().zip(rest).for_each(|(to, &from)| *to = from);
    let mut first = 0;
    for channels in channels.chunks(2 * DENSE_PAIRS) {
        let mut sums = [[0; 2]; DENSE_PAIRS];
        let pairs = channels.len().div_ceil(2);
        let sums = sums.get_mut(..pairs)?;
        words::dense(words_left, inputs, sums);
        if !rest.is_empty() {
            words::dense(words_left.get(whole / 2 * pairs..)?, &last, sums);
        }
        words_left = words_left.get(weights.words() * pairs..)?;
        let mut plain = [[0; 2]; DENSE_PAIRS];
        for (plain, sums) in plain.iter_mut().zip(&*sums) {
            *plain = unpack_accumulators(sums);
        }
        output.put(0, first, plain.as_flattened(), channels);
        first += channels.len();
    }
    Some(())
}
