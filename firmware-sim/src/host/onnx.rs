//! A `.q8` model as an int8 ONNX file, for other engines: `uint8` image in, the same whole numbers inside.
//!
//! QDQ, the form that every engine takes: a `QuantizeLinear` and a `DequantizeLinear` wherever a value is 8 bits wide
//! on the device, and float operators between them, which an engine for int8 replaces by its own. The steps are ours,
//! rounded to the `f32` that ONNX has for them. Pooling comes after quantisation, with which it commutes.
//!
//! What is not ours is the rounding: ONNX takes a half to the even neighbour, we take it up; and an engine may sum in
//! `f32`, where a sum near a half may fall on its other side. Either way a value differs by one step.
//! Source: <https://github.com/onnx/onnx/blob/main/docs/Operators.md#quantizelinear>, opset 13.

use std::format;
use std::string::{String, ToString};
use std::vec;
use std::vec::Vec;

use runtime::graph::{Attribute, Constant, Draft, Elements, Node, Port};

use super::int8::{Int8, Network};
use crate::engine::Layer;
use crate::format::{Channel, Model};
use crate::geometry::{CLASSES, FLAT, HIDDEN, IMAGE_SIDE, KERNEL, MAPS1, MAPS2, POOL};
use crate::multiplier::Multiplier;

/// Tensors of the graph that hold what the layers hand on, in order: `uint8`, but for the logits.
pub const ACTIVATIONS: [&str; 4] = ["stage1", "stage2", "hidden", "logits"];

