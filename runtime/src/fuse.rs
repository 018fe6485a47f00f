//! Rewrites a network of tract's operators: what our kernels can do becomes one operator of ours, the rest stays.
//!
//! | tract has | becomes |
//! |---|---|
//! | `Conv`, ReLU, `MaxPool` 2×2, in this order or with the last two exchanged | one [`Layer::Conv`] |
//! | `Conv`, or `Conv` and ReLU | one [`Layer::Conv`] without pooling |
//! | `EinSum` by a constant matrix, `Add`, and a ReLU if it follows | one [`Layer::Dense`] |
//! | `Cast` from bytes, or additions and multiplications of constants, before one of these | folded into its weights |
//!
//! The folding is exact but for rounding, because these convolutions have no padding: with it, the border would
//! be 0 after the normalisation, not before.

use std::fmt;
use std::sync::Arc;

use tract_onnx::prelude::*;
use tract_onnx::tract_core::internal::{
    DimLike, EvalContext, EvalOp, StaticName, TractErrorContext, Validation, as_op, op_as_typed_op,
    op_out_of_plan,
};
use tract_onnx::tract_core::model::Rewriter;
use tract_onnx::tract_core::ops::binary::{BinMiniOp, TypedBinOp};
use tract_onnx::tract_core::ops::cast::Cast;
use tract_onnx::tract_core::ops::cnn::{self, KernelFormat, MaxPool, PaddingSpec, PoolSpec};
use tract_onnx::tract_core::ops::einsum::EinSum;
use tract_onnx::tract_core::ops::math::{Add, Div, Max, Mul, Sub};
use tract_onnx::tract_core::ops::nn::DataFormat;

use crate::kernels::{Conv, ConvShape, Dense, Inputs, Instructions, Value};

/// What one of our operators does.
#[derive(Debug)]
pub(crate) enum Layer {
    Conv(Conv),
    Dense(Dense),
}

impl Layer {
    /// Values of one image that go in.
    pub(crate) fn inputs(&self) -> usize {
        match self {
            Self::Conv(conv) => conv.shape().input.iter().product(),
            Self::Dense(dense) => dense.inputs(),
        }
    }

    /// Values of one image that come out.
    pub(crate) fn outputs(&self) -> usize {
        match self {
            Self::Conv(conv) => conv.shape().output().iter().product(),
            Self::Dense(dense) => dense.outputs(),
        }
    }

    /// Multiplications with additions for one image; a dense layer may skip some.
    pub(crate) fn macs(&self) -> usize {
        match self {
            Self::Conv(conv) => conv.shape().macs(),
            Self::Dense(dense) => dense.inputs() * dense.outputs(),
        }
    }

    /// Computes a batch of as many images as `input` holds.
    pub(crate) fn run<V: Value>(&self, input: &[V], workspace: &mut Workspace, output: &mut [f32]) {
        match self {
            Self::Conv(conv) => {
                workspace.laid.resize(conv.workspace().max(workspace.laid.len()), 0.0);
                let images = input.chunks_exact(self.inputs());
                for (input, output) in images.zip(output.chunks_exact_mut(self.outputs())) {
                    conv.run(input, &mut workspace.laid, output);
                }
            }
            Self::Dense(dense) => dense.run(input, &mut workspace.listed, output),
        }
    }
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let relu = match self {
            Self::Conv(conv) => {
                let ConvShape { input: [channels, ..], maps, kernel: [height, width], .. } =
                    conv.shape();
                write!(f, "Conv {height}x{width} {channels}→{maps}")?;
                conv.has_relu()
            }
            Self::Dense(dense) => {
                write!(f, "Dense {}→{}", dense.inputs(), dense.outputs())?;
                dense.has_relu()
            }
        };
        if relu {
            write!(f, " + ReLU")?;
        }
        if matches!(self, Self::Conv(conv) if conv.shape().pooled) {
            write!(f, " + MaxPool 2x2")?;
        }
        Ok(())
    }
}

