//! Depthwise convolution: each output channel sees one input channel alone.
//!
//! The channels lie last, and a vector runs along a row of outputs through pixels and channels as they come: with 8
//! channels a vector of 16 holds two pixels, with 64 a quarter of one. The weights follow the channels, so they come
//! again after a **period** of vectors:
//!
//! ```text
//!  12 channels a to l, vectors of 8:   abcdefgh  ijklabcd  efghijkl  abcdefgh  …      a period of 3 vectors
//! ```
//!
//! For each vector of the period, its weights are loaded once, and then used for all rows; those of kernels of 3×3 go
//! down [`strips`]. The inputs that a kernel
//! element needs lie together as the outputs do: in the frame, columns that are a stride apart are side by side (see
//! [`super::layout`]). A channel that several maps see is there several times.

mod strips;

use network::{Affine, Conv as Geometry, Kind, Layer};
use pulp::Simd;

use super::layout::{Frame, Layout};
use super::{Aligned, Clamp, ImageKernel, ImageTask, Instructions, multiply_add, store};
use strips::run3x3;

/// A layer with its weights packed for some instructions.
#[derive(Debug)]
pub(crate) struct Depthwise {
    layer: Layer,
    conv: Geometry,
    instructions: Instructions,
    frame: Frame,
    /// For each kernel element, where in the frame the inputs of the first output lie.
    offsets: Vec<usize>,
    /// Whether the input is read where it lies: vectors are of one pixel, which is padding or not.
    unframed: bool,
    /// Floats from one row of the frame to the next.
    input_row: usize,
    /// From an output of a row to the next of the same place in the period: floats in the frame.
    input_step: usize,
    /// The same in the output.
    output_step: usize,
    /// `[vector of the period][kernel element][lane]`
    weights: Aligned,
    /// `[vector of the period][lane]`
    bias: Aligned,
    clamp: Clamp,
}

impl Depthwise {
    /// Whether this kernel can do it.
    pub(crate) const fn does(layer: &Layer, conv: &Geometry) -> bool {
        conv.groups > 1 && conv.groups == layer.input()[0] && !conv.pool
    }

    /// Packs the weights of a depthwise convolution of an input that lies so.
    ///
    /// # Panics
    /// If `layer` is another kind, or `affine` has not its weights.
    pub(crate) fn new(
        layer: &Layer,
        affine: &Affine,
        input_layout: Layout,
        instructions: Instructions,
    ) -> Self {
        let Kind::Conv(conv) = layer.kind() else { panic!("{} is no convolution", layer.name()) };
        assert!(Self::does(layer, &conv), "{layer} is not depthwise");
        let instructions = instructions.usable();
        let [maps, rows, columns] = layer.output();
        let lanes = instructions.lanes();
        // vectors within a pixel need no pixels beside each other
        let is_whole = maps.is_multiple_of(lanes);
        let frame = Frame::new(layer.input(), input_layout, &conv, [rows, columns])
            .with_channels_last(if is_whole { 1 } else { conv.stride[1] }, maps / layer.input()[0]);
        let [rows, columns] = conv.kernel;
        let offsets = (0..rows)
            .flat_map(|row| (0..columns).map(move |column| frame.offset(0, row, column)))
            .collect();
        let (mut weights, mut bias) = (vec![], vec![]);
        let all: Vec<&[f32]> = affine.rows().collect();
        for vector in 0..period(maps, lanes) {
            let maps = |lane: usize| (vector * lanes + lane) % maps;
            let elements = 0..rows * columns;
            let places = elements.flat_map(|element| (0..lanes).map(move |lane| (element, lane)));
            weights.extend(places.map(|(element, lane)| all[maps(lane)][element]));
            bias.extend((0..lanes).map(|lane| affine.bias[maps(lane)]));
        }
        let clamp = Clamp::of(conv.activation);
        let unframed = is_whole
            && maps == layer.input()[0]
            && input_layout == Layout::ChannelsLast
            && conv.kernel == [3, 3]
            && matches!(conv.stride[0], 1 | 2);
        let input_step = if is_whole { conv.stride[1] * maps } else { bias.len() };
        let output_step = bias.len();
        let layer = layer.clone();
        Self {
            layer,
            conv,
            instructions,
            frame,
            offsets,
            unframed,
            input_row: frame.offset(0, 1, 0),
            input_step,
            output_step,
            weights: Aligned::from(&weights[..]),
            bias: Aligned::from(&bias[..]),
            clamp,
        }
    }

