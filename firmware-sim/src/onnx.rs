//! A `.q8` model as an int8 ONNX file, for other engines: `uint8` image in, the same whole numbers inside.
//!
//! QDQ, the form that every engine takes: a `QuantizeLinear` and a `DequantizeLinear` wherever a value is 8 bits wide
//! on the device, and float operators between them, which an engine for int8 replaces by its own. The scales are ours,
//! rounded to the `f32` that ONNX has for them. Pooling comes after quantisation, with which it commutes.
//!
//! What is not ours is the rounding: ONNX takes a half to the even neighbour, we take it up; and an engine may sum in
//! `f32`, where a sum near a half may fall on its other side. Either way a value differs by one quantum.
//! Source: <https://github.com/onnx/onnx/blob/main/docs/Operators.md#quantizelinear>, opset 13.

use std::collections::BTreeMap;

use firmware::LayerId;
use firmware::format::{Channel, Model};
use firmware::geometry::{CLASSES, IMAGE_SIDE, KERNEL, POOL};
use firmware::multiplier::Multiplier;
use network::Kind;
use network::onnx::{Attribute, Graph, Node, Port, Tensor, Values};

use super::int8::{Int8Layer, Int8Network, scales};

/// Tensors of the graph that hold what the layers hand on, in order: `uint8`, but for the logits.
pub const ACTIVATIONS: [&str; 4] = ["stage1", "stage2", "hidden", "logits"];

/// The file's bytes: a pure function of the model, which [`quantize`](super::quantize::quantize) made.
#[must_use]
pub fn emit(model: Model<'_>) -> Vec<u8> {
    let [stage1, stage2, hidden, logits] = scales(model.file());
    let scales = [1.0, stage1, stage2, hidden, logits];
    let mut writer = Writer { scales, nodes: vec![], tensors: BTreeMap::new() };
    let network = Int8Network::of(model);
    writer.tensors.insert("zero".into(), Tensor::scalar(Values::U8(vec![0])));
    writer.scale("image", writer.scales[0]);
    writer.dequantize("image");
    for (layer, int8) in LayerId::ALL.into_iter().zip(&network.layers) {
        writer.layer(layer, int8);
    }
    let file = model.file();
    let graph = Graph {
        name: "lenet int8".into(),
        producer: env!("CARGO_PKG_NAME").into(),
        producer_version: env!("CARGO_PKG_VERSION").into(),
        opset: Graph::OPSET,
        ir_version: Graph::IR_VERSION,
        inputs: vec![Port::of_batches("image", "uint8", &[1, IMAGE_SIDE, IMAGE_SIDE])],
        outputs: vec![Port::of_batches("logits", "float32", &[CLASSES])],
        nodes: writer.nodes,
        tensors: writer.tensors,
        metadata: [
            ("float_model_sha256", base16ct::lower::encode_string(&file.identity)),
            ("calibration_images", file.calibration_images.to_string()),
        ]
        .map(|(key, value)| (key.into(), value))
        .into(),
    };
    graph.emit()
}

struct Writer {
    /// Real value of one unit of the image, which is a pixel, and of what each layer hands on.
    scales: [f64; 5],
    nodes: Vec<Node>,
    tensors: BTreeMap<String, Tensor>,
}

impl Writer {
    /// From what the layer takes to what it hands on, both as real numbers.
    fn layer(&mut self, layer: LayerId, int8: &Int8Layer) {
        let (name, output) = (layer.name(), ACTIVATIONS[layer as usize]);
        let square = |side: usize| Attribute::Ints(vec![side as i64; 2]);
        let is_convolution = matches!(int8.layer.kind(), Kind::Conv(_));
        let input = match layer {
            LayerId::Conv1 => "image.real",
            LayerId::Conv2 => "stage1.real",
            LayerId::Dense1 => {
                self.node("Flatten", &["stage2.real"], "flat", &[("axis", Attribute::Int(1))]);
                "flat"
            }
            LayerId::Dense2 => "hidden.real",
        };
        self.parameters(layer, int8);
        let (op, setting) = if is_convolution {
            ("Conv", ("kernel_shape", square(KERNEL)))
        } else {
            ("Gemm", ("transB", Attribute::Int(1)))
        };
        let [weights, biases] = ["weight", "bias"].map(|kind| format!("{name}.{kind}.real"));
        let sums = if layer == LayerId::Dense2 { output } else { name };
        self.node(op, &[input, &weights, &biases], sums, &[setting]);
        if layer == LayerId::Dense2 {
            return;
        }
        let [relu, scale] = [format!("{name}.relu"), format!("{output}.scale")];
        self.node("Relu", &[name], &relu, &[]);
        self.scale(output, self.scales[layer as usize + 1]);
        if is_convolution {
            let unpooled = format!("{output}.unpooled");
            let pool = [("kernel_shape", square(POOL)), ("strides", square(POOL))];
            self.node("QuantizeLinear", &[&relu, &scale, "zero"], &unpooled, &[]);
            self.node("MaxPool", &[&unpooled], output, &pool);
        } else {
            self.node("QuantizeLinear", &[&relu, &scale, "zero"], output, &[]);
        }
        self.dequantize(output);
    }

    /// Weights as `int8` and biases as `int32`, with a scale for each output.
    fn parameters(&mut self, layer: LayerId, int8: &Int8Layer) {
        let (name, index) = (layer.name(), layer as usize);
        let (input_scale, output_scale) = (self.scales[index], self.scales[index + 1]);
        // of an accumulator; the multiplier is its ratio to the output's scale
        let scales: Vec<f64> =
            int8.channels.iter().map(|channel| real(channel.multiplier()) * output_scale).collect();
        let outputs = int8.channels.len();
        let shape = int8.layer.weights();
        let weights = int8.affine.weights.iter().map(|&weight| weight as i8).collect();
        let biases = int8.channels.iter().map(Channel::bias).collect();
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

    /// The scale of an activation.
    fn scale(&mut self, of: &str, scale: f64) {
        let scale = Tensor::scalar(Values::F32(vec![scale as f32]));
        self.tensors.insert(format!("{of}.scale"), scale);
    }

    /// Real numbers of an activation.
    fn dequantize(&mut self, activation: &str) {
        let [scale, real] = ["scale", "real"].map(|part| format!("{activation}.{part}"));
        self.node("DequantizeLinear", &[activation, &scale, "zero"], &real, &[]);
    }

    fn node(&mut self, op: &str, inputs: &[&str], output: &str, attributes: &[(&str, Attribute)]) {
        self.nodes.push(Node::new(op, inputs, output, attributes));
    }
}

/// What a multiplier multiplies by: exact, its mantissa has 31 bits.
fn real(multiplier: Multiplier) -> f64 {
    f64::from(multiplier.mantissa()) / (1_u64 << multiplier.shift()) as f64
}
