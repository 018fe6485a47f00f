//! Integer inference, an image row at a time.
//!
//! Convolution, ReLU and pooling are one step. A row of pooled outputs needs [`WINDOW`] rows of inputs, so two
//! rings of that many rows, one of the image and one of the first stage, are all that is held of the maps.
//! Row `r` lies in slot `r mod WINDOW`, so nothing is ever moved:
//!
//! ```text
//! pooled row 0   needs rows 0 1 2 3 4 5             of slots 0 1 2 3 4 5
//! pooled row 1   needs rows     2 3 4 5 6 7         of slots 2 3 4 5 0 1   rows 6 and 7 replace 0 and 1
//! pooled row 2   needs rows         4 5 6 7 8 9     of slots 4 5 0 1 2 3   rows 8 and 9 replace 2 and 3
//! ```
//!
//! A row may be replaced once the pooled row that needs it is there. So whatever is due is computed before
//! another row is taken in, and of what is due, the last layer's part first: see [`Frame::step`].

use crate::answer::Logits;
use crate::format::words::BLOCK;
use crate::format::{Channel, Conv1, Conv2, Dense1, Dense2, File, Model};
use crate::geometry::{
    CLASSES, FLAT, IMAGE_SIDE, KERNEL, MAPS1, MAPS2, PIXELS, POOL, SIDE1, SIDE2, WINDOW,
};
use crate::kernels::{self, Pair, Patch, WindowAccumulators};

/// Two neighbours of two maps, as four bytes: half the memory of two [`Pair`]s, which a mask makes of them.
///
/// ```text
/// bits    31 .. 24   23 .. 16   15 .. 8    7 .. 0
/// quad    b(x + 1)     b(x)     a(x + 1)    a(x)
/// ```
type Quad = u32;

/// The last [`WINDOW`] rows of the image.
type ImageRing = [[u8; IMAGE_SIDE]; WINDOW];

/// The last [`WINDOW`] rows of the first stage: `[row mod WINDOW][pair of maps][pair of columns]`.
type StageRing = [[[Quad; SIDE1 / 2]; MAPS1 / 2]; WINDOW];

const RING_WORDS: usize = size_of::<StageRing>() / size_of::<u32>();
const ACCUMULATOR_WORDS: usize = MAPS2 / 2 * size_of::<WindowAccumulators>() / size_of::<u32>();
const PATCH_WORDS: usize = WINDOW * WINDOW;

/// What [`Maps`] divides up. When the maps are done with, the inputs of a dense layer as [`Pair`]s: RAM is the
/// budget, and the two are never needed at once.
type Workspace = [u32; RING_WORDS + ACCUMULATOR_WORDS + PATCH_WORDS];

/// Working memory of one inference; place it in a `static` or on the stack.
#[derive(Debug, Clone)]
pub struct Scratch {
    image: ImageRing,
    workspace: Workspace,
    /// `[map][row][column]` of the second stage, then the hidden features.
    features: [u8; FLAT],
}

const _: () = assert!(
    size_of::<Scratch>() <= 3400,
    "of 4,096 bytes, the rest is for rows to come and the stack"
);

impl Scratch {
    /// Zeroed memory.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            image: [[0; IMAGE_SIDE]; WINDOW],
            workspace: [0; RING_WORDS + ACCUMULATOR_WORDS + PATCH_WORDS],
            features: [0; FLAT],
        }
    }
}

impl Default for Scratch {
    fn default() -> Self {
        Self::new()
    }
}

/// What the convolutions work on.
struct Maps<'s> {
    ring: &'s mut StageRing,
    accumulators: &'s mut [WindowAccumulators; MAPS2 / 2],
    patch: &'s mut Patch,
}

impl<'s> Maps<'s> {
    /// `None` is never: the sizes are constants, and add up.
    fn of(workspace: &'s mut Workspace) -> Option<Self> {
        let (ring, rest) = workspace.split_at_mut(RING_WORDS);
        let (accumulators, patch) = rest.split_at_mut(ACCUMULATOR_WORDS);
        Some(Self {
            ring: ring.as_chunks_mut().0.as_chunks_mut().0.try_into().ok()?,
            accumulators: accumulators.as_chunks_mut().0.try_into().ok()?,
            patch: patch.as_chunks_mut().0.try_into().ok()?,
        })
    }
}

