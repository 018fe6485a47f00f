//! From our types to the protobuf's: for those who make models.

use std::collections::BTreeMap;

use prost::Message;
use tract_onnx::pb;
use tract_onnx::pb::attribute_proto::AttributeType;
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::{tensor_shape_proto, type_proto};

use super::{Attribute, Dimension, Node, Port};

/// The operator set that nodes are meant in.
const OPSET: i64 = 13;
/// The file format of that operator set's time.
const IR_VERSION: i64 = 8;

/// A model to be written, in one file.
#[derive(Debug, Clone, PartialEq)]
pub struct Draft {
    /// The graph's name.
    pub name: &'static str,
    /// Program that writes the file, and its version.
    pub producer: [&'static str; 2],
    /// What the caller feeds.
    pub input: Port,
    /// What the graph answers, each made by a node.
    pub outputs: Vec<Port>,
    /// Operators of opset 13, each after those that it reads.
    pub nodes: Vec<Node>,
    /// Weights and the like.
    pub constants: Vec<Constant>,
    /// `metadata_props`
    pub metadata: BTreeMap<String, String>,
}

/// A named constant.
#[derive(Debug, Clone, PartialEq)]
pub struct Constant {
    /// What nodes call it.
    pub name: String,
    /// Length of each axis; empty for a scalar.
    pub shape: Vec<usize>,
    /// As many as the shape has, row-major.
    pub elements: Elements,
}

/// Elements of a [`Constant`].
#[derive(Debug, Clone, PartialEq)]
pub enum Elements {
    /// `float32`
    F32(Vec<f32>),
    /// `int8`
    I8(Vec<i8>),
    /// `uint8`
    U8(Vec<u8>),
    /// `int32`
    I32(Vec<i32>),
}

impl Draft {
    /// The file's bytes: a pure function of the draft.
    ///
    /// # Panics
    /// If a node has a setting that is [`Attribute::Other`], or a port is of another type than `uint8` or `float32`.
    #[must_use]
    pub fn emit(&self) -> Vec<u8> {
        let [producer_name, producer_version] = self.producer.map(String::from);
        let graph = pb::GraphProto {
            name: self.name.into(),
            node: self.nodes.iter().map(node).collect(),
            initializer: self.constants.iter().map(Constant::proto).collect(),
            input: vec![port(&self.input)],
            output: self.outputs.iter().map(port).collect(),
            ..Default::default()
        };
        let pair = |(key, value): (&String, &String)| pb::StringStringEntryProto {
            key: key.clone(),
            value: value.clone(),
        };
        let model = pb::ModelProto {
            ir_version: IR_VERSION,
            opset_import: vec![pb::OperatorSetIdProto { domain: String::new(), version: OPSET }],
            producer_name,
            producer_version,
            graph: Some(graph),
            metadata_props: self.metadata.iter().map(pair).collect(),
            ..Default::default()
        };
        model.encode_to_vec()
    }
}

impl Node {
    /// An operator that is named after what it makes.
    #[must_use]
    pub fn new(op: &str, inputs: &[&str], output: &str, attributes: &[(&str, Attribute)]) -> Self {
        Self {
            name: output.into(),
            op: op.into(),
            inputs: inputs.iter().map(ToString::to_string).collect(),
            outputs: vec![output.into()],
            attributes: attributes
                .iter()
                .map(|(name, value)| ((*name).into(), value.clone()))
                .collect(),
        }
    }
}

impl Port {
    /// `[batch, …lengths]` of `uint8` or `float32`, where the caller chooses `batch`.
    #[must_use]
    pub fn of_batches(name: &str, element: &str, lengths: &[usize]) -> Self {
        let batch = Dimension::Symbol("batch".into());
        let lengths = lengths.iter().map(|&length| Dimension::Fixed(length));
        let shape = [batch].into_iter().chain(lengths).collect();
        Self { name: name.into(), element: element.into(), shape }
    }
}

impl Constant {
    /// One number without axes.
    #[must_use]
    pub fn scalar(name: &str, elements: Elements) -> Self {
        Self { name: name.into(), shape: vec![], elements }
    }

