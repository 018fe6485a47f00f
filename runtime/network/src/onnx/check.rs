//! The structural check that every model passes before the engine sees it.
//!
//! tract trusts more than it should: it indexes an output that no node makes, divides by a stride of zero,
//! and follows external data. All of that ends here, in one sentence.

use std::collections::BTreeSet;
use std::iter;
use std::ops::RangeInclusive;

use super::catalogue::{OPERATORS, SETTINGS_AS_INPUTS, SETTINGS_LOST};
use super::input::{self, Layout};
use super::shapes::{self, Element, Facts};
use super::{Attribute, Dimension, Graph, GraphFault, Node, Port, Values, select};

/// Maximum nodes of a graph, and maximum constants; LeNet has 13 and 10.
pub(super) const MAX_NODES: usize = 1_000;
/// Largest kernel side, stride or dilation: that of a picture.
const MAX_STEP: i64 = 256;
/// Largest padding.
const MAX_PAD: i64 = 64;
/// Versions of the operator set: before 7 operators have other shapes, and after 28 nobody knows.
pub(super) const OPSETS: RangeInclusive<i64> = 7..=28;
/// Versions of the file format: before 3 a file does not name its operator set, and 15 is beyond that of opset 28.
pub(super) const IR_VERSIONS: RangeInclusive<i64> = 3..=15;

/// The part of `graph` that makes scores of a picture, if the engine may see it.
pub(super) fn check(graph: &Graph) -> Result<Graph, GraphFault> {
    if let Some(fault) = file_faults(graph).next() {
        return Err(fault);
    }
    let (mut first_fault, mut raw) = (None, None);
    for output in 0..graph.outputs.len() {
        match select::making(graph, output).and_then(|part| check_scores(&part)) {
            // beside scores of classes there may be what they were made from
            Ok(part) if graph.outputs.len() > 1 && !has_classes(&part) => raw = raw.or(Some(part)),
            Ok(part) => return Ok(part),
            Err(fault) => first_fault = first_fault.or(Some(fault)),
        }
    }
    raw.ok_or_else(|| first_fault.unwrap_or(GraphFault::Ports { inputs: 1, outputs: 0 }))
}

/// Whether the outputs of a checked graph may be scores of classes.
fn has_classes(graph: &Graph) -> bool {
    let scored = graph.analysed().ok().and_then(|(_, facts)| classes(graph, &facts));
    scored.is_some_and(|count| count <= MAX_CLASSES)
}

/// What is wrong with the file as a whole: its versions, its ports and how much is in it.
pub(super) fn file_faults(graph: &Graph) -> impl Iterator<Item = GraphFault> {
    let opset =
        (!OPSETS.contains(&graph.opset)).then_some(GraphFault::Opset { found: graph.opset });
    let version = (!IR_VERSIONS.contains(&graph.ir_version))
        .then_some(GraphFault::IrVersion { found: graph.ir_version });
    let (inputs, outputs) = (graph.inputs.len(), graph.outputs.len());
    let ports = (inputs != 1 || outputs == 0).then_some(GraphFault::Ports { inputs, outputs });
    let found = graph.nodes.len().max(graph.tensors.len());
    let nodes = (found > MAX_NODES).then_some(GraphFault::TooManyNodes { found });
    [opset, version, ports, nodes].into_iter().flatten()
}

/// A graph of one output: whether it makes scores of a picture, for a batch of one.
fn check_scores(graph: &Graph) -> Result<Graph, GraphFault> {
    for node in &graph.nodes {
        if let Some(fault) = node_faults(graph, node).next() {
            return Err(fault);
        }
    }
    let port = &graph.inputs[0];
    let unusable = || GraphFault::Input { name: port.name.clone(), found: port.to_string() };
    if input::takes_pixels(&port.element).is_none() {
        return Err(unusable());
    }
    let mut first_fault = None;
    for layout in input::layouts(graph) {
        let graph = match layout.fixed_batch {
            Some(batch) => select::with_batch_of_one(graph, batch),
            None => graph.clone(),
        };
        match check_output(&graph, &layout) {
            Ok(()) => return Ok(graph),
            Err(GraphFault::Shapes { .. } | GraphFault::Output { .. })
                if layout.fixed_batch.is_some() =>
            {
                let length = layout.fixed_batch.unwrap_or(1);
                first_fault = first_fault.or(Some(GraphFault::FixedBatch { length }));
            }
            Err(fault) => first_fault = first_fault.or(Some(fault)),
        }
    }
    Err(first_fault.unwrap_or_else(unusable))
}

