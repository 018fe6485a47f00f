//! The structural check that every model passes before the engine sees it.
//!
//! tract trusts more than it should: it indexes an output that no node makes, divides by a stride of zero,
//! and follows external data. All of that ends here, in one sentence.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use super::{Attribute, Dimension, Graph, GraphFault, Node, Port, Values, shapes};

/// Maximum nodes of a graph, and maximum constants; LeNet has 13 and 10.
pub(super) const MAX_NODES: usize = 1_000;
/// Maximum nodes that split, merge or exchange axes; LeNet has one. The engine moves each past each other node, again
/// and again: 16 among 1,000 nodes take it a second, 500 take minutes.
pub(super) const MAX_MOVES: usize = 16;
/// Largest kernel side, stride, dilation or padding; an image has 28 pixels a side.
const MAX_STEP: i64 = 64;
/// Versions of the operator set: before 7 operators have other shapes, and after 25 nobody knows.
pub(super) const OPSETS: RangeInclusive<i64> = 7..=25;
/// Versions of the file format: before 3 a file does not name its operator set, and 13 is that of opset 25.
pub(super) const IR_VERSIONS: RangeInclusive<i64> = 3..=13;
/// `TensorProto.DataType.FLOAT`
const FLOAT: i64 = 1;

/// Operators whose work depends on shapes alone, never on the pixels, with the inputs that each takes.
///
/// So a model that ran once, on any picture, runs on every other.
const OPERATORS: &[(&str, usize, usize)] = &[
    ("Add", 2, 2),
    ("AveragePool", 1, 1),
    ("BatchNormalization", 5, 5),
    ("Cast", 1, 1),
    ("Clip", 1, 3),
    ("Concat", 1, 64),
    ("Constant", 0, 0),
    ("Conv", 2, 3),
    ("Div", 2, 2),
    ("Dropout", 1, 2),
    ("Elu", 1, 1),
    ("Flatten", 1, 1),
    ("Gemm", 2, 3),
    ("GlobalAveragePool", 1, 1),
    ("GlobalMaxPool", 1, 1),
    ("HardSigmoid", 1, 1),
    ("HardSwish", 1, 1),
    ("Identity", 1, 1),
    ("LeakyRelu", 1, 1),
    ("LogSoftmax", 1, 1),
    ("MatMul", 2, 2),
    ("MaxPool", 1, 1),
    ("Mul", 2, 2),
    ("PRelu", 2, 2),
    ("Relu", 1, 1),
    ("Reshape", 2, 2),
    ("Selu", 1, 1),
    ("Sigmoid", 1, 1),
    ("Softmax", 1, 1),
    ("Sub", 2, 2),
    ("Tanh", 1, 1),
    ("Transpose", 1, 1),
];