/// A layer with what is done in the same step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LayerId {
    /// First convolution, ReLU and pooling: one row.
    Conv1,
    /// Second convolution, ReLU and pooling: one row.
    Conv2,
    /// First dense layer and ReLU.
    Dense1,
    /// Second dense layer.
    Dense2,
}

impl LayerId {
    /// All of them, in order.
    pub const ALL: [Self; 4] = [Self::Conv1, Self::Conv2, Self::Dense1, Self::Dense2];

    /// As the model file and every report call it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Conv1 => "conv1",
            Self::Conv2 => "conv2",
            Self::Dense1 => "dense1",
            Self::Dense2 => "dense2",
        }
    }
}

/// What [`Frame::step`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// Computed some of a layer; more may be due.
    Computed(LayerId),
    /// Nothing: it needs the next row, by [`Frame::push_row`].
    NeedsRow,
    /// Nothing: only the last layer is left, for [`Frame::finish`].
    Ready,
}

/// An image that is coming in.
#[derive(Debug)]
pub struct Frame<'a> {
    model: Model<'a>,
    scratch: &'a mut Scratch,
    /// Image rows so far.
    rows: u8,
    /// Rows of the first stage so far.
    rows1: u8,
    /// Rows of the second stage so far.
    rows2: u8,
    /// Whether the hidden features are there.
    hidden: bool,
}

impl<'a> Model<'a> {
    /// Begins an image; what `scratch` held does not matter.
    #[must_use]
    pub fn start<'m>(&self, scratch: &'m mut Scratch) -> Frame<'m>
    where
        'a: 'm,
    {
        Frame { model: *self, scratch, rows: 0, rows1: 0, rows2: 0, hidden: false }
    }

    /// Scores a whole image: row by row, 0 = background, 255 = ink.
    #[must_use]
    pub fn infer(&self, image: &[u8; PIXELS], scratch: &mut Scratch) -> Logits {
        let mut frame = self.start(scratch);
        for row in image.as_chunks().0 {
            frame.push_row(row);
        }
        frame.run();
        frame.last_layer()
    }
}

impl Frame<'_> {
    /// Takes the next row from the top, after computing what the rows before it have made possible; rows after
    /// the last are ignored.
    pub fn push_row(&mut self, row: &[u8; IMAGE_SIDE]) {
        self.run();
        if !self.is_complete() {
            self.scratch.image[usize::from(self.rows) % WINDOW] = *row;
            self.rows += 1;
        }
    }

    /// Whether all rows are there.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        usize::from(self.rows) == IMAGE_SIDE
    }

    /// Does the next thing that is due, at most a row of one layer: for those who do something in between, or
    /// measure.
    pub fn step(&mut self) -> Progress {
        let File { conv1, conv2, dense1, .. } = self.model.file();
        let Scratch { image, workspace, features } = &mut *self.scratch;
        let [rows, rows1, rows2] = [self.rows, self.rows1, self.rows2].map(usize::from);
        // from the last layer to the first: a new row of the first stage replaces one that the second may need
        if self.hidden {
            return Progress::Ready;
        }
        if rows2 == SIDE2 {
            dense1_features(dense1, features, workspace);
            self.hidden = true;
            return Progress::Computed(LayerId::Dense1);
        }
        if rows1 >= rows2 * POOL + WINDOW {
            conv2_row(conv2, workspace, rows2, features);
            self.rows2 += 1;
            return Progress::Computed(LayerId::Conv2);
        }
        if rows >= rows1 * POOL + WINDOW {
            conv1_row(conv1, image, workspace, rows1);
            self.rows1 += 1;
            return Progress::Computed(LayerId::Conv1);
        }
        Progress::NeedsRow
    }

    /// Does all that is due.
    fn run(&mut self) {
        while let Progress::Computed(_) = self.step() {}
    }

    /// The answer, once all rows are there.
    #[must_use]
    pub fn finish(mut self) -> Option<Logits> {
        self.run();
        self.hidden.then(|| self.last_layer())
    }

    fn last_layer(self) -> Logits {
        let Scratch { workspace, features, .. } = self.scratch;
        dense2_logits(&self.model.file().dense2, features, workspace)
    }
}

