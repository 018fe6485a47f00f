//! From the protobuf's types to ours; [`super::emit`] is the way back.

use std::collections::{BTreeMap, BTreeSet};

use tract_onnx::pb;
use tract_onnx::pb::attribute_proto::AttributeType;
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::{tensor_shape_proto::dimension, type_proto};

use super::external::Files;
use super::shapes::{MAX_AXES, count};
use super::{Attribute, Dimension, Graph, GraphFault, Node, Port, Tensor, Values};

/// `TensorProto.DataLocation.EXTERNAL`
const EXTERNAL: i32 = 1;

/// Reads every part of `model` that we know, with weights in `files`; [`super::check`] judges the whole.
///
/// With it come the faults of single parts. In place of a constant that cannot be read stands one that is
/// [`Values::Opaque`].
///
/// # Errors
/// [`GraphFault::NoGraph`]
pub(super) fn graph(
    model: pb::ModelProto,
    files: &mut Files,
) -> Result<(Graph, Vec<GraphFault>), GraphFault> {
    let graph = model.graph.ok_or(GraphFault::NoGraph)?;
    let mut faults = vec![];
    let of_onnx = |import: &&pb::OperatorSetIdProto| matches!(&import.domain[..], "" | "ai.onnx");
    let mut opsets = model.opset_import.iter().filter(of_onnx);
    let opset = opsets.next().map_or(0, |import| import.version);
    match (model.opset_import.iter().any(|import| of_onnx(&import)), opsets.next()) {
        (false, _) => faults.push(GraphFault::NoOpset),
        // programs differ in which of them they take
        (true, Some(_)) => {
            faults.push(GraphFault::Refused { what: "two versions of the operator set" });
        }
        (true, None) => {}
    }
    let mut tensors = BTreeMap::new();
    for initializer in &graph.initializer {
        let tensor = tensor(initializer, files).unwrap_or_else(|fault| {
            faults.push(fault);
            unread(initializer)
        });
        if tensors.insert(initializer.name.clone(), tensor).is_some() {
            faults.push(GraphFault::MadeTwice { value: initializer.name.clone() });
        }
    }
    let mut names = BTreeSet::new();
    let twice = graph.input.iter().filter(|port| !names.insert(&port.name));
    faults.extend(twice.map(|port| GraphFault::MadeTwice { value: port.name.clone() }));
    let inputs = graph.input.iter().filter(|port| !tensors.contains_key(&port.name));
    let inputs = inputs.map(|proto| port(proto, &mut faults)).collect();
    let mut nodes = Vec::with_capacity(graph.node.len());
    for proto in &graph.node {
        let node = node(proto, files, &mut faults);
        if let ("Constant", [output]) = (node.op.as_str(), &node.outputs[..]) {
            match constant(&node) {
                Ok(tensor) => {
                    if tensors.insert(output.clone(), tensor).is_some() {
                        faults.push(GraphFault::MadeTwice { value: output.clone() });
                    }
                }
                Err(fault) => faults.push(fault),
            }
        }
        nodes.push(node);
    }
    let graph = Graph {
        name: graph.name,
        inputs,
        outputs: graph.output.iter().map(|proto| port(proto, &mut faults)).collect(),
        nodes,
        tensors,
        metadata: model.metadata_props.into_iter().map(|pair| (pair.key, pair.value)).collect(),
        opset,
        ir_version: model.ir_version,
        producer: model.producer_name,
        producer_version: model.producer_version,
    };
    Ok((graph, faults))
}

fn node(proto: &pb::NodeProto, files: &mut Files, faults: &mut Vec<GraphFault>) -> Node {
    let name = match (proto.name.as_str(), proto.output.first()) {
        ("", Some(output)) => output.clone(),
        (name, _) => name.to_owned(),
    };
    // one of another domain is told from ours by its name, and refused if the scores need it
    let op = match proto.domain.as_str() {
        "" | "ai.onnx" => proto.op_type.clone(),
        domain => format!("{domain}.{}", proto.op_type),
    };
    let mut attributes = BTreeMap::new();
    for proto in &proto.attribute {
        // of two settings of one name the engine takes the first, and other programs the last
        let attribute = attribute(proto, files, faults);
        if attributes.insert(proto.name.clone(), attribute).is_some() {
            let (node, attribute) = (name.clone(), proto.name.clone());
            faults.push(GraphFault::Attribute { node, attribute });
        }
    }
    Node { name, op, inputs: given(&proto.input), outputs: given(&proto.output), attributes }
}

/// Names without those that are left out at the end.
fn given(names: &[String]) -> Vec<String> {
    let length = names.iter().rposition(|name| !name.is_empty()).map_or(0, |last| last + 1);
    names[..length].to_vec()
}

