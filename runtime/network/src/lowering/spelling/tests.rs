use super::super::{lower, whole_in_tract};
use super::*;
use crate::onnx::{Graph, Port};

/// What a node makes of `0, 1, 2, …` less `below`, by tract alone and as the graph is lowered.
#[track_caller]
fn made(node: &Node, shape: &[usize], below: f32, tensors: &[(&str, Tensor)]) -> Vec<f32> {
    made_in(13, node, shape, below, tensors)
}

#[track_caller]
fn made_in(
    opset: i64,
    node: &Node,
    shape: &[usize],
    below: f32,
    tensors: &[(&str, Tensor)],
) -> Vec<f32> {
    made_by(opset, std::slice::from_ref(node), shape, below, tensors)
}

#[track_caller]
fn made_by(
    opset: i64,
    nodes: &[Node],
    shape: &[usize],
    below: f32,
    tensors: &[(&str, Tensor)],
) -> Vec<f32> {
    let flatten = Node::new("Flatten", &["made"], "scores", &[]);
    let graph = Graph {
        inputs: vec![Port::of_batches("image", "float32", shape)],
        outputs: vec![Port { name: "scores".into(), element: "float32".into(), shape: vec![] }],
        nodes: [nodes, &[flatten]].concat(),
        tensors: tensors.iter().map(|(name, t)| ((*name).into(), t.clone())).collect(),
        opset,
        ..crate::onnx::empty()
    };
    let graph = graph.checked().unwrap();
    let image: Vec<f32> = (0..shape.iter().product()).map(|i: usize| i as f32 - below).collect();
    let [whole, lowered] = [whole_in_tract(&graph), lower(&graph)]
        .map(|lowered| lowered.unwrap().activations(&image).unwrap().pop().unwrap());
    for (whole, lowered) in whole.iter().zip(&lowered) {
        assert!((whole - lowered).abs() < 1e-5, "{whole}, {lowered}");
    }
    whole
}

fn ints(values: &[i64]) -> Tensor {
    Tensor::new(&[values.len()], Values::I64(values.to_vec()))
}

#[test]
fn a_slice_may_go_backwards_in_steps_and_begin_and_end_behind_the_axis() {
    let node = Node::new("Slice", &["image", "starts", "ends", "axes", "steps"], "made", &[]);
    for (start, end, step, expected) in [
        (1 << 31, -(1 << 31), -1, vec![4, 3, 2, 1, 0]),
        (-1, -6, -2, vec![4, 2, 0]),
        (-9, 9, 3, vec![0, 3]),
        (1, 9, 1, vec![1, 2, 3, 4]),
        (3, 0, -1, vec![3, 2, 1]),
    ] {
        let tensors = [
            ("starts", ints(&[start])),
            ("ends", ints(&[end])),
            ("axes", ints(&[-1])),
            ("steps", ints(&[step])),
        ];
        let rows = [0, 5].into_iter().flat_map(|row| expected.iter().map(move |i| i + row));
        let expected: Vec<f32> = rows.map(|i| i as f32).collect();
        assert_eq!(made(&node, &[1, 2, 5], 0.0, &tensors), expected, "{start}..{end} by {step}");
    }
}

#[test]
fn padding_that_repeats_elements_passes_over_the_value() {
    let pads = ints(&[0, 0, 0, 2, 0, 0, 0, 1]);
    let value = Tensor::scalar(Values::F32(vec![9.0]));
    for (mode, expected) in [
        ("edge", [0, 0, 0, 1, 2, 2]),
        ("reflect", [2, 1, 0, 1, 2, 1]),
        ("wrap", [1, 2, 0, 1, 2, 0]),
        ("constant", [9, 9, 0, 1, 2, 9]),
    ] {
        let tensors = [("pads", pads.clone()), ("value", value.clone())];
        let mode = [("mode", Attribute::Text(mode.into()))];
        let node = Node::new("Pad", &["image", "pads", "value"], "made", &mode);
        let found = made_in(19, &node, &[1, 1, 3], 0.0, &tensors);
        assert_eq!(found, expected.map(|i| i as f32), "{mode:?}");
    }
}