/// Row `row` of the first stage.
#[inline(never)] // as the others: their locals are not on the stack at once
fn conv1_row(layer: &Conv1, image: &ImageRing, workspace: &mut Workspace, row: usize) {
    let Some(Maps { ring, accumulators, patch }) = Maps::of(workspace) else { return };
    let [weights] = &layer.weights;
    let Some(accumulators) = accumulators.first_chunk_mut() else { return };
    let rows: [&[u8; IMAGE_SIDE]; WINDOW] =
        core::array::from_fn(|below| &image[(row * POOL + below) % WINDOW]);
    for column in 0..SIDE1 {
        let ink = gather_pixels(&rows, column * POOL, patch);
        if ink {
            kernels::conv1(weights, patch, accumulators);
        }
        let quads = &mut ring[row % WINDOW];
        for ((accumulators, channels), quads) in accumulators.iter().zip(&layer.channels).zip(quads)
        {
            // most of a digit's image is background: 0 times anything
            let accumulators = if ink { max_pool(accumulators) } else { [0; 2] };
            let [a, b] = requantize(accumulators, channels).map(u32::from);
            if let Some(quad) = quads.get_mut(column / 2) {
                *quad = match column % 2 {
                    0 => a | b << 16,
                    _ => *quad | a << 8 | b << 24,
                };
            }
        }
    }
}

/// Lays a window of pixels out as [`kernels::conv1`] wants them, if there is any ink in it.
fn gather_pixels(rows: &[&[u8; IMAGE_SIDE]; WINDOW], column: usize, patch: &mut Patch) -> bool {
    let window = |row: usize| {
        rows[row].get(column..).and_then(|row| row.first_chunk()).unwrap_or(&[0; WINDOW])
    };
    if rows.iter().enumerate().all(|(row, _)| *window(row) == [0; WINDOW]) {
        return false;
    }
    let [stacked @ .., last, last_below] = patch;
    for (row, cells) in stacked.iter_mut().enumerate() {
        interleave_rows(window(row), window(row + 1), cells);
    }
    interleave_columns(*window(WINDOW - 2), last);
    interleave_columns(*window(WINDOW - 1), last_below);
    true
}

/// Pixels with the ones below them.
#[inline(never)] // short of registers, it would be spread over twice the stack
fn interleave_rows(above: &[u8], below: &[u8], cells: &mut [Pair; WINDOW]) {
    for (cell, (&above, &below)) in cells.iter_mut().zip(above.iter().zip(below)) {
        *cell = Pair::from(above) | Pair::from(below) << 16;
    }
}

/// Pixels with the ones to their right, but the last two with zero: they meet the kernel's last element, which
/// has no partner.
#[inline(never)]
fn interleave_columns(row: [u8; WINDOW], cells: &mut [Pair; WINDOW]) {
    let [p0, p1, p2, p3, p4, p5] = row.map(Pair::from);
    *cells = [p0 | p1 << 16, p1 | p2 << 16, p2 | p3 << 16, p3 | p4 << 16, p4, p5];
}

/// Row `row` of the second stage.
#[inline(never)]
fn conv2_row(layer: &Conv2, workspace: &mut Workspace, row: usize, features: &mut [u8; FLAT]) {
    let Some(Maps { ring, accumulators, patch }) = Maps::of(workspace) else { return };
    let rows: [&[[Quad; SIDE1 / 2]; MAPS1 / 2]; WINDOW] =
        core::array::from_fn(|below| &ring[(row * POOL + below) % WINDOW]);
    for column in 0..SIDE2 {
        *accumulators = [[0; 8]; MAPS2 / 2];
        for (pair, weights) in layer.weights.iter().enumerate() {
            for (cells, maps) in patch.iter_mut().zip(rows) {
                let quads = maps.get(pair).and_then(|quads| quads.get(column..));
                if let Some(&[left, middle, right, ..]) = quads {
                    *cells =
                        [low(left), high(left), low(middle), high(middle), low(right), high(right)];
                }
            }
            kernels::conv2(weights, patch, accumulators);
        }
        let maps = features.as_chunks_mut::<{ SIDE2 * SIDE2 }>().0.as_chunks_mut::<2>().0;
        for ((accumulators, channels), maps) in accumulators.iter().zip(&layer.channels).zip(maps) {
            for (feature, map) in requantize(max_pool(accumulators), channels).into_iter().zip(maps)
            {
                if let Some(cell) = map.get_mut(row * SIDE2 + column) {
                    *cell = feature;
                }
            }
        }
    }
}