/// What a `Constant` makes, which one setting says.
fn constant(node: &Node) -> Result<Tensor, GraphFault> {
    let fault = |attribute: &str| {
        Err(GraphFault::Attribute { node: node.name.clone(), attribute: attribute.to_owned() })
    };
    let (Some((name, attribute)), 1) = (node.attributes.first_key_value(), node.attributes.len())
    else {
        return fault("value");
    };
    let (shape, values) = match (name.as_str(), attribute) {
        ("value", Attribute::Tensor(tensor)) => return Ok(tensor.clone()),
        ("value_int", Attribute::Int(value)) => (vec![], Values::I64(vec![*value])),
        ("value_ints", Attribute::Ints(values)) => {
            (vec![values.len()], Values::I64(values.clone()))
        }
        ("value_float", Attribute::Float(value)) => (vec![], Values::F32(vec![*value])),
        ("value_floats", Attribute::Floats(values)) => {
            (vec![values.len()], Values::F32(values.clone()))
        }
        _ => return fault(name),
    };
    match &values {
        Values::F32(numbers) if !are_usable(numbers) => fault(name),
        _ => Ok(Tensor { shape, values }),
    }
}

/// Whether numbers are finite; a bound that is open may be infinite, by itself.
fn are_usable(numbers: &[f32]) -> bool {
    match numbers {
        [number] => !number.is_nan(),
        numbers => numbers.iter().all(|number| number.is_finite()),
    }
}

fn attribute(
    proto: &pb::AttributeProto,
    files: &mut Files,
    faults: &mut Vec<GraphFault>,
) -> Attribute {
    match AttributeType::try_from(proto.r#type) {
        Ok(AttributeType::Int) => Attribute::Int(proto.i),
        Ok(AttributeType::Ints) => Attribute::Ints(proto.ints.clone()),
        Ok(AttributeType::Float) => Attribute::Float(proto.f),
        Ok(AttributeType::Floats) => Attribute::Floats(proto.floats.clone()),
        Ok(AttributeType::String) => {
            Attribute::Text(String::from_utf8_lossy(&proto.s).into_owned())
        }
        Ok(AttributeType::Tensor) => match &proto.t {
            Some(proto) => Attribute::Tensor(tensor(proto, files).unwrap_or_else(|fault| {
                faults.push(fault);
                unread(proto)
            })),
            None => Attribute::Other,
        },
        _ => Attribute::Other,
    }
}

/// What stands for a constant that cannot be read.
fn unread(proto: &pb::TensorProto) -> Tensor {
    let lengths = proto.dims.iter().take(MAX_AXES).map(|&length| usize::try_from(length));
    let shape: Vec<usize> = lengths.collect::<Result<_, _>>().unwrap_or_default();
    let (shape, length) = count(&shape).map_or((vec![], 0), |length| (shape, length));
    let element = DataType::try_from(proto.data_type).unwrap_or(DataType::Undefined);
    Tensor {
        shape,
        values: Values::Opaque { element: element.as_str_name().to_lowercase(), length },
    }
}

fn tensor(proto: &pb::TensorProto, files: &mut Files) -> Result<Tensor, GraphFault> {
    let fault = |fault| GraphFault::Tensor { name: proto.name.clone(), fault };
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
    let count = shape.iter().try_fold(1_usize, |product, &length| product.checked_mul(length));
    let count = count.ok_or_else(|| fault("its shape overflows"))?;
    let element = DataType::try_from(proto.data_type).unwrap_or(DataType::Undefined);
    // a file may leave out where its data lie, but not lay them in two places
    let is_inside = !proto.raw_data.is_empty() || !proto.float_data.is_empty();
    let outside =
        proto.data_location == Some(EXTERNAL) || !proto.external_data.is_empty() && !is_inside;
    let raw = if outside {
        let in_file = |fault| GraphFault::External { tensor: proto.name.clone(), fault };
        files
            .read(&proto.external_data, bytes_of(element).saturating_mul(count as u64))
            .map_err(in_file)?
    } else {
        &proto.raw_data[..]
    };
    let inline = raw.is_empty() && !outside;
    let halves = || narrow(&proto.int32_data).map(|bits: Vec<u16>| bits);
    let values = match element {
        DataType::Float if inline => Some(Values::F32(proto.float_data.clone())),
        DataType::Float => numbers(raw, f32::from_le_bytes).map(Values::F32),
        DataType::Double if inline => Some(Values::F32(single(&proto.double_data))),
        DataType::Double => {
            numbers(raw, f64::from_le_bytes).map(|values| Values::F32(single(&values)))
        }
        DataType::Float16 if inline => {
            halves().map(|bits| Values::F32(widened(&bits, f32_of_half)))
        }
        DataType::Float16 => {
            numbers(raw, u16::from_le_bytes).map(|bits| Values::F32(widened(&bits, f32_of_half)))
        }
        DataType::Bfloat16 if inline => {
            halves().map(|bits| Values::F32(widened(&bits, f32_of_bfloat)))
        }
        DataType::Bfloat16 => {
            numbers(raw, u16::from_le_bytes).map(|bits| Values::F32(widened(&bits, f32_of_bfloat)))
        }
        DataType::Int64 if inline => Some(Values::I64(proto.int64_data.clone())),
        DataType::Int64 => numbers(raw, i64::from_le_bytes).map(Values::I64),
        DataType::Int8 if inline => narrow(&proto.int32_data).map(Values::I8),
        DataType::Int8 => numbers(raw, i8::from_le_bytes).map(Values::I8),
        DataType::Uint8 if inline => narrow(&proto.int32_data).map(Values::U8),
        DataType::Uint8 => numbers(raw, u8::from_le_bytes).map(Values::U8),
        DataType::Int32 if inline => Some(Values::I32(proto.int32_data.clone())),
        DataType::Int32 => numbers(raw, i32::from_le_bytes).map(Values::I32),
        DataType::Bool => {
            let bytes = if inline { narrow(&proto.int32_data) } else { Some(raw.to_vec()) };
            bytes.map(|bytes: Vec<u8>| Values::Bool(bytes.iter().map(|&byte| byte != 0).collect()))
        }
        other => {
            let element = other.as_str_name().to_lowercase();
            Some(Values::Opaque { element, length: count })
        }
    };
    match values {
        Some(Values::F32(values)) if !are_usable(&values) => Err(fault("it holds NaN or infinity")),
        Some(values) if values.len() == count => Ok(Tensor { shape, values }),
        _ => Err(fault("its data is not as long as its shape says")),
    }
}

