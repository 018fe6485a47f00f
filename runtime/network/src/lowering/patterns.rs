//! What a layer looks like among tract's operators, and its replacement by one of ours.
//!
//! A pattern starts at its middle, the convolution, pooling or product, and looks along the graph both ways: back for
//! constants that are applied to all values alike, forward for a bias, a ReLU, a pooling. Whatever would not come out
//! equal (padding, strides, groups, a value that something else reads too) ends the attempt, and the operators stay.

use std::sync::Arc;

use tract_onnx::prelude::*;
use tract_onnx::tract_core::internal::DimLike;
use tract_onnx::tract_core::model::Rewriter;
use tract_onnx::tract_core::ops::binary::{BinMiniOp, TypedBinOp};
use tract_onnx::tract_core::ops::cast::Cast;
use tract_onnx::tract_core::ops::cnn::{self, KernelFormat, MaxPool, PaddingSpec, PoolSpec};
use tract_onnx::tract_core::ops::einsum::EinSum;
use tract_onnx::tract_core::ops::math::{Add, Div, Max, Mul, Sub};
use tract_onnx::tract_core::ops::nn::DataFormat;

use super::op::LayerOp;
use crate::affine::Affine;
use crate::architecture::{Architecture, Kind, Layer, POOL, Shape};

/// Replaces what is recognised; `model` has been decluttered.
pub(super) fn rewrite(model: &mut TypedModel) -> TractResult<()> {
    // pools first: each takes the convolution that is alone with it
    let rule = |(): &(), model: &TypedModel, node: &TypedNode, _: &str, op: &MaxPool| {
        pool(model, node, op)
    };
    Rewriter::default()
        .with_rule_for("fuse a pool with its convolution", rule)
        .rewrite(&(), model)?;
    let conv_rule =
        |(): &(), model: &TypedModel, node: &TypedNode, _: &str, _: &cnn::Conv| conv(model, node);
    let dense_rule = |(): &(), model: &TypedModel, node: &TypedNode, _: &str, op: &EinSum| {
        dense(model, node, op)
    };
    Rewriter::default()
        .with_rule_for("fuse a convolution", conv_rule)
        .with_rule_for("fuse a dense layer", dense_rule)
        .rewrite(&(), model)
}

type Patch = TractResult<Option<TypedModelPatch>>;

fn pool(model: &TypedModel, node: &TypedNode, op: &MaxPool) -> Patch {
    let spec = &op.pool_spec;
    let pools_2x2 = spec.data_format == DataFormat::NCHW
        && spec.kernel_shape[..] == [POOL; 2]
        && spec.strides()[..] == [POOL; 2]
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
    lower_conv(model, conv, after.unwrap_or(node), relu, true)
}

fn conv(model: &TypedModel, node: &TypedNode) -> Patch {
    let relu = relu_after(model, node);
    lower_conv(model, node, relu.unwrap_or(node), relu.is_some(), false)
}

/// Replaces everything from what is before `conv` up to `last`.
fn lower_conv(
    model: &TypedModel,
    conv: &TypedNode,
    last: &TypedNode,
    relu: bool,
    pool: bool,
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
    let (Some(weights), Some(mut bias)) = (constant(model, weights)?, constant(model, bias)?)
    else {
        return Ok(None);
    };
    let Some(image) = image_shape(model, input)? else { return Ok(None) };
    let kind = Kind::Conv {
        maps: op.output_channels(),
        kernel: [spec.kernel_shape[0], spec.kernel_shape[1]],
        relu,
        pool,
    };
    let Some(layer) = single(image, kind) else { return Ok(None) };
    if bias.len() == 1 {
        bias = vec![bias[0]; layer.outputs()];
    }
    if bias.len() != layer.outputs() || weights.len() != layer.outputs() * layer.fan_in() {
        return Ok(None);
    }
    Before::of(model, input)?.replace(model, conv, last, layer, Affine { weights, bias })
}

/// A layer by itself; `None` if its kernel is larger than what it takes.
fn single(input: Shape, kind: Kind) -> Option<Layer> {
    Architecture::new(input, vec![kind]).ok()?.layers().first().cloned()
}

fn dense(model: &TypedModel, node: &TypedNode, op: &EinSum) -> Patch {
    let [input, weights] = node.inputs[..] else { return Ok(None) };
    let Some(matrix) = matrix(model, op, input, weights)? else { return Ok(None) };
    let Some((add, bias)) = bias_after(model, node, matrix.outputs)? else { return Ok(None) };
    let relu = relu_after(model, add);
    let kind = Kind::Dense { outputs: matrix.outputs, relu: relu.is_some() };
    let Some(layer) = single([matrix.weights.len() / matrix.outputs.max(1), 1, 1], kind) else {
        return Ok(None);
    };
    let affine = Affine { weights: matrix.weights, bias };
    Before::of(model, input)?.replace(model, node, relu.unwrap_or(add), layer, affine)
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

    /// Puts the layer in place of everything from here up to `last`.
    fn replace(
        &self,
        model: &TypedModel,
        first: &TypedNode,
        last: &TypedNode,
        layer: Layer,
        mut affine: Affine,
    ) -> Patch {
        affine.fold_input(self.scale, self.shift);
        let mut patch = TypedModelPatch::default();
        let input = patch.tap_model(model, self.source)?;
        let affine = Arc::new(affine);
        let op = LayerOp { layer, affine, takes_bytes: self.takes_bytes, kernel: None };
        let output = patch.wire_node(&first.name, op, &[input])?[0];
        patch.shunt_outside(model, last.id.into(), output)?;
        Ok(Some(patch))
    }
}
