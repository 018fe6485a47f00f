//! From the operators of a checked graph to primitives, one by one, in the order in which they run.
//!
//! Exporters write one network in many ways: a dense layer is a `Gemm`, or a `MatMul` and an `Add`; a flatten is a
//! `Flatten`, a `Reshape` or a `Squeeze`. Each spelling is read here; what is left is for [`super::fuse`] to join. An
//! operator, or a use of one, that is not read becomes a [`Work::Node`], which tract will run.

mod layers;
mod scales;

use std::collections::BTreeMap;

use super::fuse::Sequence;
use super::primitive::{NodeInput, NodeWork, Primitive, Work};
use super::view::View;
use crate::architecture::{Activation, Kind, Shape};
use crate::onnx::shapes::{Element, Facts, reduced_axes};
use crate::onnx::{Attribute, Graph, Layout, Node, Tensor, Values};

/// Operators that work on each element by itself, so that it does not matter where elements lie.
const ELEMENTWISE: [&str; 39] = [
    "Abs",
    "Acos",
    "Acosh",
    "Asin",
    "Asinh",
    "Atan",
    "Atanh",
    "Ceil",
    "Celu",
    "Clip",
    "Cos",
    "Cosh",
    "Elu",
    "Erf",
    "Exp",
    "Floor",
    "Gelu",
    "HardSigmoid",
    "HardSwish",
    "LeakyRelu",
    "Log",
    "Mish",
    "Neg",
    "Reciprocal",
    "Relu",
    "Round",
    "Selu",
    "Shrink",
    "Sigmoid",
    "Sign",
    "Sin",
    "Sinh",
    "Softplus",
    "Softsign",
    "Sqrt",
    "Swish",
    "Tan",
    "Tanh",
    "ThresholdedRelu",
];

/// A value of the graph as the primitives have it.
#[derive(Debug, Clone)]
struct Handle {
    value: usize,
    view: View,
    element: Element,
}

struct Translator<'g> {
    facts: &'g Facts<'g>,
    input: Shape,
    primitives: Vec<Primitive>,
    handles: BTreeMap<&'g str, Handle>,
}

/// The primitives that make value `output` of `graph`.
pub(super) fn translate<'g>(
    graph: &'g Graph,
    layout: &Layout,
    facts: &'g Facts<'g>,
    output: &str,
) -> Option<Sequence> {
    let input = graph.inputs.first()?;
    let view = View { order: layout.order, shape: layout.lengths.clone() };
    let element = facts.get(input.name.as_str())?.element;
    let mut translator = Translator {
        facts,
        input: layout.picture,
        primitives: vec![],
        handles: [(input.name.as_str(), Handle { value: 0, view, element })].into(),
    };
    for node in &graph.nodes {
        translator.node(node)?;
    }
    let output = translator.handles.get(output)?;
    let plain = output.view.is_plain(translator.base(output.value));
    (plain && output.element == Element::F32)
        .then_some(Sequence { output: output.value, primitives: translator.primitives })
}

impl<'g> Translator<'g> {
    fn node(&mut self, node: &'g Node) -> Option<()> {
        let is_constant = |name: &String| self.constant(name).is_some();
        if node.outputs.iter().all(is_constant) {
            return Some(());
        }
        if let Some(handle) = self.read(node) {
            self.handles.insert(node.outputs.first()?, handle);
            return Some(());
        }
        for output in 0..node.outputs.len() {
            let handle = self.leave(node, output)?;
            self.handles.insert(&node.outputs[output], handle);
        }
        Some(())
    }

    /// Shape of a value in memory.
    fn base(&self, value: usize) -> Shape {
        value.checked_sub(1).map_or(self.input, |index| self.primitives[index].output)
    }