/// Bytes of an element in a file.
fn bytes_of(element: DataType) -> u64 {
    match element {
        DataType::Double | DataType::Int64 => 8,
        DataType::Float | DataType::Int32 => 4,
        DataType::Float16 | DataType::Bfloat16 => 2,
        _ => 1,
    }
}

/// Numbers that are too large become infinite, which is refused.
fn single(values: &[f64]) -> Vec<f32> {
    values.iter().map(|&value| value as f32).collect()
}

fn widened(bits: &[u16], number: impl Fn(u16) -> f32) -> Vec<f32> {
    bits.iter().map(|&bits| number(bits)).collect()
}

/// Of IEEE 754 binary16: a sign, 5 bits of exponent with a bias of 15, 10 bits of fraction.
fn f32_of_half(bits: u16) -> f32 {
    let sign = if bits >> 15 == 1 { -1.0 } else { 1.0 };
    let (exponent, fraction) = (i32::from(bits >> 10 & 31), f32::from(bits & 1023));
    match exponent {
        0 => sign * fraction * 2_f32.powi(-24),
        31 if fraction == 0.0 => sign * f32::INFINITY,
        31 => f32::NAN,
        _ => sign * (1024.0 + fraction) * 2_f32.powi(exponent - 25),
    }
}

/// The upper half of a `float32`.
fn f32_of_bfloat(bits: u16) -> f32 {
    f32::from_bits(u32::from(bits) << 16)
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

fn port(proto: &pb::ValueInfoProto, faults: &mut Vec<GraphFault>) -> Port {
    let kind = proto.r#type.as_ref().and_then(|kind| kind.value.as_ref());
    let Some(type_proto::Value::TensorType(tensor)) = kind else {
        let element = Port::UNDECLARED.to_owned();
        return Port { name: proto.name.clone(), element, shape: vec![] };
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
            Dimension::Fixed(*length as usize)
        }
        // the second is how some exporters write a free length
        None | Some(dimension::Value::DimValue(-1)) => Dimension::Symbol(String::new()),
        Some(dimension::Value::DimValue(length)) => {
            faults.push(GraphFault::Length { port: proto.name.clone(), length: *length });
            Dimension::Fixed(0)
        }
        Some(dimension::Value::DimParam(name)) => Dimension::Symbol(name.clone()),
    });
    Port { name: proto.name.clone(), element, shape: shape.collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_precision_is_widened_exactly() {
        for (bits, value) in [
            (0x3c00, 1.0),
            (0xc000, -2.0),
            (0x7bff, 65504.0),
            (0x0001, 2_f32.powi(-24)),
            (0x03ff, 1023.0 * 2_f32.powi(-24)),
            (0x0400, 2_f32.powi(-14)),
            (0x3555, 0.333_251_95),
            (0x7c00, f32::INFINITY),
        ] {
            assert_eq!(f32_of_half(bits).to_bits(), value.to_bits(), "{bits:x}");
        }
        assert!(f32_of_half(0x7e00).is_nan());
        assert_eq!(f32_of_bfloat(0xbf80).to_bits(), (-1.0_f32).to_bits());
    }
}
