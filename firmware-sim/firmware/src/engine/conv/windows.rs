//! Windows of a pooling of stride 1, by the kernels of the layout Words that are made for them.

use zerocopy::{FromBytes, IntoBytes};

use super::WINDOW;
use crate::engine::Step;
use crate::engine::output::Output;
use crate::format::POOL;
use crate::kernels::grey;
use crate::kernels::words::{Offsets, Pair, Tile, WindowPatch, Word, gather_window};
use crate::loops::{clear, keep_rolled};

/// Working memory of a step.
struct Work<'m, const SIDE: usize> {
    /// Where the rows of a window lie.
    lines: Offsets<'m>,
    /// Whether any is above or below the map.
    is_padded: bool,
    /// `[pair of outputs]`
    sums: &'m mut [Tile],
    patches: &'m mut [WindowPatch<SIDE>],
}

impl<'m, const SIDE: usize> Work<'m, SIDE> {
    fn of(step: &Step<'_>, words: &'m mut [u32]) -> Option<Self> {
        let Areas { lines, is_padded, sums, patches } = Areas::of(step, words, SIDE)?;
        let patches = patches.as_chunks_mut().0.as_chunks_mut().0;
        Some(Self { lines: Offsets::new(lines), is_padded, sums, patches })
    }
}

/// The same for kernels of any side.
struct Areas<'m> {
    lines: &'m [u32],
    is_padded: bool,
    sums: &'m mut [Tile],
    patches: &'m mut [Pair],
}

impl<'m> Areas<'m> {
    #[inline(never)] // once for all sides
    fn of(step: &Step<'_>, words: &'m mut [u32], side: usize) -> Option<Self> {
        let (lines, rest) = words.split_at_mut_checked(side)?;
        let outputs = step.channels.len().next_multiple_of(2);
        let (sums, patches) = rest.split_at_mut_checked(outputs * WINDOW)?;
        let sums = <[Tile]>::mut_from_bytes(sums.as_mut_bytes()).ok()?;
        let is_padded = step.lines().offsets(lines);
        Some(Self { lines, is_padded, sums, patches })
    }
}

/// Windows of several channels.
#[inline(never)] // as the others: their locals are not on the stack at once
pub(in crate::engine) fn windows<const SIDE: usize>(
    step: &Step<'_>,
    work: &mut [u32],
    output: &mut Output<'_>,
    multiply: fn(&[Word], usize, &[WindowPatch<SIDE>], &mut [Tile]),
) -> Option<()> {
    let mut work = Work::of(step, work)?;
    for column in 0..output.value().width.get().into() {
        sum_up(step, column, &mut work, multiply)?;
        output.put_largest(column, step.first, work.sums, step.channels);
    }
    Some(())
}

/// Sums of products of a window, of some channels at a time.
#[inline(never)]
fn sum_up<const SIDE: usize>(
    step: &Step<'_>,
    column: usize,
    work: &mut Work<'_, SIDE>,
    multiply: fn(&[Word], usize, &[WindowPatch<SIDE>], &mut [Tile]),
) -> Option<()> {
    let patches = work.patches.get_mut(..step.chunk() / 2)?;
    let [_, start] = step.window(column * WINDOW);
    let mut pixels = step.rows.span().get(start..)?;
    let mut words = step.words()?;
    clear(work.sums);
    for _ in (0..step.weights.inputs).step_by(step.chunk().max(1)) {
        gather_window(pixels, work.lines, step.weights.inputs, patches);
        if work.is_padded {
            pad(step, patches);
        }
        multiply(words, step.weights.words(), patches, work.sums);
        pixels = pixels.get(step.chunk()..)?;
        words = words.get(patches.len() * (SIDE - 1) * (SIDE - 1)..)?;
    }
    Some(())
}

/// Fills in the rows above and below the map, for which others were gathered.
#[inline(never)]
fn pad<const SIDE: usize>(step: &Step<'_>, patches: &mut [WindowPatch<SIDE>]) {
    for line in step.lines().outside() {
        for row in patches.iter_mut().filter_map(|patch| patch.get_mut(line)) {
            *row = [step.rows.padding(); SIDE];
            keep_rolled();
        }
    }
}

/// Windows of one channel.
#[inline(never)]
pub(in crate::engine) fn grey(
    step: &Step<'_>,
    work: &mut [u32],
    output: &mut Output<'_>,
) -> Option<()> {
    let mut work = Work::of(step, work)?;
    let [_, start] = step.window(0);
    // the column of a blank window
    let mut blank = None;
    for column in 0..output.value().width.get().into() {
        let pixels = step.rows.span().get(start + column * POOL..)?;
        let is_blank = sum_up_grey(step, pixels, &mut work)?;
        if is_blank
            && let Some(from) = blank
            && output.repeat([from, column], step.first, step.channels.len())
        {
            continue;
        }
        if is_blank {
            // most of a digit's picture is background: 0 times anything
            clear(work.sums);
            blank = Some(column);
        }
        output.put_largest(column, step.first, work.sums, step.channels);
    }
    Some(())
}

/// Sums of products of a window of one channel, unless all of it is zero; whether it is.
#[inline(never)]
fn sum_up_grey(
    step: &Step<'_>,
    pixels: &[u8],
    work: &mut Work<'_, { grey::SIDE }>,
) -> Option<bool> {
    let patch = work.patches.first_mut()?;
    let mut is_blank = !grey::gather(pixels, work.lines, patch);
    if work.is_padded {
        is_blank &= pad_grey(step, patch);
    }
    if !is_blank {
        grey::convolve(step.words()?, patch, work.sums);
    }
    Some(is_blank)
}

/// Fills in the rows above and below the map, and tells whether they are zero.
#[inline(never)]
fn pad_grey(step: &Step<'_>, patch: &mut grey::Patch) -> bool {
    let padding = step.rows.value().zero;
    for line in step.lines().outside() {
        grey::fill_row(patch, line, padding);
    }
    padding == 0
}
