//! What runs a model: our layers alone, or tract's plan with our layers in it.

use std::sync::Arc;

use tract_onnx::pb::ModelProto;
use tract_onnx::prelude::*;
use tract_onnx::tract_core::plan;

use crate::chain::{Buffers, Chain, Join};
use crate::fuse::{Fused, Layer, fuse};
use crate::image28::Image28;
use crate::input::{Input, Normalization};
use crate::kernels::Kernels;

/// Gets the number of an operator, and has to call what runs it.
pub(crate) type Watch<'a> = dyn FnMut(usize, &mut dyn FnMut()) + 'a;

/// One step of a run.
pub(crate) struct Operator {
    pub(crate) name: String,
    /// Multiplications with additions for one image, where we know them.
    pub(crate) macs: Option<usize>,
}

impl Operator {
    fn of(layer: &Layer) -> Self {
        Self { name: layer.to_string(), macs: Some(layer.macs()) }
    }
}

/// A model that can run.
#[derive(Debug)]
pub(crate) struct Engine {
    input: Input,
    network: Network,
}

#[derive(Debug)]
enum Network {
    Chain(Chain),
    Plan(Arc<TypedSimplePlan>),
}

impl Engine {
    /// Lets tract read and simplify the graph, then replaces what our kernels can do.
    pub(crate) fn build(proto: &ModelProto, input: Input, kernels: Kernels) -> TractResult<Self> {
        let mut model = tract_onnx::onnx().model_for_proto_model(proto)?.into_typed()?;
        if let Kernels::Fused(instructions) = kernels {
            model.declutter()?;
            fuse(&mut model, instructions)?;
            if input.batch_axis.is_some()
                && let Some(chain) = Chain::of(&model)?
            {
                return Ok(Self { input, network: Network::Chain(chain) });
            }
        }
        let plan = model.into_optimized()?.into_runnable()?;
        Ok(Self { input, network: Network::Plan(plan) })
    }

    /// Whether several images go in at once.
    pub(crate) const fn takes_batches(&self) -> bool {
        self.input.batch_axis.is_some()
    }

    /// The operators in the order in which they run.
    pub(crate) fn operators(&self) -> Vec<Operator> {
        match &self.network {
            Network::Chain(chain) => {
                chain.layers().iter().map(|layer| Operator::of(layer)).collect()
            }
            Network::Plan(plan) => {
                let nodes = plan.order_without_consts().iter().map(|&id| plan.model().node(id));
                nodes
                    .map(|node| match node.op_as::<Fused>() {
                        Some(fused) => Operator::of(&fused.layer),
                        None => Operator { name: node.op.name().into_owned(), macs: None },
                    })
                    .collect()
            }
        }
    }

    /// The network cut for several threads to work on one image, where that pays.
    pub(crate) fn split(&self, threads: usize) -> Option<(Vec<Chain>, Join)> {
        match &self.network {
            Network::Chain(chain) => chain.split(threads),
            Network::Plan(_) => None,
        }
    }

    /// What happens to pixels before a chain that takes floats.
    pub(crate) fn normalization(&self) -> Normalization {
        self.input.normalization.unwrap_or_default()
    }

    /// Puts the graph's output for all images into `scores`.
    pub(crate) fn run(
        &self,
        images: &[Image28],
        buffers: &mut Buffers,
        scores: &mut Vec<f32>,
    ) -> TractResult<()> {
        self.run_watched(images, buffers, scores, &mut |_, run| run())
    }

    /// Like [`Self::run`]; `watch` gets the number of each operator, and has to run it.
    pub(crate) fn run_watched(
        &self,
        images: &[Image28],
        buffers: &mut Buffers,
        scores: &mut Vec<f32>,
        watch: &mut Watch,
    ) -> TractResult<()> {
        scores.clear();
        match &self.network {
            Network::Chain(chain) => {
                scores.resize(images.len() * chain.outputs(), 0.0);
                chain.run(images, self.normalization(), buffers, scores, watch);
                Ok(())
            }
            Network::Plan(plan) => {
                let run_length = if self.takes_batches() { images.len() } else { 1 };
                images
                    .chunks(run_length.max(1))
                    .try_for_each(|images| self.run_plan(plan, images, scores, watch))
            }
        }
    }

    fn run_plan(
        &self,
        plan: &Arc<TypedSimplePlan>,
        images: &[Image28],
        scores: &mut Vec<f32>,
        watch: &mut Watch,
    ) -> TractResult<()> {
        let mut shape = self.input.shape.clone();
        if let Some(axis) = self.input.batch_axis {
            shape[axis] = images.len();
        }
        let pixels = images.iter().flat_map(|image| image.0);
        let input = match self.input.normalization {
            None => Tensor::from_shape(&shape, &pixels.collect::<Vec<u8>>())?,
            Some(normalization) => {
                let values: Vec<f32> = pixels.map(|pixel| normalization.apply(pixel)).collect();
                Tensor::from_shape(&shape, &values)?
            }
        };
        let mut number = 0;
        let outputs = plan.spawn()?.run_plan_with_eval(
            tvec!(input.into()),
            |context, mut state, node, inputs| {
                let mut inputs = Some(inputs);
                let mut outputs = Ok(tvec!());
                watch(number, &mut || {
                    if let Some(inputs) = inputs.take() {
                        outputs = plan::eval(context, state.as_deref_mut(), node, inputs);
                    }
                });
                number += 1;
                outputs
            },
        )?;
        let output = outputs[0].cast_to::<f32>()?;
        scores.extend(output.to_plain_array_view::<f32>()?.iter().copied());
        Ok(())
    }
}