impl Graph {
    /// How a checked graph reads its input, and what is known of all values for one picture.
    pub(crate) fn analysed(&self) -> Result<(Layout, Facts<'_>), GraphFault> {
        let mut first_fault = None;
        for layout in input::layouts(self) {
            match shapes::infer(self, &layout.lengths) {
                Ok(facts) if classes(self, &facts).is_some() => return Ok((layout, facts)),
                Ok(_) => {}
                Err(fault) => first_fault = first_fault.or(Some(fault)),
            }
        }
        Err(first_fault.unwrap_or(GraphFault::NoGraph))
    }
}

/// Outputs that are taken: a classifier has up to 256, and whoever runs one says so; others give raw numbers.
const OUTPUTS: RangeInclusive<usize> = 2..=1024;
/// Maximum classes.
const MAX_CLASSES: usize = 256;

/// Numbers that the output has of one picture; `None` if these are not [`OUTPUTS`] real ones along one axis.
fn classes(graph: &Graph, facts: &Facts) -> Option<usize> {
    let fact = facts.get(graph.outputs.first()?.name.as_str())?;
    let long: Vec<usize> = fact.shape.iter().copied().filter(|&length| length != 1).collect();
    match long[..] {
        [count]
            if OUTPUTS.contains(&count) && fact.element == Element::F32 && fact.value.is_none() =>
        {
            Some(count)
        }
        _ => None,
    }
}

fn check_output(graph: &Graph, layout: &Layout) -> Result<(), GraphFault> {
    check_facts(graph, &shapes::infer(graph, &layout.lengths)?)
}

/// Whether the output is one row of scores, as declared, and one score for each class that has a name.
pub(super) fn check_facts(graph: &Graph, facts: &Facts) -> Result<(), GraphFault> {
    let Some(scored) = classes(graph, facts) else {
        let fact = facts.get(graph.outputs[0].name.as_str());
        // scores are `float32`; bytes and `int64` are no scores
        let shape = fact.filter(|fact| fact.element == Element::F32).map(|fact| fact.shape.clone());
        return Err(GraphFault::Output { shape: shape.unwrap_or_default() });
    };
    check_declaration(&graph.outputs[0], &facts[graph.outputs[0].name.as_str()].shape)?;
    let Some(names) = graph.class_names() else { return Ok(()) };
    if names.len() != scored {
        return Err(GraphFault::Classes { named: names.len(), scored });
    }
    if let Some(class) = names.iter().position(String::is_empty) {
        return Err(GraphFault::ClassName { class });
    }
    let mut seen = BTreeSet::new();
    match names.iter().find(|name| !seen.insert(name.as_str())) {
        Some(name) => Err(GraphFault::ClassTwice { name: name.clone() }),
        None => Ok(()),
    }
}

/// A file may leave out what its output is, and how many axes of length 1 it has, but not state another number of scores;
/// its batch may be stated as any length.
fn check_declaration(output: &Port, computed: &[usize]) -> Result<(), GraphFault> {
    let of_one_type = matches!(
        output.element.as_str(),
        "float32" | "float64" | "float16" | "bfloat16" | Port::UNDECLARED
    );
    let scores = match &output.shape[..] {
        [_, scores @ ..] if !scores.is_empty() => scores,
        scores => scores,
    };
    let is_free = |dimension: &Dimension| matches!(dimension, Dimension::Symbol(_));
    let long = scores.iter().filter_map(|dimension| match dimension {
        Dimension::Fixed(length) if *length != 1 => Some(*length),
        _ => None,
    });
    let long: Vec<usize> = long.collect();
    let of_one_count = long.is_empty() && (scores.is_empty() || scores.iter().any(is_free))
        || computed.iter().copied().filter(|&length| length != 1).eq(long);
    if of_one_type && of_one_count {
        return Ok(());
    }
    Err(GraphFault::Declared { declared: output.to_string(), computed: computed.to_vec() })
}

/// What is wrong with a node by itself, and with the constants that it reads.
pub(super) fn node_faults<'a>(
    graph: &'a Graph,
    node: &'a Node,
) -> Box<dyn Iterator<Item = GraphFault> + 'a> {
    match check_operator(node).and_then(|()| check_settings(node, graph.opset)) {
        // what else it says nobody can judge
        Err(fault) => Box::new(iter::once(fault)),
        Ok(()) => Box::new(attribute_faults(node).chain(check_inputs(graph, node).err())),
    }
}

