//! Changes of a model that leave it an ONNX file, so that the fuzzer reaches what lies behind the decoder.

use prost::Message;
use tract_onnx::pb::attribute_proto::AttributeType;
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::tensor_shape_proto::{Dimension, dimension};
use tract_onnx::pb::{
    AttributeProto, GraphProto, ModelProto, NodeProto, StringStringEntryProto, TensorProto,
    ValueInfoProto, type_proto,
};

const OPERATORS: &[&str] = &[
    "Add",
    "AveragePool",
    "BatchNormalization",
    "Cast",
    "Clip",
    "Concat",
    "Constant",
    "Conv",
    "Div",
    "Dropout",
    "Elu",
    "Flatten",
    "Gemm",
    "GlobalAveragePool",
    "GlobalMaxPool",
    "HardSigmoid",
    "HardSwish",
    "Identity",
    "If",
    "LeakyRelu",
    "LogSoftmax",
    "MatMul",
    "MaxPool",
    "Mul",
    "PRelu",
    "Relu",
    "Reshape",
    "Selu",
    "Sigmoid",
    "Softmax",
    "Sub",
    "Tanh",
    "Transpose",
];
const ATTRIBUTES: &[&str] = &[
    "allowzero",
    "alpha",
    "auto_pad",
    "axis",
    "beta",
    "ceil_mode",
    "count_include_pad",
    "dilations",
    "epsilon",
    "group",
    "kernel_shape",
    "max",
    "min",
    "momentum",
    "pads",
    "perm",
    "spatial",
    "storage_order",
    "strides",
    "to",
    "training_mode",
    "transA",
    "transB",
    "value",
    "value_float",
    "value_floats",
    "value_int",
    "value_ints",
];
const TEXTS: &[&str] = &["NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER", ""];
const INTEGERS: &[i64] = &[
    -2,
    -1,
    0,
    1,
    2,
    3,
    4,
    5,
    7,
    8,
    10,
    13,
    28,
    64,
    784,
    1 << 16,
    1 << 31,
    1 << 32,
    i64::MIN,
    i64::MAX,
];
const REALS: &[f32] =
    &[0.0, -0.0, 1.0, -1.0, 0.5, 1e-40, 1e10, f32::MAX, f32::MIN, f32::INFINITY, f32::NAN];
/// Maximum elements of a constant that gets the bytes which its shape asks for.
const MAX_ELEMENTS: i64 = 4096;

/// The model with one to three parts changed; equal seeds change it equally.
pub fn model(bytes: &[u8], seed: u64) -> Option<Vec<u8>> {
    let mut model = ModelProto::decode(bytes).ok()?;
    let mut rng = Rng(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    for _ in 0..=rng.below(3) {
        change(&mut model, &mut rng);
    }
    Some(model.encode_to_vec())
}

/// Marsaglia's xorshift, which needs no crate.
struct Rng(u64);

impl Rng {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        ((self.0 >> 32) as usize) % end.max(1)
    }

    fn choose<T: Copy>(&mut self, items: &[T]) -> T {
        items[self.below(items.len())]
    }

    fn integers(&mut self) -> Vec<i64> {
        (0..self.below(5)).map(|_| self.choose(INTEGERS)).collect()
    }
}

