//! From the protobuf's types to ours; [`super::emit`] is the way back.

use std::collections::{BTreeMap, BTreeSet};

use tract_onnx::pb;
use tract_onnx::pb::attribute_proto::AttributeType;
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::{tensor_shape_proto::dimension, type_proto};

use super::shapes::MAX_AXES;
use super::{Attribute, Dimension, Graph, GraphFault, Node, Port, Tensor, Values};

/// `TensorProto.DataLocation.EXTERNAL`
const EXTERNAL: i32 = 1;

/// Reads every part of `model` that we know; [`super::check`] judges the whole.
pub(super) fn graph(model: pb::ModelProto) -> Result<Graph, GraphFault> {
    let graph = model.graph.ok_or(GraphFault::NoGraph)?;
    let of_onnx = |import: &&pb::OperatorSetIdProto| matches!(&import.domain[..], "" | "ai.onnx");
    let mut opsets = model.opset_import.iter().filter(of_onnx);
    let opset = opsets.next().ok_or(GraphFault::NoOpset)?;
    if opsets.next().is_some() {
        // programs differ in which of them they take
        return Err(GraphFault::Refused { what: "two versions of the operator set" });
    }
    let mut tensors = BTreeMap::new();
    for initializer in &graph.initializer {
        if tensors.insert(initializer.name.clone(), tensor(initializer)?).is_some() {
            return Err(GraphFault::MadeTwice { value: initializer.name.clone() });
        }
    }
    let mut names = BTreeSet::new();
    if let Some(twice) = graph.input.iter().find(|port| !names.insert(&port.name)) {
        return Err(GraphFault::MadeTwice { value: twice.name.clone() });
    }
    let inputs = graph.input.iter().filter(|port| !tensors.contains_key(&port.name)).map(port);
    let inputs = inputs.collect::<Result<_, _>>()?;
    let mut nodes = Vec::with_capacity(graph.node.len());
    for proto in &graph.node {
        let node = node(proto)?;
        if let ("Constant", [output]) = (node.op.as_str(), &node.outputs[..])
            && tensors.insert(output.clone(), constant(proto, &node)?).is_some()
        {
            return Err(GraphFault::MadeTwice { value: output.clone() });
        }
        nodes.push(node);
    }
    Ok(Graph {
        name: graph.name,
        inputs,
        outputs: graph.output.iter().map(port).collect::<Result<_, _>>()?,
        nodes,
        tensors,
        metadata: model.metadata_props.into_iter().map(|pair| (pair.key, pair.value)).collect(),
        opset: opset.version,
        ir_version: model.ir_version,
        producer: model.producer_name,
        producer_version: model.producer_version,
    })
}

fn node(proto: &pb::NodeProto) -> Result<Node, GraphFault> {
    let name = match (proto.name.as_str(), proto.output.first()) {
        ("", Some(output)) => output.clone(),
        (name, _) => name.to_owned(),
    };
    if !matches!(proto.domain.as_str(), "" | "ai.onnx") {
        return Err(GraphFault::Operator {
            node: name,
            op: format!("{}.{}", proto.domain, proto.op_type),
        });
    }
    let mut attributes = BTreeMap::new();
    for proto in &proto.attribute {
        // of two settings of one name the engine takes the first, and other programs the last
        if attributes.insert(proto.name.clone(), attribute(proto)).is_some() {
            return Err(GraphFault::Attribute { node: name, attribute: proto.name.clone() });
        }
    }
    Ok(Node {
        name,
        op: proto.op_type.clone(),
        inputs: proto.input.clone(),
        outputs: proto.output.clone(),
        attributes,
    })
}

/// What a `Constant` makes, which one setting says.
fn constant(proto: &pb::NodeProto, node: &Node) -> Result<Tensor, GraphFault> {
    let fault = |attribute: &str| {
        Err(GraphFault::Attribute { node: node.name.clone(), attribute: attribute.to_owned() })
    };
    let ([proto], Some((name, attribute))) =
        (&proto.attribute[..], node.attributes.first_key_value())
    else {
        return fault("value");
    };
    let (shape, values) = match (name.as_str(), attribute, &proto.t) {
        ("value", Attribute::Other, Some(value)) => return tensor(value),
        ("value_int", Attribute::Int(value), _) => (vec![], Values::I64(vec![*value])),
        ("value_ints", Attribute::Ints(values), _) => {
            (vec![values.len()], Values::I64(values.clone()))
        }
        ("value_float", Attribute::Float(value), _) => (vec![], Values::F32(vec![*value])),
        ("value_floats", Attribute::Floats(values), _) => {
            (vec![values.len()], Values::F32(values.clone()))
        }
        _ => return fault(name),
    };
    if shape == [0] {
        return fault(name);
    }
    Ok(Tensor { shape, values })
}

