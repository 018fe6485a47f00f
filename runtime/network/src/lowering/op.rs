//! A recognised layer as an operator of tract.

use std::sync::Arc;

use tract_onnx::prelude::*;
use tract_onnx::tract_core::internal::{
    EvalContext, EvalOp, StaticName, TractErrorContext, Validation, as_op, op_as_typed_op,
    op_out_of_plan,
};

use crate::affine::Affine;
use crate::architecture::{Kind, Layer};
use crate::plan::{LayerKernel, Values};

/// A layer as an operator of tract.
#[derive(Debug, Clone)]
pub(crate) struct LayerOp {
    pub(crate) layer: Layer,
    pub(super) affine: Arc<Affine>,
    /// Whether the input is bytes, not floats.
    pub(super) takes_bytes: bool,
    /// What runs it; until there is one, the reference does.
    pub(super) kernel: Option<Arc<dyn LayerKernel>>,
}

impl PartialEq for LayerOp {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.affine, &other.affine)
    }
}

impl Eq for LayerOp {}

impl LayerOp {
    fn run(&self, input: Values<'_>, output: &mut [f32]) {
        if let Some(kernel) = &self.kernel {
            return kernel.run(input, output);
        }
        let values: Vec<f32> = match input {
            Values::Bytes(bytes) => bytes.iter().copied().map(f32::from).collect(),
            Values::Floats(values) => values.to_vec(),
        };
        let inputs = self.layer.input().iter().product();
        let outputs = self.layer.output().iter().product();
        for (input, output) in values.chunks(inputs).zip(output.chunks_mut(outputs)) {
            output.copy_from_slice(&self.layer.apply(&self.affine, input));
        }
    }
}

impl Op for LayerOp {
    fn name(&self) -> StaticName {
        match self.layer.kind() {
            Kind::Conv { .. } => "LayerConv".into(),
            Kind::Dense { .. } => "LayerDense".into(),
        }
    }

    fn validation(&self) -> Validation {
        Validation::Rounding
    }

    op_as_typed_op!();
}

impl EvalOp for LayerOp {
    op_out_of_plan!();

    fn eval(&self, _: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let input = &inputs[0];
        let batch = input.shape()[0];
        let mut output = vec![0.0; batch * self.layer.output().iter().product::<usize>()];
        if self.takes_bytes {
            let view = input.to_plain_array_view::<u8>()?;
            let bytes = view.as_slice().context("a tensor lies in one piece")?;
            self.run(Values::Bytes(bytes), &mut output);
        } else {
            let view = input.to_plain_array_view::<f32>()?;
            let values = view.as_slice().context("a tensor lies in one piece")?;
            self.run(Values::Floats(values), &mut output);
        }
        let shape: TVec<usize> = [batch].into_iter().chain(self.shape()).collect();
        Ok(tvec!(Tensor::from_shape(&shape, &output)?.into()))
    }
}

impl LayerOp {
    /// Axes of one image's output.
    fn shape(&self) -> impl Iterator<Item = usize> {
        let shape = self.layer.output();
        let axes = match self.layer.kind() {
            Kind::Conv { .. } => 3,
            Kind::Dense { .. } => 1,
        };
        shape.into_iter().take(axes)
    }
}

impl TypedOp for LayerOp {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        let batch = [inputs[0].shape[0].clone()];
        let image = self.shape().map(|length| length.to_dim());
        Ok(tvec!(f32::fact(batch.into_iter().chain(image).collect::<TVec<TDim>>())))
    }

    as_op!();
}
