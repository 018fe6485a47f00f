//! Runs what is no layer: operators of ONNX, in tract.

use std::fmt;
use std::sync::Arc;

use safe_io::SingleLine;
use tract_onnx::prelude::*;
use tract_onnx::tract_core::internal::format_err;

use crate::error::Error;
use crate::onnx::{self, Graph, GraphFault, Node};

/// Maximum nodes that split, merge or exchange axes among many others. tract moves each past each other node, again and
/// again: 16 among 1,000 nodes take it a second, 500 take minutes.
pub(crate) const MAX_MOVES: usize = 16;
/// Nodes among which more of them take little time.
const MAX_NODES_WITH_MOVES: usize = 64;

/// Operators that can run, on one image at a time.
#[derive(Debug)]
pub struct Plan {
    runnable: Arc<TypedSimplePlan>,
    /// Axes of each input.
    inputs: Vec<Vec<usize>>,
    /// ONNX's names of the operators.
    operators: Vec<String>,
    macs: usize,
    parameters: usize,
    parameter_bytes: usize,
}

impl Plan {
    /// All of `graph`, whose inputs are `float32` of these shapes; `operators` are what it is in a file's words, and
    /// `macs` what they multiply.
    ///
    /// # Errors
    /// [`Error::Graph`] if it would take too long to simplify, or [`Error::Engine`] if tract cannot read it, run it or makes
    /// another number of values than `outputs`.
    pub(crate) fn new(
        graph: &Graph,
        inputs: Vec<Vec<usize>>,
        outputs: usize,
        operators: Vec<String>,
        macs: usize,
    ) -> Result<Self, Error> {
        let moves = |node: &&Node| matches!(&node.op[..], "Reshape" | "Transpose" | "Flatten");
        let found = graph.nodes.iter().filter(moves).count();
        if found > MAX_MOVES && graph.nodes.len() > MAX_NODES_WITH_MOVES {
            return Err(Error::Graph(GraphFault::TooManyMoves { found }));
        }
        let plan = tract_onnx::onnx()
            .model_for_proto_model(&graph.proto())
            .and_then(|model| model.into_typed()?.into_optimized()?.into_runnable());
        let sizes = graph.tensors.values().filter_map(onnx::Tensor::parameters);
        let (parameters, parameter_bytes) =
            sizes.fold((0, 0), |(count, bytes), (more, size)| (count + more, bytes + size));
        let runnable = plan.map_err(engine_error)?;
        let plan = Self { runnable, inputs, operators, macs, parameters, parameter_bytes };
        // what runs once runs always
        let zeros: Vec<Vec<f32>> =
            plan.inputs.iter().map(|shape| vec![0.0; shape.iter().product()]).collect();
        plan.run(zeros.iter().map(Vec::as_slice), &mut vec![0.0; outputs])?;
        Ok(plan)
    }

    /// ONNX's names of the operators, in the order in which they run.
    #[must_use]
    pub fn operators(&self) -> &[String] {
        &self.operators
    }

    /// Multiply-accumulates for one image: of convolutions and products of matrices.
    #[must_use]
    pub const fn macs(&self) -> usize {
        self.macs
    }

    /// Elements of the constants that are no single numbers, lengths or axes.
    #[must_use]
    pub const fn parameters(&self) -> usize {
        self.parameters
    }

    /// Bytes of [`Self::parameters`].
    #[must_use]
    pub const fn parameter_bytes(&self) -> usize {
        self.parameter_bytes
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
            let outputs = self.runnable.run(inputs.collect::<TractResult<_>>()?)?;
            let values = outputs[0].cast_to::<f32>()?;
            let view = values.to_plain_array_view::<f32>()?;
            if view.len() != output.len() {
                return Err(format_err!("{} values for {}", view.len(), output.len()));
            }
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
        write!(f, "tract: {}", self.operators.join(" → "))
    }
}

/// tract's words hold names of the file.
#[expect(clippy::needless_pass_by_value, reason = "it is mapped over results")]
pub(crate) fn engine_error(error: TractError) -> Error {
    Error::Engine(SingleLine(format!("{error:#}")).to_string().into())
}
