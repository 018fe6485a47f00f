//! Runs what is no layer: operators of ONNX, in tract.

use std::fmt;
use std::sync::Arc;

use safe_io::SingleLine;
use tract_onnx::prelude::*;

use crate::error::Error;
use crate::onnx::Graph;

/// Operators that can run, on one image at a time.
#[derive(Debug)]
pub struct Plan {
    plan: Arc<TypedSimplePlan>,
    /// Axes of each input.
    inputs: Vec<Vec<usize>>,
    /// ONNX's names of the operators.
    operators: String,
}

impl Plan {
    /// All of `graph`, whose inputs are `float32` of these shapes.
    pub(crate) fn new(graph: &Graph, inputs: Vec<Vec<usize>>) -> Result<Self, Error> {
        let operators: Vec<&str> = graph.nodes.iter().map(|node| node.op.as_str()).collect();
        let operators = operators.join(" → ");
        let plan = tract_onnx::onnx()
            .model_for_proto_model(&graph.proto())
            .and_then(|model| model.into_typed()?.into_optimized()?.into_runnable());
        Ok(Self { plan: plan.map_err(engine_error)?, inputs, operators })
    }

    /// Writes what the operators make of one image's values, of which `output` has just as many.
    ///
    /// # Errors
    /// [`Error::Engine`] if tract cannot run it; a plan that ran once does.
    pub fn run<'a>(
        &self,
        inputs: impl Iterator<Item = &'a [f32]>,
        output: &mut [f32],
    ) -> Result<(), Error> {
        let ran = || -> TractResult<()> {
            let tensor = |(shape, values): (&Vec<usize>, &[f32])| -> TractResult<TValue> {
                Ok(Tensor::from_shape(shape, values)?.into())
            };
            let inputs = self.inputs.iter().zip(inputs).map(tensor);
            let outputs = self.plan.run(inputs.collect::<TractResult<_>>()?)?;
            let values = outputs[0].cast_to::<f32>()?;
            let view = values.to_plain_array_view::<f32>()?;
            for (to, value) in output.iter_mut().zip(view.iter()) {
                *to = *value;
            }
            Ok(())
        };
        ran().map_err(engine_error)
    }
}

impl fmt::Display for Plan {
    /// `tract: Sigmoid → Mul`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tract: {}", self.operators)
    }
}

/// tract's words hold names of the file.
#[expect(clippy::needless_pass_by_value, reason = "it is mapped over results")]
pub(crate) fn engine_error(error: TractError) -> Error {
    Error::Engine(SingleLine(format!("{error:#}")).to_string().into())
}
