//! Any two places at a time, by the kernels of the layout Words: of a row that is pooled the halves of a window.

use zerocopy::{FromBytes, IntoBytes};

use crate::engine::Step;
use crate::engine::output::Output;
use crate::format::POOL;
use crate::kernels::words::{self, Fours, Offsets, Pair, Row, Tile, Twin, Word, gathered_pairs};
use crate::loops::keep_rolled;
use crate::plan;

/// Places that are computed at once.
const PLACES: usize = 2;

/// Working memory of a step.
struct Work<'m> {
    /// `[pair of outputs]`, or of a window `[pair of outputs][half]`; none if all taps are summed up at once
    sums: &'m mut [Twin],
    /// `[pair of taps][place]`
    patch: &'m mut [[Pair; PLACES]],
}

/// Where kernel rows lie, and working memory: those of `halves` of a window.
fn split<'m>(
    step: &Step<'_>,
    words: &'m mut [u32],
    halves: usize,
) -> Option<(&'m mut [[u32; PLACES]], Work<'m>)> {
    let rows = step.geometry().kernel[0] * halves;
    let (rows, rest) = words.split_at_mut_checked(PLACES * rows)?;
    let sums = plan::fours_sums(step.record, &step.weights, step.channels.len());
    let (sums, patch) = rest.split_at_mut_checked(sums)?;
    let [rows, patch] = [rows, patch].map(|words| words.as_chunks_mut().0);
    Some((rows, Work { sums: sums.as_chunks_mut().0, patch }))
}

/// Kernel rows under two places of a row, from the first to before the last that count.
struct Lines<'a> {
    step: &'a Step<'a>,
    /// Where all of them lie in the windows of the first two places of the row.
    rows: Offsets<'a, [u32; PLACES]>,
    /// The line that the first of all is.
    line: usize,
    first: usize,
    end: usize,
    /// Whether any that counts is outside the map, so that it must be filled in.
    is_padded: bool,
}

/// Any places.
#[inline(never)]
pub(in crate::engine) fn by_fours(
    step: &Step<'_>,
    work: &mut [u32],
    output: &mut Output<'_>,
) -> Option<()> {
    let (rows, mut work) = split(step, work, 1)?;
    let width = usize::from(output.value().width.get());
    let mut column = 0;
    while column < width {
        let left = width - column;
        // a last one is computed twice at once
        step.place_rows(0, if left == 1 { 0 } else { step.across() }, rows);
        let lines = Lines::of(step, rows, 0);
        if left > 1 && work.sums.is_empty() && !lines.is_padded {
            column += lines.row([column, left], work.patch, output)?;
        }
        // what the kernel leaves
        while column < width && (left == 1 || column + 1 < width) {
            lines.two(column, &mut work, output)?;
            column += PLACES;
        }
    }
    Some(())
}

/// Pooling windows.
#[inline(never)]
pub(in crate::engine) fn by_halves(
    step: &Step<'_>,
    work: &mut [u32],
    output: &mut Output<'_>,
) -> Option<()> {
    let (rows, mut work) = split(step, work, POOL)?;
    let (above, below) = rows.split_at_mut_checked(step.geometry().kernel[0])?;
    let line = step.geometry().stride[0];
    step.place_rows(0, step.across(), above);
    step.place_rows(line, step.across(), below);
    let halves = [Lines::of(step, above, 0), Lines::of(step, below, line)];
    for column in 0..usize::from(output.value().width.get()) {
        work.sums.fill([0; 4]);
        for (half, lines) in halves.iter().enumerate() {
            lines.half(column, half, &mut work)?;
        }
        let tiles = <[Tile]>::ref_from_bytes(work.sums.as_bytes()).ok()?;
        let tiles = tiles.get(..step.channels.len().div_ceil(2))?;
        output.put_largest(column, step.first, tiles, step.channels);
    }
    Some(())
}

impl Step<'_> {
    /// Bytes from a window to the next one.
    fn across(&self) -> usize {
        self.geometry().stride[1] * self.weights.inputs
    }

    /// Sets where the kernel rows lie at two places, of which the second begins `across` bytes after the first.
    #[inline(never)]
    fn place_rows(&self, line: usize, across: usize, rows: &mut [[u32; PLACES]]) {
        let lines = self.lines();
        for (row, places) in (line..).zip(rows) {
            let offset = lines.offset(row);
            *places = [offset, offset + across as u32];
        }
    }

    /// What is held, from the window of a place on.
    fn pixels(&self, column: usize) -> Option<&[u8]> {
        let padding = self.record.padding[2].into();
        let start = self.rows.window(column, self.geometry().stride[1], padding);
        self.rows.span().get(start..)
    }
}

