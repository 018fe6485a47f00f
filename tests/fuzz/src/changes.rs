//! Changes of a model that leave it an ONNX file, so that more is tried than its decoder.

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
const SETTINGS: &[&str] = &[
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
const WORDS: &[&str] = &["NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER", ""];
const NUMBERS: &[i64] = &[
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
/// Longest constant that is made to have the bytes which its shape asks for.
const ELEMENTS: i64 = 4096;

/// The model with a part or a few changed; equal seeds change it equally.
pub fn model(bytes: &[u8], seed: u64) -> Option<Vec<u8>> {
    let mut model = ModelProto::decode(bytes).ok()?;
    let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    for _ in 0..=dice.below(3) {
        change(&mut model, &mut dice);
    }
    Some(model.encode_to_vec())
}

/// Marsaglia's xorshift, which needs no crate.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        ((self.0 >> 32) as usize) % end.max(1)
    }

    fn of<T: Copy>(&mut self, items: &[T]) -> T {
        items[self.below(items.len())]
    }

    fn numbers(&mut self) -> Vec<i64> {
        (0..self.below(5)).map(|_| self.of(NUMBERS)).collect()
    }
}

fn change(model: &mut ModelProto, dice: &mut Dice) {
    let Some(graph) = &mut model.graph else { return };
    let name = value(graph, dice);
    let (nodes, constants) = (graph.node.len(), graph.initializer.len());
    let at = dice.below(nodes);
    match dice.below(16) {
        0 => model
            .opset_import
            .iter_mut()
            .for_each(|opset| opset.version = 6 + dice.below(20) as i64),
        1 => {
            let value = ["a,b", "0,1,2,3,4,5,6,7,8,9", "", ",,,"][dice.below(4)].into();
            model.metadata_props.push(StringStringEntryProto { key: "classes".into(), value });
        }
        2 => graph.output.iter_mut().for_each(|output| output.name.clone_from(&name)),
        3 => graph.input.iter_mut().for_each(|port| port_of(port, dice)),
        4 => insert(graph, at, dice),
        5 if nodes > 0 => remove(graph, at),
        6 if nodes > 0 => {
            let other = dice.below(nodes);
            graph.node.swap(at, other);
        }
        7 => graph.initializer.push(constant(format!("c{}", dice.below(99)), dice)),
        8 | 9 if constants > 0 => tensor(&mut graph.initializer[dice.below(constants)], dice),
        _ if nodes > 0 => node(&mut graph.node[at], name, dice),
        _ => insert(graph, 0, dice),
    }
}

/// Name of one that is there.
fn value(graph: &GraphProto, dice: &mut Dice) -> String {
    let inputs = graph.input.iter().map(|port| &port.name);
    let constants = graph.initializer.iter().map(|tensor| &tensor.name);
    let made = graph.node.iter().flat_map(|node| &node.output);
    let names: Vec<&String> = inputs.chain(constants).chain(made).collect();
    if names.is_empty() { String::new() } else { names[dice.below(names.len())].clone() }
}

/// A new node after the one at `at`, read by all that read it.
fn insert(graph: &mut GraphProto, at: usize, dice: &mut Dice) {
    let Some(before) = graph.node.get(at).and_then(|node| node.output.first()).cloned() else {
        return;
    };
    let output = format!("v{}", dice.below(1 << 20));
    for input in graph.node.iter_mut().flat_map(|node| &mut node.input) {
        if *input == before {
            input.clone_from(&output);
        }
    }
    for port in graph.output.iter_mut().filter(|port| port.name == before) {
        port.name.clone_from(&output);
    }
    let more = (0..dice.below(3)).map(|_| value(graph, dice)).collect::<Vec<_>>();
    let node = NodeProto {
        op_type: dice.of(OPERATORS).into(),
        input: [before].into_iter().chain(more).collect(),
        output: vec![output],
        attribute: (0..dice.below(3)).map(|_| setting(dice)).collect(),
        ..NodeProto::default()
    };
    graph.node.insert(at + 1, node);
}

/// Whoever read what it made reads what it read.
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