    fn constant(&self, name: &str) -> Option<&'g Tensor> {
        self.facts.get(name)?.value.as_deref()
    }

    /// A constant of real numbers.
    fn reals(&self, name: &str) -> Option<(&'g [usize], &'g [f32])> {
        match self.constant(name)? {
            Tensor { shape, values: Values::F32(values) } => Some((shape, values)),
            _ => None,
        }
    }

    /// Lengths of what a node makes.
    fn shape(&self, node: &Node) -> Option<Vec<usize>> {
        Some(self.facts.get(node.outputs.first()?.as_str())?.shape.clone())
    }

    /// Adds a primitive that reads `sources`, and gives its value, seen with `shape`.
    fn push(
        &mut self,
        work: Work,
        sources: Vec<usize>,
        input: Shape,
        output: Shape,
        view: View,
    ) -> Handle {
        self.primitives.push(Primitive { work, sources, input, output });
        Handle { value: self.primitives.len(), view, element: Element::F32 }
    }

    /// What the node makes, if it is read here.
    fn read(&mut self, node: &'g Node) -> Option<Handle> {
        if let Some(handle) = self.viewed(node) {
            return Some(handle);
        }
        let first = self.handles.get(node.inputs.first()?.as_str());
        if first.is_some_and(|handle| handle.element != Element::F32) {
            return None;
        }
        match node.op.as_str() {
            "Conv" => self.convolution(node),
            "Gemm" | "MatMul" => self.product(node),
            "MaxPool" | "AveragePool" => self.pooling(node),
            "GlobalAveragePool" | "GlobalMaxPool" | "ReduceMean" | "ReduceMax" => {
                self.reduction(node)
            }
            "Pad" => self.padding(node),
            "Add" | "Sub" | "Mul" | "Div" | "Sum" => {
                self.scale_by_constant(node).or_else(|| self.sum(node))
            }
            "BatchNormalization" => self.batch_normalization(node),
            "Relu" | "Clip" | "Max" | "Min" => self.activation(node),
            _ => None,
        }
    }

    /// Operators that compute nothing.
    fn viewed(&self, node: &Node) -> Option<Handle> {
        let handle = self.handles.get(node.inputs.first()?.as_str())?;
        let shape = self.shape(node)?;
        let element = self.facts.get(node.outputs.first()?.as_str())?.element;
        let view = match node.op.as_str() {
            "Identity" | "Dropout" | "Flatten" | "Reshape" | "Squeeze" | "Unsqueeze" => {
                View { shape, ..handle.view }
            }
            // pixels are real numbers already
            "Cast" if handle.value == 0 || handle.element == element => {
                View { shape, ..handle.view }
            }
            // one that changes nothing
            "Expand" | "Slice" if shape == handle.view.shape && !self.reverses(node) => {
                handle.view.clone()
            }
            "Transpose" => {
                let base = self.base(handle.value);
                let permutation: Vec<usize> = match node.attributes.get("perm") {
                    None => (0..shape.len()).rev().collect(),
                    Some(Attribute::Ints(axes)) => axes.iter().map(|&axis| axis as usize).collect(),
                    Some(_) => return None,
                };
                handle.view.transposed(base, &permutation, shape)?
            }
            _ => return None,
        };
        Some(Handle { value: handle.value, view, element })
    }

    /// Whether a slice may go backwards.
    fn reverses(&self, node: &Node) -> bool {
        node.inputs.get(4).is_some_and(|name| match self.constant(name).map(|t| &t.values) {
            Some(Values::I64(steps)) => steps.iter().any(|&step| step < 0),
            _ => true,
        })
    }

    /// Leaves a node to tract.
    fn leave(&mut self, node: &'g Node, output: usize) -> Option<Handle> {
        let fact = self.facts.get(node.outputs[output].as_str())?;
        let (shape, element) = (fact.shape.clone(), fact.element);
        let handle = |name: &String| self.handles.get(name.as_str());
        let by_element = ELEMENTWISE.contains(&node.op.as_str());
        let (mut view, mut base) = (View::plain(shape.clone()), picture(&shape));
        let mut inputs = vec![];
        for name in &node.inputs {
            inputs.push(handle(name).map(|Handle { value, view, element }| NodeInput {
                value: *value,
                view: view.clone(),
                element: *element,
            }));
        }
        let mut made = shape;
        if by_element && let Some(Some(input)) = inputs.first_mut() {
            // in the order in which the elements lie already
            base = self.base(input.value);
            made = [&[1][..], &base].concat();
            view = std::mem::replace(&mut input.view, View::plain(made.clone()));
        }
        let sources = inputs.iter().flatten().map(|input| input.value).collect();
        let work = NodeWork { node: node.clone(), output, inputs, shape: made, element };
        let handle = self.push(Work::Node(work), sources, base, base, view);
        Some(Handle { element, ..handle })
    }

    /// An activation by itself.
    #[expect(clippy::float_cmp, reason = "bounds are just these numbers or others")]
    fn activation(&mut self, node: &'g Node) -> Option<Handle> {
        let bound = |index: usize, name: &str, open: f32| -> Option<f32> {
            match (
                node.inputs.get(index).filter(|name| !name.is_empty()),
                node.attributes.get(name),
            ) {
                (Some(input), _) => match self.reals(input)?.1 {
                    [value] => Some(*value),
                    _ => None,
                },
                (None, Some(Attribute::Float(value))) => Some(*value),
                (None, None) => Some(open),
                (None, Some(_)) => None,
            }
        };
        let [min, max] = match node.op.as_str() {
            "Relu" => [0.0, f32::INFINITY],
            "Clip" => [bound(1, "min", f32::MIN)?, bound(2, "max", f32::MAX)?],
            _ if node.inputs.len() != 2 => return None,
            op => {
                let index = usize::from(self.constant(&node.inputs[0]).is_none());
                let bound = bound(index, "", 0.0)?;
                let other = &node.inputs[1 - index];
                return self.one_bound(op, other, bound, &self.shape(node)?);
            }
        };
        // numbers as large as these bound nothing
        let (open_below, open_above) = (min <= f32::MIN, max >= f32::MAX);
        let known = [Activation::None, Activation::Relu, Activation::Relu6];
        let bounds = |activation: &Activation| {
            let [floor, ceiling] = activation.range();
            let same_floor = if open_below { floor.is_infinite() } else { min == floor };
            same_floor && if open_above { ceiling.is_infinite() } else { max == ceiling }
        };
        let activation = known.into_iter().find(bounds)?;
        let handle = self.handles.get(node.inputs[0].as_str())?.clone();
        Some(self.clamped(handle, activation))
    }

    /// `Max(x, 0)`, or `Min(x, 6)` of a value that is not below 0.
    #[expect(clippy::float_cmp, reason = "the bound is just this number or another")]
    fn one_bound(&mut self, op: &str, name: &str, bound: f32, shape: &[usize]) -> Option<Handle> {
        let handle = self.handles.get(name).filter(|handle| handle.view.shape == shape)?.clone();
        let maker = handle.value.checked_sub(1).map(|index| &self.primitives[index].work);
        let activation = match op {
            "Max" if bound == 0.0 => Activation::Relu,
            "Min" if bound == 6.0 && matches!(maker, Some(Work::Clamp(Activation::Relu))) => {
                Activation::Relu6
            }
            _ => return None,
        };
        Some(self.clamped(handle, activation))
    }

    fn clamped(&mut self, handle: Handle, activation: Activation) -> Handle {
        if activation == Activation::None {
            return handle;
        }
        let base = self.base(handle.value);
        self.push(Work::Clamp(activation), vec![handle.value], base, base, handle.view)
    }

    /// The sum of two values of one shape.
    fn sum(&mut self, node: &'g Node) -> Option<Handle> {
        let [left, right] = &node.inputs[..] else { return None };
        let (left, right) = (self.handles.get(left.as_str())?, self.handles.get(right.as_str())?);
        if !matches!(node.op.as_str(), "Add" | "Sum") || right.element != Element::F32 {
            return None;
        }
        let (base, other) = (self.base(left.value), self.base(right.value));
        let plain = left.view.is_plain(base) && right.view.is_plain(other);
        let alike = base == other && left.view.order == right.view.order;
        if left.view.shape != right.view.shape || !(plain || alike) {
            return None;
        }
        let (sources, view) = (vec![left.value, right.value], left.view.clone());
        let kind = Kind::Add { other: 0, activation: Activation::None };
        Some(self.push(Work::bare(kind), sources, base, base, view))
    }

    /// Axes over which a mean or largest value goes, `[rows, columns]`; `None` if over channels, or over parts of axes.
    fn reduced(&self, node: &Node, view: &View, base: Shape) -> Option<[bool; 2]> {
        let rank = view.shape.len();
        let axes = if node.op.starts_with("Global") {
            (2..rank).collect()
        } else {
            let named = node.inputs.get(1);
            let constant = named.and_then(|name| self.constant(name));
            reduced_axes(node, rank, named.is_some(), constant)?
        };
        let of_base = view.axes(base)?;
        let mut sides = [false; 2];
        for axis in axes {
            match of_base[axis] {
                // a mean of one value is that value
                None => {}
                Some(0) => return None,
                Some(side) => sides[side - 1] = true,
            }
        }
        Some(sides)
    }
}

/// A shape in memory for a value of these lengths.
fn picture(shape: &[usize]) -> Shape {
    match *shape {
        [1, channels, height, width] => [channels, height, width],
        _ => [shape.iter().product(), 1, 1],
    }
}