impl<'a> Lines<'a> {
    /// Those from `line` on.
    ///
    /// Where the padding is zeros, those outside the map do not count, unless rows share words.
    #[inline(never)]
    fn of(step: &'a Step<'a>, rows: &'a [[u32; PLACES]], line: usize) -> Self {
        let (lines, count) = (step.lines(), rows.len());
        let inside = |row: &usize| lines.is_inside(line + row);
        let first = (0..count).find(inside).unwrap_or_default();
        let end = (first..count).rev().find(inside).map_or(count, |last| last + 1);
        let rows = Offsets::of_places(rows);
        let is_whole = end - first == count;
        if is_whole || step.rows.value().zero == 0 && step.weights.run.is_multiple_of(4) {
            Self { step, rows, line, first, end, is_padded: false }
        } else {
            Self { step, rows, line, first: 0, end: count, is_padded: true }
        }
    }

    /// The words from the first that counts on.
    fn words(&self) -> Option<&'a [Word]> {
        self.step.words()?.get(self.first * self.step.weights.run..)
    }

    /// As many of a row's windows as the kernel does; gives how many.
    #[inline(never)] // as the others: their locals are not on the stack at once
    fn row(
        &self,
        [column, places]: [usize; 2],
        patch: &mut [[Pair; PLACES]],
        output: &mut Output<'_>,
    ) -> Option<usize> {
        let step = self.step;
        let row = Row {
            words: self.words()?,
            stride: 2 * step.weights.words(),
            pixels: step.pixels(column)?,
            rows: self.rows.part(self.first..self.end)?,
            run: step.weights.run,
            across: step.across(),
            places,
        };
        Some(output.put_row(column, step.first, &row, patch, step.channels))
    }

    /// Two windows, or the last one.
    #[inline(never)]
    fn two(&self, column: usize, work: &mut Work<'_>, output: &mut Output<'_>) -> Option<()> {
        let step = self.step;
        work.sums.fill([0; 4]);
        let (words, pairs) = self.sum_up(step.pixels(column)?, 1, 0, work)?;
        let patch = work.patch.get(..pairs)?;
        let fours = Fours { words, stride: 2 * step.weights.words(), patch };
        output.put_fours(column, step.first, &fours, work.sums, step.channels);
        Some(())
    }

    /// Half a pooling window.
    #[inline(never)]
    fn half(&self, column: usize, half: usize, work: &mut Work<'_>) -> Option<()> {
        let pixels = self.step.pixels(column * POOL)?;
        let (words, pairs) = self.sum_up(pixels, POOL, half, work)?;
        let fours =
            Fours { words, stride: 2 * self.step.weights.words(), patch: work.patch.get(..pairs)? };
        words::add_fours(&fours, work.sums.get_mut(half..)?, POOL);
        Some(())
    }

    /// Gathers the taps of two places, as many at a time as are summed up at once, and adds their products to one of every
    /// `step` sums: but for the last, of which it gives the words and the number of pairs.
    #[inline(never)]
    fn sum_up(
        &self,
        pixels: &[u8],
        step: usize,
        half: usize,
        work: &mut Work<'_>,
    ) -> Option<(&'a [Word], usize)> {
        let weights = &self.step.weights;
        let mut words = self.words()?;
        // at least one, or a file that changed in flash might keep it here
        let [at_once, most] = weights.chunk(self.step.chunk()).map(|it| it.max(1));
        let (mut first, mut skip) = (self.first, 0);
        loop {
            let end = self.end.min(first + at_once);
            let run = most.min(weights.run - skip);
            let pairs = gathered_pairs(end - first, run);
            let rows = self.rows.part(first..end)?;
            words::gather_places(pixels.get(skip..)?, rows, run, work.patch);
            if self.is_padded {
                self.step.pad(self.line + first, end - first, run, work.patch);
            }
            skip += run;
            if skip >= weights.run {
                (first, skip) = (end, 0);
            }
            if first >= self.end {
                return Some((words, pairs));
            }
            let fours =
                Fours { words, stride: 2 * weights.words(), patch: work.patch.get(..pairs)? };
            words::add_fours(&fours, work.sums.get_mut(half..)?, step);
            words = words.get(2 * pairs..)?;
        }
    }
}

impl Step<'_> {
    /// Fills in the padding of kernel rows above and below the map, for which another row was gathered.
    #[inline(never)]
    fn pad(&self, line: usize, rows: usize, run: usize, patch: &mut [[Pair; PLACES]]) {
        let padding = self.rows.padding();
        let (pairs, left) = (run / 4 * 2, run % 4);
        let Some((whole, halves)) = patch.split_at_mut_checked(pairs * rows) else { return };
        let lines = self.lines();
        for row in (0..rows).filter(|row| !lines.is_inside(line + row)) {
            let whole = whole.get_mut(row * pairs..(row + 1) * pairs).unwrap_or_default();
            whole.fill([padding; PLACES]);
            for number in row * left..(row + 1) * left {
                if let Some(places) = halves.get_mut(number / 2) {
                    let half = 0xffff << (16 * (number % 2));
                    *places = places.map(|pair| pair & !half | padding & half);
                }
                keep_rolled();
            }
        }
    }
}