/// The left neighbours of a quad.
const fn low(quad: Quad) -> Pair {
    quad & 0x00ff_00ff
}

/// The right neighbours of a quad.
const fn high(quad: Quad) -> Pair {
    (quad >> 8) & 0x00ff_00ff
}

/// 2×2 max-pooling of the accumulators of an even and the odd output after it.
///
/// Requantisation is monotonic, so the largest of four requantised accumulators is the requantised largest one:
/// one requantisation instead of four.
fn max_pool(accumulators: &WindowAccumulators) -> [i32; 2] {
    let [first, rest @ ..] = accumulators.as_chunks().0 else { return [0; 2] };
    rest.iter().fold(kernels::unpack_accumulators(first), |largest, accumulators| {
        let accumulators = kernels::unpack_accumulators(accumulators);
        [largest[0].max(accumulators[0]), largest[1].max(accumulators[1])]
    })
}

/// Activations of sums of products: with the bias, ReLU and requantisation.
fn requantize(accumulators: [i32; 2], channels: &[Channel; 2]) -> [u8; 2] {
    let [even, odd] = channels.each_ref().map(Channel::multiplier);
    let accumulators = with_bias(accumulators, channels);
    [even.requantize(accumulators[0]), odd.requantize(accumulators[1])]
}

fn with_bias(accumulators: [i32; 2], channels: &[Channel; 2]) -> [i32; 2] {
    let [even, odd] = channels.each_ref().map(Channel::bias);
    [accumulators[0] + even, accumulators[1] + odd]
}

/// The hidden features, over the ones that they are made of.
#[inline(never)]
fn dense1_features(layer: &Dense1, features: &mut [u8; FLAT], workspace: &mut Workspace) {
    let Some(pairs) = workspace.first_chunk_mut() else { return };
    gather_pairs(features, pairs);
    let outputs = features.as_chunks_mut::<2>().0.as_chunks_mut::<BLOCK>().0;
    for ((weights, channels), outputs) in layer.weights.iter().zip(&layer.channels).zip(outputs) {
        let accumulators = kernels::dense(weights, pairs);
        for ((accumulators, channels), outputs) in
            accumulators.as_chunks().0.iter().zip(channels).zip(outputs)
        {
            *outputs = requantize(kernels::unpack_accumulators(accumulators), channels);
        }
    }
}

/// The scores of the classes.
#[inline(never)]
fn dense2_logits(layer: &Dense2, features: &[u8; FLAT], workspace: &mut Workspace) -> Logits {
    let mut logits = [0; CLASSES];
    let Some(pairs) = workspace.first_chunk_mut() else { return Logits(logits) };
    gather_pairs(features, pairs);
    let outputs = logits.as_chunks_mut::<2>().0.as_chunks_mut::<BLOCK>().0;
    for ((weights, channels), outputs) in layer.weights.iter().zip(&layer.channels).zip(outputs) {
        let accumulators = kernels::dense(weights, pairs);
        for ((accumulators, channels), outputs) in
            accumulators.as_chunks().0.iter().zip(channels).zip(outputs)
        {
            *outputs = with_bias(kernels::unpack_accumulators(accumulators), channels);
        }
    }
    Logits(logits)
}

/// Neighbours among `features`, as 16 bits each.
fn gather_pairs(features: &[u8], pairs: &mut [Pair]) {
    for (pair, &[a, b]) in pairs.iter_mut().zip(features.as_chunks().0) {
        *pair = Pair::from(a) | Pair::from(b) << 16;
    }
}

const _: () = assert!(KERNEL + POOL - 1 == WINDOW && SIDE1.is_multiple_of(2));
