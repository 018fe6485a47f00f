//! Nodes that are no layers, gathered into graphs that tract runs.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::primitive::{NodeInput, NodeWork, Primitive, Work};
use super::spelling::{Spelled, spelled};
use super::view::View;
use super::{Operation, Step};
use crate::architecture::{Kind, Layer, Shape};
use crate::error::Error;
use crate::onnx::shapes::{Element, Facts, macs};
use crate::onnx::{Attribute, Dimension, Graph, Node, Port, Tensor, Values};
use crate::plan::Plan;

use super::fuse::Sequence;

/// Operators whose names tract knows up to this operator set; none of them changed since.
const ENGINE_OPSET: i64 = 25;

/// The steps of a sequence, in which neighbouring nodes are one step; `None` if values that are not real numbers go from
/// one step to another.
pub(super) fn steps(
    sequence: &Sequence,
    input: Shape,
    facts: &Facts,
    opset: i64,
) -> Result<Option<Vec<Step>>, Error> {
    let primitives = &sequence.primitives;
    let mut steps: Vec<Step> = vec![];
    // of each value the number that it has among the values of the steps
    let mut numbers = vec![Some(0)];
    let mut first = 0;
    while first < primitives.len() {
        let end = run_end(sequence, first);
        let (step, made) = match &primitives[first].work {
            Work::Node(_) => {
                let segment = Segment { sequence, input, facts, opset, range: first..end };
                let Some(plan) = segment.plan()? else { return Ok(None) };
                plan
            }
            Work::Layer(kind, affine) => {
                let Some(layer) = layer(&primitives[first], *kind) else { return Ok(None) };
                let operation = Operation::Layer(layer, affine.clone());
                (operation, primitives[first].sources.clone())
            }
            Work::Scale(_) | Work::Clamp(_) | Work::Pad(_) => unreachable!("they became layers"),
        };
        let Some(sources) = made.iter().map(|&value| numbers[value]).collect() else {
            return Ok(None);
        };
        let shape = primitives[end - 1].output;
        let outputs = shape.iter().product();
        steps.push(Step { sources, outputs, shape, operation: step });
        numbers.resize(end, None);
        numbers.push(Some(steps.len()));
        first = end;
    }
    Ok(Some(steps))
}

fn layer(primitive: &Primitive, kind: Kind) -> Option<Layer> {
    match kind {
        Kind::Add { activation, .. } => Layer::adding(primitive.input, activation),
        kind => Layer::alone(primitive.input, kind),
    }
}

/// Where the run of nodes that begins at `first` ends: only its last value is read outside, and it is a real number.
fn run_end(sequence: &Sequence, first: usize) -> usize {
    let primitives = &sequence.primitives;
    let is_node = |index: usize| matches!(primitives[index].work, Work::Node(_));
    if !is_node(first) {
        return first + 1;
    }
    let mut end = first + 1;
    while end < primitives.len() && is_node(end) {
        end += 1;
    }
    // shorter, until nothing inside is read outside
    let is_read_outside = |value: usize, end: usize| {
        value == sequence.output
            || primitives[end..].iter().any(|primitive| primitive.sources.contains(&value))
    };
    while end > first + 1 && (first + 1..end).any(|value| is_read_outside(value, end)) {
        end -= 1;
    }
    end
}

/// Neighbouring nodes.
struct Segment<'a> {
    sequence: &'a Sequence,
    input: Shape,
    facts: &'a Facts<'a>,
    opset: i64,
    range: std::ops::Range<usize>,
}

/// A graph in the making.
#[derive(Default)]
struct Parts {
    inputs: BTreeMap<usize, Shape>,
    /// Views that were made so far, by value, order, lengths and whether it was cast.
    views: Vec<(NodeInput, String)>,
    nodes: Vec<Node>,
    tensors: BTreeMap<String, Tensor>,
}