/// Whether the engine may see `graph`.
pub(super) fn check(graph: &Graph) -> Result<(), GraphFault> {
    if !OPSETS.contains(&graph.opset) {
        return Err(GraphFault::Opset { found: graph.opset });
    }
    if !IR_VERSIONS.contains(&graph.ir_version) {
        return Err(GraphFault::IrVersion { found: graph.ir_version });
    }
    let ([input], [output]) = (&graph.inputs[..], &graph.outputs[..]) else {
        return Err(GraphFault::Ports { inputs: graph.inputs.len(), outputs: graph.outputs.len() });
    };
    let found = graph.nodes.len().max(graph.tensors.len());
    if found > MAX_NODES {
        return Err(GraphFault::TooManyNodes { found });
    }
    let moves = |node: &&Node| matches!(&node.op[..], "Flatten" | "Reshape" | "Transpose");
    let found = graph.nodes.iter().filter(moves).count();
    if found > MAX_MOVES {
        return Err(GraphFault::TooManyMoves { found });
    }
    let constants = graph.nodes.iter().filter(|node| node.op == "Constant");
    let from_nodes: BTreeSet<&str> =
        constants.flat_map(|node| &node.outputs).map(String::as_str).collect();
    let mut made: BTreeSet<&str> = graph
        .tensors
        .keys()
        .map(String::as_str)
        .filter(|name| !from_nodes.contains(name))
        .chain([input.name.as_str()])
        .collect();
    for node in &graph.nodes {
        check_operator(node)?;
        check_attributes(node)?;
        check_shape_inputs(graph, node)?;
        for value in node.inputs.iter().filter(|value| !value.is_empty()) {
            if !made.contains(value.as_str()) {
                let reader = format!("node `{}`", node.name);
                return Err(GraphFault::Unmade { value: value.clone(), reader });
            }
        }
        for value in node.outputs.iter().filter(|value| !value.is_empty()) {
            if !made.insert(value) {
                return Err(GraphFault::MadeTwice { value: value.clone() });
            }
        }
    }
    // a constant is no output: nothing of the picture is in it
    let mut operators = graph.nodes.iter().filter(|node| node.op != "Constant");
    if !operators.any(|node| node.outputs.contains(&output.name)) {
        let reader = "the graph's output".into();
        return Err(GraphFault::Unmade { value: output.name.clone(), reader });
    }
    check_output(graph)
}

