//! The ONNX file: the only place that says what the exported graph is.
//!
//! Source, for the operators: <https://github.com/onnx/onnx/blob/main/docs/Operators.md> at opset 13.

use std::collections::BTreeMap;

use network::onnx::{Attribute, Constant, Draft, Elements, Graph, Node, Port, Values};

use crate::lenet::{KERNEL, PIXEL_HALF, PIXEL_SCALE, POOL, Parameter, names};

/// `TensorProto.DataType.FLOAT`
const FLOAT: i64 = 1;
const SIDE: usize = runtime::IMAGE_SIDE;

/// The file's bytes: a pure function of the weights, in the order of the layers, and the metadata.
#[must_use]
pub fn emit(parameters: &[Parameter], metadata: &BTreeMap<String, String>) -> Vec<u8> {
    let scalar = |name, value| Constant::scalar(name, Elements::F32(vec![value]));
    let constants = [scalar("offset", PIXEL_HALF), scalar("scale", PIXEL_SCALE)];
    let classes = parameters.last().map_or(0, |bias| bias.shape[0] as usize);
    let draft = Draft {
        name: "lenet",
        producer: [env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION")],
        input: Port::of_batches("image", "uint8", &[1, SIDE, SIDE]),
        outputs: vec![Port::of_batches("logits", "float32", &[classes])],
        nodes: nodes(),
        constants: constants.into_iter().chain(parameters.iter().map(constant)).collect(),
        metadata: metadata.clone(),
    };
    draft.emit()
}

/// Pixels to logits; normalisation first, so that no consumer can do it wrongly.
fn nodes() -> Vec<Node> {
    let square = |side| Attribute::Ints(vec![side, side]);
    let float = ("to", Attribute::Int(FLOAT));
    let kernel = [("kernel_shape", square(KERNEL))];
    let pool = [("kernel_shape", square(POOL)), ("strides", square(POOL))];
    let transposed = [("transB", Attribute::Int(1))];
    vec![
        Node::new("Cast", &["image"], "pixels", &[float]),
        Node::new("Sub", &["pixels", "offset"], "centred", &[]),
        Node::new("Mul", &["centred", "scale"], "normalized", &[]),
        Node::new("Conv", &["normalized", "conv1.weight", "conv1.bias"], "conv1", &kernel),
        Node::new("Relu", &["conv1"], "relu1", &[]),
        Node::new("MaxPool", &["relu1"], "pool1", &pool),
        Node::new("Conv", &["pool1", "conv2.weight", "conv2.bias"], "conv2", &kernel),
        Node::new("Relu", &["conv2"], "relu2", &[]),
        Node::new("MaxPool", &["relu2"], "pool2", &pool),
        Node::new("Flatten", &["pool2"], "flat", &[("axis", Attribute::Int(1))]),
        Node::new("Gemm", &["flat", "dense1.weight", "dense1.bias"], "dense1", &transposed),
        Node::new("Relu", &["dense1"], "relu3", &[]),
        Node::new("Gemm", &["relu3", "dense2.weight", "dense2.bias"], "logits", &transposed),
    ]
}

/// The weights and biases of a graph that [`emit`] made; `None` if it was not.
#[must_use]
pub fn parameters(graph: &Graph) -> Option<Vec<Parameter>> {
    let parameter = |name: &'static str| {
        let tensor = graph.tensors.get(name)?;
        let Values::F32(values) = &tensor.values else { return None };
        let shape = tensor.shape.iter().map(|&length| length as i64).collect();
        Some(Parameter { name, shape, values: values.clone() })
    };
    names().map(parameter).collect()
}

fn constant(parameter: &Parameter) -> Constant {
    Constant {
        name: parameter.name.into(),
        shape: parameter.shape.iter().map(|&length| length as usize).collect(),
        elements: Elements::F32(parameter.values.clone()),
    }
}

#[cfg(test)]
mod tests {
    use network::onnx::Graph;
    use runtime::EMBEDDED_MODEL;

    use super::*;

    #[test]
    fn the_committed_model_is_what_is_emitted_of_its_own_weights() {
        let graph = Graph::parse(EMBEDDED_MODEL).unwrap();
        let parameters = parameters(&graph).unwrap();
        assert!(emit(&parameters, &graph.metadata) == EMBEDDED_MODEL);
        let again = crate::lenet::LeNet::from_parameters(&parameters).parameters();
        assert_eq!(again, parameters);
    }
}
