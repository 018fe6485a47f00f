//! Integer inference, an image row at a time.
//!
//! Convolution, ReLU and pooling are one step. A row of pooled outputs needs [`WINDOW`] rows below it, so two
//! rings of that many rows, one of the image and one of the first stage, are all that is held of the maps.

use crate::answer::Logits;
use crate::format::words::BLOCK;
use crate::format::{Channel, ChannelPair, Contents, Conv1, Conv2, Dense, Model};
use crate::geometry::{
    CLASSES, FLAT, HIDDEN, IMAGE_SIDE, KERNEL, MAPS1, MAPS2, PIXELS, POOL, SIDE1, SIDE2, WINDOW,
};
use crate::kernels::{self, Pair, Patch, WindowSums};

/// Two neighbours of two maps: `a(x)`, `a(x + 1)`, `b(x)`, `b(x + 1)` from the lowest byte up, so that a mask
/// makes a [`Pair`] of them.
type Quad = u32;

/// The last [`WINDOW`] rows of the image.
type ImageRing = [[u8; IMAGE_SIDE]; WINDOW];

/// The last [`WINDOW`] rows of the first stage: `[row mod WINDOW][pair of maps][pair of columns]`.
type StageRing = [[[Quad; SIDE1 / 2]; MAPS1 / 2]; WINDOW];

const RING_WORDS: usize = size_of::<StageRing>() / size_of::<u32>();
const SUM_WORDS: usize = MAPS2 / 2 * size_of::<WindowSums>() / size_of::<u32>();
const PATCH_WORDS: usize = WINDOW * WINDOW;

/// Working memory of one inference; place it in a `static` or on the stack.
#[derive(Debug, Clone)]
pub struct Scratch {
    image: ImageRing,
    /// What [`Maps`] divides up; then the inputs of a dense layer as [`Pair`]s.
    words: [u32; RING_WORDS + SUM_WORDS + PATCH_WORDS],
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
            words: [0; RING_WORDS + SUM_WORDS + PATCH_WORDS],
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
    sums: &'s mut [WindowSums; MAPS2 / 2],
    patch: &'s mut Patch,
}

impl<'s> Maps<'s> {
    /// `None` is never: the sizes are constants, and add up.
    fn of(words: &'s mut [u32; RING_WORDS + SUM_WORDS + PATCH_WORDS]) -> Option<Self> {
        let (ring, rest) = words.split_at_mut(RING_WORDS);
        let (sums, patch) = rest.split_at_mut(SUM_WORDS);
        Some(Self {
            ring: ring.as_chunks_mut().0.as_chunks_mut().0.try_into().ok()?,
            sums: sums.as_chunks_mut().0.try_into().ok()?,
            patch: patch.as_chunks_mut().0.try_into().ok()?,
        })
    }
}

/// A layer with what is done in the same step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layer {
    /// First convolution, ReLU and pooling: one row.
    Conv1,
    /// Second convolution, ReLU and pooling: one row.
    Conv2,
    /// First dense layer and ReLU.
    Dense1,
    /// Second dense layer.
    Dense2,
}

/// What [`Frame::step`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// Nothing: it needs the next row, by [`Frame::push_row`].
    NeedsRow,
    /// Computed some of a layer; more may be due.
    Computed(Layer),
    /// Nothing: here is the answer.
    Done(Logits),
}

/// An image that is coming in.
#[derive(Debug)]
pub struct Frame<'a> {
    model: &'a Model<'a>,
    scratch: &'a mut Scratch,
    /// Image rows so far.
    rows: usize,
    /// Rows of the first stage so far.
    rows1: usize,
    /// Rows of the second stage so far.
    rows2: usize,
    /// Whether the hidden features are there.
    hidden: bool,
    logits: Option<Logits>,
}

impl<'a> Model<'a> {
    /// Begins an image; what `scratch` held does not matter.
    #[must_use]
    pub fn start(&'a self, scratch: &'a mut Scratch) -> Frame<'a> {
        Frame { model: self, scratch, rows: 0, rows1: 0, rows2: 0, hidden: false, logits: None }
    }

    /// Scores a whole image: row by row, 0 = background, 255 = ink.
    #[must_use]
    pub fn infer(&self, image: &[u8; PIXELS], scratch: &mut Scratch) -> Logits {
        let mut frame = Frame {
            model: self,
            scratch,
            rows: 0,
            rows1: 0,
            rows2: 0,
            hidden: false,
            logits: None,
        };
        for row in image.as_chunks().0 {
            frame.push_row(row);
        }
        frame.run().unwrap_or(Logits([0; CLASSES]))
    }
}

