//! From an ONNX graph to layers: every operator is read for what it computes, and what belongs together is joined.
//!
//! ```text
//! Graph ──translate──▶ primitives ──fuse──▶ layers and nodes ──segments──▶ steps, some of which tract runs
//! ```
//!
//! Why not on tract's graph, after tract has simplified it: that takes longer than all else in loading a model, knows no
//! padding under a normalisation, and its forms change with its versions. The graph here was checked, and every length is
//! known. tract is left what is no layer.
//!
//! If in the end nothing but layers is left, the graph is a [`Network`].

mod fuse;
mod primitive;
mod segments;
mod size;
mod spelling;
mod translate;
mod view;

use std::sync::Arc;

use crate::affine::Affine;
use crate::architecture::{Architecture, Kind, Layer, Shape};
use crate::error::Error;
use crate::onnx::shapes::{Facts, axis_of};
use crate::onnx::{Graph, Node, takes_pixels};
use crate::plan::Plan;
use crate::reference::Network;
use crate::scores::Scores;

/// A graph as steps, each a layer or something that tract runs.
#[derive(Debug)]
pub struct Lowered {
    /// Channels, height and width of the picture that goes in.
    pub input: Shape,
    /// Whether pixels go in, 0 to 255; otherwise what the caller makes of them.
    pub takes_pixels: bool,
    /// In the order in which they run; the last makes the scores.
    pub steps: Vec<Step>,
    /// What these mean. A softmax or sigmoid at the end is told here, and is no step.
    pub scores: Scores,
}

/// One step.
#[derive(Debug)]
pub struct Step {
    /// Indices of the values that it takes: 0 is the input, `n` what the `n`th step makes.
    pub sources: Vec<usize>,
    /// Values of one image that it makes.
    pub outputs: usize,
    /// The same by channels, height and width.
    pub shape: Shape,
    /// What it computes.
    pub operation: Operation,
}

/// What a step computes.
#[derive(Debug)]
pub enum Operation {
    /// A layer with its weights. Which values an [`Kind::Add`] takes stands in [`Step::sources`].
    Layer(Layer, Affine),
    /// Operators of ONNX, run by tract.
    Plan(Arc<Plan>),
}

/// A graph that is nothing but layers.
#[derive(Debug, Clone, PartialEq)]
pub struct WholeNetwork {
    /// The layers; a normalisation inside the graph is folded into the first where that is exact.
    pub network: Network,
    /// Whether the first layer takes pixels, 0 to 255; otherwise what the caller makes of them.
    pub takes_pixels: bool,
    /// What the outputs mean.
    pub scores: Scores,
}

/// Recognises the layers of `graph`.
///
/// # Errors
/// [`Error::Engine`] if tract cannot run what is no layer.
pub fn lower(graph: &Graph) -> Result<Lowered, Error> {
    let (layout, facts) = graph.analysed().map_err(Error::Graph)?;
    let (output, scores) = scores(graph, &facts);
    let steps = match translate::translate(graph, &layout, &facts, output) {
        Some(mut sequence) => {
            sequence.fuse();
            segments::steps(&sequence, layout.picture, &facts, graph.opset)?
        }
        None => None,
    };
    let steps = match steps {
        Some(steps) => steps,
        None => vec![segments::whole(graph, &layout, &facts, output)?],
    };
    Ok(Lowered { input: layout.picture, takes_pixels: is_of_pixels(graph), steps, scores })
}

/// Leaves all of `graph` to tract.
///
/// # Errors
/// [`Error::Engine`] if tract cannot run it.
pub fn whole_in_tract(graph: &Graph) -> Result<Lowered, Error> {
    let (layout, facts) = graph.analysed().map_err(Error::Graph)?;
    let (output, scores) = scores(graph, &facts);
    let steps = vec![segments::whole(graph, &layout, &facts, output)?];
    Ok(Lowered { input: layout.picture, takes_pixels: is_of_pixels(graph), steps, scores })
}

fn is_of_pixels(graph: &Graph) -> bool {
    takes_pixels(&graph.inputs[0].element) == Some(true)
}

/// Operators that leave scores as they are, and in their order.
const SAME_SCORES: [&str; 7] =
    ["Identity", "Dropout", "Cast", "Reshape", "Flatten", "Squeeze", "Unsqueeze"];

