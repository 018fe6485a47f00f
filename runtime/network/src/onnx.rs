//! An ONNX file in plain types: parsed and checked, or made and emitted.
//!
//! Source: <https://github.com/onnx/onnx/blob/main/docs/IR.md>. What is accepted is a straight network of
//! known operators in one file, of bounded sizes; see [`GraphFault`] for what is not. The engine is given a graph
//! that is emitted from these types again, so it never sees what was not checked.

mod catalogue;
mod check;
mod diagnosis;
mod emit;
mod external;
mod fault;
mod fold;
mod input;
mod network;
mod parse;
mod select;
pub(crate) mod shapes;
mod wire;

pub use diagnosis::NodeCost;
pub use external::ExternalFault;
pub use fault::GraphFault;
pub(crate) use input::{Layout, takes_pixels};
pub use network::Origin;

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use prost::Message;
use safe_io::read::read_bounded;
use tract_onnx::pb;

use crate::classes;
use crate::error::Error;

/// Maximum bytes of a model file; LeNet has 1.7 million.
pub const MAX_BYTES: u64 = 64 << 20;

/// An ONNX model: checked if it was parsed.
#[derive(Debug, Clone, PartialEq)]
pub struct Graph {
    /// The graph's name.
    pub name: String,
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
    /// The version of that program.
    pub producer_version: String,
}

/// An input or output of the graph.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Port {
    /// Its name.
    pub name: String,
    /// Element type, such as `uint8` or `float32`, or [`Port::UNDECLARED`].
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
    /// A constant.
    Tensor(Tensor),
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
    /// `float32`, or real numbers of another width in the file; finite if they were parsed, or a single infinity.
    F32(Vec<f32>),
    /// `int64`
    I64(Vec<i64>),
    /// `int8`
    I8(Vec<i8>),
    /// `uint8`
    U8(Vec<u8>),
    /// `int32`
    I32(Vec<i32>),
    /// `bool`
    Bool(Vec<bool>),
    /// Of a type that is not read, and that no node may use.
    Opaque {
        /// ONNX's name of the type.
        element: String,
        /// Number of elements.
        length: usize,
    },
}

impl Port {
    /// The element type of a port for which the file states none.
    pub const UNDECLARED: &str = "undeclared";
}

impl Graph {
    /// Reads, decodes and checks an ONNX file of at most 64 MiB, with weights in a second file beside it.
    ///
    /// # Errors
    /// [`Error::Read`], or [`Error::File`] around what [`Self::parse`] says.
    pub fn load(path: &Path) -> Result<Self, Error> {
        let folder = path.parent().unwrap_or(Path::new(""));
        Self::parse_in(&read_model(path)?, Some(folder)).map_err(|error| error.in_file(path))
    }

    /// Decodes and checks an ONNX file, all of whose weights are in it.
    ///
    /// Nodes come out in an order in which they can run, without those that the scores do not need; of several outputs
    /// the first that has one score per class is kept.
    ///
    /// # Errors
    /// [`Error::Empty`], [`Error::NotOnnx`], or [`Error::Graph`] with the first fault.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        Self::parse_in(bytes, None)
    }

    /// [`Self::parse`] with weights in other files of `folder`, where that is known.
    ///
    /// # Errors
    /// As [`Self::parse`].
    pub fn parse_in(bytes: &[u8], folder: Option<&Path>) -> Result<Self, Error> {
        Self::decode(bytes, folder)?.checked()
    }

    /// Decodes an ONNX file without checking whether it can run.
    ///
    /// # Errors
    /// As [`Self::parse`]; of the faults, those of single parts of the file.
    pub fn decode(bytes: &[u8], folder: Option<&Path>) -> Result<Self, Error> {
        if bytes.is_empty() {
            return Err(Error::Empty);
        }
        wire::check(bytes).map_err(Error::Graph)?;
        let (graph, faults) = decoded(bytes, folder)?;
        faults.into_iter().next().map_or(Ok(graph), |fault| Err(Error::Graph(fault)))
    }

    /// Decodes an ONNX file as far as it can be, with all that keeps it from running: none if it is what
    /// [`Self::parse_in`] takes.
    ///
    /// In place of a constant that cannot be read stands one that is [`Values::Opaque`].
    ///
    /// # Errors
    /// [`Error::Empty`], [`Error::NotOnnx`], or [`Error::Graph`] if there is no graph or it has too many parts to be
    /// looked at.
    pub fn diagnose(bytes: &[u8], folder: Option<&Path>) -> Result<(Self, Vec<GraphFault>), Error> {
        if bytes.is_empty() {
            return Err(Error::Empty);
        }
        let mut faults = wire::refused(bytes).map_err(Error::Graph)?;
        let (graph, of_parts) = decoded(bytes, folder)?;
        let of_graph = diagnosis::faults(&graph, &of_parts);
        faults.extend(of_parts);
        faults.extend(of_graph);
        Ok((graph, faults))
    }

    /// Checks a decoded graph.
    ///
    /// # Errors
    /// [`Error::Graph`] with the first fault.
    pub fn checked(self) -> Result<Self, Error> {
        check::check(&self).map_err(Error::Graph)
    }

    /// Names of the classes in the order of the scores, if the metadata tell: a JSON array of strings, or names
    /// separated by commas.
    #[must_use]
    pub fn class_names(&self) -> Option<Vec<String>> {
        self.metadata.get(classes::KEY).map(|text| classes::parse(text))
    }

    /// Weights and biases: elements of the constants that are no single numbers, lengths or axes.
    #[must_use]
    pub fn parameters(&self) -> usize {
        self.tensors.values().filter_map(Tensor::parameters).map(|(count, _)| count).sum()
    }
}

/// A file's graph, and the faults of its parts.
fn decoded(bytes: &[u8], folder: Option<&Path>) -> Result<(Graph, Vec<GraphFault>), Error> {
    let model = pb::ModelProto::decode(bytes).map_err(Error::NotOnnx)?;
    parse::graph(model, &mut external::Files::of(folder)).map_err(Error::Graph)
}

/// Reads the bytes of a model file, of 64 MiB at most.
///
/// # Errors
/// [`Error::Read`].
pub fn read_model(path: &Path) -> Result<Vec<u8>, Error> {
    Ok(read_bounded(path, MAX_BYTES)?)
}

/// A graph of nothing, for tests to fill.
#[cfg(test)]
pub(crate) fn empty() -> Graph {
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

impl Tensor {
    /// Elements of weights and biases, and their bytes here; `None` of single numbers, lengths and axes.
    pub(crate) fn parameters(&self) -> Option<(usize, usize)> {
        let length = self.values.len();
        match &self.values {
            _ if self.shape.is_empty() => None,
            Values::F32(_) => Some((length, 4 * length)),
            Values::I8(_) | Values::U8(_) => Some((length, length)),
            // whole numbers of more bits count something
            _ => None,
        }
    }
}

impl Values {
    /// Number of elements.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::F32(values) => values.len(),
            Self::I64(values) => values.len(),
            Self::I8(values) => values.len(),
            Self::U8(values) => values.len(),
            Self::I32(values) => values.len(),
            Self::Bool(values) => values.len(),
            Self::Opaque { length, .. } => *length,
        }
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
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
