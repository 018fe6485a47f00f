//! From an ONNX graph to a [`Network`]: tract reads and simplifies the graph, and what is a layer here is recognised.
//!
//! | tract has | becomes |
//! |---|---|
//! | `Conv`, ReLU, `MaxPool` 2×2, in this order or with the last two exchanged | one [`Kind::Conv`] with pooling |
//! | `Conv`, or `Conv` and ReLU | one [`Kind::Conv`] without pooling |
//! | `EinSum` by a constant matrix, `Add`, and a ReLU if it follows | one [`Kind::Dense`] |
//! | `Cast` from bytes, or additions and multiplications of constants, before one of these | folded into its weights |
//!
//! Why on tract's graph and not on ONNX's: exporters write one network in many ways (`Gemm`, or `MatMul` and `Add`;
//! weights transposed; constants computed from constants). After tract has simplified them there is one way left.
//!
//! The rewriting works on one pattern at a time, anywhere in the graph: an operator of ours takes the place of what was
//! recognised, and the rest stays tract's. If in the end nothing but layers is left, the graph is a [`Network`]; if not,
//! [`Plan`] runs the mixture.

mod op;
mod patterns;

use std::sync::Arc;

use tract_onnx::prelude::*;
use tract_onnx::tract_core::ops::change_axes::AxisOp;
use tract_onnx::tract_core::ops::source::TypedSource;

pub(crate) use op::LayerOp;

use crate::affine::Affine;
use crate::architecture::{Architecture, Kind, Layer};
use crate::error::Error;
use crate::onnx::Graph;
use crate::plan::{LayerKernel, Plan, engine_error};
use crate::reference::Network;
use patterns::rewrite;

/// A graph in which every layer that was recognised is one operator.
#[derive(Debug)]
pub struct Lowered(pub(crate) TypedModel);

/// A graph that is nothing but layers.
#[derive(Debug, Clone, PartialEq)]
pub struct WholeNetwork {
    /// The layers; a normalisation inside the graph is folded into the first.
    pub network: Network,
    /// Whether the first layer takes pixels, 0 to 255; otherwise what the caller makes of them.
    pub takes_pixels: bool,
}

/// Lets tract simplify `graph`, and recognises its layers.
///
/// # Errors
/// [`Error::Engine`] if tract cannot read the graph.
pub fn lower(graph: &Graph) -> Result<Lowered, Error> {
    let lowered = || -> TractResult<Lowered> {
        let mut model = typed(graph)?;
        model.declutter()?;
        rewrite(&mut model)?;
        Ok(Lowered(model))
    };
    lowered().map_err(engine_error)
}

pub(crate) fn typed(graph: &Graph) -> TractResult<TypedModel> {
    tract_onnx::onnx().model_for_proto_model(&graph.engine_proto())?.into_typed()
}

impl Lowered {
    /// The network that the graph is; `None` if anything but layers is between input and output.
    #[must_use]
    pub fn network(&self) -> Option<WholeNetwork> {
        let model = &self.0;
        let mut layers: Vec<&LayerOp> = vec![];
        let mut outlet = model.output_outlets().ok()?[0];
        loop {
            let node = model.node(outlet.node);
            if let Some(layer) = node.op_as::<LayerOp>() {
                layers.push(layer);
            } else if node.op_is::<TypedSource>() {
                break;
            } else if !matches!(node.op_as(), Some(AxisOp::Reshape(..))) {
                return None;
            }
            outlet = node.inputs[0];
        }
        layers.reverse();
        let first = layers.first()?;
        let kinds = layers.iter().map(|op| op.layer.kind()).collect();
        let architecture = Architecture::new(first.layer.input(), kinds).ok()?;
        // a reshape between two layers may not have made another picture
        let same = |(layer, op): (&Layer, &&LayerOp)| match layer.kind() {
            Kind::Conv { .. } => layer.input() == op.layer.input(),
            Kind::Dense { .. } => layer.fan_in() == op.layer.fan_in(),
        };
        if !architecture.layers().iter().zip(&layers).all(same) {
            return None;
        }
        let affine = layers.iter().map(|op| Affine::clone(&op.affine)).collect();
        let takes_pixels = first.takes_bytes;
        Some(WholeNetwork { network: Network::new(architecture, affine), takes_pixels })
    }