/// Memory that layers work in; it grows to what the largest needs.
#[derive(Debug, Default)]
pub(crate) struct Workspace {
    laid: Vec<f32>,
    listed: Inputs,
}

/// A layer as an operator of tract.
#[derive(Debug, Clone)]
pub(crate) struct Fused {
    pub(crate) layer: Arc<Layer>,
    /// Shape of an image's output.
    shape: TVec<usize>,
    /// Whether the input is bytes, not floats.
    pub(crate) takes_bytes: bool,
}

impl PartialEq for Fused {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.layer, &other.layer)
    }
}

impl Eq for Fused {}

impl Op for Fused {
    fn name(&self) -> StaticName {
        match *self.layer {
            Layer::Conv(_) => "FusedConv".into(),
            Layer::Dense(_) => "FusedDense".into(),
        }
    }

    fn validation(&self) -> Validation {
        Validation::Rounding
    }

    op_as_typed_op!();
}

impl EvalOp for Fused {
    op_out_of_plan!();

    fn eval(&self, _: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let input = &inputs[0];
        let batch = input.shape()[0];
        let mut output = vec![0.0; batch * self.layer.outputs()];
        let mut workspace = Workspace::default();
        if self.takes_bytes {
            let view = input.to_plain_array_view::<u8>()?;
            let pixels = view.as_slice().context("a tensor lies in one piece")?;
            self.layer.run(pixels, &mut workspace, &mut output);
        } else {
            let view = input.to_plain_array_view::<f32>()?;
            let values = view.as_slice().context("a tensor lies in one piece")?;
            self.layer.run(values, &mut workspace, &mut output);
        }
        let shape: TVec<usize> = [batch].into_iter().chain(self.shape.iter().copied()).collect();
        Ok(tvec!(Tensor::from_shape(&shape, &output)?.into()))
    }
}

impl TypedOp for Fused {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        let batch = [inputs[0].shape[0].clone()];
        let image = self.shape.iter().map(ToDim::to_dim);
        Ok(tvec!(f32::fact(batch.into_iter().chain(image).collect::<TVec<TDim>>())))
    }

    as_op!();
}

/// Replaces what is recognised; `model` has been decluttered.
pub(crate) fn fuse(model: &mut TypedModel, instructions: Instructions) -> TractResult<()> {
    // pools first: each takes the convolution that is alone with it
    let rule = move |(): &(), model: &TypedModel, node: &TypedNode, _: &str, op: &MaxPool| {
        pool(instructions, model, node, op)
    };
    Rewriter::default()
        .with_rule_for("fuse a pool with its convolution", rule)
        .rewrite(&(), model)?;
    let conv_rule = move |(): &(), model: &TypedModel, node: &TypedNode, _: &str, _: &cnn::Conv| {
        conv(instructions, model, node)
    };
    let dense_rule = move |(): &(), model: &TypedModel, node: &TypedNode, _: &str, op: &EinSum| {
        dense(instructions, model, node, op)
    };
    Rewriter::default()
        .with_rule_for("fuse a convolution", conv_rule)
        .with_rule_for("fuse a dense layer", dense_rule)
        .rewrite(&(), model)
}

type Patch = TractResult<Option<TypedModelPatch>>;

fn pool(instructions: Instructions, model: &TypedModel, node: &TypedNode, op: &MaxPool) -> Patch {
    let spec = &op.pool_spec;
    let pools_2x2 = spec.data_format == DataFormat::NCHW
        && spec.kernel_shape[..] == [2, 2]
        && spec.strides()[..] == [2, 2]
        && spec.dilations().iter().all(|&dilation| dilation == 1)
        && has_no_padding(spec)
        && op.with_index_outputs.is_none();
    if !pools_2x2 {
        return Ok(None);
    }
    let before = relu_before(model, node.inputs[0]);
    let conv = model.node(before.unwrap_or(node.inputs[0]).node);
    let after = relu_after(model, node);
    if !is_used_once(model, node.inputs[0]) || !is_used_once(model, conv.id.into()) {
        return Ok(None);
    }
    let relu = before.is_some() || after.is_some();
    fuse_conv(instructions, model, conv, after.unwrap_or(node), relu, true)
}

