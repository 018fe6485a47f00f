//! An ONNX file in plain types, after a check that makes it safe to hand to the engine.
//!
//! Source: <https://github.com/onnx/onnx/blob/main/docs/IR.md>. What is accepted is a straight network of
//! known operators in one file, of bounded sizes; see [`GraphFault`] for what is not.

mod check;
mod emit;
mod proto;
mod shapes;
mod wire;

pub use check::GraphFault;
pub use emit::{Constant, Draft, Elements};

use std::collections::BTreeMap;
use std::fmt;

use prost::Message;
use tract_onnx::pb;

use crate::error::Error;

/// A checked ONNX model.
#[derive(Debug, Clone, PartialEq)]
pub struct Graph {
    /// What the caller feeds; initializers are not among them.
    pub inputs: Vec<Port>,
    /// What the graph answers; each is made by a node.
    pub outputs: Vec<Port>,
    /// Operators, each after those that it reads.
    pub nodes: Vec<Node>,
    /// Constants by name: initializers and the values of `Constant` nodes.
    pub tensors: BTreeMap<String, Tensor>,
    /// `metadata_props`: for our own models how they were made.
    pub metadata: BTreeMap<String, String>,
    /// Version of the operator set.
    pub opset: i64,
    /// Version of the file format.
    pub ir_version: i64,
    /// Program that wrote the file.
    pub producer: String,
}

/// An input or output of the graph.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Port {
    /// Its name.
    pub name: String,
    /// Element type, such as `uint8` or `float32`.
    pub element: String,
    /// One entry an axis.
    pub shape: Vec<Dimension>,
}

/// Length of one axis.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Dimension {
    /// Known in the file.
    Fixed(usize),
    /// Chosen by the caller, such as `batch`; empty where the file gives no name.
    Symbol(String),
}

/// One operator.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// Its name, or its first output where it has none.
    pub name: String,
    /// Operator type, such as `Conv`.
    pub op: String,
    /// Values it reads; an optional one left out is empty.
    pub inputs: Vec<String>,
    /// Values it makes.
    pub outputs: Vec<String>,
    /// Its settings by name.
    pub attributes: BTreeMap<String, Attribute>,
}

/// A setting of an operator.
#[derive(Debug, Clone, PartialEq)]
pub enum Attribute {
    /// A whole number.
    Int(i64),
    /// Whole numbers, such as `kernel_shape`.
    Ints(Vec<i64>),
    /// A real number.
    Float(f32),
    /// Real numbers.
    Floats(Vec<f32>),
    /// A word, such as `auto_pad`.
    Text(String),
    /// Of another kind.
    Other,
}

/// A constant.
#[derive(Debug, Clone, PartialEq)]
pub struct Tensor {
    /// Length of each axis; empty for a scalar.
    pub shape: Vec<usize>,
    /// Elements in row-major order, as many as the shape has.
    pub values: Values,
}

/// Elements of a constant.
#[derive(Debug, Clone, PartialEq)]
pub enum Values {
    /// `float32`, all finite.
    F32(Vec<f32>),
    /// `int64`.
    I64(Vec<i64>),
    /// Of a type that is not read here.
    Other,
}

impl Graph {
    /// Decodes and checks an ONNX file.
    ///
    /// # Errors
    /// [`Error::Empty`], [`Error::NotOnnx`], or [`Error::Graph`] with the first fault.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        Ok(Self::parse_with_proto(bytes)?.0)
    }

    /// Also hands out the protobuf, without what was not checked, so that the engine does not decode it again.
    pub(crate) fn parse_with_proto(bytes: &[u8]) -> Result<(Self, pb::ModelProto), Error> {
        if bytes.is_empty() {
            return Err(Error::Empty);
        }
        wire::check(bytes).map_err(Error::Graph)?;
        let mut model = pb::ModelProto::decode(bytes).map_err(Error::NotOnnx)?;
        let graph = proto::read(&model).and_then(|graph| check::check(&graph).map(|()| graph));
        let graph = graph.map_err(Error::Graph)?;
        proto::strip(&mut model, &graph);
        Ok((graph, model))
    }

    /// Names of the classes in the order of the scores, if the metadata tell.
    #[must_use]
    pub fn class_names(&self) -> Option<Vec<String>> {
        let names = self.metadata.get("classes")?;
        Some(names.split(',').map(|name| name.trim().to_owned()).collect())
    }

    /// Weights and biases: elements of all `float32` constants.
    #[must_use]
    pub fn parameters(&self) -> usize {
        let count = |tensor: &Tensor| match &tensor.values {
            Values::F32(values) if !tensor.shape.is_empty() => values.len(),
            _ => 0,
        };
        self.tensors.values().map(count).sum()
    }
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shape: Vec<String> = self.shape.iter().map(Dimension::to_string).collect();
        write!(f, "{} [{}]", self.element, shape.join(", "))
    }
}

impl fmt::Display for Dimension {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(length) => write!(f, "{length}"),
            Self::Symbol(name) if name.is_empty() => f.write_str("?"),
            Self::Symbol(name) => f.write_str(name),
        }
    }
}