    /// What runs the graph, with a kernel from `compile` for each layer.
    ///
    /// # Errors
    /// [`Error::Engine`] if tract cannot make a plan.
    pub fn into_plan(
        self,
        compile: impl Fn(&Layer, &Affine) -> Arc<dyn LayerKernel>,
    ) -> Result<Plan, Error> {
        let mut model = self.0;
        for node in &mut model.nodes {
            if let Some(op) = node.op_as_mut::<LayerOp>() {
                op.kernel = Some(compile(&op.layer, &op.affine));
            }
        }
        Plan::new(model)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::architecture::Shape;
    use crate::normalization::Normalization;
    use crate::onnx::{Attribute, Node, Origin};
    use crate::plan::Values;

    /// Whole-number weights, so that nothing is rounded on the way.
    fn network(input: Shape, kinds: Vec<Kind>) -> Network {
        let architecture = Architecture::new(input, kinds).unwrap();
        let values = |count: usize| (0..count).map(|i| (i * 7 % 13) as f32 - 6.0).collect();
        let affine = architecture.layers().iter().map(|layer| Affine {
            weights: values(layer.outputs() * layer.fan_in()),
            bias: values(layer.outputs()),
        });
        let affine = affine.collect();
        Network::new(architecture, affine)
    }

    fn graph(network: &Network, normalization: Normalization) -> Graph {
        let origin = Origin {
            name: "test".into(),
            producer: ["test", "1"].map(String::from),
            metadata: std::collections::BTreeMap::new(),
        };
        Graph::of_network(network, normalization, origin)
    }

    const fn conv(maps: usize, kernel: [usize; 2], relu: bool, pool: bool) -> Kind {
        Kind::Conv { maps, kernel, relu, pool }
    }

    #[test]
    fn what_is_written_of_a_network_lowers_to_it_with_the_normalisation_folded() {
        let normalization = Normalization { offset: 128.0, scale: 0.5 };
        let dense = |outputs, relu| Kind::Dense { outputs, relu };
        for (input, kinds) in [
            ([1, 28, 28], Architecture::lenet(10).layers().iter().map(Layer::kind).collect()),
            ([1, 28, 28], vec![conv(6, [5, 5], true, true), dense(30, true), dense(3, false)]),
            (
                [3, 9, 12],
                vec![conv(4, [2, 3], false, false), conv(5, [3, 2], true, true), dense(2, false)],
            ),
            ([1, 28, 28], vec![dense(17, true), dense(2, false)]),
        ] {
            let network = network(input, kinds);
            let mut affine = network.affine().to_vec();
            affine[0].fold_input(0.5, -64.0);
            let folded = Network::new(network.architecture().clone(), affine);
            let whole = lower(&graph(&network, normalization)).unwrap().network().unwrap();
            assert!(whole.takes_pixels);
            // a flattened picture is a vector to a dense layer
            let same = whole.network.layers().zip(folded.layers());
            for ((found, found_affine), (expected, expected_affine)) in same {
                assert_eq!(found.to_string(), expected.to_string());
                assert_eq!(found.name(), expected.name());
                assert_eq!(found_affine, expected_affine, "{}", expected.name());
            }
        }
    }

    #[derive(Debug)]
    struct Reference(Layer, Affine);
    impl LayerKernel for Reference {
        fn run(&self, input: Values<'_>, output: &mut [f32]) {
            let values: Vec<f32> = match input {
                Values::Bytes(bytes) => bytes.iter().copied().map(f32::from).collect(),
                Values::Floats(values) => values.to_vec(),
            };
            output.copy_from_slice(&self.0.apply(&self.1, &values));
        }
    }

    #[test]
    fn a_graph_with_anything_else_in_it_is_no_network_but_still_a_plan() {
        let network = network(
            [1, 28, 28],
            vec![conv(4, [5, 5], true, true), Kind::Dense { outputs: 3, relu: false }],
        );
        let mut graph = graph(&network, Normalization::CENTRED);
        let last = graph.nodes.last_mut().unwrap();
        (last.name, last.outputs) = ("sums".into(), vec!["sums".into()]);
        let tanh: [(&str, Attribute); 0] = [];
        graph.nodes.push(Node::new("Tanh", &["sums"], "logits", &tanh));
        let lowered = lower(&graph).unwrap();
        assert_eq!(lowered.network(), None);

        let plan = lowered
            .into_plan(|layer, affine| Arc::new(Reference(layer.clone(), affine.clone())))
            .unwrap();
        let names: Vec<String> =
            plan.operators().into_iter().map(|operator| operator.name).collect();
        assert!(names.contains(&"Conv 5x5 1→4 + ReLU + MaxPool 2x2".to_owned()), "{names:?}");
        let pixels: Vec<u8> = (0..784_usize).map(|i| (i * i % 256) as u8).collect();
        let run = |plan: &Plan| {
            let mut output = vec![];
            let input = Values::Bytes(&pixels);
            plan.run(&[1, 1, 28, 28], input, &mut output, &mut |_, run| run()).unwrap();
            output
        };
        let expected = run(&Plan::of_graph(&graph).unwrap());
        for (found, expected) in run(&plan).iter().zip(&expected) {
            assert!((found - expected).abs() < 1e-4, "{found} for {expected}");
        }
    }
}
