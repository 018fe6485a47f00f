//! Our model with a part changed, and what is said about it.

use prost::Message;
use runtime::{Classifier, EMBEDDED_MODEL};
use tract_onnx::pb::attribute_proto::AttributeType;
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::tensor_shape_proto::{Dimension, dimension};
use tract_onnx::pb::{
    AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto, type_proto,
};

/// What is said about our model after `change`.
pub(crate) fn refusal(change: impl FnOnce(&mut ModelProto)) -> String {
    match Classifier::parse(&changed(change)) {
        Ok(_) => "it loads".into(),
        Err(error) => error.to_string(),
    }
}

pub(crate) fn changed(change: impl FnOnce(&mut ModelProto)) -> Vec<u8> {
    let mut model = ModelProto::decode(EMBEDDED_MODEL).unwrap();
    change(&mut model);
    model.encode_to_vec()
}

#[track_caller]
pub(crate) fn assert_refused(reason: &str, change: impl FnOnce(&mut ModelProto)) {
    let found = refusal(change);
    assert!(found.contains(reason), "{found}, for {reason}");
}

/// Like [`assert_refused`], with the graph in hand.
#[track_caller]
pub(crate) fn assert_graph_refused(reason: &str, change: impl FnOnce(&mut GraphProto)) {
    assert_refused(reason, |model| change(model.graph.as_mut().unwrap()));
}

/// Like [`assert_refused`], with the first of these operators in hand.
#[track_caller]
pub(crate) fn assert_node_refused(reason: &str, op: &str, change: impl FnOnce(&mut NodeProto)) {
    assert_graph_refused(reason, |graph| change(node(graph, op)));
}

pub(crate) fn node<'a>(graph: &'a mut GraphProto, op: &str) -> &'a mut NodeProto {
    graph.node.iter_mut().find(|node| node.op_type == op).unwrap()
}

/// Weights of the first convolution.
pub(crate) fn weights(graph: &mut GraphProto) -> &mut TensorProto {
    let name = node(graph, "Conv").input[1].clone();
    graph.initializer.iter_mut().find(|tensor| tensor.name == name).unwrap()
}

pub(crate) fn int(name: &str, i: i64) -> AttributeProto {
    let r#type = AttributeType::Int.into();
    AttributeProto { name: name.into(), i, r#type, ..AttributeProto::default() }
}

pub(crate) fn ints(name: &str, ints: &[i64]) -> AttributeProto {
    let r#type = AttributeType::Ints.into();
    AttributeProto { name: name.into(), ints: ints.to_vec(), r#type, ..AttributeProto::default() }
}

pub(crate) fn float(name: &str, f: f32) -> AttributeProto {
    let r#type = AttributeType::Float.into();
    AttributeProto { name: name.into(), f, r#type, ..AttributeProto::default() }
}

pub(crate) fn set(node: &mut NodeProto, attribute: AttributeProto) {
    node.attribute.retain(|old| old.name != attribute.name);
    node.attribute.push(attribute);
}

/// Puts a node between the last one and the graph's output.
pub(crate) fn append(
    graph: &mut GraphProto,
    op: &str,
    more: &[&str],
    attributes: &[AttributeProto],
) {
    let last = graph.output[0].name.clone();
    let more = more.iter().map(|&name| name.to_owned());
    graph.node.push(NodeProto {
        op_type: op.into(),
        input: [last].into_iter().chain(more).collect(),
        output: vec!["appended".into()],
        attribute: attributes.to_vec(),
        ..NodeProto::default()
    });
    graph.output[0].name = "appended".into();
}

pub(crate) fn constant(graph: &mut GraphProto, name: &str, dims: &[i64], values: &[f32]) {
    graph.initializer.push(TensorProto {
        name: name.into(),
        dims: dims.to_vec(),
        data_type: DataType::Float.into(),
        float_data: values.to_vec(),
        ..TensorProto::default()
    });
}

pub(crate) fn whole_numbers(graph: &mut GraphProto, name: &str, values: &[i64]) {
    graph.initializer.push(TensorProto {
        name: name.into(),
        dims: vec![values.len() as i64],
        data_type: DataType::Int64.into(),
        int64_data: values.to_vec(),
        ..TensorProto::default()
    });
}

pub(crate) fn tensor_type(port: &mut ValueInfoProto) -> &mut type_proto::Tensor {
    match &mut port.r#type.as_mut().unwrap().value {
        Some(type_proto::Value::TensorType(tensor)) => tensor,
        _ => panic!("no tensor"),
    }
}

pub(crate) fn axes(port: &mut ValueInfoProto) -> &mut Vec<Dimension> {
    &mut tensor_type(port).shape.as_mut().unwrap().dim
}

pub(crate) fn symbol(formula: &str) -> Dimension {
    let value = Some(dimension::Value::DimParam(formula.into()));
    Dimension { value, ..Dimension::default() }
}

pub(crate) fn length(length: i64) -> Dimension {
    let value = Some(dimension::Value::DimValue(length));
    Dimension { value, ..Dimension::default() }
}
