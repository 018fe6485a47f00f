//! What type, shape and constant value everything has, so that memory and time are known before the engine spends them.
//!
//! Source: <https://github.com/onnx/onnx/blob/main/docs/Operators.md>, for the operators that [`super::check`]
//! lets through. All lengths are numbers: the caller chooses those of the input.

mod moves;
mod operators;

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::{Graph, GraphFault, Node, Tensor, Values, fold};
pub(crate) use moves::{Range, pads, reduced_axes, slices};
pub(crate) use operators::{Windows, axes, axis_of, broadcast, count, int, window_attributes};

/// Maximum elements of all values of an image together, and of what a convolution lays out: 64 MiB of `float32`.
const MAX_ELEMENTS: usize = 1 << 24;
/// Maximum multiplications, comparisons and elements read for one image; LeNet has 2.3 million.
const MAX_WORK: usize = 1 << 29;
/// Maximum elements of a value that is over the limits and yet looked at: sums of such lengths do not overflow.
const MAX_SURVEYED_ELEMENTS: usize = 1 << 40;
/// Maximum axes of a value.
pub(super) const MAX_AXES: usize = 8;

pub(crate) type Shape = Vec<usize>;

/// What is known of a value before there is one.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Fact<'g> {
    pub(crate) element: Element,
    pub(crate) shape: Shape,
    /// The value itself, where it does not depend on the picture.
    pub(crate) value: Option<Cow<'g, Tensor>>,
}

/// Facts by the value's name.
pub(crate) type Facts<'g> = BTreeMap<&'g str, Fact<'g>>;

/// Type of a value's elements. Arithmetic on what depends on the picture is done on `F32` alone, or by the operators of
/// quantised networks: whole numbers overflow, and a division of them by 0 panics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Element {
    U8,
    I8,
    I32,
    I64,
    F32,
    Bool,
    /// A constant of another type, which no operator here takes.
    Opaque,
}

impl Element {
    const fn of(values: &Values) -> Self {
        match values {
            Values::F32(_) => Self::F32,
            Values::I64(_) => Self::I64,
            Values::U8(_) => Self::U8,
            Values::I8(_) => Self::I8,
            Values::I32(_) => Self::I32,
            Values::Bool(_) => Self::Bool,
            Values::Opaque { .. } => Self::Opaque,
        }
    }

    /// Of a `TensorProto.DataType`; real numbers of all widths are `F32` here.
    const fn of_onnx(data_type: i64) -> Option<Self> {
        Some(match data_type {
            1 | 10 | 11 | 16 => Self::F32,
            2 => Self::U8,
            3 => Self::I8,
            6 => Self::I32,
            7 => Self::I64,
            9 => Self::Bool,
            _ => return None,
        })
    }
}

impl Element {
    /// The `TensorProto.DataType` of one that a value can be cast to, other than `float32`.
    pub(crate) const fn onnx(self) -> Option<i64> {
        match self {
            Self::U8 => Some(2),
            Self::I8 => Some(3),
            Self::I32 => Some(6),
            Self::I64 => Some(7),
            Self::Bool => Some(9),
            Self::F32 | Self::Opaque => None,
        }
    }
}

/// What a node costs.
#[derive(Debug, Clone, Copy, Default)]
struct Cost {
    /// Multiplications or comparisons.
    work: usize,
    /// Elements of memory besides those of the result.
    scratch: usize,
}

/// Facts about all values of `graph`, whose input has this shape, if no value and no operator exceeds the limits.
pub(crate) fn infer<'g>(graph: &'g Graph, input: &[usize]) -> Result<Facts<'g>, GraphFault> {
    let mut facts = given(graph, input);
    let mut spent = Spent::default();
    for node in &graph.nodes {
        make(node, graph.opset, &mut facts, &mut spent)?;
    }
    Ok(facts)
}

/// Facts about the values of `graph` as far as they can be known, and every reason why others cannot.
pub(super) fn survey<'g>(graph: &'g Graph, input: &[usize]) -> (Facts<'g>, Vec<GraphFault>) {
    let mut facts = given(graph, input);
    let (mut spent, mut faults) = (Spent { goes_on: true, ..Spent::default() }, vec![]);
    for node in &graph.nodes {
        let is_known = |name: &String| {
            let fact = facts.get(name.as_str());
            name.is_empty() || fact.is_some_and(|fact| fact.element != Element::Opaque)
        };
        if !node.inputs.iter().all(is_known) {
            continue;
        }
        faults.extend(make(node, graph.opset, &mut facts, &mut spent).err());
    }
    faults.extend(spent.exceeded);
    (facts, faults)
}

/// Facts about the constants and the input.
fn given<'g>(graph: &'g Graph, input: &[usize]) -> Facts<'g> {
    let mut facts = Facts::new();
    for (name, tensor) in &graph.tensors {
        let (element, shape) = (Element::of(&tensor.values), tensor.shape.clone());
        facts.insert(name, Fact { element, shape, value: Some(Cow::Borrowed(tensor)) });
    }
    for port in &graph.inputs {
        // other types are refused with the input itself
        let element = match port.element.as_str() {
            "uint8" => Element::U8,
            "int32" => Element::I32,
            "int64" => Element::I64,
            _ => Element::F32,
        };
        facts.insert(&port.name, Fact { element, shape: input.to_vec(), value: None });
    }
    facts
}

/// What the nodes so far cost.
#[derive(Default)]
struct Spent {
    elements: usize,
    work: usize,
    /// Elements of constants that were computed beyond the limits.
    constants: usize,
    /// Whether more than the limits is no error.
    goes_on: bool,
    /// The first that was over the limits.
    exceeded: Option<GraphFault>,
}

