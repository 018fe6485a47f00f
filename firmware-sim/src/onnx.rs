//! A `.q8` model as an int8 ONNX file, for other engines: the same whole numbers inside.
//!
//! QDQ, the form that every engine takes: a `QuantizeLinear` and a `DequantizeLinear` wherever a value is 8 bits wide
//! on the device, and float operators between them, which an engine for int8 replaces by its own. The scales are ours,
//! rounded to the `f32` that ONNX has for them. Max-pooling comes after quantisation, with which it commutes.
//!
//! What is not ours is the rounding: ONNX takes a half to the even neighbour, we take it up; an engine may sum in
//! `f32`, where a sum near a half may fall on its other side; and it adds two values by their scales, where the device
//! has factors of 15 bits. Either way a value differs by one quantum.
//! Source: <https://github.com/onnx/onnx/blob/main/docs/Operators.md#quantizelinear>, opset 13.

use std::collections::BTreeMap;

use firmware::Model;
use network::onnx::{Attribute, Graph, Node, Port, Tensor, Values};
use network::{Conv, Kind, POOL, Padding, Pool, PoolMode};

use super::int8::{Encoding, Int8Layer, Int8Network, real};
use super::sha256;

/// Name of the graph's input.
const INPUT: &str = "image";
/// Name of the graph's output.
const OUTPUT: &str = "logits";
/// The metadata's key for the hash of the file without it.
const HASH: &str = "sha256_without_this";

/// Tensors of the graph that hold what the layers hand on, in order: `uint8`, but for the logits.
#[must_use]
pub fn activations(model: Model<'_>) -> Vec<String> {
    let network = Int8Network::of(model);
    (1..=network.layers.len()).map(|number| value(&network, number)).collect()
}

/// The file's bytes: a pure function of the model, which [`quantize`](super::quantize::quantize) made.
#[must_use]
pub fn emit(model: Model<'_>) -> Vec<u8> {
    let network = Int8Network::of(model);
    let mut writer = Writer { network: &network, nodes: vec![], tensors: BTreeMap::new() };
    let is_pixels = network.input == Encoding::PIXEL;
    let input = if is_pixels {
        INPUT.to_owned()
    } else {
        let name = format!("{INPUT}.units");
        writer.scale(&name, network.input);
        writer.quantize(INPUT, &name, &name);
        name
    };
    if is_pixels {
        writer.scale(&input, network.input);
    }
    writer.dequantize(&input, &real_name(INPUT));
    for number in 1..=network.layers.len() {
        writer.layer(number);
    }
    let header = model.header();
    let [channels, height, width] = network.shape;
    let element = if is_pixels { "uint8" } else { "float32" };
    let last = network.layers.last().map_or(0, |last| last.layer.output().iter().product());
    let graph = Graph {
        name: "int8".into(),
        producer: env!("CARGO_PKG_NAME").into(),
        producer_version: env!("CARGO_PKG_VERSION").into(),
        opset: Graph::OPSET,
        ir_version: Graph::IR_VERSION,
        inputs: vec![Port::of_batches(INPUT, element, &[channels, height, width])],
        outputs: vec![Port::of_batches(OUTPUT, "float32", &[last])],
        nodes: writer.nodes,
        tensors: writer.tensors,
        metadata: [
            ("float_model_sha256", base16ct::lower::encode_string(&header.identity)),
            ("calibration_images", header.calibration_images.get().to_string()),
        ]
        .map(|(key, value)| (key.into(), value))
        .into(),
    };
    sealed(graph)
}

/// Whether `bytes` are a file that [`emit`] gave, in which nothing was changed since.
#[must_use]
pub fn is_emitted(bytes: &[u8]) -> bool {
    let Ok(mut graph) = Graph::parse(bytes) else { return false };
    graph.metadata.remove(HASH).is_some() && sealed(graph) == bytes
}

/// The file with its own hash in it.
fn sealed(mut graph: Graph) -> Vec<u8> {
    let hash = sha256(&graph.emit());
    graph.metadata.insert(HASH.into(), hash);
    graph.emit()
}

/// What value `number` is called: 0 is the input.
fn value(network: &Int8Network, number: usize) -> String {
    match number.checked_sub(1) {
        None => INPUT.into(),
        Some(layer) if layer + 1 == network.layers.len() => OUTPUT.into(),
        Some(layer) => network.layers[layer].layer.name().to_owned(),
    }
}

/// What its real numbers are called.
fn real_name(value: &str) -> String {
    format!("{value}.real")
}

/// Rows above and columns left, then below and right.
fn pads(padding: Padding) -> Attribute {
    let Padding { top, left, bottom, right } = padding;
    ints(&[top, left, bottom, right])
}

fn ints(numbers: &[usize]) -> Attribute {
    Attribute::Ints(numbers.iter().map(|&number| number as i64).collect())
}

struct Writer<'a> {
    network: &'a Int8Network,
    nodes: Vec<Node>,
    tensors: BTreeMap<String, Tensor>,
}

