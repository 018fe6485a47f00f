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
