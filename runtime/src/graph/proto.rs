//! From the protobuf's types to ours.

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
pub(super) fn read(model: &pb::ModelProto) -> Result<Graph, GraphFault> {
    let graph = model.graph.as_ref().ok_or(GraphFault::NoGraph)?;
    let opset = model
        .opset_import
        .iter()
        .find(|import| matches!(import.domain.as_str(), "" | "ai.onnx"))
        .ok_or(GraphFault::NoOpset)?;
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
    let inputs =
        graph.input.iter().filter(|port| !tensors.contains_key(&port.name)).map(port).collect();
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
        inputs,
        outputs: graph.output.iter().map(port).collect(),
        nodes,
        tensors,
        metadata: model
            .metadata_props
            .iter()
            .map(|pair| (pair.key.clone(), pair.value.clone()))
            .collect(),
        opset: opset.version,
        ir_version: model.ir_version,
        producer: model.producer_name.clone(),
    })
}

/// Takes out of `model` what the engine reads without need, and `graph` does not hold.
///
/// Lengths of axes are formulas to it, whose parser exhausts the stack, and those of values between the nodes are
/// claims that the shapes which were checked need not agree with.
pub(super) fn strip(model: &mut pb::ModelProto, graph: &Graph) {
    let Some(proto) = &mut model.graph else { return };
    proto.value_info.clear();
    for output in &mut proto.output {
        output.r#type = None;
    }
    for port in &mut proto.input {
        let read = graph.inputs.iter().find(|input| input.name == port.name);
        let kind = port.r#type.as_mut().and_then(|kind| kind.value.as_mut());
        let (Some(read), Some(type_proto::Value::TensorType(tensor))) = (read, kind) else {
            continue;
        };
        let dim = read.shape.iter().map(|dimension| {
            let value = match dimension {
                Dimension::Fixed(length) => dimension::Value::DimValue(*length as i64),
                Dimension::Symbol(_) => dimension::Value::DimParam("batch".to_owned()),
            };
            pb::tensor_shape_proto::Dimension { value: Some(value), ..Default::default() }
        });
        tensor.shape = Some(pb::TensorShapeProto { dim: dim.collect() });
    }
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
        return Err(fault("its data lies in another file; models of one file are read"));
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
    let (found, values) = match DataType::try_from(proto.data_type) {
        Ok(DataType::Float) if proto.raw_data.is_empty() => {
            (proto.float_data.len(), Values::F32(proto.float_data.clone()))
        }
        Ok(DataType::Float) if proto.raw_data.len().is_multiple_of(4) => {
            let values: Vec<f32> =
                proto.raw_data.as_chunks().0.iter().copied().map(f32::from_le_bytes).collect();
            (values.len(), Values::F32(values))
        }
        Ok(DataType::Int64) if proto.raw_data.is_empty() => {
            (proto.int64_data.len(), Values::I64(proto.int64_data.clone()))
        }
        Ok(DataType::Int64) if proto.raw_data.len().is_multiple_of(8) => {
            let values: Vec<i64> =
                proto.raw_data.as_chunks().0.iter().copied().map(i64::from_le_bytes).collect();
            (values.len(), Values::I64(values))
        }
        Ok(DataType::Float | DataType::Int64) => (proto.raw_data.len(), Values::Other),
        _ => return Err(fault("its elements are neither float32 nor int64")),
    };
    if found != count || values == Values::Other {
        return Err(fault("its data is not as long as its shape says"));
    }
    match &values {
        Values::F32(values) if !values.iter().all(|value| value.is_finite()) => {
            Err(fault("it holds NaN or infinity"))
        }
        _ => Ok(Tensor { shape, values }),
    }
}

fn port(proto: &pb::ValueInfoProto) -> Port {
    let kind = proto.r#type.as_ref().and_then(|kind| kind.value.as_ref());
    let (element, shape) = match kind {
        Some(type_proto::Value::TensorType(tensor)) => {
            let element = match DataType::try_from(tensor.elem_type) {
                Ok(DataType::Float) => "float32".to_owned(),
                Ok(DataType::Double) => "float64".to_owned(),
                Ok(other) => other.as_str_name().to_lowercase(),
                Err(_) => "unknown".to_owned(),
            };
            (element, tensor.shape.iter().flat_map(|shape| &shape.dim).map(dimension).collect())
        }
        None => ("unknown".to_owned(), vec![]),
    };
    Port { name: proto.name.clone(), element, shape }
}

fn dimension(proto: &pb::tensor_shape_proto::Dimension) -> Dimension {
    match &proto.value {
        Some(dimension::Value::DimValue(length)) if *length > 0 => {
            Dimension::Fixed(*length as usize)
        }
        Some(dimension::Value::DimParam(name)) => Dimension::Symbol(name.clone()),
        _ => Dimension::Symbol(String::new()),
    }
}