    fn proto(&self) -> pb::TensorProto {
        let (data_type, raw_data) = match &self.elements {
            Elements::F32(values) => (DataType::Float, bytes(values, f32::to_le_bytes)),
            Elements::I8(values) => (DataType::Int8, bytes(values, i8::to_le_bytes)),
            Elements::U8(values) => (DataType::Uint8, values.clone()),
            Elements::I32(values) => (DataType::Int32, bytes(values, i32::to_le_bytes)),
        };
        pb::TensorProto {
            name: self.name.clone(),
            dims: self.shape.iter().map(|&length| length as i64).collect(),
            data_type: data_type as i32,
            raw_data,
            ..Default::default()
        }
    }
}

fn bytes<T: Copy, const N: usize>(values: &[T], bytes: impl Fn(T) -> [u8; N]) -> Vec<u8> {
    values.iter().flat_map(|&value| bytes(value)).collect()
}

fn node(node: &Node) -> pb::NodeProto {
    pb::NodeProto {
        op_type: node.op.clone(),
        name: node.name.clone(),
        input: node.inputs.clone(),
        output: node.outputs.clone(),
        attribute: node.attributes.iter().map(attribute).collect(),
        ..Default::default()
    }
}

fn attribute((name, value): (&String, &Attribute)) -> pb::AttributeProto {
    let mut proto = pb::AttributeProto { name: name.clone(), ..Default::default() };
    let kind = match value {
        Attribute::Int(value) => {
            proto.i = *value;
            AttributeType::Int
        }
        Attribute::Ints(values) => {
            proto.ints.clone_from(values);
            AttributeType::Ints
        }
        Attribute::Float(value) => {
            proto.f = *value;
            AttributeType::Float
        }
        Attribute::Floats(values) => {
            proto.floats.clone_from(values);
            AttributeType::Floats
        }
        Attribute::Text(text) => {
            proto.s = text.clone().into_bytes();
            AttributeType::String
        }
        Attribute::Other => panic!("attribute `{name}` is of a kind that is not written"),
    };
    proto.r#type = kind as i32;
    proto
}

fn port(port: &Port) -> pb::ValueInfoProto {
    let element = match port.element.as_str() {
        "uint8" => DataType::Uint8,
        "float32" => DataType::Float,
        other => panic!("`{}` is of {other}, which is not written", port.name),
    };
    let dim = port.shape.iter().map(dimension).collect();
    let tensor =
        type_proto::Tensor { elem_type: element as i32, shape: Some(pb::TensorShapeProto { dim }) };
    pb::ValueInfoProto {
        name: port.name.clone(),
        r#type: Some(pb::TypeProto {
            value: Some(type_proto::Value::TensorType(tensor)),
            ..Default::default()
        }),
        ..Default::default()
    }
}

fn dimension(dimension: &Dimension) -> tensor_shape_proto::Dimension {
    use tensor_shape_proto::dimension::Value;
    let value = match dimension {
        Dimension::Fixed(length) => Value::DimValue(*length as i64),
        Dimension::Symbol(name) => Value::DimParam(name.clone()),
    };
    tensor_shape_proto::Dimension { value: Some(value), ..Default::default() }
}

#[cfg(test)]
mod tests {
    use super::super::{Graph, Values};
    use super::*;

    #[test]
    fn what_is_emitted_is_parsed_again() {
        let weights: Vec<f32> = (0..7840).map(|i| i as f32 / 128.0).collect();
        let draft = Draft {
            name: "dense",
            producer: ["test", "1"],
            input: Port::of_batches("image", "uint8", &[1, 28, 28]),
            outputs: vec![Port::of_batches("logits", "float32", &[10])],
            nodes: vec![
                Node::new("Cast", &["image"], "pixels", &[("to", Attribute::Int(1))]),
                Node::new("Flatten", &["pixels"], "flat", &[("axis", Attribute::Int(1))]),
                Node::new(
                    "Gemm",
                    &["flat", "weights"],
                    "logits",
                    &[("alpha", Attribute::Float(0.5)), ("transB", Attribute::Int(1))],
                ),
            ],
            constants: vec![Constant {
                name: "weights".into(),
                shape: vec![10, 784],
                elements: Elements::F32(weights.clone()),
            }],
            metadata: [("dataset".to_owned(), "none".to_owned())].into(),
        };
        let graph = Graph::parse(&draft.emit()).unwrap();
        assert_eq!((graph.inputs, graph.outputs), (vec![draft.input], draft.outputs));
        assert_eq!((graph.nodes, graph.metadata), (draft.nodes, draft.metadata));
        assert_eq!((graph.opset, graph.producer.as_str()), (OPSET, "test"));
        assert_eq!(graph.tensors["weights"].values, Values::F32(weights));
    }
}