/// Adds the facts about what a node makes.
fn make<'g>(
    node: &'g Node,
    opset: i64,
    facts: &mut Facts<'g>,
    spent: &mut Spent,
) -> Result<(), GraphFault> {
    if node.op == "Constant" {
        return Ok(());
    }
    let fault = || GraphFault::Shapes { node: node.name.clone(), op: node.op.clone() };
    let inputs = inputs(node, facts);
    let given = || inputs.iter().copied().flatten();
    let read = given().try_fold(0_usize, |sum, fact| sum.checked_add(count(&fact.shape)?));
    let (shapes, cost) = operators::of(node, &inputs, opset).ok_or_else(fault)?;
    let constants: Option<Vec<&Tensor>> = given().map(|fact| fact.value.as_deref()).collect();
    let value = match (node.op.as_str(), &shapes[..]) {
        ("Shape", _) => Some(moves::lengths(node, &inputs).ok_or_else(fault)?),
        (_, [shape]) => constants.and_then(|inputs| fold::fold(node, &inputs, shape)),
        _ => None,
    };
    let element = match &value {
        Some(value) => Element::of(&value.values),
        None => element(node, &inputs).ok_or_else(fault)?,
    };
    spent.work = spent.work.saturating_add(cost.work).saturating_add(read.unwrap_or(usize::MAX));
    let mut value = value.map(Cow::Owned);
    for (name, shape) in node.outputs.iter().zip(shapes) {
        let made = count(&shape).unwrap_or(usize::MAX);
        spent.elements = spent.elements.saturating_add(made);
        let most = spent.elements.max(cost.scratch);
        if most > MAX_ELEMENTS || spent.work > MAX_WORK || shape.len() > MAX_AXES {
            let fault = GraphFault::TooMuchWork { node: node.name.clone(), shape: shape.clone() };
            if !spent.goes_on || shape.len() > MAX_AXES || made > MAX_SURVEYED_ELEMENTS {
                return Err(fault);
            }
            spent.exceeded.get_or_insert(fault);
            // shapes take no memory, values would
            if value.is_some() {
                spent.constants = spent.constants.saturating_add(made);
                value = value.filter(|_| spent.constants <= MAX_ELEMENTS);
            }
        }
        facts.insert(name, Fact { element, shape, value: value.take() });
    }
    Ok(())
}

/// Facts about what a node reads; an optional input that is left out is `None`.
fn inputs<'f>(node: &Node, facts: &'f Facts) -> Vec<Option<&'f Fact<'f>>> {
    node.inputs.iter().map(|name| facts.get(name.as_str())).collect()
}

/// Multiply-accumulates of a node for one picture: those of convolutions and of products of matrices, of all else 0.
pub(crate) fn macs(node: &Node, facts: &Facts, opset: i64) -> usize {
    match node.op.as_str() {
        "Conv" | "Gemm" | "MatMul" | "QLinearConv" | "QLinearMatMul" => {
            operators::of(node, &inputs(node, facts), opset).map_or(0, |(_, cost)| cost.work)
        }
        _ => 0,
    }
}

/// Type that a node makes of what depends on the picture; `None` if it does not take those of its inputs.
fn element(node: &Node, inputs: &[Option<&Fact>]) -> Option<Element> {
    let elements: Vec<Element> = inputs.iter().flatten().map(|fact| fact.element).collect();
    let first = *elements.first()?;
    let at = |index: usize| inputs.get(index).copied().flatten().map(|fact| fact.element);
    let is_byte = |element| matches!(element, Element::U8 | Element::I8);
    match node.op.as_str() {
        // other casts of pixels lose what is behind the point
        "Cast" => (Element::of_onnx(int(node, "to", 0)?)? == Element::F32
            && !matches!(first, Element::Opaque))
        .then_some(Element::F32),
        "Concat" => elements.iter().all(|&element| element == first).then_some(first),
        "Flatten" | "Identity" | "Reshape" | "Transpose" | "Squeeze" | "Unsqueeze" | "Slice"
        | "Split" | "Gather" | "Expand" => Some(first),
        "MaxPool" => (first == Element::F32 || is_byte(first)).then_some(first),
        // the padding is of the same type
        "Pad" => (first == Element::F32).then_some(first),
        "QuantizeLinear" => {
            let zero = at(2).unwrap_or(Element::U8);
            (first == Element::F32 && at(1) == Some(Element::F32) && is_byte(zero)).then_some(zero)
        }
        "DequantizeLinear" => {
            let fits = is_byte(first) && at(2).is_none_or(|zero| zero == first);
            (fits && at(1) == Some(Element::F32)).then_some(Element::F32)
        }
        "QLinearConv" | "QLinearMatMul" => {
            let scales = [1, 4, 6].map(at).iter().all(|&scale| scale == Some(Element::F32));
            let (input, weights, zero) = (at(2), at(5), at(7)?);
            let fits = input == Some(first) && weights == at(3) && is_byte(first);
            let bias = at(8).is_none_or(|bias| bias == Element::I32);
            (scales && fits && bias && is_byte(at(3)?) && is_byte(zero)).then_some(zero)
        }
        // axes and lengths are looked at with the shape
        "ReduceMean" | "ReduceMax" | "ReduceMin" | "ReduceSum" | "ReduceL2" => {
            (first == Element::F32).then_some(first)
        }
        _ => elements.iter().all(|&element| element == Element::F32).then_some(Element::F32),
    }
}
