//! What becomes of graphs.

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
    let once = vec![flatten(), gemm("g"), node("Identity", &["g"], "i"), softmax("i", "scores")];
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
        ["Conv 3x2 2→4 + ReLU", "Conv 1x1 4→4 groups 4", "Conv 3x3 4→3 pad 1", "AveragePool 3x5"]
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
            let output = if i + 1 == tail.len() { "scores".into() } else { format!("v{}", i + 1) };
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