fn change(model: &mut ModelProto, rng: &mut Rng) {
    let Some(graph) = &mut model.graph else { return };
    let name = value(graph, rng);
    let (nodes, constants) = (graph.node.len(), graph.initializer.len());
    let at = rng.below(nodes);
    match rng.below(16) {
        0 => {
            for opset in &mut model.opset_import {
                opset.version = 6 + rng.below(20) as i64;
            }
        }
        1 => {
            let value = ["a,b", "0,1,2,3,4,5,6,7,8,9", "", ",,,"][rng.below(4)].into();
            model.metadata_props.push(StringStringEntryProto { key: "classes".into(), value });
        }
        2 => graph.output.iter_mut().for_each(|output| output.name.clone_from(&name)),
        3 => graph.input.iter_mut().for_each(|port| port_of(port, rng)),
        4 => insert(graph, at, rng),
        5 if nodes > 0 => remove(graph, at),
        6 if nodes > 0 => {
            let other = rng.below(nodes);
            graph.node.swap(at, other);
        }
        7 => graph.initializer.push(constant(format!("c{}", rng.below(99)), rng)),
        8 | 9 if constants > 0 => tensor(&mut graph.initializer[rng.below(constants)], rng),
        _ if nodes > 0 => node(&mut graph.node[at], name, rng),
        _ => insert(graph, 0, rng),
    }
}

/// Name of a value that exists.
fn value(graph: &GraphProto, rng: &mut Rng) -> String {
    let inputs = graph.input.iter().map(|port| &port.name);
    let constants = graph.initializer.iter().map(|tensor| &tensor.name);
    let made = graph.node.iter().flat_map(|node| &node.output);
    let names: Vec<&String> = inputs.chain(constants).chain(made).collect();
    if names.is_empty() { String::new() } else { names[rng.below(names.len())].clone() }
}

/// Inserts a node after the one at `at`, between it and all that read it.
fn insert(graph: &mut GraphProto, at: usize, rng: &mut Rng) {
    let Some(before) = graph.node.get(at).and_then(|node| node.output.first()).cloned() else {
        return;
    };
    let output = format!("v{}", rng.below(1 << 20));
    for input in graph.node.iter_mut().flat_map(|node| &mut node.input) {
        if *input == before {
            input.clone_from(&output);
        }
    }
    for port in graph.output.iter_mut().filter(|port| port.name == before) {
        port.name.clone_from(&output);
    }
    let more = (0..rng.below(3)).map(|_| value(graph, rng)).collect::<Vec<_>>();
    let node = NodeProto {
        op_type: rng.choose(OPERATORS).into(),
        input: [before].into_iter().chain(more).collect(),
        output: vec![output],
        attribute: (0..rng.below(3)).map(|_| attribute(rng)).collect(),
        ..NodeProto::default()
    };
    graph.node.insert(at + 1, node);
}

/// Removes a node; those that read its output read its first input instead.
fn remove(graph: &mut GraphProto, at: usize) {
    let node = graph.node.remove(at);
    let (Some(input), Some(output)) = (node.input.first(), node.output.first()) else { return };
    for name in graph.node.iter_mut().flat_map(|node| &mut node.input) {
        if name == output {
            name.clone_from(input);
        }
    }
    for port in graph.output.iter_mut().filter(|port| port.name == *output) {
        port.name.clone_from(input);
    }
}

fn node(node: &mut NodeProto, name: String, rng: &mut Rng) {
    let (inputs, attributes) = (node.input.len(), node.attribute.len());
    match rng.below(8) {
        0 => node.op_type = rng.choose(OPERATORS).into(),
        1 if inputs > 0 => node.input[rng.below(inputs)] = name,
        2 => node.input.push(name),
        3 => drop(node.input.pop()),
        4 if attributes > 0 => drop(node.attribute.remove(rng.below(attributes))),
        5 if attributes > 0 => {
            let old = &mut node.attribute[rng.below(attributes)];
            if let Some(tensor_of) = &mut old.t {
                tensor(tensor_of, rng);
            } else {
                let name = std::mem::take(&mut old.name);
                *old = AttributeProto { name, ..attribute(rng) };
            }
        }
        6 if attributes > 0 => {
            let old = &mut node.attribute[rng.below(attributes)];
            old.i = rng.choose(INTEGERS);
            let count = old.ints.len();
            if count > 0 {
                old.ints[rng.below(count)] = rng.choose(INTEGERS);
            }
        }
        _ => node.attribute.push(attribute(rng)),
    }
}

