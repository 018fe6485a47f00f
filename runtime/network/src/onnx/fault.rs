//! Why a graph is refused, in one sentence each.

use super::check::{IR_VERSIONS, MAX_NODES, OPSETS};
use super::external::ExternalFault;
use crate::plan::MAX_MOVES;

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
    /// A constant whose elements lie in another file that is not read.
    #[error("tensor `{tensor}` {fault}")]
    External {
        /// The constant.
        tensor: String,
        /// Why not.
        fault: ExternalFault,
    },
    /// An input that is no picture.
    #[error(
        "its input `{name}` is {found}, expected uint8 or float32 [batch, channels, height, width], or channels last, of 1 to 4 channels and sides up to 256"
    )]
    Input {
        /// The graph's input.
        name: String,
        /// Its element type and shape.
        found: String,
    },
    /// A constant of a type that is not read, which a node needs.
    #[error("node `{node}` reads `{tensor}`, whose elements are {element}, which is not supported")]
    Element {
        /// The node.
        node: String,
        /// The constant.
        tensor: String,
        /// Their type.
        element: String,
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
    /// A setting that the operator has not, or not in this operator set.
    #[error("node `{node}`: {op} has no attribute `{attribute}` in this operator set")]
    UnknownAttribute {
        /// The node.
        node: String,
        /// Its operator.
        op: String,
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
    /// Not one input, or no output.
    #[error(
        "it has {inputs} inputs and {outputs} outputs, expected one input and at least one output"
    )]
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
    /// The output is not one row of numbers per picture; an output that is not `float32` has no shape.
    #[error(
        "its output is {shape:?} for one picture, expected [1, outputs] with 2 to 1024 outputs"
    )]
    Output {
        /// Shape of the output for one picture.
        shape: Vec<usize>,
    },
    /// The input has a batch that is neither free nor 1, and cannot be changed to 1.
    #[error(
        "its batch is fixed to {length}, and its shapes do not fit a batch of 1: export it with a free batch"
    )]
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
    /// Two classes of one name.
    #[error("its metadata name two classes `{name}`")]
    ClassTwice {
        /// The name.
        name: String,
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

/// What to do about an operator.
fn hint(op: &str) -> &'static str {
    let int8 = op.contains("uantize")
        || op.contains("QLinear")
        || op.ends_with("Integer")
        || op.contains(".Q");
    match op {
        _ if int8 => ": these int8 operators are not read, use the float32 model",
        "If" | "Loop" | "Scan" => ": it is control flow",
        "LSTM" | "GRU" | "RNN" => ": recurrent networks are not read",
        "Resize" | "Upsample" | "ConvTranspose" => {
            ": it makes pictures larger, which no classifier here needs"
        }
        "ArgMax" | "TopK" => ": export the scores, not the class",
        _ if op.contains('.') => ": it is no operator of ONNX itself",
        _ => "",
    }
}