impl Frame<'_> {
    /// Takes the next row from the top, after computing what the rows before it have made possible; rows after
    /// the last are ignored.
    pub fn push_row(&mut self, row: &[u8; IMAGE_SIDE]) {
        while let Progress::Computed(_) = self.step() {}
        if !self.is_complete() {
            self.scratch.image[self.rows % WINDOW] = *row;
            self.rows += 1;
        }
    }

    /// Whether all rows are there.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.rows == IMAGE_SIDE
    }

    /// Does the next thing that is due, at most a row of one layer: for those who do something in between, or
    /// measure.
    pub fn step(&mut self) -> Progress {
        let Contents { conv1, conv2, dense1, dense2, .. } = self.model.contents();
        let Scratch { image, words, features } = &mut *self.scratch;
        if let Some(logits) = self.logits {
            return Progress::Done(logits);
        }
        if self.hidden {
            let hidden = features.first_chunk::<HIDDEN>();
            if let (Some(hidden), Some(pairs)) = (hidden, words.first_chunk_mut()) {
                self.logits = Some(logits(dense2, hidden, pairs));
            }
            return Progress::Computed(Layer::Dense2);
        }
        if self.rows2 == SIDE2 {
            if let Some(pairs) = words.first_chunk_mut() {
                hidden(dense1, features, pairs);
            }
            self.hidden = true;
            return Progress::Computed(Layer::Dense1);
        }
        let Some(maps) = Maps::of(words) else { return Progress::NeedsRow };
        if self.rows1 >= self.rows2 * POOL + WINDOW {
            stage2(conv2, maps, self.rows2, features);
            self.rows2 += 1;
            return Progress::Computed(Layer::Conv2);
        }
        if self.rows >= self.rows1 * POOL + WINDOW {
            stage1(conv1, image, maps, self.rows1);
            self.rows1 += 1;
            return Progress::Computed(Layer::Conv1);
        }
        Progress::NeedsRow
    }

    /// The answer, once all rows are there.
    #[must_use]
    pub fn finish(self) -> Option<Logits> {
        self.run()
    }

    fn run(mut self) -> Option<Logits> {
        loop {
            match self.step() {
                Progress::NeedsRow => return None,
                Progress::Computed(_) => {}
                Progress::Done(logits) => return Some(logits),
            }
        }
    }
}

/// Row `row` of the first stage.
fn stage1(layer: &Conv1<'_>, image: &ImageRing, maps: Maps<'_>, row: usize) {
    let Maps { ring, sums, patch } = maps;
    let [weights] = layer.weights;
    let Some(sums) = sums.first_chunk_mut() else { return };
    let rows: [&[u8; IMAGE_SIDE]; WINDOW] =
        core::array::from_fn(|below| &image[(row * POOL + below) % WINDOW]);
    for column in 0..SIDE1 {
        let windows = rows.map(|row| row.get(column * POOL..).and_then(|row| row.first_chunk()));
        if gather_pixels(windows, patch) {
            kernels::conv1(weights, patch, sums);
        } else {
            // most of a digit's image is background
            *sums = [[0; 8]; MAPS1 / 2];
        }
        for ((sums, channels), quads) in
            sums.iter().zip(layer.channels).zip(&mut ring[row % WINDOW])
        {
            let [a, b] = pool(sums, channels).map(u32::from);
            if let Some(quad) = quads.get_mut(column / 2) {
                *quad = match column % 2 {
                    0 => a | b << 16,
                    _ => *quad | a << 8 | b << 24,
                };
            }
        }
    }
}

/// Lays a window of pixels out as [`kernels::conv1`] wants them; whether there is any ink.
fn gather_pixels(window: [Option<&[u8; WINDOW]>; WINDOW], patch: &mut Patch) -> bool {
    let [Some(r0), Some(r1), Some(r2), Some(r3), Some(r4), Some(r5)] = window else { return false };
    let [first, second, third, fourth, last, last_below] = patch;
    let mut ink = 0;
    let mut pair = |a: u8, b: u8| {
        let pair = Pair::from(a) | Pair::from(b) << 16;
        ink |= pair;
        pair
    };
    for (row, (above, below)) in
        [(first, (r0, r1)), (second, (r1, r2)), (third, (r2, r3)), (fourth, (r3, r4))]
    {
        for (cell, (&above, &below)) in row.iter_mut().zip(above.iter().zip(below)) {
            *cell = pair(above, below);
        }
    }
    for (row, &[p0, p1, p2, p3, p4, p5]) in [(last, r4), (last_below, r5)] {
        *row = [pair(p0, p1), pair(p1, p2), pair(p2, p3), pair(p3, p4), pair(p4, 0), pair(p5, 0)];
    }
    ink != 0
}