fn conv(instructions: Instructions, model: &TypedModel, node: &TypedNode) -> Patch {
    let relu = relu_after(model, node);
    fuse_conv(instructions, model, node, relu.unwrap_or(node), relu.is_some(), false)
}

/// Replaces everything from what is before `conv` up to `last`.
fn fuse_conv(
    instructions: Instructions,
    model: &TypedModel,
    conv: &TypedNode,
    last: &TypedNode,
    relu: bool,
    pooled: bool,
) -> Patch {
    let Some(op) = conv.op_as::<cnn::Conv>() else { return Ok(None) };
    let spec = &op.pool_spec;
    let plain = spec.data_format == DataFormat::NCHW
        && spec.kernel_shape.len() == 2
        && spec.strides().iter().chain(spec.dilations().iter()).all(|&step| step == 1)
        && has_no_padding(spec)
        && op.group == 1
        && op.kernel_fmt == KernelFormat::OIHW
        && op.q_params.is_none();
    if !plain {
        return Ok(None);
    }
    let [input, weights, bias] = conv.inputs[..] else { return Ok(None) };
    let (Some(mut weights), Some(bias)) = (constant(model, weights)?, constant(model, bias)?)
    else {
        return Ok(None);
    };
    let Some([channels, height, width]) = image_shape(model, input)? else { return Ok(None) };
    let (maps, kernel) = (op.output_channels(), [spec.kernel_shape[0], spec.kernel_shape[1]]);
    let shape = ConvShape { input: [channels, height, width], maps, kernel, pooled };
    let too_large = kernel[0] > height || kernel[1] > width || shape.output().contains(&0);
    if too_large || weights.len() != maps * channels * kernel[0] * kernel[1] {
        return Ok(None);
    }
    let mut bias = if bias.len() == 1 { vec![bias[0]; maps] } else { bias };
    if bias.len() != maps {
        return Ok(None);
    }
    let before = Before::of(model, input)?;
    before.fold_into(&mut weights, &mut bias);
    let output = shape.output();
    let layer = Layer::Conv(Conv::new(shape, &weights, &bias, relu, instructions));
    before.replace(model, conv, last, layer, output.as_slice())
}

fn dense(instructions: Instructions, model: &TypedModel, node: &TypedNode, op: &EinSum) -> Patch {
    let [input, weights] = node.inputs[..] else { return Ok(None) };
    let Some(matrix) = matrix(model, op, input, weights)? else { return Ok(None) };
    let Some((add, bias)) = bias_after(model, node, matrix.outputs)? else { return Ok(None) };
    let relu = relu_after(model, add);
    let before = Before::of(model, input)?;
    let (mut weights, mut bias) = (matrix.weights, bias);
    before.fold_into(&mut weights, &mut bias);
    let layer = Layer::Dense(Dense::new(&weights, &bias, relu.is_some(), instructions));
    before.replace(model, node, relu.unwrap_or(add), layer, &[matrix.outputs])
}

/// The constant of a product that is a dense layer.
struct Matrix {
    outputs: usize,
    /// `[output][input]`
    weights: Vec<f32>,
}

