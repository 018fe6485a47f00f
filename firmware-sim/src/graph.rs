//! Recognises the project's LeNet in an ONNX graph, and nothing else.

use firmware::geometry::{CLASSES, FLAT, HIDDEN, IMAGE_SIDE, KERNEL, MAPS1, MAPS2, POOL};
use network::onnx::{Attribute, Dimension, Graph, Node, Values};

use super::error::Error;
use super::lenet::{Affine, LeNet};

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
    let mut walk = Walk { graph, nodes: &nodes, value: &input.name };
    walk.next("Cast")?;
    // what the first layer sees of pixel p: factor · p + offset
    let (mut factor, mut offset) = (1.0, 0.0);
    while let Some(op) =
        walk.peek().and_then(|op| NORMALIZATION.into_iter().find(|&known| known == op))
    {
        let node = walk.next(op)?;
        let constant = walk.scalar(node)?;
        match op {
            "Sub" => offset -= constant,
            "Add" => offset += constant,
            "Mul" => (factor, offset) = (factor * constant, offset * constant),
            _ => (factor, offset) = (factor / constant, offset / constant),
        }
    }
    let mut conv1 = walk.affine("Conv", &[MAPS1, 1, KERNEL, KERNEL])?;
    conv1.fold_input(factor, offset);
    walk.next("Relu")?;
    walk.next("MaxPool")?;
    let conv2 = walk.affine("Conv", &[MAPS2, MAPS1, KERNEL, KERNEL])?;
    walk.next("Relu")?;
    walk.next("MaxPool")?;
    walk.next("Flatten")?;
    let dense1 = walk.affine("Gemm", &[HIDDEN, FLAT])?;
    walk.next("Relu")?;
    let classes = walk.outputs_of_next();
    let dense2 = walk.affine("Gemm", &[CLASSES, HIDDEN]).map_err(|error| match classes {
        // the network, and all else that it takes, is LeNet's
        Some(found) if found != CLASSES => Error::Classes { found },
        _ => error,
    })?;
    if !walk.nodes.is_empty() || walk.value != output.name {
        return Err(Error::Output { node: walk.value.to_string() });
    }
    Ok(LeNet { conv1, conv2, dense1, dense2 })
}

/// A walk along the nodes of a sequential network: each takes the output of the one before it.
struct Walk<'a> {
    graph: &'a Graph,
    nodes: &'a [&'a Node],
    /// Output of the node before.
    value: &'a str,
}

impl<'a> Walk<'a> {
    /// Operator of the next node.
    fn peek(&self) -> Option<&'a str> {
        self.nodes.first().map(|node| node.op.as_str())
    }

    /// Outputs of the next node, if it is a dense layer that takes what LeNet's last one takes.
    fn outputs_of_next(&self) -> Option<usize> {
        let node = self.nodes.first().filter(|node| node.op == "Gemm")?;
        match self.graph.tensors.get(node.inputs.get(1)?)?.shape[..] {
            [outputs, HIDDEN] => Some(outputs),
            _ => None,
        }
    }

    fn next(&mut self, expected: &'static str) -> Result<&'a Node, Error> {
        let (node, rest) = self.nodes.split_first().ok_or(Error::Ends { expected })?;
        if node.op != expected {
            let (node, found) = (node.name.clone(), node.op.clone());
            return Err(Error::Operator { node, found, expected });
        }
        let (Some(reads), Some(makes)) = (node.inputs.first(), node.outputs.first()) else {
            return Err(Error::NotSequential { node: node.name.clone() });
        };
        if reads != self.value {
            return Err(Error::NotSequential { node: node.name.clone() });
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