/// The value before a softmax or sigmoid at the end of a graph, and what the scores are.
fn scores<'g>(graph: &'g Graph, facts: &Facts) -> (&'g str, Scores) {
    let end = graph.outputs[0].name.as_str();
    let mut name = end;
    // what does not change the order of the scores may follow
    while let Some(node) = maker(graph, name) {
        let scores = match node.op.as_str() {
            "Softmax" | "LogSoftmax"
                if is_over_all(node, facts, graph.opset)
                    && !may_be_shares(&node.inputs[0], graph, facts) =>
            {
                Scores::Logits
            }
            "Sigmoid" => Scores::Independent,
            op if SAME_SCORES.contains(&op) => {
                name = &node.inputs[0];
                continue;
            }
            _ => break,
        };
        return (&node.inputs[0], scores);
    }
    (end, Scores::Logits)
}

/// Whether a value may be probabilities of sum 1. A softmax of those changes them, and who has only what it reads would take
/// that for the answer.
fn may_be_shares(name: &str, graph: &Graph, facts: &Facts) -> bool {
    let Some(node) = maker(graph, name) else { return false };
    let is_constant =
        |name: &String| facts.get(name.as_str()).is_some_and(|fact| fact.value.is_some());
    match node.op.as_str() {
        "Softmax" => true,
        // a softmax that is written out
        "Div" => !node.inputs.iter().any(is_constant),
        op if SAME_SCORES.contains(&op) => may_be_shares(&node.inputs[0], graph, facts),
        _ => false,
    }
}

fn maker<'g>(graph: &'g Graph, name: &str) -> Option<&'g Node> {
    graph.nodes.iter().find(|node| node.outputs.first().is_some_and(|made| made == name))
}

/// Whether a softmax goes over all elements together, not over parts of them.
fn is_over_all(node: &Node, facts: &Facts, opset: i64) -> bool {
    let Some(fact) = facts.get(node.inputs[0].as_str()) else { return false };
    let Some(axis) = axis_of(node, if opset < 13 { 1 } else { -1 }, fact.shape.len()) else {
        return false;
    };
    let length = if opset < 13 { fact.shape[axis..].iter().product() } else { fact.shape[axis] };
    length == fact.shape.iter().product::<usize>()
}

impl Lowered {
    /// What each step makes of one picture, `[channel][row][column]`, by the slow reference.
    ///
    /// # Errors
    /// [`Error::Engine`] if tract cannot run a step of its own.
    pub fn activations(&self, input: &[f32]) -> Result<Vec<Vec<f32>>, Error> {
        let mut values = vec![input.to_vec()];
        for step in &self.steps {
            let source = |number: usize| &values[step.sources[number]][..];
            let made = match &step.operation {
                Operation::Layer(layer, affine) if step.sources.len() == 2 => {
                    let sum: Vec<f32> =
                        source(0).iter().zip(source(1)).map(|(a, b)| a + b).collect();
                    layer.apply(affine, &sum)
                }
                Operation::Layer(layer, affine) => layer.apply(affine, source(0)),
                Operation::Plan(plan) => {
                    let mut output = vec![0.0; step.outputs];
                    plan.run((0..step.sources.len()).map(source), &mut output)?;
                    output
                }
            };
            values.push(made);
        }
        values.remove(0);
        Ok(values)
    }