/// Of a product whose output is `[batch, outputs]`, and that sums over all other axes of the input.
fn matrix(
    model: &TypedModel,
    op: &EinSum,
    input: OutletId,
    weights: OutletId,
) -> TractResult<Option<Matrix>> {
    if op.q_params.is_some() || op.operating_dt != f32::datum_type() {
        return Ok(None);
    }
    let Some(constant) = model.outlet_fact(weights)?.konst.clone() else { return Ok(None) };
    if constant.datum_type() != f32::datum_type() {
        return Ok(None);
    }
    let shape = &model.outlet_fact(input)?.shape;
    let (mut output_axis, mut permutation) = (None, vec![]);
    let mut summed: Vec<_> = op.axes.iter_all_axes().collect();
    summed.sort_by_key(|axis| axis.inputs[0].first().copied());
    for axis in summed {
        match (&axis.inputs[0][..], &axis.inputs[1][..], &axis.outputs[0][..]) {
            ([0], [], [0]) => {}
            ([], [from], [1]) => output_axis = Some(*from),
            ([_], [from], []) => permutation.push(*from),
            // an axis of one channel need not be in the constant
            ([at], [], []) if shape[*at].is_one() => {}
            _ => return Ok(None),
        }
    }
    let Some(output_axis) = output_axis else { return Ok(None) };
    permutation.insert(0, output_axis);
    let inputs = constant.len() / constant.shape()[output_axis].max(1);
    if shape.iter().skip(1).product::<TDim>().to_usize().ok() != Some(inputs) || inputs == 0 {
        return Ok(None);
    }
    let permuted = constant.into_tensor().permute_axes(&permutation)?;
    let view = permuted.to_plain_array_view::<f32>()?;
    Ok(Some(Matrix { outputs: permuted.shape()[0], weights: view.iter().copied().collect() }))
}

/// An addition of a constant a column that is all that follows `node`.
fn bias_after<'m>(
    model: &'m TypedModel,
    node: &TypedNode,
    outputs: usize,
) -> TractResult<Option<(&'m TypedNode, Vec<f32>)>> {
    let Some((add, other)) = follower::<Add>(model, node) else { return Ok(None) };
    let fact = model.outlet_fact(other)?;
    let of_columns = fact.shape.volume() == fact.shape[fact.rank() - 1];
    Ok(match constant(model, other)? {
        Some(bias) if of_columns && bias.len() == outputs => Some((add, bias)),
        Some(bias) if bias.len() == 1 => Some((add, vec![bias[0]; outputs])),
        _ => None,
    })
}

fn has_no_padding(spec: &PoolSpec) -> bool {
    match &spec.padding {
        PaddingSpec::Valid => true,
        PaddingSpec::Explicit(before, after) => before.iter().chain(after).all(|&rows| rows == 0),
        _ => false,
    }
}

fn is_used_once(model: &TypedModel, outlet: OutletId) -> bool {
    let is_output = model.output_outlets().is_ok_and(|outlets| outlets.contains(&outlet));
    model.outlet_successors(outlet).len() == 1 && !is_output
}

/// The only user of `node`, if it is this operation, and the operation's other input.
fn follower<'m, O: BinMiniOp>(
    model: &'m TypedModel,
    node: &TypedNode,
) -> Option<(&'m TypedNode, OutletId)> {
    let outlet = OutletId::from(node.id);
    if !is_used_once(model, outlet) {
        return None;
    }
    let next = model.node(model.outlet_successors(outlet)[0].node);
    let [left, right] = next.inputs[..] else { return None };
    let other = if left == outlet { right } else { left };
    is_binary::<O>(next).then_some((next, other))
}

fn is_binary<O: BinMiniOp>(node: &TypedNode) -> bool {
    node.op_as::<TypedBinOp>().is_some_and(|op| op.0.is::<O>())
}

/// The ReLU that is all that follows `node`.
fn relu_after<'m>(model: &'m TypedModel, node: &TypedNode) -> Option<&'m TypedNode> {
    let (relu, other) = follower::<Max>(model, node)?;
    (scalar(model, other) == Some(0.0)).then_some(relu)
}

/// What goes into the ReLU that `outlet` comes from.
fn relu_before(model: &TypedModel, outlet: OutletId) -> Option<OutletId> {
    let relu = model.node(outlet.node);
    let [left, right] = relu.inputs[..] else { return None };
    let is_zero = |outlet| scalar(model, outlet) == Some(0.0);
    match is_binary::<Max>(relu) {
        true if is_zero(right) => Some(left),
        true if is_zero(left) => Some(right),
        _ => None,
    }
}