/// Row `row` of the second stage.
fn stage2(layer: &Conv2<'_>, maps: Maps<'_>, row: usize, features: &mut [u8; FLAT]) {
    let Maps { ring, sums, patch } = maps;
    let rows: [&[[Quad; SIDE1 / 2]; MAPS1 / 2]; WINDOW] =
        core::array::from_fn(|below| &ring[(row * POOL + below) % WINDOW]);
    for column in 0..SIDE2 {
        *sums = [[0; 8]; MAPS2 / 2];
        for (pair, weights) in layer.weights.iter().enumerate() {
            for (cells, maps) in patch.iter_mut().zip(rows) {
                let quads = maps.get(pair).and_then(|quads| quads.get(column..));
                if let Some(&[left, middle, right, ..]) = quads {
                    *cells =
                        [low(left), high(left), low(middle), high(middle), low(right), high(right)];
                }
            }
            kernels::conv2(weights, patch, sums);
        }
        let maps = features.as_chunks_mut::<{ SIDE2 * SIDE2 }>().0.as_chunks_mut::<2>().0;
        for ((sums, channels), maps) in sums.iter().zip(layer.channels).zip(maps) {
            for (feature, map) in pool(sums, channels).into_iter().zip(maps) {
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

/// ReLU, 2×2 max-pooling and requantisation of a pair of maps.
///
/// Requantisation never decreases, so the largest of four requantised sums is the requantised largest sum.
fn pool(sums: &WindowSums, channels: &ChannelPair) -> [u8; 2] {
    let [first, rest @ ..] = sums.as_chunks::<2>().0 else { return [0; 2] };
    let largest = rest.iter().fold(kernels::apart(first[0], first[1]), |largest, sums| {
        let sums = kernels::apart(sums[0], sums[1]);
        [largest[0].max(sums[0]), largest[1].max(sums[1])]
    });
    requantize(largest, channels)
}

/// Adds the biases and makes activations.
fn requantize(sums: [i32; 2], [even, odd]: &ChannelPair) -> [u8; 2] {
    let (even, odd) = (Channel::parse_checked(even), Channel::parse_checked(odd));
    [even.multiplier.requantize(sums[0] + even.bias), odd.multiplier.requantize(sums[1] + odd.bias)]
}

/// The hidden features, over the ones that they are made of.
fn hidden<const BLOCKS: usize, const IN: usize>(
    layer: &Dense<'_, BLOCKS, IN>,
    features: &mut [u8],
    pairs: &mut [Pair; IN],
) {
    gather_pairs(features, pairs);
    let outputs = features.as_chunks_mut::<2>().0.as_chunks_mut::<BLOCK>().0;
    for ((weights, channels), outputs) in layer.weights.iter().zip(layer.channels).zip(outputs) {
        let sums = kernels::dense(weights, pairs);
        for ((sums, channels), outputs) in sums.as_chunks::<2>().0.iter().zip(channels).zip(outputs)
        {
            *outputs = requantize(kernels::apart(sums[0], sums[1]), channels);
        }
    }
}

/// The scores of the classes.
fn logits<const BLOCKS: usize, const IN: usize>(
    layer: &Dense<'_, BLOCKS, IN>,
    hidden: &[u8; HIDDEN],
    pairs: &mut [Pair; IN],
) -> Logits {
    gather_pairs(hidden, pairs);
    let mut logits = [0; CLASSES];
    let outputs = logits.as_chunks_mut::<2>().0.as_chunks_mut::<BLOCK>().0;
    for ((weights, channels), outputs) in layer.weights.iter().zip(layer.channels).zip(outputs) {
        let sums = kernels::dense(weights, pairs);
        for ((sums, [even, odd]), outputs) in
            sums.as_chunks::<2>().0.iter().zip(channels).zip(outputs)
        {
            let [even_sum, odd_sum] = kernels::apart(sums[0], sums[1]);
            *outputs = [
                even_sum + Channel::parse_checked(even).bias,
                odd_sum + Channel::parse_checked(odd).bias,
            ];
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