    /// The network that the graph is; `None` if tract runs any of it.
    #[must_use]
    pub fn network(&self) -> Option<WholeNetwork> {
        let mut kinds = vec![];
        let mut affine = vec![];
        for step in &self.steps {
            let Operation::Layer(layer, weights) = &step.operation else { return None };
            let kind = match (layer.kind(), &step.sources[..]) {
                (Kind::Add { activation, .. }, &[_, other]) => Kind::Add { other, activation },
                (kind, _) => kind,
            };
            kinds.push((*step.sources.first()?, kind));
            affine.push(weights.clone());
        }
        let architecture = Architecture::connected(self.input, kinds).ok()?;
        // a reshape between two layers may not have made another picture
        let mut steps = architecture.layers().iter().zip(&self.steps);
        let same = steps.all(|(layer, step)| match &step.operation {
            Operation::Layer(found, _) => match layer.kind() {
                Kind::Dense { .. } => layer.fan_in() == found.fan_in(),
                _ => layer.input() == found.input(),
            },
            Operation::Plan(_) => false,
        });
        let network = same.then(|| Network::new(architecture, affine))?;
        Some(WholeNetwork { network, takes_pixels: self.takes_pixels, scores: self.scores })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::architecture::{Activation, Conv, Padding, Pool, PoolMode};
    use crate::normalization::Normalization;
    use crate::onnx::{Attribute, Origin, Port, Tensor, Values};
    use Activation::{None as Linear, Relu, Relu6};

    /// Whole numbers, so that nothing is rounded on the way.
    fn values(count: usize) -> Vec<f32> {
        (0..count).map(|i| (i * 7 % 13) as f32 - 6.0).collect()
    }

    fn network(input: Shape, kinds: Vec<Kind>) -> Network {
        let architecture = Architecture::new(input, kinds).unwrap();
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

    fn conv(maps: usize, kernel: [usize; 2], activation: Activation, pool: bool) -> Kind {
        Kind::Conv(Conv { activation, pool, ..Conv::new(maps, kernel) })
    }

    fn dense(outputs: usize, activation: Activation) -> Kind {
        Kind::Dense { outputs, activation }
    }

    fn pixels(network: &Network) -> Vec<f32> {
        let count: usize = network.architecture().input().iter().product();
        (0..count).map(|i| (i * i % 256) as f32).collect()
    }

    #[test]
    fn what_is_written_of_a_network_lowers_to_it_with_the_normalisation_folded() {
        let normalization = Normalization { offset: 128.0, scale: 0.5 };
        let padded = Conv { padding: Padding::even(1), ..Conv::new(4, [3, 3]) };
        let depthwise = Conv { stride: [2, 1], groups: 4, activation: Relu6, ..padded };
        let pool = Pool { stride: [2, 2], ..Pool::new(PoolMode::Max, [3, 2]) };
        for (input, kinds) in [
            ([1, 28, 28], Architecture::lenet(10).layers().iter().map(Layer::kind).collect()),
            ([1, 28, 28], vec![conv(6, [5, 5], Relu, true), dense(30, Relu), dense(3, Linear)]),
            (
                [3, 9, 12],
                vec![conv(4, [2, 3], Linear, false), conv(5, [3, 2], Relu, true), dense(2, Linear)],
            ),
            (
                [3, 12, 12],
                vec![
                    conv(4, [1, 1], Relu, false),
                    Kind::Conv(depthwise),
                    Kind::Pool(pool),
                    Kind::Conv(Conv { pool: true, ..padded }),
                    Kind::Pool(Pool::new(PoolMode::Average, [1, 2])),
                    dense(2, Linear),
                ],
            ),
            ([1, 28, 28], vec![dense(17, Relu), dense(2, Linear)]),
        ] {
            let network = network(input, kinds);
            let mut affine = network.affine().to_vec();
            affine[0].fold_input(0.5, -64.0);
            let folded = Network::new(network.architecture().clone(), affine);
            let graph = graph(&network, normalization).checked().unwrap();
            let whole = lower(&graph).unwrap().network().unwrap();
            assert!(whole.takes_pixels);
            assert_eq!(whole.scores, Scores::Logits);
            assert_eq!(whole.network.architecture().to_string(), folded.architecture().to_string());
            assert_eq!(whole.network, folded);
        }
    }

    /// Asserts that lowering gives tract's scores, and returns the steps in words.
    #[track_caller]
    fn lowered(graph: &Graph, input: &[f32]) -> Vec<String> {
        let graph = graph.clone().checked().unwrap();
        let lowered = lower(&graph).unwrap();
        let [found, expected] = [&lowered, &whole_in_tract(&graph).unwrap()]
            .map(|lowered| lowered.activations(input).unwrap().pop().unwrap());
        assert_eq!(found.len(), expected.len());
        let largest = expected.iter().fold(0_f32, |largest, value| largest.max(value.abs()));
        for (found, expected) in found.iter().zip(&expected) {
            assert!((found - expected).abs() <= 1e-4 * largest, "{found} for {expected}");
        }
        let step = |step: &Step| match &step.operation {
            Operation::Layer(layer, _) => layer.to_string(),
            Operation::Plan(plan) => plan.to_string(),
        };
        lowered.steps.iter().map(step).collect()
    }

    #[test]
    fn padding_under_a_normalisation_stays_exact() {
        let padded = Conv { padding: Padding::even(1), ..Conv::new(4, [3, 3]) };
        let network = network([2, 6, 5], vec![Kind::Conv(padded), dense(3, Linear)]);
        let graph = graph(&network, Normalization::CENTRED);
        let steps = lowered(&graph, &pixels(&network));
        // zeros of the padding are zeros after the normalisation, which stays a layer of its own
        assert_eq!(steps, ["Conv 1x1 2→2 groups 2", "Conv 3x3 2→4 pad 1", "Dense 120→3"]);
        let only_scaled = Normalization { offset: 0.0, scale: 0.25 };
        let steps = lowered(&self::graph(&network, only_scaled), &pixels(&network));
        assert_eq!(steps, ["Conv 3x3 2→4 pad 1", "Dense 120→3"]);
    }

    #[test]
    fn a_softmax_of_probabilities_stays() {
        let gemm = |output| node("MatMul", &["f", "w"], output);
        let softmax = |input, output| node("Softmax", &[input], output);
        let flatten = || node("Flatten", &["image"], "f");
        let tensors: &[(&str, &[usize])] = &[("w", &[4, 3])];
        let kept = |nodes_of: Vec<Node>| {
            let graph = nodes(&[1, 2, 2], nodes_of, tensors).checked().unwrap();
            let (name, _) = scores(&graph, &graph.analysed().unwrap().1);
            name.to_owned()
        };
        let once =
            vec![flatten(), gemm("g"), node("Identity", &["g"], "i"), softmax("i", "scores")];
        assert_eq!(kept(once), "i");
        let twice = vec![
            flatten(),
            gemm("g"),
            softmax("g", "s"),
            node("Identity", &["s"], "i"),
            softmax("i", "scores"),
        ];
        assert_eq!(kept(twice), "scores");
    }

    /// A graph of these nodes from `image: float32 [batch, …shape]` to `scores`.
    fn nodes(shape: &[usize], nodes: Vec<Node>, tensors: &[(&str, &[usize])]) -> Graph {
        let tensor = |(name, shape): &(&str, &[usize])| {
            let values = values(shape.iter().product()).iter().map(|v| v / 8.0 + 0.1).collect();
            ((*name).to_owned(), Tensor::new(shape, Values::F32(values)))
        };
        Graph {
            inputs: vec![Port::of_batches("image", "float32", shape)],
            outputs: vec![Port::of_batches("scores", "float32", &[3])],
            nodes,
            tensors: tensors.iter().map(tensor).collect(),
            ..crate::onnx::empty()
        }
    }

    fn node(op: &str, inputs: &[&str], output: &str) -> Node {
        Node::new(op, inputs, output, &[])
    }

    #[test]
    fn a_batch_normalisation_is_folded_before_and_after_a_convolution_and_after_a_relu() {
        let normalize = |input, output, p: &str| {
            let names = ["a", "b", "c", "d"].map(|n| format!("{p}{n}"));
            let inputs: Vec<&str> =
                [input].into_iter().chain(names.iter().map(String::as_str)).collect();
            Node::new("BatchNormalization", &inputs, output, &[("epsilon", Attribute::Float(7.0))])
        };
        let pads = [("pads", Attribute::Ints(vec![1; 4]))];
        let graph = nodes(
            &[2, 5, 6],
            vec![
                normalize("image", "n", "x"),
                node("Conv", &["n", "w"], "c"),
                normalize("c", "m", "y"),
                node("Relu", &["m"], "r"),
                normalize("r", "s", "y"),
                Node::new("Conv", &["s", "v"], "d", &pads),
                node("GlobalAveragePool", &["d"], "g"),
                node("Flatten", &["g"], "scores"),
            ],
            &[
                ("xa", &[2]),
                ("xb", &[2]),
                ("xc", &[2]),
                ("xd", &[2]),
                ("ya", &[4]),
                ("yb", &[4]),
                ("yc", &[4]),
                ("yd", &[4]),
                ("w", &[4, 2, 3, 2]),
                ("v", &[3, 4, 3, 3]),
            ],
        );
        assert_eq!(
            lowered(&graph, &values(60)),
            [
                "Conv 3x2 2→4 + ReLU",
                "Conv 1x1 4→4 groups 4",
                "Conv 3x3 4→3 pad 1",
                "AveragePool 3x5"
            ]
        );
    }

    #[test]
    fn channels_that_are_last_are_put_first() {
        let to = |first, input, output| {
            let perm = if first { vec![0, 3, 1, 2] } else { vec![0, 2, 3, 1] };
            Node::new("Transpose", &[input], output, &[("perm", Attribute::Ints(perm))])
        };
        let axes = [("axes", Attribute::Ints(vec![1, 2])), ("keepdims", Attribute::Int(0))];
        let graph = nodes(
            &[5, 6, 2],
            vec![
                to(true, "image", "i"),
                node("Conv", &["i", "w"], "c"),
                to(false, "c", "l"),
                node("Add", &["l", "b"], "a"),
                node("Relu", &["a"], "r"),
                node("Sigmoid", &["r"], "s"),
                node("Flatten", &["s"], "f"),
                node("MatMul", &["f", "m"], "d"),
                Node::new("ReduceMean", &["s"], "g", &axes),
                node("MatMul", &["g", "k"], "e"),
                node("Add", &["d", "e"], "scores"),
            ],
            &[("w", &[4, 2, 3, 3]), ("b", &[4]), ("m", &[48, 3]), ("k", &[4, 3])],
        );
        assert_eq!(
            lowered(&graph, &values(60)),
            [
                "Conv 3x3 2→4 + ReLU",
                "tract: Sigmoid",
                "Dense 48→3",
                "AveragePool 3x4",
                "Dense 4→3",
                "Add"
            ]
        );
    }

    #[test]
    fn a_residual_takes_an_earlier_value() {
        let pads = [("pads", Attribute::Ints(vec![1; 4]))];
        let graph = nodes(
            &[4, 5, 5],
            vec![
                Node::new("Conv", &["image", "w"], "c", &pads),
                node("Add", &["image", "c"], "a"),
                node("Relu", &["a"], "r"),
                node("Flatten", &["r"], "f"),
                node("MatMul", &["f", "m"], "scores"),
            ],
            &[("w", &[4, 4, 3, 3]), ("m", &[100, 3])],
        );
        let steps = lowered(&graph, &values(100));
        assert_eq!(steps, ["Conv 3x3 4→4 pad 1", "Add + ReLU", "Dense 100→3"]);
        let whole = lower(&graph.checked().unwrap()).unwrap().network().unwrap();
        let add = &whole.network.architecture().layers()[1];
        assert_eq!(add.sources().collect::<Vec<_>>(), [0, 1]);
    }

    #[test]
    fn a_softmax_at_the_end_is_told_and_not_run() {
        let ends = |tail: &[&str]| {
            let mut all = vec![node("Flatten", &["image"], "f"), node("MatMul", &["f", "m"], "v0")];
            for (i, op) in tail.iter().enumerate() {
                let output =
                    if i + 1 == tail.len() { "scores".into() } else { format!("v{}", i + 1) };
                all.push(node(op, &[&format!("v{i}")], &output));
            }
            let graph = nodes(&[1, 2, 4], all, &[("m", &[8, 3])]).checked().unwrap();
            let lowered = lower(&graph).unwrap();
            (lowered.scores, lowered.steps.len())
        };
        assert_eq!(ends(&["Softmax"]), (Scores::Logits, 1));
        assert_eq!(ends(&["Softmax", "Identity", "Flatten", "Dropout"]), (Scores::Logits, 1));
        assert_eq!(ends(&["LogSoftmax", "Identity"]), (Scores::Logits, 1));
        assert_eq!(ends(&["Sigmoid", "Identity"]), (Scores::Independent, 1));
        // one of each pair is not one of all
        let pairs = Tensor::new(&[3], Values::I64(vec![1, 2, 2]));
        let back = Tensor::new(&[2], Values::I64(vec![1, 4]));
        let all = vec![
            node("Flatten", &["image"], "f"),
            node("MatMul", &["f", "m"], "v"),
            node("Reshape", &["v", "pairs"], "p"),
            node("Softmax", &["p"], "s"),
            node("Reshape", &["s", "back"], "scores"),
        ];
        let mut graph = nodes(&[1, 2, 4], all, &[("m", &[8, 4])]);
        graph.tensors.extend([("pairs".to_owned(), pairs), ("back".to_owned(), back)]);
        graph.outputs[0] = Port::of_batches("scores", "float32", &[4]);
        assert_eq!(lowered(&graph, &values(8)), ["Dense 8→4", "tract: Softmax"]);
        // logarithms of probabilities are logits
        assert_eq!(ends(&["Softmax", "Log"]), (Scores::Logits, 2));
    }

    #[test]
    fn what_is_no_layer_runs_in_tract_between_layers() {
        let network = network([1, 28, 28], vec![conv(4, [5, 5], Relu, true), dense(3, Linear)]);
        let mut graph = graph(&network, Normalization::CENTRED);
        let last = graph.nodes.last_mut().unwrap();
        (last.name, last.outputs) = ("sums".into(), vec!["sums".into()]);
        graph.nodes.push(node("Tanh", &["sums"], "logits"));
        graph.outputs[0].shape.pop();
        graph.outputs[0].shape.push(crate::onnx::Dimension::Fixed(3));
        assert_eq!(
            lowered(&graph, &pixels(&network)),
            ["Conv 5x5 1→4 + ReLU + MaxPool 2x2", "Dense 576→3", "tract: Tanh"]
        );
        assert_eq!(lower(&graph.checked().unwrap()).unwrap().network(), None);
    }
}