impl Segment<'_> {
    /// A plan for the nodes, and the values that it reads.
    fn plan(&self) -> Result<Option<(Operation, Vec<usize>)>, Error> {
        let mut parts = Parts::default();
        for index in self.range.clone() {
            let Work::Node(work) = &self.sequence.primitives[index].work else { continue };
            let inputs: Vec<String> = work
                .node
                .inputs
                .iter()
                .zip(&work.inputs)
                .map(|(name, input)| match input {
                    Some(input) => self.read(input, &mut parts),
                    None => self.constant(name, &mut parts),
                })
                .collect();
            let outputs = (0..work.node.outputs.len()).map(|output| match output {
                output if output == work.output => value_name(index + 1),
                output => format!("{}.{output}", value_name(index + 1)),
            });
            let node = Node { inputs, outputs: outputs.collect(), ..work.node.clone() };
            parts.spell(&work.node, node, self.facts, self.opset);
        }
        let last = &self.sequence.primitives[self.range.end - 1].work;
        if !matches!(last, Work::Node(NodeWork { element: Element::F32, .. })) {
            return Ok(None);
        }
        let sources: Vec<usize> = parts.inputs.keys().copied().collect();
        let shapes: Vec<Vec<usize>> =
            parts.inputs.values().map(|shape| [&[1][..], shape].concat()).collect();
        let nodes = || {
            self.range.clone().filter_map(|index| match &self.sequence.primitives[index].work {
                Work::Node(work) => Some(&work.node),
                _ => None,
            })
        };
        let operators = nodes().map(|node| node.op.clone()).collect();
        let macs = nodes().map(|node| macs(node, self.facts, self.opset)).sum();
        let graph = parts.into_graph(&value_name(self.range.end), self.opset);
        let outputs = self.sequence.primitives[self.range.end - 1].output.iter().product();
        let plan = Plan::new(&graph, shapes, outputs, operators, macs)?;
        Ok(Some((Operation::Plan(Arc::new(plan)), sources)))
    }

    /// Shape of a value in memory, and lengths with which the graph has it.
    fn lengths(&self, value: usize) -> (Shape, Vec<usize>) {
        let base = value.checked_sub(1).map_or(self.input, |i| self.sequence.primitives[i].output);
        let inside = value.checked_sub(1).filter(|index| self.range.contains(index));
        let shape = match inside.map(|index| &self.sequence.primitives[index].work) {
            Some(Work::Node(work)) => work.shape.clone(),
            _ => [&[1][..], &base].concat(),
        };
        (base, shape)
    }

    /// The name of a value as a node reads it.
    fn read(&self, input: &NodeInput, parts: &mut Parts) -> String {
        let (base, lengths) = self.lengths(input.value);
        let is_inside = input.value.checked_sub(1).is_some_and(|index| self.range.contains(&index));
        if !is_inside {
            parts.inputs.insert(input.value, base);
        }
        if let Some((_, name)) = parts.views.iter().find(|(known, _)| known == input) {
            return name.clone();
        }
        let mut name = value_name(input.value);
        let prefix = format!("{name}.view{}", parts.views.len());
        if input.view.is_plain(base) {
            name = parts.reshape(&name, &lengths, &input.view.shape, &prefix);
        } else {
            // as it lies in memory, then its axes in the other order
            name = parts.reshape(
                &name,
                &lengths,
                &[&[1][..], &base].concat(),
                &format!("{prefix}.base"),
            );
            let perm =
                [0].into_iter().chain(input.view.order.map(|axis| axis as i64 + 1)).collect();
            let transposed = format!("{prefix}.order");
            parts.nodes.push(Node::new(
                "Transpose",
                &[&name],
                &transposed,
                &[("perm", Attribute::Ints(perm))],
            ));
            name = transposed;
            name = parts.reshape(&name, &[], &input.view.shape, &prefix);
        }
        if let Some(to) = input.element.onnx().filter(|_| input.value == 0) {
            let cast = format!("{prefix}.cast");
            parts.nodes.push(Node::new("Cast", &[&name], &cast, &[("to", Attribute::Int(to))]));
            name = cast;
        }
        parts.views.push((input.clone(), name.clone()));
        name
    }

    fn constant(&self, name: &str, parts: &mut Parts) -> String {
        let Some(tensor) = self.facts.get(name).and_then(|fact| fact.value.as_deref()) else {
            return String::new();
        };
        let ours = format!("constant {name}");
        parts.tensors.insert(ours.clone(), tensor.clone());
        ours
    }
}

fn value_name(value: usize) -> String {
    format!("value{value}")
}