/// The file's bytes: a pure function of the model, which [`quantize`](super::quantize::quantize) made.
#[must_use]
pub fn emit(model: Model<'_>) -> Vec<u8> {
    let mut writer = Writer { steps: steps(model), nodes: vec![], constants: vec![] };
    let network = Network::of(model);
    writer.constants.push(Constant::scalar("zero", Elements::U8(vec![0])));
    writer.step("image", 1.0);
    writer.unquantized("image", "image");
    for (layer, int8) in Layer::ALL.into_iter().zip(&network.layers) {
        writer.layer(layer, int8);
    }
    let file = model.file();
    let draft = Draft {
        name: "lenet int8",
        producer: [env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION")],
        input: Port::of_batches("image", "uint8", &[1, IMAGE_SIDE, IMAGE_SIDE]),
        outputs: vec![Port::of_batches("logits", "float32", &[CLASSES])],
        nodes: writer.nodes,
        constants: writer.constants,
        metadata: [
            ("float_model_sha256", base16ct::lower::encode_string(&file.identity)),
            ("calibration_images", file.calibration_images.to_string()),
        ]
        .map(|(key, value)| (key.into(), value))
        .into(),
    };
    draft.emit()
}

/// What one unit is worth of the image, of what the first three layers hand on, and of a logit.
fn steps(model: Model<'_>) -> [f64; 5] {
    let scales = &model.file().scales;
    let [stage1, stage2, hidden, logits] =
        [scales.stage1, scales.stage2, scales.hidden, scales.logits]
            .map(|bits| f32::from_bits(bits.get()).into());
    [1.0, stage1, stage2, hidden, logits]
}

struct Writer {
    steps: [f64; 5],
    nodes: Vec<Node>,
    constants: Vec<Constant>,
}

impl Writer {
    fn layer(&mut self, layer: Layer, int8: &Int8) {
        let index = layer as usize;
        let (name, output) = (layer.name(), ACTIVATIONS[index]);
        let inputs = ["image", "stage1", "stage2", "hidden"];
        let input = match layer {
            Layer::Dense1 => {
                let flat = [("axis", Attribute::Int(1))];
                self.nodes.push(Node::new("Flatten", &["stage2.real"], "flat", &flat));
                "flat".to_string()
            }
            _ => format!("{}.real", inputs[index]),
        };
        self.parameters(layer, int8);
        let operands =
            [input.as_str(), &format!("{name}.weight.real"), &format!("{name}.bias.real")];
        let square = |side: usize| Attribute::Ints(vec![side as i64; 2]);
        match layer {
            Layer::Conv1 | Layer::Conv2 => {
                self.nodes.push(Node::new(
                    "Conv",
                    &operands,
                    name,
                    &[("kernel_shape", square(KERNEL))],
                ));
                let relu = format!("{name}.relu");
                self.nodes.push(Node::new("Relu", &[name], &relu, &[]));
                self.step(output, self.steps[index + 1]);
                let unpooled = format!("{output}.unpooled");
                self.quantized(&relu, &unpooled, output);
                let pool = [("kernel_shape", square(POOL)), ("strides", square(POOL))];
                self.nodes.push(Node::new("MaxPool", &[&unpooled], output, &pool));
                self.unquantized(output, output);
            }
            Layer::Dense1 => {
                self.nodes.push(Node::new(
                    "Gemm",
                    &operands,
                    name,
                    &[("transB", Attribute::Int(1))],
                ));
                let relu = format!("{name}.relu");
                self.nodes.push(Node::new("Relu", &[name], &relu, &[]));
                self.step(output, self.steps[index + 1]);
                self.quantized(&relu, output, output);
                self.unquantized(output, output);
            }
            Layer::Dense2 => {
                self.nodes.push(Node::new(
                    "Gemm",
                    &operands,
                    output,
                    &[("transB", Attribute::Int(1))],
                ));
            }
        }
    }

    /// Weights as `int8` and biases as `int32`, with a step for each output.
    fn parameters(&mut self, layer: Layer, int8: &Int8) {
        let (name, index) = (layer.name(), layer as usize);
        let (input_step, output_step) = (self.steps[index], self.steps[index + 1]);
        // of a sum; the multiplier is its ratio to the output's step
        let steps: Vec<f64> =
            int8.channels.iter().map(|channel| real(channel.multiplier()) * output_step).collect();
        let outputs = int8.channels.len();
        let shape = match layer {
            Layer::Conv1 => vec![MAPS1, 1, KERNEL, KERNEL],
            Layer::Conv2 => vec![MAPS2, MAPS1, KERNEL, KERNEL],
            Layer::Dense1 => vec![HIDDEN, FLAT],
            Layer::Dense2 => vec![CLASSES, HIDDEN],
        };
        let weights = int8.affine.weights.iter().map(|&weight| weight as i8).collect();
        let biases = int8.channels.iter().map(Channel::bias).collect();
        let parameters = [
            ("weight", shape, Elements::I8(weights), Elements::I8(vec![0; outputs]), input_step),
            ("bias", vec![outputs], Elements::I32(biases), Elements::I32(vec![0; outputs]), 1.0),
        ];
        for (kind, shape, elements, zero, divisor) in parameters {
            let values = format!("{name}.{kind}");
            let (step, zeros, real) =
                (format!("{values}.step"), format!("{values}.zero"), format!("{values}.real"));
            let of_outputs = |name: &String, elements| Constant {
                name: name.clone(),
                shape: vec![outputs],
                elements,
            };
            let steps = steps.iter().map(|step| (step / divisor) as f32).collect();
            self.constants.push(Constant { name: values.clone(), shape, elements });
            self.constants.push(of_outputs(&step, Elements::F32(steps)));
            self.constants.push(of_outputs(&zeros, zero));
            let axis = [("axis", Attribute::Int(0))];
            self.nodes.push(Node::new("DequantizeLinear", &[&values, &step, &zeros], &real, &axis));
        }
    }

    fn step(&mut self, of: &str, step: f64) {
        self.constants
            .push(Constant::scalar(&format!("{of}.step"), Elements::F32(vec![step as f32])));
    }

    fn quantized(&mut self, real: &str, output: &str, step_of: &str) {
        self.nodes.push(Node::new(
            "QuantizeLinear",
            &[real, &format!("{step_of}.step"), "zero"],
            output,
            &[],
        ));
    }

    fn unquantized(&mut self, values: &str, step_of: &str) {
        let real: String = format!("{values}.real");
        self.nodes.push(Node::new(
            "DequantizeLinear",
            &[values, &format!("{step_of}.step"), "zero"],
            &real,
            &[],
        ));
    }
}

/// What a multiplier multiplies by: exact, its mantissa has 31 bits.
fn real(multiplier: Multiplier) -> f64 {
    f64::from(multiplier.mantissa()) / (1_u64 << multiplier.shift()) as f64
}
