//! From our types to the protobuf's; [`super::parse`] is the way back.

use std::collections::BTreeSet;

use prost::Message;
use tract_onnx::pb;
use tract_onnx::pb::attribute_proto::AttributeType;
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::{tensor_shape_proto, type_proto};

use super::{Attribute, Dimension, Graph, Node, Port, Tensor, Values};

impl Graph {
    /// The operator set that is written.
    pub const OPSET: i64 = 13;
    /// The file format of that operator set's time.
    pub const IR_VERSION: i64 = 8;

    /// The file's bytes: a pure function of the graph. Constants are written in the order of their first use.
    ///
    /// # Panics
    /// If a node other than a `Constant` has a setting that is [`Attribute::Other`], or a port is of another type than
    /// `uint8` or `float32`.
    #[must_use]
    pub fn emit(&self) -> Vec<u8> {
        self.proto().encode_to_vec()
    }

    pub(crate) fn proto(&self) -> pb::ModelProto {
        let graph = pb::GraphProto {
            name: self.name.clone(),
            node: self.operators().map(node).collect(),
            initializer: self.constants(),
            input: self.inputs.iter().map(port).collect(),
            output: self.outputs.iter().map(port).collect(),
            ..Default::default()
        };
        let pair = |(key, value): (&String, &String)| pb::StringStringEntryProto {
            key: key.clone(),
            value: value.clone(),
        };
        pb::ModelProto {
            ir_version: self.ir_version,
            opset_import: vec![pb::OperatorSetIdProto {
                domain: String::new(),
                version: self.opset,
            }],
            producer_name: self.producer.clone(),
            producer_version: self.producer_version.clone(),
            graph: Some(graph),
            metadata_props: self.metadata.iter().map(pair).collect(),
            ..Default::default()
        }
    }

    /// All nodes but those whose value is among the constants.
    fn operators(&self) -> impl Iterator<Item = &Node> {
        self.nodes.iter().filter(|node| node.op != "Constant")
    }

    /// Those that a node reads, in the order of their first use.
    fn constants(&self) -> Vec<pb::TensorProto> {
        let mut seen = BTreeSet::new();
        let names = self.operators().flat_map(|node| &node.inputs);
        let first_uses = names.filter(|name| seen.insert(name.as_str()));
        first_uses
            .filter_map(|name| self.tensors.get(name).map(|tensor| tensor_proto(name, tensor)))
            .collect()
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

impl Tensor {
    /// `float32` values, or others that [`Values`] holds, of a shape that has as many elements.
    ///
    /// # Panics
    /// If it has not.
    #[must_use]
    pub fn new(shape: &[usize], values: Values) -> Self {
        assert_eq!(shape.iter().product::<usize>(), values.len(), "elements of a {shape:?} tensor");
        Self { shape: shape.to_vec(), values }
    }

    /// One number without axes.
    ///
    /// # Panics
    /// If `values` are not one.
    #[must_use]
    pub fn scalar(values: Values) -> Self {
        Self::new(&[], values)
    }
}

fn tensor_proto(name: &str, tensor: &Tensor) -> pb::TensorProto {
    let (data_type, raw_data) = match &tensor.values {
        Values::F32(values) => (DataType::Float, bytes(values, f32::to_le_bytes)),
        Values::I64(values) => (DataType::Int64, bytes(values, i64::to_le_bytes)),
        Values::I8(values) => (DataType::Int8, bytes(values, i8::to_le_bytes)),
        Values::U8(values) => (DataType::Uint8, values.clone()),
        Values::I32(values) => (DataType::Int32, bytes(values, i32::to_le_bytes)),
        Values::Bool(values) => (DataType::Bool, values.iter().copied().map(u8::from).collect()),
        Values::Opaque { element, .. } => panic!("`{name}` is of {element}, which is not written"),
    };
    pb::TensorProto {
        name: name.into(),
        dims: tensor.shape.iter().map(|&length| length as i64).collect(),
        data_type: data_type as i32,
        raw_data,
        ..Default::default()
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
        Attribute::Tensor(tensor) => {
            proto.t = Some(tensor_proto("", tensor));
            AttributeType::Tensor
        }
        Attribute::Other => panic!("attribute `{name}` is of a kind that is not written"),
    };
    proto.r#type = kind as i32;
    proto
}

fn port(port: &Port) -> pb::ValueInfoProto {
    let element = match port.element.as_str() {
        Port::UNDECLARED => {
            return pb::ValueInfoProto { name: port.name.clone(), ..Default::default() };
        }
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
    use super::*;

    #[test]
    fn what_is_emitted_is_parsed_again() {
        let weights: Vec<f32> = (0..7840).map(|i| i as f32 / 128.0).collect();
        let graph = Graph {
            name: "dense".into(),
            producer: "test".into(),
            producer_version: "1".into(),
            opset: Graph::OPSET,
            ir_version: Graph::IR_VERSION,
            inputs: vec![Port::of_batches("image", "uint8", &[1, 28, 28])],
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
            tensors: [("weights".to_owned(), Tensor::new(&[10, 784], Values::F32(weights)))].into(),
            metadata: [("dataset".to_owned(), "none".to_owned())].into(),
        };
        assert_eq!(Graph::parse(&graph.emit()).unwrap(), graph);
    }

    #[test]
    fn constants_are_written_in_the_order_of_their_first_use() {
        let nodes = vec![
            Node::new("Add", &["x", "b"], "y", &[]),
            Node::new("Mul", &["y", "a"], "z", &[]),
            Node::new("Sub", &["z", "b"], "w", &[]),
        ];
        let one = Tensor::scalar(Values::F32(vec![1.0]));
        let tensors = ["a", "b", "never"].map(|name| (name.to_owned(), one.clone())).into();
        let graph = Graph { nodes, tensors, ..crate::onnx::empty() };
        let names: Vec<String> = graph.constants().into_iter().map(|proto| proto.name).collect();
        assert_eq!(names, ["b", "a"]);
    }
}