fn check_operator(node: &Node) -> Result<(), GraphFault> {
    let Some(&(_, min, max, _)) = OPERATORS.iter().find(|(op, ..)| *op == node.op) else {
        return Err(GraphFault::Operator { node: node.name.clone(), op: node.op.clone() });
    };
    let found = node.inputs.len();
    // only these have others after them
    let optional: &[usize] = match node.op.as_str() {
        "Clip" | "Dropout" => &[1],
        "Pad" => &[2],
        "Slice" => &[3],
        _ => &[],
    };
    let given = |(index, value): (usize, &String)| !value.is_empty() || optional.contains(&index);
    let all_given = node.inputs.iter().enumerate().all(given);
    if !(min..=max).contains(&found) || !all_given {
        return Err(GraphFault::Arity { node: node.name.clone(), op: node.op.clone(), found });
    }
    // the training outputs of Dropout and BatchNormalization, and the indices of MaxPool, are not computed here
    if node.op != "Split" && !matches!(&node.outputs[..], [output] if !output.is_empty()) {
        let found = node.outputs.len();
        return Err(GraphFault::Outputs { node: node.name.clone(), op: node.op.clone(), found });
    }
    Ok(())
}

/// Whether settings stand where the operator set has them.
fn check_settings(node: &Node, opset: i64) -> Result<(), GraphFault> {
    let lost = SETTINGS_LOST.iter().filter(|(op, since, _)| *op == node.op && opset >= *since);
    let mut lost = lost.flat_map(|(.., names)| *names);
    if let Some(name) = lost.find(|name| node.attributes.contains_key(**name)) {
        return Err(unknown_attribute(node, name));
    }
    let Some((_, since, names)) = SETTINGS_AS_INPUTS.iter().find(|(op, ..)| *op == node.op) else {
        return Ok(());
    };
    let attribute = names.iter().find(|name| node.attributes.contains_key(**name));
    match attribute.filter(|_| opset >= *since) {
        Some(attribute) => Err(unknown_attribute(node, attribute)),
        None if opset < *since && node.inputs.len() > 1 => {
            let (node, op, found) = (node.name.clone(), node.op.clone(), node.inputs.len());
            Err(GraphFault::Arity { node, op, found })
        }
        None => Ok(()),
    }
}

fn attribute_faults(node: &Node) -> impl Iterator<Item = GraphFault> {
    let fault = |attribute: &str| GraphFault::Attribute {
        node: node.name.clone(),
        attribute: attribute.into(),
    };
    // one that the operator has not is read by some programs and passed over by others
    let names = OPERATORS.iter().find(|(op, ..)| *op == node.op).map_or(&[][..], |row| row.3);
    let wrong = node.attributes.iter().filter_map(move |(name, attribute)| {
        if names.contains(&name.as_str()) {
            (!is_within(name, attribute)).then(|| fault(name))
        } else {
            Some(unknown_attribute(node, name))
        }
    });
    // ONNX and ONNX Runtime differ in how much such a window pads
    let is_same =
        |mode: &Attribute| matches!(mode, Attribute::Text(mode) if mode.starts_with("SAME"));
    let skips = |steps: &Attribute| matches!(steps, Attribute::Ints(steps) if steps.iter().any(|&step| step > 1));
    let unclear = node.op == "AveragePool"
        && node.attributes.get("auto_pad").is_some_and(is_same)
        && node.attributes.get("dilations").is_some_and(skips);
    let needs_kernel = matches!(node.op.as_str(), "MaxPool" | "AveragePool");
    let missing = needs_kernel && !node.attributes.contains_key("kernel_shape");
    wrong.chain(missing.then(|| fault("kernel_shape"))).chain(unclear.then_some(
        GraphFault::Refused { what: "average poolings with both dilations and `auto_pad`" },
    ))
}

fn unknown_attribute(node: &Node, attribute: &str) -> GraphFault {
    GraphFault::UnknownAttribute {
        node: node.name.clone(),
        op: node.op.clone(),
        attribute: attribute.into(),
    }
}

fn is_within(name: &str, attribute: &Attribute) -> bool {
    match (name, attribute) {
        // a constant that is open to one side may be infinite; types are looked at with those of the inputs
        ("value_float", Attribute::Float(_)) | ("to", Attribute::Int(_)) => true,
        ("min" | "max", Attribute::Float(value)) => !value.is_nan(),
        ("kernel_shape" | "strides" | "dilations", Attribute::Ints(values)) => {
            matches!(values.len(), 1 | 2)
                && values.iter().all(|value| (1..=MAX_STEP).contains(value))
        }
        ("pads", Attribute::Ints(values)) => {
            values.iter().all(|value| (0..=MAX_PAD).contains(value))
        }
        ("group", Attribute::Int(value)) => (1..=1 << 16).contains(value),
        ("axis", Attribute::Int(value)) => (-8..=8).contains(value),
        ("perm", Attribute::Ints(values)) => is_permutation(values),
        ("training_mode", Attribute::Int(value)) => *value == 0,
        // what it allows is looked at with the shape
        ("allowzero", Attribute::Int(value)) => matches!(value, 0 | 1),
        (
            "kernel_shape" | "strides" | "dilations" | "pads" | "group" | "axis" | "perm" | "to"
            | "allowzero" | "training_mode",
            _,
        )
        // graphs and the like have no place in these operators
        | (_, Attribute::Other) => false,
        (_, Attribute::Float(value)) => value.is_finite(),
        (_, Attribute::Floats(values)) => values.iter().all(|value| value.is_finite()),
        (_, Attribute::Tensor(_)) => name == "value",
        _ => true,
    }
}

