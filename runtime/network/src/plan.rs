//! Runs a graph that is more than layers: tract's plan, with kernels of the caller for the layers in it.

use std::fmt;
use std::sync::Arc;

use safe_io::SingleLine;
use tract_onnx::prelude::*;
use tract_onnx::tract_core::plan;

use crate::error::Error;
use crate::lowering::{LayerOp, typed};
use crate::onnx::Graph;

/// Values of a batch of images, one image after the other.
#[derive(Debug, Clone, Copy)]
pub enum Values<'a> {
    /// Pixels, 0 to 255.
    Bytes(&'a [u8]),
    /// Anything else.
    Floats(&'a [f32]),
}

/// Computes one layer.
pub trait LayerKernel: fmt::Debug + Send + Sync {
    /// Puts what the layer gives for each image of `input` into `output`, which has just the length for it.
    fn run(&self, input: Values<'_>, output: &mut [f32]);
}

/// Gets the number of an operator, and has to call what runs it.
pub type Observer<'a> = dyn FnMut(usize, &mut dyn FnMut()) + 'a;

/// One step of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operator {
    /// What it does.
    pub name: String,
    /// Multiply-accumulates for one image; those of tract's own operators are not known.
    pub macs: Option<usize>,
}

/// A graph that can run.
#[derive(Debug)]
pub struct Plan(Arc<TypedSimplePlan>);

impl Plan {
    /// The graph as tract runs it, all of it.
    ///
    /// # Errors
    /// [`Error::Engine`] if tract cannot read it.
    pub fn of_graph(graph: &Graph) -> Result<Self, Error> {
        Self::new(typed(graph).map_err(engine_error)?)
    }

    pub(crate) fn new(model: TypedModel) -> Result<Self, Error> {
        let plan = model.into_optimized().and_then(TypedModel::into_runnable);
        Ok(Self(plan.map_err(engine_error)?))
    }

    /// The operators in the order in which they run.
    #[must_use]
    pub fn operators(&self) -> Vec<Operator> {
        let nodes = self.0.order_without_consts().iter().map(|&id| self.0.model().node(id));
        let operator = |node: &TypedNode| match node.op_as::<LayerOp>() {
            Some(LayerOp { layer, .. }) => {
                Operator { name: layer.to_string(), macs: Some(layer.macs()) }
            }
            None => Operator { name: node.op.name().into_owned(), macs: None },
        };
        nodes.map(operator).collect()
    }

    /// Appends the graph's output to `output`; `shape` is that of the input, with its batch.
    ///
    /// # Errors
    /// [`Error::Engine`] if tract cannot run it; a graph that ran once does.
    pub fn run(
        &self,
        shape: &[usize],
        input: Values<'_>,
        output: &mut Vec<f32>,
        observer: &mut Observer,
    ) -> Result<(), Error> {
        self.try_run(shape, input, output, observer).map_err(engine_error)
    }

    fn try_run(
        &self,
        shape: &[usize],
        input: Values<'_>,
        output: &mut Vec<f32>,
        observer: &mut Observer,
    ) -> TractResult<()> {
        let input = match input {
            Values::Bytes(bytes) => Tensor::from_shape(shape, bytes)?,
            Values::Floats(values) => Tensor::from_shape(shape, values)?,
        };
        let mut number = 0;
        let outputs = self.0.spawn()?.run_plan_with_eval(
            tvec!(input.into()),
            |context, mut state, node, inputs| {
                let mut inputs = Some(inputs);
                let mut outputs = Ok(tvec!());
                observer(number, &mut || {
                    if let Some(inputs) = inputs.take() {
                        outputs = plan::eval(context, state.as_deref_mut(), node, inputs);
                    }
                });
                number += 1;
                outputs
            },
        )?;
        let values = outputs[0].cast_to::<f32>()?;
        output.extend(values.to_plain_array_view::<f32>()?.iter().copied());
        Ok(())
    }
}

/// tract's words hold names of the file.
#[expect(clippy::needless_pass_by_value, reason = "it is mapped over results")]
pub(crate) fn engine_error(error: TractError) -> Error {
    Error::Engine(SingleLine(format!("{error:#}")).to_string().into())
}
