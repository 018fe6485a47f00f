//! From an ONNX graph to a [`Network`]: tract reads and simplifies the graph, and what is a layer here is recognised.
//!
//! | tract has | becomes |
//! |---|---|
//! | `Conv`, ReLU, `MaxPool` 2×2, in this order or with the last two exchanged | one [`Kind::Conv`] with pooling |
//! | `Conv`, or `Conv` and ReLU | one [`Kind::Conv`] without pooling |
//! | `EinSum` by a constant matrix, `Add`, and a ReLU if it follows | one [`Kind::Dense`] |
//! | `Cast` from bytes, or additions and multiplications of constants, before one of these | folded into its weights |
//!
//! Why on tract's graph and not on ONNX's: exporters write one network in many ways (`Gemm`, or `MatMul` and `Add`;
//! weights transposed; constants computed from constants). After tract has simplified them there is one way left.
//!
//! The rewriting works on one operator at a time, anywhere in the graph: an operator of ours, [`LayerOp`], takes the
//! place of what it recognised, and the rest stays tract's. If in the end nothing but layers is left, the graph is a
//! [`Network`]; if not, [`Plan`] runs the mixture.

use std::sync::Arc;

use tract_onnx::prelude::*;
use tract_onnx::tract_core::internal::{
    DimLike, EvalContext, EvalOp, StaticName, TractErrorContext, Validation, as_op, op_as_typed_op,
    op_out_of_plan,
};
use tract_onnx::tract_core::model::Rewriter;
use tract_onnx::tract_core::ops::binary::{BinMiniOp, TypedBinOp};
use tract_onnx::tract_core::ops::cast::Cast;
use tract_onnx::tract_core::ops::change_axes::AxisOp;
use tract_onnx::tract_core::ops::cnn::{self, KernelFormat, MaxPool, PaddingSpec, PoolSpec};
use tract_onnx::tract_core::ops::einsum::EinSum;
use tract_onnx::tract_core::ops::math::{Add, Div, Max, Mul, Sub};
use tract_onnx::tract_core::ops::nn::DataFormat;
use tract_onnx::tract_core::ops::source::TypedSource;

use crate::affine::Affine;
use crate::architecture::{Architecture, Kind, Layer, POOL, Shape};
use crate::error::Error;
use crate::onnx::Graph;
use crate::plan::{LayerKernel, Plan, Values, engine_error};
use crate::reference::Network;

/// A graph in which every layer that was recognised is one operator.
#[derive(Debug)]
pub struct Lowered(pub(crate) TypedModel);

/// A graph that is nothing but layers.
#[derive(Debug, Clone, PartialEq)]
pub struct WholeNetwork {
    /// The layers; a normalisation inside the graph is folded into the first.
    pub network: Network,
    /// Whether the first layer takes pixels, 0 to 255; otherwise what the caller makes of them.
    pub takes_pixels: bool,
}

/// Lets tract simplify `graph`, and recognises its layers.
///
/// # Errors
/// [`Error::Engine`] if tract cannot read the graph.
pub fn lower(graph: &Graph) -> Result<Lowered, Error> {
    let lowered = || -> TractResult<Lowered> {
        let mut model = typed(graph)?;
        model.declutter()?;
        rewrite(&mut model)?;
        Ok(Lowered(model))
    };
    lowered().map_err(engine_error)
}

pub(crate) fn typed(graph: &Graph) -> TractResult<TypedModel> {
    tract_onnx::onnx().model_for_proto_model(&graph.engine_proto())?.into_typed()
}

impl Lowered {
    /// The network that the graph is; `None` if anything but layers is between input and output.
    #[must_use]
    pub fn network(&self) -> Option<WholeNetwork> {
        let model = &self.0;
        let mut layers: Vec<&LayerOp> = vec![];
        let mut outlet = model.output_outlets().ok()?[0];
        loop {
            let node = model.node(outlet.node);
            if let Some(layer) = node.op_as::<LayerOp>() {
                layers.push(layer);
            } else if node.op_is::<TypedSource>() {
                break;
            } else if !matches!(node.op_as(), Some(AxisOp::Reshape(..))) {
                return None;
            }
            outlet = node.inputs[0];
        }
        layers.reverse();
        let first = layers.first()?;
        let kinds = layers.iter().map(|op| op.layer.kind()).collect();
        let architecture = Architecture::new(first.layer.input(), kinds).ok()?;
        // a reshape between two layers may not have made another picture
        let same = |(layer, op): (&Layer, &&LayerOp)| match layer.kind() {
            Kind::Conv { .. } => layer.input() == op.layer.input(),
            Kind::Dense { .. } => layer.fan_in() == op.layer.fan_in(),
        };
        if !architecture.layers().iter().zip(&layers).all(same) {
            return None;
        }
        let affine = layers.iter().map(|op| Affine::clone(&op.affine)).collect();
        let takes_pixels = first.takes_bytes;
        Some(WholeNetwork { network: Network::new(architecture, affine), takes_pixels })
    }

    /// What runs the graph, with a kernel from `compile` for each layer.
    ///
    /// # Errors
    /// [`Error::Engine`] if tract cannot make a plan.
    pub fn into_plan(
        self,
        compile: impl Fn(&Layer, &Affine) -> Arc<dyn LayerKernel>,
    ) -> Result<Plan, Error> {
        let mut model = self.0;
        for node in &mut model.nodes {
            if let Some(op) = node.op_as_mut::<LayerOp>() {
                op.kernel = Some(compile(&op.layer, &op.affine));
            }
        }
        Plan::new(model)
    }
}