impl Parts {
    /// The name of a value after it was reshaped, if that is needed.
    fn reshape(&mut self, name: &str, from: &[usize], to: &[usize], output: &str) -> String {
        if from == to {
            return name.into();
        }
        let lengths = format!("{output}.lengths");
        let values = to.iter().map(|&length| length as i64).collect();
        self.tensors.insert(lengths.clone(), Tensor::new(&[to.len()], Values::I64(values)));
        self.nodes.push(Node::new("Reshape", &[name, &lengths], output, &[]));
        output.into()
    }

    /// Adds a node in words that tract reads right.
    fn spell(&mut self, original: &Node, node: Node, facts: &Facts, opset: i64) {
        let Spelled { nodes, tensors } = spelled(original, node, facts, opset);
        self.nodes.extend(nodes);
        self.tensors.extend(tensors);
    }

    fn into_graph(self, output: &str, opset: i64) -> Graph {
        let fixed =
            |lengths: &[usize]| lengths.iter().map(|&length| Dimension::Fixed(length)).collect();
        let port = |(&value, shape): (&usize, &Shape)| Port {
            name: value_name(value),
            element: "float32".into(),
            shape: fixed(&[&[1][..], shape].concat()),
        };
        // nodes are called after what they make: the file's names need not differ from those of values
        let named =
            |node: Node| Node { name: node.outputs.first().cloned().unwrap_or_default(), ..node };
        let nodes = self.nodes.into_iter().map(named).collect();
        Graph {
            name: "segment".into(),
            inputs: self.inputs.iter().map(port).collect(),
            outputs: vec![Port {
                name: output.into(),
                element: Port::UNDECLARED.into(),
                shape: vec![],
            }],
            nodes,
            tensors: self.tensors,
            metadata: BTreeMap::new(),
            opset: opset.min(ENGINE_OPSET),
            ir_version: Graph::IR_VERSION,
            producer: String::new(),
            producer_version: String::new(),
        }
    }
}

/// All of `graph` as one step.
pub(super) fn whole(
    graph: &Graph,
    layout: &crate::onnx::Layout,
    facts: &Facts,
    output: &str,
) -> Result<Step, Error> {
    let input = &graph.inputs[0].name;
    let mut parts = Parts::default();
    parts.inputs.insert(0, layout.picture);
    let element = facts.get(input.as_str()).map_or(Element::F32, |fact| fact.element);
    let sequence = Sequence { primitives: vec![], output: 0 };
    let segment = Segment {
        sequence: &sequence,
        input: layout.picture,
        facts,
        opset: graph.opset,
        range: 0..0,
    };
    let view = View { order: layout.order, shape: layout.lengths.clone() };
    let image = segment.read(&NodeInput { value: 0, view, element }, &mut parts);
    let operators = graph.nodes.iter().filter(|node| node.op != "Constant");
    let operators = operators.map(|node| node.op.clone()).collect();
    let multiplied = graph.nodes.iter().map(|node| macs(node, facts, graph.opset)).sum();
    // names that cannot be those of the views
    let ours =
        |name: &String| if name.is_empty() { String::new() } else { format!("graph {name}") };
    let tensors = graph.tensors.iter().map(|(name, tensor)| (ours(name), tensor.clone()));
    parts.tensors.extend(tensors);
    for node in graph.nodes.iter().filter(|node| node.op != "Constant") {
        let read = |name: &String| if name == input { image.clone() } else { ours(name) };
        let inputs = node.inputs.iter().map(read).collect();
        let outputs = node.outputs.iter().map(ours).collect();
        let renamed = Node { inputs, outputs, ..node.clone() };
        parts.spell(node, renamed, facts, graph.opset);
    }
    let picture = layout.picture;
    let graph = parts.into_graph(&ours(&output.to_owned()), graph.opset);
    let outputs = facts.get(output).map_or(0, |fact| fact.shape.iter().product());
    let shapes = vec![[&[1][..], &picture].concat()];
    let plan = Plan::new(&graph, shapes, outputs, operators, multiplied)?;
    let operation = Operation::Plan(Arc::new(plan));
    Ok(Step { sources: vec![0], outputs, shape: [outputs, 1, 1], operation })
}