fn attribute(proto: &pb::AttributeProto) -> Attribute {
    match AttributeType::try_from(proto.r#type) {
        Ok(AttributeType::Int) => Attribute::Int(proto.i),
        Ok(AttributeType::Ints) => Attribute::Ints(proto.ints.clone()),
        Ok(AttributeType::Float) => Attribute::Float(proto.f),
        Ok(AttributeType::Floats) => Attribute::Floats(proto.floats.clone()),
        Ok(AttributeType::String) => {
            Attribute::Text(String::from_utf8_lossy(&proto.s).into_owned())
        }
        _ => Attribute::Other,
    }
}

fn tensor(proto: &pb::TensorProto) -> Result<Tensor, GraphFault> {
    let fault = |fault| GraphFault::Tensor { name: proto.name.clone(), fault };
    if proto.data_location == Some(EXTERNAL) || !proto.external_data.is_empty() {
        return Err(fault("its data lies in another file: export the model as one file"));
    }
    if proto.segment.is_some() {
        return Err(fault("segmented tensors are not read"));
    }
    if proto.dims.len() > MAX_AXES {
        return Err(fault("it has too many axes"));
    }
    let shape: Vec<usize> = proto
        .dims
        .iter()
        .map(|&length| usize::try_from(length))
        .collect::<Result<_, _>>()
        .map_err(|_| fault("its shape has a negative length"))?;
    if shape.contains(&0) {
        return Err(fault("it has no elements"));
    }
    let count = shape.iter().try_fold(1_usize, |product, &length| product.checked_mul(length));
    let count = count.ok_or_else(|| fault("its shape overflows"))?;
    let raw = &proto.raw_data[..];
    let values = match DataType::try_from(proto.data_type) {
        Ok(DataType::Float) if raw.is_empty() => Some(Values::F32(proto.float_data.clone())),
        Ok(DataType::Float) => numbers(raw, f32::from_le_bytes).map(Values::F32),
        Ok(DataType::Int64) if raw.is_empty() => Some(Values::I64(proto.int64_data.clone())),
        Ok(DataType::Int64) => numbers(raw, i64::from_le_bytes).map(Values::I64),
        Ok(DataType::Int8) if raw.is_empty() => narrow(&proto.int32_data).map(Values::I8),
        Ok(DataType::Int8) => numbers(raw, i8::from_le_bytes).map(Values::I8),
        Ok(DataType::Uint8) if raw.is_empty() => narrow(&proto.int32_data).map(Values::U8),
        Ok(DataType::Uint8) => numbers(raw, u8::from_le_bytes).map(Values::U8),
        Ok(DataType::Int32) if raw.is_empty() => Some(Values::I32(proto.int32_data.clone())),
        Ok(DataType::Int32) => numbers(raw, i32::from_le_bytes).map(Values::I32),
        _ => return Err(fault("its elements are neither float32 nor whole numbers that are read")),
    };
    match values {
        Some(Values::F32(values)) if !values.iter().all(|value| value.is_finite()) => {
            Err(fault("it holds NaN or infinity"))
        }
        Some(values) if values.len() == count => Ok(Tensor { shape, values }),
        _ => Err(fault("its data is not as long as its shape says")),
    }
}

/// Little-endian numbers; `None` if the last is not whole.
fn numbers<T, const N: usize>(bytes: &[u8], number: impl Fn([u8; N]) -> T) -> Option<Vec<T>> {
    let (chunks, rest) = bytes.as_chunks();
    rest.is_empty().then(|| chunks.iter().copied().map(number).collect())
}

/// Small numbers, which the protobuf holds in a wider type; `None` if one does not fit.
fn narrow<T: TryFrom<i32>>(values: &[i32]) -> Option<Vec<T>> {
    values.iter().map(|&value| value.try_into().ok()).collect()
}

fn port(proto: &pb::ValueInfoProto) -> Result<Port, GraphFault> {
    let kind = proto.r#type.as_ref().and_then(|kind| kind.value.as_ref());
    let Some(type_proto::Value::TensorType(tensor)) = kind else {
        let element = Port::UNDECLARED.to_owned();
        return Ok(Port { name: proto.name.clone(), element, shape: vec![] });
    };
    let element = match DataType::try_from(tensor.elem_type) {
        Ok(DataType::Float) => "float32".to_owned(),
        Ok(DataType::Double) => "float64".to_owned(),
        Ok(DataType::Undefined) => Port::UNDECLARED.to_owned(),
        Ok(other) => other.as_str_name().to_lowercase(),
        Err(_) => "unknown".to_owned(),
    };
    let dimensions = tensor.shape.iter().flat_map(|shape| &shape.dim);
    let shape = dimensions.map(|length| match &length.value {
        Some(dimension::Value::DimValue(length)) if *length > 0 => {
            Ok(Dimension::Fixed(*length as usize))
        }
        // the second is how some exporters write a free length
        None | Some(dimension::Value::DimValue(-1)) => Ok(Dimension::Symbol(String::new())),
        Some(dimension::Value::DimValue(length)) => {
            Err(GraphFault::Length { port: proto.name.clone(), length: *length })
        }
        Some(dimension::Value::DimParam(name)) => Ok(Dimension::Symbol(name.clone())),
    });
    Ok(Port { name: proto.name.clone(), element, shape: shape.collect::<Result<_, _>>()? })
}