fn attribute(rng: &mut Rng) -> AttributeProto {
    let mut attribute =
        AttributeProto { name: rng.choose(ATTRIBUTES).into(), ..AttributeProto::default() };
    let kind = match rng.below(6) {
        0 => AttributeType::Float,
        1 => AttributeType::Floats,
        2 => AttributeType::String,
        3 => AttributeType::Tensor,
        4 => AttributeType::Ints,
        _ => AttributeType::Int,
    };
    attribute.r#type = kind.into();
    attribute.f = rng.choose(REALS);
    attribute.floats = vec![rng.choose(REALS), rng.choose(REALS)];
    attribute.s = rng.choose(TEXTS).into();
    attribute.i = rng.choose(INTEGERS);
    attribute.ints = rng.integers();
    attribute.t = (kind == AttributeType::Tensor).then(|| constant(String::new(), rng));
    attribute
}

fn constant(name: String, rng: &mut Rng) -> TensorProto {
    let mut constant =
        TensorProto { name, data_type: rng.choose(&[1, 1, 7, 7, 11]), ..TensorProto::default() };
    constant.dims = rng.integers();
    fill(&mut constant, rng);
    constant
}

/// Gives it the bytes that its shape asks for.
fn fill(tensor: &mut TensorProto, rng: &mut Rng) {
    let count = tensor.dims.iter().try_fold(1_i64, |product, &length| product.checked_mul(length));
    let Some(count @ 0..=MAX_ELEMENTS) = count else { return };
    let count = count as usize;
    tensor.raw_data.clear();
    let number = rng.choose(INTEGERS);
    let real = [rng.choose(REALS), 0.01, 0.1][rng.below(3)];
    match DataType::try_from(tensor.data_type) {
        Ok(DataType::Int64) => tensor.int64_data = vec![number; count],
        _ => tensor.float_data = vec![real; count],
    }
}

fn tensor(tensor: &mut TensorProto, rng: &mut Rng) {
    let (axes, numbers, bytes) =
        (tensor.dims.len(), tensor.int64_data.len(), tensor.raw_data.len());
    match rng.below(7) {
        0 if axes > 0 => {
            tensor.dims[rng.below(axes)] = rng.choose(INTEGERS);
            fill(tensor, rng);
        }
        1 if axes > 0 => tensor.dims.rotate_left(1),
        2 => tensor.dims.push(1),
        3 if numbers > 0 => tensor.int64_data[rng.below(numbers)] = rng.choose(INTEGERS),
        4 if bytes >= 8 => {
            let place = rng.below(bytes / 4) * 4;
            tensor.raw_data[place..place + 4].copy_from_slice(&rng.choose(REALS).to_le_bytes());
        }
        5 if bytes >= 8 => {
            let place = rng.below(bytes / 8) * 8;
            tensor.raw_data[place..place + 8].copy_from_slice(&rng.choose(INTEGERS).to_le_bytes());
        }
        _ => *tensor = constant(std::mem::take(&mut tensor.name), rng),
    }
}

fn port_of(port: &mut ValueInfoProto, rng: &mut Rng) {
    let kind = port.r#type.as_mut().and_then(|kind| kind.value.as_mut());
    let Some(type_proto::Value::TensorType(tensor)) = kind else { return };
    let Some(shape) = &mut tensor.shape else { return };
    let axes = shape.dim.len();
    match rng.below(4) {
        0 => tensor.elem_type = [1, 2, 7, 10][rng.below(4)],
        1 => drop(shape.dim.pop()),
        2 => shape.dim.push(Dimension::default()),
        _ if axes > 0 => {
            let value = match rng.below(2) {
                0 => dimension::Value::DimValue(rng.choose(INTEGERS)),
                _ => dimension::Value::DimParam(["N", "2*N", "N/0", "((", ""][rng.below(5)].into()),
            };
            shape.dim[rng.below(axes)].value = Some(value);
        }
        _ => (),
    }
}