fn constant(model: &TypedModel, outlet: OutletId) -> TractResult<Option<Vec<f32>>> {
    let Some(constant) = &model.outlet_fact(outlet)?.konst else { return Ok(None) };
    if constant.datum_type() != f32::datum_type() {
        return Ok(None);
    }
    Ok(Some(constant.to_plain_array_view::<f32>()?.iter().copied().collect()))
}

fn scalar(model: &TypedModel, outlet: OutletId) -> Option<f32> {
    match constant(model, outlet).ok()??[..] {
        [value] => Some(value),
        _ => None,
    }
}

/// Channels, height and width of what stands at an outlet, if they are known.
fn image_shape(model: &TypedModel, outlet: OutletId) -> TractResult<Option<[usize; 3]>> {
    let shape = &model.outlet_fact(outlet)?.shape;
    let lengths: Vec<usize> =
        shape.iter().skip(1).filter_map(|length| length.to_usize().ok()).collect();
    Ok(lengths.try_into().ok())
}

/// What happens to each value before a layer: it is multiplied, something is added, and before that it may be a byte.
struct Before {
    source: OutletId,
    scale: f64,
    shift: f64,
    takes_bytes: bool,
}

impl Before {
    /// Walks back from a layer's input.
    fn of(model: &TypedModel, input: OutletId) -> TractResult<Self> {
        let mut before = Self { source: input, scale: 1.0, shift: 0.0, takes_bytes: false };
        loop {
            let node = model.node(before.source.node);
            if let Some(cast) = node.op_as::<Cast>() {
                let from = model.outlet_fact(node.inputs[0])?.datum_type;
                before.takes_bytes = from == u8::datum_type() && cast.to == f32::datum_type();
                if before.takes_bytes {
                    before.source = node.inputs[0];
                }
                return Ok(before);
            }
            let [left, right] = node.inputs[..] else { return Ok(before) };
            let constants = [left, right].map(|outlet| scalar(model, outlet).map(f64::from));
            let (scale, shift, value) = match constants {
                [None, Some(constant)] if is_binary::<Add>(node) => (1.0, constant, left),
                [Some(constant), None] if is_binary::<Add>(node) => (1.0, constant, right),
                [None, Some(constant)] if is_binary::<Sub>(node) => (1.0, -constant, left),
                [None, Some(constant)] if is_binary::<Mul>(node) => (constant, 0.0, left),
                [Some(constant), None] if is_binary::<Mul>(node) => (constant, 0.0, right),
                [None, Some(constant)] if is_binary::<Div>(node) => (constant.recip(), 0.0, left),
                _ => return Ok(before),
            };
            // what was found so far happens after this
            before.shift += before.scale * shift;
            before.scale *= scale;
            before.source = value;
        }
    }

    /// Makes `weights`, those of an output side by side, and `bias` do the same to the values as they were.
    fn fold_into(&self, weights: &mut [f32], bias: &mut [f32]) {
        let of_one = weights.len() / bias.len();
        for (weights, bias) in weights.chunks_exact_mut(of_one).zip(bias) {
            let sum: f64 = weights.iter().map(|weight| f64::from(*weight)).sum();
            *bias = (f64::from(*bias) + sum * self.shift) as f32;
            for weight in weights {
                *weight = (f64::from(*weight) * self.scale) as f32;
            }
        }
    }

    fn replace(
        &self,
        model: &TypedModel,
        first: &TypedNode,
        last: &TypedNode,
        layer: Layer,
        shape: &[usize],
    ) -> Patch {
        let mut patch = TypedModelPatch::default();
        let input = patch.tap_model(model, self.source)?;
        let op =
            Fused { layer: Arc::new(layer), shape: shape.into(), takes_bytes: self.takes_bytes };
        let output = patch.wire_node(&first.name, op, &[input])?[0];
        patch.shunt_outside(model, last.id.into(), output)?;
        Ok(Some(patch))
    }
}
