//! Networks other than LeNet, run by tract alone and with our kernels: what is fused, and that the scores are equal.

use fixtures::graph::GraphBuilder;
use network::onnx::{Attribute, Graph};
use runtime::{Classifier, Image, Instructions, Kernels, Options, PIXELS};

fn classifier(network: &GraphBuilder, kernels: Kernels) -> Classifier {
    let options = Options { kernels, ..Options::default() };
    Classifier::new(&Graph::parse(&network.emit(10)).unwrap(), options).unwrap()
}

/// Asserts that each of our kernels gives tract's scores, and that these operators ran.
#[track_caller]
fn assert_runs_as(network: &GraphBuilder, operators: &[&str]) {
    let images: Vec<Image> =
        (1..6).map(|i| Image::mnist(std::array::from_fn(|at| (at * at / i % 256) as u8))).collect();
    let expected = classifier(network, Kernels::Tract).predict_batch(&images);
    for instructions in Instructions::available() {
        let classifier = classifier(network, Kernels::Fused(instructions));
        for (found, expected) in classifier.predict_batch(&images).iter().zip(&expected) {
            for (found, expected) in found.logits.iter().zip(&expected.logits) {
                let close = (found - expected).abs() < 1e-4 * (1.0 + expected.abs());
                assert!(close, "{instructions}: {found} for {expected}");
            }
        }
        let ran = classifier.profile(&images, 5);
        let ran: Vec<&str> = ran.iter().map(|operator| operator.name.as_str()).collect();
        let ours: Vec<&str> = ran.iter().copied().filter(|name| name.contains('→')).collect();
        assert_eq!(ours, operators, "of {ran:?}");
    }
}

/// A network that normalises bytes: `(pixel + 3 − 100) · ¼ / 20`.
fn normalized() -> GraphBuilder {
    GraphBuilder::bytes_in()
        .with_number("Add", 3.0)
        .with_number("Sub", 100.0)
        .with_number("Mul", 0.25)
        .with_number("Div", 20.0)
}

#[test]
fn another_convolutional_network_is_fused_from_end_to_end() {
    let network = normalized()
        .conv([7, 1, 3, 4], 0)
        .pool(2)
        .relu()
        .conv([9, 7, 2, 2], 0)
        .relu()
        .conv([5, 9, 4, 3], 0)
        .relu()
        .pool(2)
        .conv([3, 5, 2, 2], 0)
        .flatten()
        .gemm(300, 3 * 3 * 3)
        .relu()
        .gemm(10, 300);
    let operators = [
        "Conv 3x4 1→7 + ReLU + MaxPool 2x2",
        "Conv 2x2 7→9 + ReLU",
        "Conv 4x3 9→5 + ReLU + MaxPool 2x2",
        "Conv 2x2 5→3",
        "Dense 27→300 + ReLU",
        "Dense 300→10",
    ];
    assert_runs_as(&network, &operators);
}

#[test]
fn a_network_without_convolutions_is_fused_too() {
    let network = normalized().flatten().gemm(40, PIXELS).relu().gemm(10, 40);
    assert_runs_as(&network, &["Dense 784→40 + ReLU", "Dense 40→10"]);
}

#[test]
fn what_is_not_recognised_runs_as_tract_runs_it_between_what_is() {
    let network = GraphBuilder::new("float32")
        .conv([4, 1, 5, 5], 2)
        .relu()
        .pool(2)
        .conv([6, 4, 3, 3], 0)
        .relu()
        .pool(3)
        .node("Sigmoid", &[], &[])
        .flatten()
        .gemm(20, 6 * 4 * 4)
        .node("Tanh", &[], &[])
        .gemm(10, 20);
    assert_runs_as(&network, &["Conv 3x3 4→6 + ReLU", "Dense 96→20", "Dense 20→10"]);
}

#[test]
fn a_value_that_is_used_twice_is_not_fused_away() {
    let network = normalized().conv([4, 1, 5, 5], 0);
    let conv = network.last().to_owned();
    let network = network.relu().pool(2).flatten();
    let pooled = network.last().to_owned();
    let network = network
        .reading(&conv)
        .node("GlobalAveragePool", &[], &[])
        .flatten()
        .node("Concat", &[&pooled], &[("axis", Attribute::Int(1))])
        .gemm(10, 4 + 4 * 12 * 12);
    // the last is no dense layer any more: tract parts its product in two, that of each input
    assert_runs_as(&network, &["Conv 5x5 1→4"]);
}