    /// The reverse of [`Self::new`].
    pub(crate) fn affine(&self) -> Affine {
        let (lanes, elements) = (self.instructions.lanes(), self.offsets.len());
        let weight = |map: usize, element: usize| {
            self.weights[(map / lanes * elements + element) * lanes + map % lanes]
        };
        let maps = 0..self.layer.outputs();
        Affine {
            weights: maps
                .clone()
                .flat_map(|map| (0..elements).map(move |element| weight(map, element)))
                .collect(),
            bias: self.bias[maps].to_vec(),
        }
    }

    /// Floats that [`Self::run`] wants of its workspace.
    pub(crate) const fn workspace(&self) -> usize {
        if self.unframed {
            0
        } else {
            // the last vector of a row reads past what it needs
            self.frame.length() + self.instructions.lanes()
        }
    }

    /// One image: `input` lies as was said, and `output` is `[row][column][map]`.
    pub(crate) fn run(&self, input: &[f32], workspace: &mut [f32], output: &mut [f32]) {
        self.instructions.run(ImageTask { kernel: self, input, workspace, output });
    }
}

/// Vectors after which channels come again in the same lanes.
fn period(channels: usize, lanes: usize) -> usize {
    let mut period = 1;
    while !(period * lanes).is_multiple_of(channels) {
        period += 1;
    }
    period
}

impl ImageKernel for Depthwise {
    #[inline(always)]
    fn run_image<S: Simd>(
        &self,
        simd: S,
        input: &[f32],
        workspace: &mut [f32],
        output: &mut [f32],
    ) {
        let layer = self;
        let frame = if layer.unframed {
            input
        } else {
            layer.frame.fill(input, workspace);
            workspace
        };
        let biases = S::as_simd_f32s(&layer.bias).0;
        let weights = S::as_simd_f32s(&layer.weights).0.chunks_exact(layer.offsets.len());
        for (first, (weights, bias)) in weights.zip(biases).enumerate() {
            let vectors = Vectors { layer, first: first * S::F32_LANES, bias: *bias };
            let rows = <[[S::f32s; 3]; 3]>::try_from(weights.as_chunks::<3>().0);
            match (rows, layer.conv.kernel, layer.conv.stride[0]) {
                (Ok(weights), [3, 3], 1) => run3x3::<S, 1>(simd, &vectors, weights, frame, output),
                (Ok(weights), [3, 3], 2) => run3x3::<S, 2>(simd, &vectors, weights, frame, output),
                _ => run(simd, &vectors, weights, frame, output),
            }
        }
    }
}

/// The vectors of all rows that have the same place in the period.
struct Vectors<'a, V> {
    layer: &'a Depthwise,
    /// Where the first of a row begins, in the output and in the frame.
    first: usize,
    bias: V,
}

/// Computes them.
#[inline(always)]
fn run<S: Simd>(
    simd: S,
    vectors: &Vectors<'_, S::f32s>,
    weights: &[S::f32s],
    frame: &[f32],
    output: &mut [f32],
) {
    let Vectors { layer, first, .. } = *vectors;
    let [maps, _, columns] = layer.layer.output();
    for (row, output) in output.chunks_exact_mut(columns * maps).enumerate() {
        let places = (first..).step_by(layer.input_step);
        let outputs = output.get_mut(first..).unwrap_or_default();
        for (to, place) in outputs.chunks_mut(layer.output_step).zip(places) {
            vector(simd, vectors, weights, frame, row, place, to);
        }
    }
}

/// Computes one vector of a row, as much of it as there is room for.
#[inline(always)]
fn vector<S: Simd>(
    simd: S,
    vectors: &Vectors<'_, S::f32s>,
    weights: &[S::f32s],
    frame: &[f32],
    row: usize,
    place: usize,
    to: &mut [f32],
) {
    let Vectors { layer, bias, .. } = *vectors;
    let frame = &frame[row * layer.conv.stride[0] * layer.input_row + place..];
    let mut sum = bias;
    for (weight, offset) in weights.iter().zip(&layer.offsets) {
        let input = S::as_simd_f32s(&frame[*offset..][..S::F32_LANES]).0[0];
        sum = multiply_add(simd, input, *weight, sum);
    }
    store(simd, to, layer.clamp.apply(simd, sum));
}
