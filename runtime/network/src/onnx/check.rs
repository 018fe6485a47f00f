//! The structural check that every model passes before the engine sees it.
//!
//! tract trusts more than it should: it indexes an output that no node makes, divides by a stride of zero,
//! and follows external data. All of that ends here, in one sentence.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use super::{Attribute, Dimension, Graph, Node, Port, Values, shapes};

/// Maximum nodes of a graph, and maximum constants; LeNet has 13 and 10.
const MAX_NODES: usize = 1_000;
/// Maximum nodes that split, merge or exchange axes; LeNet has one. The engine moves each past each other node, again
/// and again: so many among so many nodes take it a second, half of all nodes more than minutes.
const MAX_MOVES: usize = 16;
/// Largest kernel side, stride, dilation or padding; an image has 28 pixels a side.
const MAX_STEP: i64 = 64;
/// Versions of the operator set: before 7 operators have other shapes, and after 25 nobody knows.
const OPSETS: RangeInclusive<i64> = 7..=25;
/// Versions of the file format: before 3 a file does not name its operator set, and 13 is that of opset 25.
const IR_VERSIONS: RangeInclusive<i64> = 3..=13;
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

/// Why a graph is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GraphFault {
    /// The file decodes, but holds no graph.
    #[error("there is no graph in the file")]
    NoGraph,
    /// The file does not say which operators it means.
    #[error("the file names no operator set of ONNX")]
    NoOpset,
    /// Operators of another time.
    #[error("operator set {found}, expected {} to {}", OPSETS.start(), OPSETS.end())]
    Opset {
        /// The version that the file names.
        found: i64,
    },
    /// A file format of another time.
    #[error("IR version {found}, expected {} to {}", IR_VERSIONS.start(), IR_VERSIONS.end())]
    IrVersion {
        /// The version that the file states.
        found: i64,
    },
    /// A constant that cannot be used.
    #[error("tensor `{name}`: {fault}")]
    Tensor {
        /// The constant.
        name: String,
        /// What is wrong with it.
        fault: &'static str,
    },
    /// An operator that is not run here.
    #[error("node `{node}` is a {op}, which is not supported{}", hint(op))]
    Operator {
        /// The node.
        node: String,
        /// Its operator.
        op: String,
    },
    /// A node with too few or too many inputs.
    #[error("node `{node}` ({op}) has {found} inputs")]
    Arity {
        /// The node.
        node: String,
        /// Its operator.
        op: String,
        /// Inputs it lists.
        found: usize,
    },
    /// A node with more outputs than the one that is computed here.
    #[error(
        "node `{node}` ({op}) has {found} outputs, of which only the first is computed: export the model for inference"
    )]
    Outputs {
        /// The node.
        node: String,
        /// Its operator.
        op: String,
        /// Outputs it lists.
        found: usize,
    },
    /// A setting out of range or of the wrong kind.
    #[error("node `{node}`: attribute `{attribute}` is out of range")]
    Attribute {
        /// The node.
        node: String,
        /// The setting.
        attribute: String,
    },
    /// A value is read before, or without, being made.
    #[error("`{value}`, read by {reader}, is made by nothing before it")]
    Unmade {
        /// The value.
        value: String,
        /// Who reads it.
        reader: String,
    },
    /// Two makers of one value.
    #[error("`{value}` is made twice")]
    MadeTwice {
        /// The value.
        value: String,
    },
    /// Not one input and one output.
    #[error("it has {inputs} inputs and {outputs} outputs, expected one of each")]
    Ports {
        /// Inputs of the graph.
        inputs: usize,
        /// Outputs of the graph.
        outputs: usize,
    },
    /// More nodes, or more constants, than any network for such pictures needs.
    #[error("it has {found} nodes or constants, more than {MAX_NODES}")]
    TooManyNodes {
        /// Nodes or constants there are.
        found: usize,
    },
    /// More nodes that move axes than the engine can simplify in time.
    #[error("it has {found} nodes that part, join or exchange axes, more than {MAX_MOVES}")]
    TooManyMoves {
        /// How many there are.
        found: usize,
    },
    /// So many parts that they would take far more memory than the file.
    #[error("it has more parts than any network for such pictures")]
    TooManyParts,
    /// Something of ONNX that is not read here.
    #[error("it has {what}, which are not supported")]
    Refused {
        /// What it is.
        what: &'static str,
    },
    /// Inputs whose types and shapes do not go together.
    #[error("node `{node}` ({op}) cannot take inputs of such types and shapes")]
    Shapes {
        /// The node.
        node: String,
        /// Its operator.
        op: String,
    },
    /// More memory or time than such pictures are worth.
    #[error("node `{node}` makes {shape:?}: with it the network takes too much memory or time")]
    TooMuchWork {
        /// The node with which it is too much.
        node: String,
        /// What that makes for one image.
        shape: Vec<usize>,
    },
    /// The output is not one row of class scores per image; an output that is not `float32` has no shape.
    #[error(
        "its output is {shape:?} for a batch of {images}, expected [{images}, classes] with 2 to 256 classes"
    )]
    Output {
        /// How many there are.
        images: usize,
        /// Shape of the output for them.
        shape: Vec<usize>,
    },
    /// The input has a batch that is neither free nor 1.
    #[error("its batch is fixed to {length}: export it with a free batch, or with a batch of 1")]
    FixedBatch {
        /// The batch that it takes.
        length: usize,
    },
    /// An input or output declares an axis without elements.
    #[error("`{port}` declares an axis of length {length}")]
    Length {
        /// The input or output.
        port: String,
        /// The length.
        length: i64,
    },
    /// The output is declared otherwise than it is computed.
    #[error("its output is declared as {declared}, but is float32 {computed:?}")]
    Declared {
        /// Type and shape that the file states.
        declared: String,
        /// Shape for one image.
        computed: Vec<usize>,
    },
    /// A class without a name.
    #[error("its metadata name class {class} \"\"")]
    ClassName {
        /// The class's number.
        class: usize,
    },
    /// The metadata name another number of classes than the graph scores.
    #[error("its metadata name {named} classes, its output has {scored}")]
    Classes {
        /// Names there are.
        named: usize,
        /// Scores there are.
        scored: usize,
    },
}

/// What to do about an operator of quantised models.
fn hint(op: &str) -> &'static str {
    let quantised = op.contains("uantize") || op.starts_with("QLinear") || op.ends_with("Integer");
    if quantised { ": quantised models are not read, use the float32 model" } else { "" }
}

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
    if !graph.nodes.iter().any(|node| node.outputs.contains(&output.name)) {
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
    match names.iter().position(String::is_empty) {
        Some(class) => Err(GraphFault::ClassName { class }),
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
            ("allowzero" | "training_mode", Attribute::Int(value)) => *value == 0,
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
            Some((Values::I64(_), 1)) => Ok(()),
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