fn node(node: &mut NodeProto, name: String, dice: &mut Dice) {
    let (inputs, settings) = (node.input.len(), node.attribute.len());
    match dice.below(8) {
        0 => node.op_type = dice.of(OPERATORS).into(),
        1 if inputs > 0 => node.input[dice.below(inputs)] = name,
        2 => node.input.push(name),
        3 => drop(node.input.pop()),
        4 if settings > 0 => drop(node.attribute.remove(dice.below(settings))),
        5 if settings > 0 => {
            let old = &mut node.attribute[dice.below(settings)];
            if let Some(tensor_of) = &mut old.t {
                tensor(tensor_of, dice);
            } else {
                let name = std::mem::take(&mut old.name);
                *old = AttributeProto { name, ..setting(dice) };
            }
        }
        6 if settings > 0 => {
            let old = &mut node.attribute[dice.below(settings)];
            old.i = dice.of(NUMBERS);
            let count = old.ints.len();
            if count > 0 {
                old.ints[dice.below(count)] = dice.of(NUMBERS);
            }
        }
        _ => node.attribute.push(setting(dice)),
    }
}

fn setting(dice: &mut Dice) -> AttributeProto {
    let mut setting =
        AttributeProto { name: dice.of(SETTINGS).into(), ..AttributeProto::default() };
    let kind = match dice.below(6) {
        0 => AttributeType::Float,
        1 => AttributeType::Floats,
        2 => AttributeType::String,
        3 => AttributeType::Tensor,
        4 => AttributeType::Ints,
        _ => AttributeType::Int,
    };
    setting.r#type = kind.into();
    setting.f = dice.of(REALS);
    setting.floats = vec![dice.of(REALS), dice.of(REALS)];
    setting.s = dice.of(WORDS).into();
    setting.i = dice.of(NUMBERS);
    setting.ints = dice.numbers();
    setting.t = (kind == AttributeType::Tensor).then(|| constant(String::new(), dice));
    setting
}

fn constant(name: String, dice: &mut Dice) -> TensorProto {
    let mut constant =
        TensorProto { name, data_type: dice.of(&[1, 1, 7, 7, 11]), ..TensorProto::default() };
    constant.dims = dice.numbers();
    fill(&mut constant, dice);
    constant
}

/// Gives it the bytes that its shape asks for.
fn fill(tensor: &mut TensorProto, dice: &mut Dice) {
    let count = tensor.dims.iter().try_fold(1_i64, |product, &length| product.checked_mul(length));
    let Some(count @ 0..=ELEMENTS) = count else { return };
    let count = count as usize;
    tensor.raw_data.clear();
    let number = dice.of(NUMBERS);
    let real = [dice.of(REALS), 0.01, 0.1][dice.below(3)];
    match DataType::try_from(tensor.data_type) {
        Ok(DataType::Int64) => tensor.int64_data = vec![number; count],
        _ => tensor.float_data = vec![real; count],
    }
}

fn tensor(tensor: &mut TensorProto, dice: &mut Dice) {
    let (axes, numbers, bytes) =
        (tensor.dims.len(), tensor.int64_data.len(), tensor.raw_data.len());
    match dice.below(7) {
        0 if axes > 0 => {
            tensor.dims[dice.below(axes)] = dice.of(NUMBERS);
            fill(tensor, dice);
        }
        1 if axes > 0 => tensor.dims.rotate_left(1),
        2 => tensor.dims.push(1),
        3 if numbers > 0 => tensor.int64_data[dice.below(numbers)] = dice.of(NUMBERS),
        4 if bytes >= 8 => {
            let place = dice.below(bytes / 4) * 4;
            tensor.raw_data[place..place + 4].copy_from_slice(&dice.of(REALS).to_le_bytes());
        }
        5 if bytes >= 8 => {
            let place = dice.below(bytes / 8) * 8;
            tensor.raw_data[place..place + 8].copy_from_slice(&dice.of(NUMBERS).to_le_bytes());
        }
        _ => *tensor = constant(std::mem::take(&mut tensor.name), dice),
    }
}

fn port_of(port: &mut ValueInfoProto, dice: &mut Dice) {
    let kind = port.r#type.as_mut().and_then(|kind| kind.value.as_mut());
    let Some(type_proto::Value::TensorType(tensor)) = kind else { return };
    let Some(shape) = &mut tensor.shape else { return };
    let axes = shape.dim.len();
    match dice.below(4) {
        0 => tensor.elem_type = [1, 2, 7, 10][dice.below(4)],
        1 => drop(shape.dim.pop()),
        2 => shape.dim.push(Dimension::default()),
        _ if axes > 0 => {
            let value = match dice.below(2) {
                0 => dimension::Value::DimValue(dice.of(NUMBERS)),
                _ => {
                    dimension::Value::DimParam(["N", "2*N", "N/0", "((", ""][dice.below(5)].into())
                }
            };
            shape.dim[dice.below(axes)].value = Some(value);
        }
        _ => (),
    }
}
