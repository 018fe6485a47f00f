//! The graph of a [`Network`]: how our own models are written, and their weights read again.
//!
//! Source, for the operators: <https://github.com/onnx/onnx/blob/main/docs/Operators.md> at opset 13.

use std::collections::BTreeMap;

use super::{Attribute, Graph, Node, Port, Tensor, Values};
use crate::affine::Affine;
use crate::architecture::{Architecture, Kind, Layer, POOL};
use crate::normalization::Normalization;
use crate::reference::Network;

/// `TensorProto.DataType.FLOAT`
const FLOAT: i64 = 1;

/// What a graph says besides its layers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The graph's name.
    pub name: String,
    /// Program that writes the file, and its version.
    pub producer: [String; 2],
    /// `metadata_props`
    pub metadata: BTreeMap<String, String>,
}

impl Graph {
    /// `image: uint8 [batch, …input]` to `logits: float32 [batch, outputs]`, normalisation first, so that no consumer can
    /// do it wrongly.
    ///
    /// Weights and biases are called after their layers, such as `conv1.weight`, `[out, in, rows, columns]`, and
    /// `dense1.bias`, `[out]`.
    #[must_use]
    pub fn of_network(network: &Network, normalization: Normalization, origin: Origin) -> Self {
        let architecture = network.architecture();
        let [producer, producer_version] = origin.producer;
        let scalar = |name: &str, value| (name.into(), Tensor::scalar(Values::F32(vec![value])));
        let mut tensors: BTreeMap<String, Tensor> =
            [scalar("offset", normalization.offset), scalar("scale", normalization.scale)].into();
        for (layer, affine) in network.layers() {
            let [weight, bias] = parameter_names(layer);
            let values = Values::F32(affine.weights.clone());
            tensors.insert(weight, Tensor::new(&layer.weights(), values));
            let values = Values::F32(affine.bias.clone());
            tensors.insert(bias, Tensor::new(&[layer.outputs()], values));
        }
        Self {
            name: origin.name,
            inputs: vec![Port::of_batches("image", "uint8", &architecture.input())],
            outputs: vec![Port::of_batches("logits", "float32", &[architecture.outputs()])],
            nodes: nodes(architecture),
            tensors,
            metadata: origin.metadata,
            opset: Self::OPSET,
            ir_version: Self::IR_VERSION,
            producer,
            producer_version,
        }
    }

    /// The network of a graph that [`Self::of_network`] made of `architecture`, before its normalisation; `None` if a
    /// weight is missing or has another shape.
    #[must_use]
    pub fn network(&self, architecture: &Architecture) -> Option<Network> {
        let values = |name: &str, shape: &[usize]| match self.tensors.get(name) {
            Some(Tensor { shape: found, values: Values::F32(values) }) if found == shape => {
                Some(values.clone())
            }
            _ => None,
        };
        let affine = |layer: &Layer| {
            let [weight, bias] = parameter_names(layer);
            Some(Affine {
                weights: values(&weight, &layer.weights())?,
                bias: values(&bias, &[layer.outputs()])?,
            })
        };
        let affine = architecture.layers().iter().map(affine).collect::<Option<_>>()?;
        Some(Network::new(architecture.clone(), affine))
    }
}

fn parameter_names(layer: &Layer) -> [String; 2] {
    ["weight", "bias"].map(|parameter| format!("{}.{parameter}", layer.name()))
}

fn nodes(architecture: &Architecture) -> Vec<Node> {
    let mut writer = Writer { nodes: vec![], value: "image".into(), relus: 0, pools: 0 };
    writer.node("Cast", &[], "pixels", &[("to", Attribute::Int(FLOAT))]);
    writer.node("Sub", &["offset"], "centred", &[]);
    writer.node("Mul", &["scale"], "normalized", &[]);
    for (index, layer) in architecture.layers().iter().enumerate() {
        let is_vector = index > 0 && layer.input()[1..] == [1, 1];
        writer.layer(layer, is_vector);
    }
    if let Some(last) = writer.nodes.last_mut() {
        (last.name, last.outputs) = ("logits".into(), vec!["logits".into()]);
    }
    writer.nodes
}

/// Appends nodes, each of which reads what the one before it makes.
struct Writer {
    nodes: Vec<Node>,
    /// What the last node makes.
    value: String,
    relus: usize,
    pools: usize,
}

impl Writer {
    fn layer(&mut self, layer: &Layer, is_vector: bool) {
        let square = |side: usize| Attribute::Ints(vec![side as i64; 2]);
        let [weight, bias] = parameter_names(layer);
        match layer.kind() {
            Kind::Conv { kernel, .. } => {
                let kernel = kernel.iter().map(|&side| side as i64).collect();
                let kernel = [("kernel_shape", Attribute::Ints(kernel))];
                self.node("Conv", &[&weight, &bias], layer.name(), &kernel);
            }
            Kind::Dense { .. } => {
                if !is_vector {
                    self.node("Flatten", &[], "flat", &[("axis", Attribute::Int(1))]);
                }
                let transposed = [("transB", Attribute::Int(1))];
                self.node("Gemm", &[&weight, &bias], layer.name(), &transposed);
            }
        }
        if layer.kind().relu() {
            self.relus += 1;
            let name = format!("relu{}", self.relus);
            self.node("Relu", &[], &name, &[]);
        }
        if layer.kind().pool() {
            self.pools += 1;
            let name = format!("pool{}", self.pools);
            let pool = [("kernel_shape", square(POOL)), ("strides", square(POOL))];
            self.node("MaxPool", &[], &name, &pool);
        }
    }

    fn node(&mut self, op: &str, more: &[&str], output: &str, attributes: &[(&str, Attribute)]) {
        let inputs: Vec<&str> =
            [self.value.as_str()].into_iter().chain(more.iter().copied()).collect();
        self.nodes.push(Node::new(op, &inputs, output, attributes));
        self.value = output.into();
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    fn origin() -> Origin {
        let producer = ["test", "1"].map(String::from);
        Origin { name: "test".into(), producer, metadata: BTreeMap::new() }
    }

    /// The reference case, with made-up weights.
    pub(in super::super) fn lenet() -> Graph {
        Graph::of_network(&network(Architecture::lenet(10)), Normalization::CENTRED, origin())
    }

    /// Weights that are different from each other.
    fn network(architecture: Architecture) -> Network {
        let values = |count: usize| (0..count).map(|i| (i % 97) as f32 / 64.0 - 0.75).collect();
        let affine = architecture.layers().iter().map(|layer| Affine {
            weights: values(layer.outputs() * layer.fan_in()),
            bias: values(layer.outputs()),
        });
        let affine = affine.collect();
        Network::new(architecture, affine)
    }

    #[test]
    fn a_network_is_written_and_its_weights_are_read_again() {
        let dense = |outputs, relu| Kind::Dense { outputs, relu };
        let conv = |relu, pool| Kind::Conv { maps: 3, kernel: [3, 2], relu, pool };
        for kinds in [
            vec![
                conv(true, true),
                conv(false, false),
                conv(true, false),
                dense(7, true),
                dense(2, false),
            ],
            vec![dense(9, true), dense(4, false)],
        ] {
            let architecture = Architecture::new([1, 28, 28], kinds).unwrap();
            let network = network(architecture.clone());
            let graph = Graph::of_network(&network, Normalization::CENTRED, origin());
            let again = Graph::parse(&graph.emit()).unwrap();
            assert_eq!(again, graph);
            assert_eq!(again.network(&architecture), Some(network));
            assert_eq!(again.network(&Architecture::lenet(10)), None);
        }
    }
}
