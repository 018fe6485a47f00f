//! The graph of a [`Network`]: how our own models are written, and their weights read again.
//!
//! Source, for the operators: <https://github.com/onnx/onnx/blob/main/docs/Operators.md> at opset 13.

use std::collections::BTreeMap;

use super::{Attribute, Graph, Node, Port, Tensor, Values};
use crate::affine::Affine;
use crate::architecture::{Activation, Architecture, Kind, Layer, POOL, Padding, Pool, PoolMode};
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
        let is_clipped = |layer: &Layer| layer.kind().activation() == Activation::Relu6;
        if architecture.layers().iter().any(is_clipped) {
            tensors.extend([scalar("zero", 0.0), scalar("six", 6.0)]);
        }
        for (layer, affine) in network.layers().filter(|(layer, _)| layer.outputs() > 0) {
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
            if layer.outputs() == 0 {
                return Some(Affine { weights: vec![], bias: vec![] });
            }
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

/// Settings of windows; a step of 1 and no padding are not written.
fn windows(
    window: [usize; 2],
    stride: [usize; 2],
    padding: Padding,
) -> Vec<(&'static str, Attribute)> {
    let ints =
        |values: &[usize]| Attribute::Ints(values.iter().map(|&value| value as i64).collect());
    let mut settings = vec![("kernel_shape", ints(&window))];
    if stride != [1; 2] {
        settings.push(("strides", ints(&stride)));
    }
    if !padding.is_none() {
        let Padding { top, left, bottom, right } = padding;
        settings.push(("pads", ints(&[top, left, bottom, right])));
    }
    settings
}

fn nodes(architecture: &Architecture) -> Vec<Node> {
    let mut writer = Writer { nodes: vec![], value: "image".into(), relus: 0, pools: 0, flats: 0 };
    writer.node("Cast", &[], "pixels", &[("to", Attribute::Int(FLOAT))]);
    writer.node("Sub", &["offset"], "centred", &[]);
    writer.node("Mul", &["scale"], "normalized", &[]);
    // names of the values that layers take, and whether they are vectors already
    let mut values = vec![(writer.value.clone(), false)];
    for layer in architecture.layers() {
        let (source, is_vector) = values[layer.source()].clone();
        writer.value = source;
        let other = layer.sources().nth(1).map(|other| values[other].0.clone());
        writer.layer(layer, other.as_deref(), is_vector);
        let gives_vector = match layer.kind() {
            Kind::Dense { .. } => true,
            Kind::Add { .. } => is_vector,
            Kind::Conv(_) | Kind::Pool(_) => false,
        };
        values.push((writer.value.clone(), gives_vector));
    }
    if let Some(last) = writer.nodes.last_mut() {
        (last.name, last.outputs) = ("logits".into(), vec!["logits".into()]);
    }
    writer.nodes
}

/// Appends nodes, each of which reads what the one before it makes, unless it is told another value.
struct Writer {
    nodes: Vec<Node>,
    /// What the next node reads.
    value: String,
    relus: usize,
    pools: usize,
    flats: usize,
}

impl Writer {
    fn layer(&mut self, layer: &Layer, other: Option<&str>, is_vector: bool) {
        let [weight, bias] = parameter_names(layer);
        match layer.kind() {
            Kind::Conv(conv) => {
                let mut settings = windows(conv.kernel, conv.stride, conv.padding);
                if conv.groups > 1 {
                    settings.push(("group", Attribute::Int(conv.groups as i64)));
                }
                self.node("Conv", &[&weight, &bias], layer.name(), &settings);
            }
            Kind::Pool(pool) => {
                let mut settings = windows(pool.window, pool.stride, pool.padding);
                let op = if pool.mode == PoolMode::Max { "MaxPool" } else { "AveragePool" };
                if pool.mode == PoolMode::AverageWithPadding {
                    settings.push(("count_include_pad", Attribute::Int(1)));
                }
                self.pools += 1;
                let name = format!("pool{}", self.pools);
                self.node(op, &[], &name, &settings);
            }
            Kind::Add { .. } => {
                let other: Vec<&str> = other.into_iter().collect();
                self.node("Add", &other, layer.name(), &[]);
            }
            Kind::Dense { .. } => {
                if !is_vector {
                    self.flats += 1;
                    let name = match self.flats {
                        1 => "flat".to_owned(),
                        number => format!("flat{number}"),
                    };
                    self.node("Flatten", &[], &name, &[("axis", Attribute::Int(1))]);
                }
                let transposed = [("transB", Attribute::Int(1))];
                self.node("Gemm", &[&weight, &bias], layer.name(), &transposed);
            }
        }
        match layer.kind().activation() {
            Activation::None => {}
            Activation::Relu => {
                self.relus += 1;
                let name = format!("relu{}", self.relus);
                self.node("Relu", &[], &name, &[]);
            }
            Activation::Relu6 => {
                self.relus += 1;
                let name = format!("relu{}", self.relus);
                self.node("Clip", &["zero", "six"], &name, &[]);
            }
        }
        if layer.kind().pool() {
            self.pools += 1;
            let name = format!("pool{}", self.pools);
            let pool = Pool::new(PoolMode::Max, [POOL; 2]);
            self.node("MaxPool", &[], &name, &windows(pool.window, pool.stride, pool.padding));
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
    use crate::architecture::Conv;

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
    fn layers_that_take_earlier_values_are_written() {
        use Activation::{None, Relu};
        let padded = Conv { padding: Padding::even(1), ..Conv::new(3, [3, 3]) };
        let dense = |activation| Kind::Dense { outputs: 4, activation };
        let kinds = [
            (0, Kind::Conv(padded)),
            (1, Kind::Conv(padded)),
            (1, Kind::Add { other: 2, activation: Relu }),
            (3, dense(None)),
            (2, dense(Relu)),
            (4, Kind::Add { other: 5, activation: None }),
            (6, dense(None)),
        ];
        let architecture = Architecture::connected([3, 5, 6], kinds).unwrap();
        let network = network(architecture.clone());
        let plain = Normalization { offset: 0.0, scale: 1.0 };
        let graph = Graph::parse(&Graph::of_network(&network, plain, origin()).emit()).unwrap();
        assert_eq!(graph.network(&architecture), Some(network.clone()));
        let lowered = crate::lowering::lower(&graph).unwrap().network().unwrap().network;
        assert!(lowered == network, "{}", lowered.architecture());
    }

    #[test]
    fn a_network_is_written_and_its_weights_are_read_again() {
        use Activation::{None, Relu, Relu6};
        let dense = |outputs, activation| Kind::Dense { outputs, activation };
        let conv = |activation, pool| Conv { activation, pool, ..Conv::new(3, [3, 2]) };
        let padded = Conv { padding: Padding::even(1), groups: 3, ..conv(Relu6, false) };
        for kinds in [
            vec![
                Kind::Conv(conv(Relu, true)),
                Kind::Conv(conv(None, false)),
                Kind::Conv(conv(Relu, false)),
                dense(7, Relu),
                dense(2, None),
            ],
            vec![dense(9, Relu), dense(4, None)],
            vec![
                Kind::Conv(Conv { stride: [2, 1], ..padded }),
                Kind::Pool(Pool::new(PoolMode::Average, [2, 3])),
                dense(4, None),
            ],
        ] {
            let architecture = Architecture::new([3, 28, 28], kinds).unwrap();
            let network = network(architecture.clone());
            let graph = Graph::of_network(&network, Normalization::CENTRED, origin());
            let again = Graph::parse(&graph.emit()).unwrap();
            assert_eq!(again, graph);
            assert_eq!(again.network(&architecture), Some(network));
            assert_eq!(again.network(&Architecture::lenet(10)), Option::None);
        }
    }
}
