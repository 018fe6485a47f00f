//! Recognises the project's LeNet in an ONNX graph, and nothing else.

use runtime::graph::{Attribute, Dimension, Graph, Node, Values};

use super::error::Error;
use super::lenet::{Affine, LeNet};
use firmware::geometry::{CLASSES, FLAT, HIDDEN, IMAGE_SIDE, KERNEL, MAPS1, MAPS2, POOL};

/// Operators that may stand between the cast and the first convolution, with one constant each.
const NORMALIZATION: [&str; 4] = ["Sub", "Add", "Mul", "Div"];

/// The network of `graph`, with the normalisation of its pixels folded into the first layer.
pub(super) fn read(graph: &Graph) -> Result<LeNet, Error> {
    let (input, output) = (&graph.inputs[0], &graph.outputs[0]);
    let sides = [1, IMAGE_SIDE, IMAGE_SIDE].map(Dimension::Fixed);
    if input.element != "uint8" || input.shape.len() != 4 || input.shape[1..] != sides {
        return Err(Error::Input { found: input.to_string() });
    }
    let nodes: Vec<&Node> = graph.nodes.iter().filter(|node| node.op != "Constant").collect();
    let mut chain = Chain { graph, nodes: &nodes, value: &input.name };
    chain.next("Cast")?;
    // what the first layer sees of pixel p: factor · p + offset
    let (mut factor, mut offset) = (1.0, 0.0);
    while let Some(op) =
        chain.peek().and_then(|op| NORMALIZATION.into_iter().find(|&known| known == op))
    {
        let node = chain.next(op)?;
        let constant = chain.scalar(node)?;
        match op {
            "Sub" => offset -= constant,
            "Add" => offset += constant,
            "Mul" => (factor, offset) = (factor * constant, offset * constant),
            _ => (factor, offset) = (factor / constant, offset / constant),
        }
    }
    let mut conv1 = chain.affine("Conv", &[MAPS1, 1, KERNEL, KERNEL])?;
    conv1.fold_input(factor, offset);
    chain.next("Relu")?;
    chain.next("MaxPool")?;
    let conv2 = chain.affine("Conv", &[MAPS2, MAPS1, KERNEL, KERNEL])?;
    chain.next("Relu")?;
    chain.next("MaxPool")?;
    chain.next("Flatten")?;
    let dense1 = chain.affine("Gemm", &[HIDDEN, FLAT])?;
    chain.next("Relu")?;
    let dense2 = chain.affine("Gemm", &[CLASSES, HIDDEN])?;
    if !chain.nodes.is_empty() || chain.value != output.name {
        return Err(Error::Output { node: chain.value.to_string() });
    }
    Ok(LeNet { conv1, conv2, dense1, dense2 })
}

/// A walk along nodes of which each reads what the one before it makes.
struct Chain<'a> {
    graph: &'a Graph,
    nodes: &'a [&'a Node],
    /// What the node before has made.
    value: &'a str,
}

impl<'a> Chain<'a> {
    /// Operator of the next node.
    fn peek(&self) -> Option<&'a str> {
        self.nodes.first().map(|node| node.op.as_str())
    }

    fn next(&mut self, expected: &'static str) -> Result<&'a Node, Error> {
        let (node, rest) = self.nodes.split_first().ok_or(Error::Ends { expected })?;
        if node.op != expected {
            let (node, found) = (node.name.clone(), node.op.clone());
            return Err(Error::Operator { node, found, expected });
        }
        let (Some(reads), Some(makes)) = (node.inputs.first(), node.outputs.first()) else {
            return Err(Error::Chain { node: node.name.clone() });
        };
        if reads != self.value {
            return Err(Error::Chain { node: node.name.clone() });
        }
        check_attributes(node)?;
        (self.nodes, self.value) = (rest, makes);
        Ok(node)
    }

    /// A convolution or a dense layer with weights of this shape; without a bias, zeros are one.
    fn affine(&mut self, op: &'static str, shape: &[usize]) -> Result<Affine, Error> {
        let node = self.next(op)?;
        let weights = self.constant(node, 1, shape)?.to_vec();
        let outputs = &shape[..1];
        let bias = match node.inputs.get(2).filter(|name| !name.is_empty()) {
            Some(_) => self.constant(node, 2, outputs)?.to_vec(),
            None => vec![0.0; outputs[0]],
        };
        Ok(Affine { weights, bias })
    }

    /// The constant that a normalisation applies to all pixels.
    fn scalar(&self, node: &Node) -> Result<f64, Error> {
        let values = self.constant(node, 1, &[]).or_else(|_| self.constant(node, 1, &[1]))?;
        match values[0] {
            0.0 if node.op == "Mul" || node.op == "Div" => Err(unfit(node, 1, &[])),
            value => Ok(value.into()),
        }
    }

    fn constant(&self, node: &Node, input: usize, shape: &[usize]) -> Result<&'a [f32], Error> {
        let tensor = node.inputs.get(input).and_then(|name| self.graph.tensors.get(name));
        match tensor.map(|tensor| (&tensor.shape[..], &tensor.values)) {
            Some((found, Values::F32(values))) if found == shape => Ok(values),
            _ => Err(unfit(node, input, shape)),
        }
    }
}

fn unfit(node: &Node, input: usize, shape: &[usize]) -> Error {
    let shape: Vec<String> = shape.iter().map(usize::to_string).collect();
    Error::Constant { node: node.name.clone(), input, shape: shape.join(", ") }
}

/// Whether every setting is the one that the engine has built in.
fn check_attributes(node: &Node) -> Result<(), Error> {
    let unfit = |attribute: &str| Error::Attribute {
        node: node.name.clone(),
        attribute: attribute.to_string(),
    };
    for (name, attribute) in &node.attributes {
        let fits = match (node.op.as_str(), name.as_str(), attribute) {
            ("Cast", "to", Attribute::Int(1)) // float32: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto
            | ("Cast", "saturate", _) // about float8 alone
            | ("Conv", "group", Attribute::Int(1))
            | ("MaxPool", "ceil_mode" | "storage_order", Attribute::Int(0))
            | ("Flatten", "axis", Attribute::Int(1))
            | ("Gemm", "transA", Attribute::Int(0))
            | ("Gemm", "transB", Attribute::Int(1)) => true,
            ("Conv", "kernel_shape", Attribute::Ints(sides)) => sides[..] == [KERNEL as i64; 2],
            ("Conv", "strides" | "dilations", Attribute::Ints(steps))
            | ("MaxPool", "dilations", Attribute::Ints(steps)) => steps[..] == [1, 1],
            ("MaxPool", "kernel_shape" | "strides", Attribute::Ints(sides)) => {
                sides[..] == [POOL as i64; 2]
            }
            ("Conv" | "MaxPool", "pads", Attribute::Ints(pads)) => pads.iter().all(|&pad| pad == 0),
            ("Conv" | "MaxPool", "auto_pad", Attribute::Text(mode)) => mode == "NOTSET" || mode == "VALID",
            ("Gemm", "alpha" | "beta", &Attribute::Float(factor)) => factor.to_bits() == 1.0_f32.to_bits(),
            _ => false,
        };
        if !fits {
            return Err(unfit(name));
        }
    }
    // those whose default is another value
    let needed =
        [("Cast", "to"), ("MaxPool", "kernel_shape"), ("MaxPool", "strides"), ("Gemm", "transB")];
    match needed.iter().find(|(op, name)| *op == node.op && !node.attributes.contains_key(*name)) {
        Some((_, name)) => Err(unfit(&format!("{name}, which is missing,"))),
        None => Ok(()),
    }
}