fn is_permutation(values: &[i64]) -> bool {
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    sorted.iter().zip(0..).all(|(&value, index)| value == index)
}

/// Shapes must be known when the model is loaded, weights have the axes that their operator reads, and no constant is of
/// a type that is not read.
fn check_inputs(graph: &Graph, node: &Node) -> Result<(), GraphFault> {
    let constant = |index: usize| node.inputs.get(index).and_then(|name| graph.tensors.get(name));
    for name in &node.inputs {
        if let Some(Values::Opaque { element, .. }) = graph.tensors.get(name).map(|t| &t.values) {
            let (node, tensor) = (node.name.clone(), name.clone());
            return Err(GraphFault::Element { node, tensor, element: element.clone() });
        }
    }
    // left out or empty it is false; what is no constant may be anything
    let is_given = node.inputs.get(2).is_some_and(|name| !name.is_empty());
    let is_false = matches!(constant(2).map(|tensor| &tensor.values), Some(Values::Bool(values)) if !values.contains(&true));
    if node.op == "Dropout" && is_given && !is_false {
        let (node, attribute) = (node.name.clone(), "training_mode".into());
        return Err(GraphFault::Attribute { node, attribute });
    }
    if let ("Conv", Some(tensor)) = (node.op.as_str(), constant(1)) {
        let within = |&side: &usize| (1..=MAX_STEP as usize).contains(&side);
        let fits = matches!(&tensor.shape[..], [outputs, inputs, kernel @ ..]
            if outputs * inputs > 0 && matches!(kernel.len(), 1 | 2) && kernel.iter().all(within));
        if !fits {
            let fault = "the weights of a Conv must be [out, in, rows, columns]";
            return Err(GraphFault::Tensor { name: node.inputs[1].clone(), fault });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_output_is_what_it_is_declared_to_be() {
        let declared = |element: &str, shape: &[Dimension]| {
            let port =
                Port { name: "logits".into(), element: element.into(), shape: shape.to_vec() };
            check_declaration(&port, &[1, 10]).map_err(|fault| fault.to_string())
        };
        let (batch, ten) = (Dimension::Symbol("batch".into()), Dimension::Fixed(10));
        assert_eq!(declared("float32", &[batch.clone(), ten.clone()]), Ok(()));
        assert_eq!(declared("float32", &[Dimension::Fixed(1), ten.clone()]), Ok(()));
        assert_eq!(declared(Port::UNDECLARED, &[]), Ok(()));
        let eleven = [batch.clone(), Dimension::Fixed(11)];
        let refusal = declared("float32", &eleven).unwrap_err();
        assert_eq!(
            refusal,
            "its output is declared as float32 [batch, 11], but is float32 [1, 10]"
        );
        assert!(declared("int64", &[batch.clone(), ten.clone()]).is_err());
        let one = Dimension::Fixed(1);
        assert_eq!(declared("float32", std::slice::from_ref(&ten)), Ok(()));
        assert_eq!(declared("float32", &[batch.clone(), ten, one.clone(), one.clone()]), Ok(()));
        assert_eq!(declared("float32", &[batch.clone(), batch]), Ok(()));
        assert!(declared("float32", &[one.clone(), one]).is_err());
    }

    #[test]
    fn a_bound_may_be_infinite_and_a_window_that_skips_places_must_say_its_padding() {
        let faults = |op: &str, attributes: &[(&str, Attribute)]| {
            attribute_faults(&Node::new(op, &["x"], "y", attributes)).count()
        };
        let clip = |max| faults("Clip", &[("max", Attribute::Float(max))]);
        assert_eq!([f32::INFINITY, f32::NAN].map(clip), [0, 1]);
        let pool = |op, mode: &str, steps| {
            let attributes = [
                ("auto_pad", Attribute::Text(mode.into())),
                ("dilations", Attribute::Ints(vec![1, steps])),
                ("kernel_shape", Attribute::Ints(vec![3, 3])),
            ];
            faults(op, &attributes)
        };
        assert_eq!(pool("AveragePool", "SAME_LOWER", 2), 1);
        assert_eq!(pool("AveragePool", "SAME_LOWER", 1), 0);
        assert_eq!(pool("AveragePool", "VALID", 2), 0);
        assert_eq!(pool("MaxPool", "SAME_UPPER", 2), 0);
    }
}