impl Writer<'_> {
    /// From what layer `number`, counted from 1, takes to what it hands on, both as real numbers.
    fn layer(&mut self, number: usize) {
        let network = self.network;
        let int8 = &network.layers[number - 1];
        let layer = &int8.layer;
        let output = value(network, number);
        let sources: Vec<String> = layer.sources().map(|source| value(network, source)).collect();
        let is_last = number == network.layers.len();
        if let Kind::Pool(pool @ Pool { mode: PoolMode::Max, .. }) = layer.kind() {
            let source = if layer.source() == 0 && network.input != Encoding::PIXEL {
                format!("{INPUT}.units")
            } else {
                sources[0].clone()
            };
            self.scale(&output, int8.output);
            self.node("MaxPool", &[&source], &output, &window(pool));
            self.dequantize(&output, &real_name(&output));
            return;
        }
        let inputs: Vec<String> = sources.iter().map(|source| real_name(source)).collect();
        let sums = format!("{output}.sums");
        self.sums(int8, &inputs, &sums);
        if is_last {
            self.node("Flatten", &[&sums], OUTPUT, &[("axis", Attribute::Int(1))]);
            return;
        }
        self.scale(&output, int8.output);
        // what is below 0 becomes 0 by the rounding to a byte, where that is the smallest
        if layer.kind().pool() {
            let unpooled = format!("{output}.unpooled");
            self.quantize(&sums, &output, &unpooled);
            let pool = Pool::new(PoolMode::Max, [POOL; 2]);
            self.node("MaxPool", &[&unpooled], &output, &window(pool));
        } else {
            self.quantize(&sums, &output, &output);
        }
        self.dequantize(&output, &real_name(&output));
    }

    /// What a layer computes, as real numbers.
    fn sums(&mut self, int8: &Int8Layer, inputs: &[String], sums: &str) {
        let layer = &int8.layer;
        let name = layer.name();
        let [weights, biases] = ["weight", "bias"].map(|kind| format!("{name}.{kind}.real"));
        match layer.kind() {
            Kind::Conv(conv) => {
                self.parameters(int8);
                let Conv { kernel, stride, padding, groups, .. } = conv;
                let attributes = [
                    ("kernel_shape", ints(&kernel)),
                    ("strides", ints(&stride)),
                    ("pads", pads(padding)),
                    ("group", Attribute::Int(groups as i64)),
                ];
                self.node("Conv", &[&inputs[0], &weights, &biases], sums, &attributes);
            }
            Kind::Dense { .. } => {
                self.parameters(int8);
                let flat = format!("{name}.flat");
                self.node("Flatten", &[&inputs[0]], &flat, &[("axis", Attribute::Int(1))]);
                let transposed = [("transB", Attribute::Int(1))];
                let [_, height, width] = layer.output();
                debug_assert_eq!([height, width], [1; 2]);
                self.node("Gemm", &[&flat, &weights, &biases], sums, &transposed);
            }
            Kind::Pool(pool) => {
                let mut attributes = window(pool).to_vec();
                attributes.push(("count_include_pad", Attribute::Int(1)));
                self.node("AveragePool", &[&inputs[0]], sums, &attributes);
            }
            Kind::Add { .. } => self.node("Add", &[&inputs[0], &inputs[1]], sums, &[]),
        }
    }

    /// Weights as `int8` and biases as `int32`, with a scale for each output.
    fn parameters(&mut self, int8: &Int8Layer) {
        let layer = &int8.layer;
        let name = layer.name();
        let input_scale = f64::from(self.network.encoding(layer.source()).scale);
        let output_scale = f64::from(int8.output.scale);
        // of an accumulator; the multiplier is its ratio to the output's scale
        let scales: Vec<f64> =
            int8.channels.iter().map(|channel| real(channel.multiplier()) * output_scale).collect();
        let outputs = int8.channels.len();
        let shape = layer.weights();
        let weights = int8.affine.weights.iter().map(|&weight| weight as i8).collect();
        let biases = int8.affine.bias.iter().map(|&bias| bias as i32).collect();
        let parameters = [
            ("weight", shape, Values::I8(weights), Values::I8(vec![0; outputs]), input_scale),
            ("bias", vec![outputs], Values::I32(biases), Values::I32(vec![0; outputs]), 1.0),
        ];
        for (kind, shape, elements, zero, divisor) in parameters {
            let values = format!("{name}.{kind}");
            let [scale, zeros, real] =
                ["scale", "zero", "real"].map(|part| format!("{values}.{part}"));
            let scales = scales.iter().map(|scale| (scale / divisor) as f32).collect();
            for (name, shape, elements) in [
                (&values, shape, elements),
                (&scale, vec![outputs], Values::F32(scales)),
                (&zeros, vec![outputs], zero),
            ] {
                self.tensors.insert(name.clone(), Tensor::new(&shape, elements));
            }
            let axis = [("axis", Attribute::Int(0))];
            self.node("DequantizeLinear", &[&values, &scale, &zeros], &real, &axis);
        }
    }

    /// The scale and zero of a value.
    fn scale(&mut self, of: &str, encoding: Encoding) {
        let scale = Tensor::scalar(Values::F32(vec![encoding.scale]));
        let zero = Tensor::scalar(Values::U8(vec![encoding.zero]));
        self.tensors.insert(format!("{of}.scale"), scale);
        self.tensors.insert(format!("{of}.zero"), zero);
    }

    /// Bytes, of the scale of value `of`.
    fn quantize(&mut self, real: &str, of: &str, output: &str) {
        let [scale, zero] = ["scale", "zero"].map(|part| format!("{of}.{part}"));
        self.node("QuantizeLinear", &[real, &scale, &zero], output, &[]);
    }

    /// Real numbers of a value.
    fn dequantize(&mut self, of: &str, output: &str) {
        let [scale, zero] = ["scale", "zero"].map(|part| format!("{of}.{part}"));
        self.node("DequantizeLinear", &[of, &scale, &zero], output, &[]);
    }

    fn node(&mut self, op: &str, inputs: &[&str], output: &str, attributes: &[(&str, Attribute)]) {
        self.nodes.push(Node::new(op, inputs, output, attributes));
    }
}

/// Attributes of a pooling.
fn window(pool: Pool) -> [(&'static str, Attribute); 3] {
    [
        ("kernel_shape", ints(&pool.window)),
        ("strides", ints(&pool.stride)),
        ("pads", pads(pool.padding)),
    ]
}