/// Whether the output is one row of scores per image, as declared, and one score for each class that has a name.
fn check_output(graph: &Graph) -> Result<(), GraphFault> {
    let shape = shapes::output(graph, 1)?;
    let [1, scored @ 2..=256] = shape[..] else {
        return Err(match graph.inputs[0].shape[..] {
            [Dimension::Fixed(length @ 2..), _, ..] if shape.first() == Some(&length) => {
                GraphFault::FixedBatch { length }
            }
            _ => GraphFault::Output { images: 1, shape },
        });
    };
    let takes_batches = graph.inputs[0].shape.iter().any(|d| matches!(d, Dimension::Symbol(_)));
    if takes_batches {
        let shape = shapes::output(graph, 2)?;
        if shape != [2, scored] {
            return Err(GraphFault::Output { images: 2, shape });
        }
    }
    check_declaration(&graph.outputs[0], &shape)?;
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

/// A file may leave out what its output is, but not state it wrongly; its batch may be stated as any length.
fn check_declaration(output: &Port, computed: &[usize]) -> Result<(), GraphFault> {
    let fits = |(declared, computed): (&Dimension, &usize)| match declared {
        Dimension::Fixed(length) => length == computed,
        Dimension::Symbol(_) => true,
    };
    let of_one_type = matches!(output.element.as_str(), "float32" | Port::UNDECLARED);
    let of_one_shape = output.shape.is_empty()
        || output.shape.len() == computed.len()
            && output.shape.iter().zip(computed).skip(1).all(fits);
    if of_one_type && of_one_shape {
        return Ok(());
    }
    Err(GraphFault::Declared { declared: output.to_string(), computed: computed.to_vec() })
}

fn check_operator(node: &Node) -> Result<(), GraphFault> {
    let Some(&(_, min, max)) = OPERATORS.iter().find(|(op, ..)| *op == node.op) else {
        return Err(GraphFault::Operator { node: node.name.clone(), op: node.op.clone() });
    };
    let found = node.inputs.len();
    // tract counts those that are left out in some operators; only the minimum of a Clip has one after it
    let given = |(index, value): (usize, &String)| {
        !value.is_empty() || (node.op == "Clip" && index == 1 && found == 3)
    };
    let all_given = node.inputs.iter().enumerate().all(given);
    if !(min..=max).contains(&found) || !all_given {
        return Err(GraphFault::Arity { node: node.name.clone(), op: node.op.clone(), found });
    }
    // the training outputs of Dropout and BatchNormalization, and the indices of MaxPool, are not computed here
    if !matches!(&node.outputs[..], [output] if !output.is_empty()) {
        let found = node.outputs.len();
        return Err(GraphFault::Outputs { node: node.name.clone(), op: node.op.clone(), found });
    }
    Ok(())
}

fn check_attributes(node: &Node) -> Result<(), GraphFault> {
    for (name, attribute) in &node.attributes {
        let within = match (name.as_str(), attribute) {
            ("kernel_shape" | "strides" | "dilations", Attribute::Ints(values)) => {
                values.len() == 2 && values.iter().all(|value| (1..=MAX_STEP).contains(value))
            }
            ("pads", Attribute::Ints(values)) => {
                values.len() == 4 && values.iter().all(|value| (0..=MAX_STEP).contains(value))
            }
            ("group", Attribute::Int(value)) => (1..=1 << 16).contains(value),
            ("axis", Attribute::Int(value)) => (-4..=4).contains(value),
            ("perm", Attribute::Ints(values)) => is_permutation(values),
            ("to", Attribute::Int(value)) => *value == FLOAT,
            ("training_mode", Attribute::Int(value)) => *value == 0,
            // what it allows is looked at with the shape
            ("allowzero", Attribute::Int(value)) => matches!(value, 0 | 1),
            (
                "kernel_shape" | "strides" | "dilations" | "pads" | "group" | "axis" | "perm"
                | "to" | "allowzero" | "training_mode",
                _,
            ) => false,
            (_, Attribute::Float(value)) => value.is_finite(),
            (_, Attribute::Floats(values)) => values.iter().all(|value| value.is_finite()),
            // a tensor is looked at as a constant; graphs and the like have no place in these operators
            (_, Attribute::Other) => node.op == "Constant" && name == "value",
            _ => true,
        };
        if !within {
            return Err(GraphFault::Attribute { node: node.name.clone(), attribute: name.clone() });
        }
    }
    let needs_kernel = matches!(node.op.as_str(), "MaxPool" | "AveragePool");
    if needs_kernel && !node.attributes.contains_key("kernel_shape") {
        return Err(GraphFault::Attribute {
            node: node.name.clone(),
            attribute: "kernel_shape".into(),
        });
    }
    Ok(())
}

fn is_permutation(values: &[i64]) -> bool {
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    sorted.iter().zip(0..).all(|(&value, index)| value == index)
}

/// Shapes must be known when the model is loaded, and weights have the axes that their operator reads.
fn check_shape_inputs(graph: &Graph, node: &Node) -> Result<(), GraphFault> {
    let constant = |index: usize| node.inputs.get(index).and_then(|name| graph.tensors.get(name));
    let fault =
        |index: usize, fault| Err(GraphFault::Tensor { name: node.inputs[index].clone(), fault });
    match node.op.as_str() {
        "Reshape" => match constant(1).map(|tensor| (&tensor.values, tensor.shape.len())) {
            Some((Values::I64(lengths), 1)) => match node.attributes.get("allowzero") {
                Some(Attribute::Int(1)) if lengths.contains(&0) => {
                    fault(1, "a 0 in a shape with allowzero makes a value without elements")
                }
                _ => Ok(()),
            },
            _ => fault(1, "the shape of a Reshape must be a constant list of int64"),
        },
        "Conv" => match constant(1).map(|tensor| &tensor.shape[..]) {
            Some([outputs, inputs, 1..=28, 1..=28]) if outputs * inputs > 0 => Ok(()),
            _ => fault(1, "the weights of a Conv must be a constant [out, in, rows, columns]"),
        },
        _ => Ok(()),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::collections::BTreeMap;

    use super::*;

    pub(in super::super) fn empty_graph() -> Graph {
        Graph {
            name: String::new(),
            inputs: vec![],
            outputs: vec![],
            nodes: vec![],
            tensors: BTreeMap::new(),
            metadata: BTreeMap::new(),
            opset: Graph::OPSET,
            ir_version: Graph::IR_VERSION,
            producer: String::new(),
            producer_version: String::new(),
        }
    }

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
        assert!(declared("float32", &[ten]).is_err());
    }
}