/// A layer as an operator of tract.
#[derive(Debug, Clone)]
pub(crate) struct LayerOp {
    pub(crate) layer: Layer,
    affine: Arc<Affine>,
    /// Whether the input is bytes, not floats.
    takes_bytes: bool,
    /// What runs it; until there is one, the reference does.
    kernel: Option<Arc<dyn LayerKernel>>,
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

/// Replaces what is recognised; `model` has been decluttered.
fn rewrite(model: &mut TypedModel) -> TractResult<()> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::normalization::Normalization;
    use crate::onnx::{Attribute, Node, Origin};

    /// Whole-number weights, so that nothing is rounded on the way.
    fn network(input: Shape, kinds: Vec<Kind>) -> Network {
        let architecture = Architecture::new(input, kinds).unwrap();
        let values = |count: usize| (0..count).map(|i| (i * 7 % 13) as f32 - 6.0).collect();
        let affine = architecture.layers().iter().map(|layer| Affine {
            weights: values(layer.outputs() * layer.fan_in()),
            bias: values(layer.outputs()),
        });
        let affine = affine.collect();
        Network::new(architecture, affine)
    }

    fn graph(network: &Network, normalization: Normalization) -> Graph {
        let origin = Origin {
            name: "test".into(),
            producer: ["test", "1"].map(String::from),
            metadata: std::collections::BTreeMap::new(),
        };
        Graph::of_network(network, normalization, origin)
    }

    const fn conv(maps: usize, kernel: [usize; 2], relu: bool, pool: bool) -> Kind {
        Kind::Conv { maps, kernel, relu, pool }
    }

    #[test]
    fn what_is_written_of_a_network_lowers_to_it_with_the_normalisation_folded() {
        let normalization = Normalization { offset: 128.0, scale: 0.5 };
        let dense = |outputs, relu| Kind::Dense { outputs, relu };
        for (input, kinds) in [
            ([1, 28, 28], Architecture::lenet(10).layers().iter().map(Layer::kind).collect()),
            ([1, 28, 28], vec![conv(6, [5, 5], true, true), dense(30, true), dense(3, false)]),
            (
                [3, 9, 12],
                vec![conv(4, [2, 3], false, false), conv(5, [3, 2], true, true), dense(2, false)],
            ),
            ([1, 28, 28], vec![dense(17, true), dense(2, false)]),
        ] {
            let network = network(input, kinds);
            let mut affine = network.affine().to_vec();
            affine[0].fold_input(0.5, -64.0);
            let folded = Network::new(network.architecture().clone(), affine);
            let whole = lower(&graph(&network, normalization)).unwrap().network().unwrap();
            assert!(whole.takes_pixels);
            // a flattened picture is a vector to a dense layer
            let same = whole.network.layers().zip(folded.layers());
            for ((found, found_affine), (expected, expected_affine)) in same {
                assert_eq!(found.to_string(), expected.to_string());
                assert_eq!(found.name(), expected.name());
                assert_eq!(found_affine, expected_affine, "{}", expected.name());
            }
        }
    }

    #[test]
    fn a_graph_with_anything_else_in_it_is_no_network_but_still_a_plan() {
        let network = network(
            [1, 28, 28],
            vec![conv(4, [5, 5], true, true), Kind::Dense { outputs: 3, relu: false }],
        );
        let mut graph = graph(&network, Normalization::CENTRED);
        let last = graph.nodes.last_mut().unwrap();
        (last.name, last.outputs) = ("sums".into(), vec!["sums".into()]);
        let tanh: [(&str, Attribute); 0] = [];
        graph.nodes.push(Node::new("Tanh", &["sums"], "logits", &tanh));
        let lowered = lower(&graph).unwrap();
        assert_eq!(lowered.network(), None);

        #[derive(Debug)]
        struct Reference(Layer, Affine);
        impl LayerKernel for Reference {
            fn run(&self, input: Values<'_>, output: &mut [f32]) {
                let values: Vec<f32> = match input {
                    Values::Bytes(bytes) => bytes.iter().copied().map(f32::from).collect(),
                    Values::Floats(values) => values.to_vec(),
                };
                output.copy_from_slice(&self.0.apply(&self.1, &values));
            }
        }
        let plan = lowered
            .into_plan(|layer, affine| Arc::new(Reference(layer.clone(), affine.clone())))
            .unwrap();
        let names: Vec<String> =
            plan.operators().into_iter().map(|operator| operator.name).collect();
        assert!(names.contains(&"Conv 5x5 1→4 + ReLU + MaxPool 2x2".to_owned()), "{names:?}");
        let pixels: Vec<u8> = (0..784_usize).map(|i| (i * i % 256) as u8).collect();
        let run = |plan: &Plan| {
            let mut output = vec![];
            let input = Values::Bytes(&pixels);
            plan.run(&[1, 1, 28, 28], input, &mut output, &mut |_, run| run()).unwrap();
            output
        };
        let expected = run(&Plan::of_graph(&graph).unwrap());
        for (found, expected) in run(&plan).iter().zip(&expected) {
            assert!((found - expected).abs() < 1e-4, "{found} for {expected}");
        }
    }
}