#[test]
fn a_celu_bends_where_alpha_says() {
    let alpha = [("alpha", Attribute::Float(2.0))];
    let found = made(&Node::new("Celu", &["image"], "made", &alpha), &[1, 1, 4], 2.0, &[]);
    let expected = [-2.0_f32, -1.0].map(|x| 2.0 * ((x / 2.0).exp() - 1.0));
    for (found, expected) in found.iter().zip([expected[0], expected[1], 0.0, 1.0]) {
        assert!((found - expected).abs() < 1e-6, "{found} for {expected}");
    }
}

#[test]
fn a_convolution_may_be_taken_away_or_divided_by() {
    let weights = Tensor::new(&[2, 1, 1, 2], Values::F32(vec![1.0, 2.0, 3.0, 4.0]));
    let number = Tensor::new(&[2, 1, 1], Values::F32(vec![10.0, 70.0]));
    let dilations = [("dilations", Attribute::Ints(vec![1, 2]))];
    for (op, expected) in
        [("Sub", [6.0, 3.0, 62.0, 55.0]), ("Div", [2.5, 10.0 / 7.0, 8.75, 70.0 / 15.0])]
    {
        let conv = Node::new("Conv", &["image", "weights"], "conv", &dilations);
        let node = Node::new(op, &["number", "conv"], "made", &[]);
        let tensors = [("weights", weights.clone()), ("number", number.clone())];
        let found = made_by(13, &[conv, node], &[1, 1, 4], 0.0, &tensors);
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-5, "{op}: {found} for {expected}");
        }
    }
}

#[test]
fn a_normalisation_of_one_value_is_zero() {
    let axes = [("axes", Attribute::Ints(vec![3]))];
    let node = Node::new("MeanVarianceNormalization", &["image"], "made", &axes);
    assert_eq!(made(&node, &[1, 2, 1], 0.0, &[]), [0.0; 2]);
    assert_eq!(made_in(18, &node, &[1, 1, 2], 0.0, &[]), [-1.0, 1.0]);
}

#[test]
fn windows_that_pad_by_themselves_count_a_last_one_that_is_not_whole() {
    let attributes = [
        ("auto_pad", Attribute::Text("VALID".into())),
        ("ceil_mode", Attribute::Int(1)),
        ("kernel_shape", Attribute::Ints(vec![1, 2])),
        ("strides", Attribute::Ints(vec![1, 3])),
    ];
    for (op, expected) in [("MaxPool", [1.0, 4.0]), ("AveragePool", [0.5, 3.5])] {
        let node = Node::new(op, &["image"], "made", &attributes);
        assert_eq!(made(&node, &[1, 1, 5], 0.0, &[]), expected);
    }
    for (op, expected) in [("MaxPool", 3.0), ("AveragePool", 1.5)] {
        let attributes = [
            ("ceil_mode", Attribute::Int(1)),
            ("kernel_shape", Attribute::Ints(vec![2, 3])),
            ("strides", Attribute::Ints(vec![1, 2])),
        ];
        // PyTorch counts a first one that is not whole
        let node = Node::new(op, &["image"], "made", &attributes);
        assert_eq!(made(&node, &[2, 2, 2], 0.0, &[])[..1], [expected]);
    }
}

#[test]
fn a_convolution_may_leave_out_places_of_a_reshaped_value() {
    let weights = Tensor::new(&[2, 1, 1, 1], Values::F32(vec![1.0, 2.0]));
    let strides = ("strides", Attribute::Ints(vec![2, 2]));
    let node = Node::new("Conv", &["image", "weights"], "made", std::slice::from_ref(&strides));
    let found = made(&node, &[1, 5, 1], 0.0, &[("weights", weights)]);
    assert_eq!(found, [0.0, 2.0, 4.0, 0.0, 4.0, 8.0]);
    let weights = Tensor::new(&[1, 1, 2, 1], Values::F32(vec![1.0, 10.0]));
    let attributes = [strides, ("dilations", Attribute::Ints(vec![4, 3]))];
    let node = Node::new("Conv", &["image", "weights"], "made", &attributes);
    let found = made(&node, &[1, 8, 1], 0.0, &[("weights", weights)]);
    assert_eq!(found, [40.0, 62.0]);
}
