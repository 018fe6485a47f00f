//! The ONNX file: the only place that writes the exported graph.
//!
//! Source: <https://github.com/onnx/onnx/blob/main/docs/IR.md> and, for the operators,
//! <https://github.com/onnx/onnx/blob/main/docs/Operators.md> at opset 13.

use std::collections::BTreeMap;

use prost::Message;
use tract_onnx::pb;
use tract_onnx::pb::attribute_proto::AttributeType;
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::tensor_shape_proto::{Dimension, dimension};
use tract_onnx::pb::type_proto;

use crate::lenet::{KERNEL, PIXEL_HALF, PIXEL_SCALE, POOL, Parameter};

const OPSET: i64 = 13;
const IR_VERSION: i64 = 8;
const SIDE: i64 = runtime::IMAGE_SIDE as i64;

/// The file's bytes: a pure function of the weights, in the order of the layers, and the metadata.
#[must_use]
pub fn emit(parameters: &[Parameter], metadata: &BTreeMap<String, String>) -> Vec<u8> {
    let constants = [scalar("offset", PIXEL_HALF), scalar("scale", PIXEL_SCALE)];
    let classes = parameters.last().map_or(0, |bias| bias.shape[0]);
    let graph = pb::GraphProto {
        name: "lenet".into(),
        node: nodes(),
        initializer: constants.into_iter().chain(parameters.iter().map(tensor)).collect(),
        input: vec![port("image", DataType::Uint8, &[1, SIDE, SIDE])],
        output: vec![port("logits", DataType::Float, &[classes])],
        ..Default::default()
    };
    let model = pb::ModelProto {
        ir_version: IR_VERSION,
        opset_import: vec![pb::OperatorSetIdProto { domain: String::new(), version: OPSET }],
        producer_name: env!("CARGO_PKG_NAME").into(),
        producer_version: env!("CARGO_PKG_VERSION").into(),
        graph: Some(graph),
        metadata_props: metadata
            .iter()
            .map(|(key, value)| pb::StringStringEntryProto {
                key: key.clone(),
                value: value.clone(),
            })
            .collect(),
        ..Default::default()
    };
    model.encode_to_vec()
}

/// Pixels to logits; normalisation first, so that no consumer can do it wrongly.
fn nodes() -> Vec<pb::NodeProto> {
    let float = int("to", DataType::Float as i64);
    let kernel = || vec![ints("kernel_shape", &[KERNEL, KERNEL])];
    let pool = || vec![ints("kernel_shape", &[POOL, POOL]), ints("strides", &[POOL, POOL])];
    let transposed = || vec![int("transB", 1)];
    vec![
        node("Cast", &["image"], "pixels", vec![float]),
        node("Sub", &["pixels", "offset"], "centred", vec![]),
        node("Mul", &["centred", "scale"], "normalized", vec![]),
        node("Conv", &["normalized", "conv1.weight", "conv1.bias"], "conv1", kernel()),
        node("Relu", &["conv1"], "relu1", vec![]),
        node("MaxPool", &["relu1"], "pool1", pool()),
        node("Conv", &["pool1", "conv2.weight", "conv2.bias"], "conv2", kernel()),
        node("Relu", &["conv2"], "relu2", vec![]),
        node("MaxPool", &["relu2"], "pool2", pool()),
        node("Flatten", &["pool2"], "flat", vec![int("axis", 1)]),
        node("Gemm", &["flat", "dense1.weight", "dense1.bias"], "dense1", transposed()),
        node("Relu", &["dense1"], "relu3", vec![]),
        node("Gemm", &["relu3", "dense2.weight", "dense2.bias"], "logits", transposed()),
    ]
}

/// An operator, named after what it makes.
fn node(
    op: &str,
    inputs: &[&str],
    output: &str,
    attribute: Vec<pb::AttributeProto>,
) -> pb::NodeProto {
    pb::NodeProto {
        op_type: op.into(),
        name: output.into(),
        input: inputs.iter().map(ToString::to_string).collect(),
        output: vec![output.into()],
        attribute,
        ..Default::default()
    }
}

fn int(name: &str, value: i64) -> pb::AttributeProto {
    pb::AttributeProto {
        name: name.into(),
        r#type: AttributeType::Int as i32,
        i: value,
        ..Default::default()
    }
}

fn ints(name: &str, values: &[i64]) -> pb::AttributeProto {
    pb::AttributeProto {
        name: name.into(),
        r#type: AttributeType::Ints as i32,
        ints: values.to_vec(),
        ..Default::default()
    }
}

fn scalar(name: &str, value: f32) -> pb::TensorProto {
    pb::TensorProto {
        name: name.into(),
        data_type: DataType::Float as i32,
        raw_data: value.to_le_bytes().into(),
        ..Default::default()
    }
}

fn tensor(parameter: &Parameter) -> pb::TensorProto {
    pb::TensorProto {
        name: parameter.name.into(),
        dims: parameter.shape.clone(),
        data_type: DataType::Float as i32,
        raw_data: parameter.values.iter().flat_map(|value| value.to_le_bytes()).collect(),
        ..Default::default()
    }
}

/// `[batch, …lengths]`, where the caller chooses `batch`.
fn port(name: &str, element: DataType, lengths: &[i64]) -> pb::ValueInfoProto {
    let batch = dimension::Value::DimParam("batch".into());
    let lengths = lengths.iter().map(|&length| dimension::Value::DimValue(length));
    let dim = [batch].into_iter().chain(lengths);
    let dim = dim.map(|value| Dimension { value: Some(value), ..Default::default() }).collect();
    let tensor =
        type_proto::Tensor { elem_type: element as i32, shape: Some(pb::TensorShapeProto { dim }) };
    pb::ValueInfoProto {
        name: name.into(),
        r#type: Some(pb::TypeProto {
            value: Some(type_proto::Value::TensorType(tensor)),
            ..Default::default()
        }),
        ..Default::default()
    }
}
