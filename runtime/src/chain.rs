//! A network that is nothing but our layers, one after the other: it needs no plan, and no memory but two buffers.

use std::mem;
use std::sync::Arc;

use tract_onnx::prelude::*;
use tract_onnx::tract_core::ops::change_axes::AxisOp;
use tract_onnx::tract_core::ops::source::TypedSource;

use crate::engine::Watch;
use crate::fuse::{Fused, Layer, Workspace};
use crate::image28::{Image28, PIXELS};
use crate::input::Normalization;

/// Images that go through a layer together: their values stay in the cache, and a dense layer's weights are read
/// once for all of them.
const TOGETHER: usize = 32;

/// A thread that computes fewer maps is not worth waking.
const LEAST_MAPS: usize = 8;

/// Layers in their order.
#[derive(Debug, Clone)]
pub(crate) struct Chain {
    layers: Vec<Arc<Layer>>,
    takes_bytes: bool,
}

/// Memory for running a chain, which it keeps from run to run.
#[derive(Debug, Default)]
pub(crate) struct Buffers {
    workspace: Workspace,
    pixels: Vec<u8>,
    /// What goes into a layer, and what comes out.
    values: [Vec<f32>; 2],
}

impl Chain {
    /// The chain that a fused model is, unless something else is between source and output.
    pub(crate) fn of(model: &TypedModel) -> TractResult<Option<Self>> {
        let mut layers = vec![];
        let mut takes_bytes = false;
        let mut outlet = model.output_outlets()?[0];
        loop {
            let node = model.node(outlet.node);
            if let Some(fused) = node.op_as::<Fused>() {
                layers.push(Arc::clone(&fused.layer));
                takes_bytes = fused.takes_bytes;
            } else if node.op_is::<TypedSource>() {
                break;
            } else if !matches!(node.op_as(), Some(AxisOp::Reshape(..))) {
                return Ok(None);
            }
            outlet = node.inputs[0];
        }
        layers.reverse();
        let sizes = [PIXELS].into_iter().chain(layers.iter().map(|layer| layer.outputs()));
        let fits = sizes.zip(&layers).all(|(before, layer)| before == layer.inputs());
        Ok((!layers.is_empty() && fits).then_some(Self { layers, takes_bytes }))
    }

    pub(crate) fn layers(&self) -> &[Arc<Layer>] {
        &self.layers
    }

    /// Scores of one image.
    pub(crate) fn outputs(&self) -> usize {
        self.layers.last().map_or(0, |layer| layer.outputs())
    }

    /// Writes `[image][score]`; pixels are normalised where the network takes floats.
    ///
    /// Each layer is run by a call of `watch`, which gets its number.
    pub(crate) fn run(
        &self,
        images: &[Image28],
        normalization: Normalization,
        buffers: &mut Buffers,
        scores: &mut [f32],
        watch: &mut Watch,
    ) {
        let Buffers { workspace, pixels, values: [input, output] } = buffers;
        let scores = scores.chunks_mut(TOGETHER * self.outputs());
        for (images, scores) in images.chunks(TOGETHER).zip(scores) {
            pixels.clear();
            pixels.extend(images.iter().flat_map(|image| image.0));
            if !self.takes_bytes {
                input.clear();
                input.extend(pixels.iter().map(|&pixel| normalization.apply(pixel)));
            }
            for (number, layer) in self.layers.iter().enumerate() {
                output.resize(images.len() * layer.outputs(), 0.0);
                watch(number, &mut || {
                    if number == 0 && self.takes_bytes {
                        layer.run(pixels, workspace, output);
                    } else {
                        layer.run(input, workspace, output);
                    }
                });
                mem::swap(input, output);
            }
            scores.copy_from_slice(input);
        }
    }
}

impl Chain {
    /// Puts the scores of all images into `scores`.
    pub(crate) fn score(
        &self,
        images: &[Image28],
        normalization: Normalization,
        buffers: &mut Buffers,
        scores: &mut Vec<f32>,
    ) {
        scores.clear();
        scores.resize(images.len() * self.outputs(), 0.0);
        self.run(images, normalization, buffers, scores, &mut |_, run| run());
    }

    /// Cuts the network for at most so many threads to work on one image; not where it would not pay.
    ///
    /// Each computes some maps of the last convolution, after all that is before it, and then what they give to the
    /// sums of the dense layer that follows. So the threads meet once, and add up.
    pub(crate) fn split(&self, most: usize) -> Option<(Vec<Self>, Join)> {
        let at = self.layers.iter().position(|layer| matches!(**layer, Layer::Dense(_)))?;
        let (before, [last, first, rest @ ..]) =
            self.layers.split_at_checked(at.checked_sub(1)?)?
        else {
            return None;
        };
        let (Layer::Conv(conv), Layer::Dense(dense)) = (&**last, &**first) else { return None };
        let [maps, height, width] = conv.shape().output();
        let parts = most.min(maps / LEAST_MAPS);
        // what is before is done by each
        let repeated: usize = before.iter().map(|layer| layer.macs()).sum();
        if parts < 2 || 2 * repeated > last.macs() + first.macs() {
            return None;
        }
        let part = |number: usize| {
            let maps = maps * number / parts..maps * (number + 1) / parts;
            let inputs = maps.start * height * width..maps.end * height * width;
            let own = [Layer::Conv(conv.of_maps(maps)), Layer::Dense(dense.of_inputs(inputs))];
            let layers = before.iter().cloned().chain(own.map(Arc::new)).collect();
            Self { layers, takes_bytes: self.takes_bytes }
        };
        let join = Join { dense: Arc::clone(first), rest: rest.to_vec() };
        Some(((0..parts).map(part).collect(), join))
    }
}

/// What happens to the sums of all parts of a network, added up.
#[derive(Debug)]
pub(crate) struct Join {
    /// The layer whose sums they are.
    dense: Arc<Layer>,
    rest: Vec<Arc<Layer>>,
}

impl Join {
    /// Puts the scores into `scores`; the sums are used up.
    pub(crate) fn finish(&self, sums: &mut Vec<f32>, buffers: &mut Buffers, scores: &mut Vec<f32>) {
        if let Layer::Dense(dense) = &*self.dense {
            dense.finish(sums);
        }
        mem::swap(sums, scores);
        for layer in &self.rest {
            mem::swap(sums, scores);
            scores.resize(layer.outputs(), 0.0);
            layer.run(sums, &mut buffers.workspace, scores);
        }
    }
}
