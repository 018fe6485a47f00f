//! What runs a model: compiled layers alone, or tract's plan with compiled layers in it.

mod layer;
mod sequential;

use std::sync::Arc;

use dataset::Image28;
use network::lowering::lower;
use network::onnx::Graph;
use network::plan::{Observer, Operator, Plan, Values};

pub use layer::{CompiledLayer, Workspace};
pub(crate) use sequential::{Buffers, Reduction, Sequential};

use crate::input::{FloatInput, Input};
use crate::kernels::Kernels;
use layer::PlannedLayer;

/// A model that can run.
#[derive(Debug)]
pub(crate) struct Engine {
    input: Input,
    program: Program,
}

#[derive(Debug)]
enum Program {
    Sequential(Sequential),
    Plan(Plan),
}

impl Engine {
    /// Compiles what our kernels can do; the rest of the graph is tract's.
    pub(crate) fn build(
        graph: &Graph,
        input: Input,
        kernels: Kernels,
    ) -> Result<Self, network::Error> {
        let Kernels::Fused(instructions) = kernels else {
            return Ok(Self { input, program: Program::Plan(Plan::of_graph(graph)?) });
        };
        let lowered = lower(graph)?;
        if input.takes_batches()
            && let Some(whole) = lowered.network()
            && whole.network.architecture().input().iter().product::<usize>() == dataset::PIXELS
        {
            let program = Program::Sequential(Sequential::new(&whole, instructions));
            return Ok(Self { input, program });
        }
        let plan = lowered.into_plan(|layer, affine| {
            Arc::new(PlannedLayer::new(CompiledLayer::new(layer, affine, instructions)))
        })?;
        Ok(Self { input, program: Program::Plan(plan) })
    }

    /// Whether several images go in at once.
    pub(crate) const fn takes_batches(&self) -> bool {
        self.input.takes_batches()
    }

    /// The operators in the order in which they run.
    pub(crate) fn operators(&self) -> Vec<Operator> {
        match &self.program {
            Program::Sequential(network) => {
                let layers = network.layers().iter().map(|compiled| compiled.layer());
                layers
                    .map(|layer| Operator { name: layer.to_string(), macs: Some(layer.macs()) })
                    .collect()
            }
            Program::Plan(plan) => plan.operators(),
        }
    }

    /// The network cut for several threads to work on one image, where that pays.
    pub(crate) fn split(&self, threads: usize) -> Option<(Vec<Sequential>, Reduction)> {
        match &self.program {
            Program::Sequential(network) => network.split(threads),
            Program::Plan(_) => None,
        }
    }

    /// What happens to pixels before a network that takes floats.
    pub(crate) fn float_input(&self) -> FloatInput {
        self.input.floats.unwrap_or_default()
    }

    /// Puts the graph's output for all images into `scores`.
    ///
    /// Each operator is run by a call of `observer`, which gets its number.
    pub(crate) fn run(
        &self,
        images: &[Image28],
        buffers: &mut Buffers,
        scores: &mut Vec<f32>,
        observer: &mut Observer,
    ) -> Result<(), network::Error> {
        scores.clear();
        match &self.program {
            Program::Sequential(network) => {
                network.run(images, self.float_input(), buffers, scores, observer);
                Ok(())
            }
            Program::Plan(plan) => {
                let run_length = if self.takes_batches() { images.len() } else { 1 };
                images
                    .chunks(run_length.max(1))
                    .try_for_each(|images| self.run_plan(plan, images, scores, observer))
            }
        }
    }

    fn run_plan(
        &self,
        plan: &Plan,
        images: &[Image28],
        scores: &mut Vec<f32>,
        observer: &mut Observer,
    ) -> Result<(), network::Error> {
        let shape = self.input.shape(images.len());
        let pixels = images.iter().flat_map(|image| image.0);
        match self.input.floats {
            None => {
                let pixels: Vec<u8> = pixels.collect();
                plan.run(&shape, Values::Bytes(&pixels), scores, observer)
            }
            Some(float_input) => {
                let values: Vec<f32> = pixels.map(|pixel| float_input.apply(pixel)).collect();
                plan.run(&shape, Values::Floats(&values), scores, observer)
            }
        }
    }
}
