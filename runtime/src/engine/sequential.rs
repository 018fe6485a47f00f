//! A network that is nothing but layers, one after the other: it needs no plan, and no memory but two buffers.

use std::mem;
use std::sync::Arc;

use dataset::Image28;
use network::Kind;
use network::lowering::WholeNetwork;
use network::plan::Observer;

use super::layer::{CompiledLayer, Workspace};
use crate::input::FloatInput;
use crate::kernels::Instructions;

/// Images that go through a layer together: their values stay in the cache, and a dense layer's weights are read
/// once for all of them.
const MICRO_BATCH: usize = 32;

/// Minimum maps for a thread of its own: with fewer, waking it takes longer than its work.
const MIN_MAPS: usize = 8;

/// Compiled layers in their order.
#[derive(Debug, Clone)]
pub(crate) struct Sequential {
    layers: Vec<Arc<CompiledLayer>>,
    instructions: Instructions,
    /// Whether the first layer takes pixels as they are.
    takes_pixels: bool,
}

/// Memory for runs, which is kept from one to the next.
#[derive(Debug, Default)]
pub(crate) struct Buffers {
    workspace: Workspace,
    pixels: Vec<u8>,
    /// What goes into a layer, and what comes out.
    values: [Vec<f32>; 2],
}

impl Sequential {
    pub(crate) fn new(whole: &WholeNetwork, instructions: Instructions) -> Self {
        let compile = |(layer, affine)| Arc::new(CompiledLayer::new(layer, affine, instructions));
        let layers = whole.network.layers().map(compile).collect();
        Self { layers, instructions, takes_pixels: whole.takes_pixels }
    }

    pub(crate) fn layers(&self) -> &[Arc<CompiledLayer>] {
        &self.layers
    }

    /// Scores of one image.
    pub(crate) fn outputs(&self) -> usize {
        self.layers.last().map_or(0, |layer| layer.outputs())
    }

    /// Writes `[image][score]`; pixels are normalised where the network takes floats.
    ///
    /// Each layer is run by a call of `observer`, which gets its number.
    pub(crate) fn run(
        &self,
        images: &[Image28],
        float_input: FloatInput,
        buffers: &mut Buffers,
        scores: &mut Vec<f32>,
        observer: &mut Observer,
    ) {
        scores.clear();
        scores.resize(images.len() * self.outputs(), 0.0);
        let Buffers { workspace, pixels, values: [input, output] } = buffers;
        let scores = scores.chunks_mut(MICRO_BATCH * self.outputs());
        for (images, scores) in images.chunks(MICRO_BATCH).zip(scores) {
            pixels.clear();
            pixels.extend(images.iter().flat_map(|image| image.0));
            if !self.takes_pixels {
                input.clear();
                input.extend(pixels.iter().map(|&pixel| float_input.apply(pixel)));
            }
            for (number, layer) in self.layers.iter().enumerate() {
                output.resize(images.len() * layer.outputs(), 0.0);
                observer(number, &mut || {
                    if number == 0 && self.takes_pixels {
                        layer.run_values(pixels, workspace, output);
                    } else {
                        layer.run(input, workspace, output);
                    }
                });
                mem::swap(input, output);
            }
            scores.copy_from_slice(input);
        }
    }

    /// Cuts the network for at most `max_parts` threads to work on one image; `None` where that does not pay.
    ///
    /// Each thread computes some maps of the last convolution, after all that is before it, and then what those maps
    /// add to the sums of the dense layer that follows. So the threads meet once, and add up:
    ///
    /// ```text
    /// thread 0:  conv1 ─▶ conv2, maps  0..25 ─▶ dense1, of those inputs ─┐
    /// thread 1:  conv1 ─▶ conv2, maps 25..50 ─▶ dense1, of those inputs ─┴▶ + ─▶ bias, ReLU ─▶ dense2
    /// ```
    pub(crate) fn split(&self, max_parts: usize) -> Option<(Vec<Self>, Reduction)> {
        let is_dense =
            |layer: &Arc<CompiledLayer>| matches!(layer.layer().kind(), Kind::Dense { .. });
        let first_dense = self.layers.iter().position(is_dense)?;
        let (before, [conv, dense, rest @ ..]) =
            self.layers.split_at_checked(first_dense.checked_sub(1)?)?
        else {
            return None;
        };
        let [maps, height, width] = conv.layer().output();
        let parts = max_parts.min(maps / MIN_MAPS);
        // what is before is done by each
        let repeated: usize = before.iter().map(|layer| layer.layer().macs()).sum();
        if parts < 2 || 2 * repeated > conv.layer().macs() + dense.layer().macs() {
            return None;
        }
        let part = |number: usize| {
            let maps = maps * number / parts..maps * (number + 1) / parts;
            let inputs = maps.start * height * width..maps.end * height * width;
            let own = [conv.of_maps(maps, self.instructions)?, dense.of_inputs(inputs)?];
            let layers = before.iter().cloned().chain(own.map(Arc::new)).collect();
            Some(Self { layers, ..*self })
        };
        let reduction = Reduction { dense: Arc::clone(dense), rest: rest.to_vec() };
        Some(((0..parts).map(part).collect::<Option<_>>()?, reduction))
    }
}

/// What happens to the added sums of all parts of a network.
#[derive(Debug)]
pub(crate) struct Reduction {
    /// The layer whose sums they are.
    dense: Arc<CompiledLayer>,
    rest: Vec<Arc<CompiledLayer>>,
}

impl Reduction {
    /// Puts the scores into `scores`; the sums are used up.
    pub(crate) fn finish(&self, sums: &mut Vec<f32>, buffers: &mut Buffers, scores: &mut Vec<f32>) {
        self.dense.finish(sums);
        mem::swap(sums, scores);
        for layer in &self.rest {
            mem::swap(sums, scores);
            scores.resize(layer.outputs(), 0.0);
            layer.run(sums, &mut buffers.workspace, scores);
        }
    }
}
