//! Operators, their settings, and what they cost.

use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::{AttributeProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto};

use crate::edit::*;

#[test]
fn operators_are_known_ones_of_onnx_in_a_known_version() {
    let opset = |version| move |model: &mut ModelProto| model.opset_import[0].version = version;
    assert_refused("operator set 6, expected 7 to 28", opset(6));
    assert_refused("operator set 29, expected 7 to 28", opset(29));
    assert_refused("operator set -9223372036854775808", opset(i64::MIN));
    assert_refused("no operator set", |model| model.opset_import.clear());
    assert_refused("no operator set", |model| {
        model.opset_import =
            vec![OperatorSetIdProto { domain: "com.microsoft".into(), version: 1 }];
    });
    assert_node_refused("com.microsoft.Relu", "Relu", |node| node.domain = "com.microsoft".into());
    for op in ["If", "Loop", "Scan", "NonZero", "Resize", "Where", "relu", ""] {
        let reason = format!("is a {op}, which is not supported");
        assert_node_refused(&reason, "Relu", |node| node.op_type = op.into());
    }
    assert_node_refused("control flow", "Relu", |node| {
        let g = Some(GraphProto::default());
        node.attribute.push(AttributeProto { g, ..int("then_branch", 0) });
    });
}

#[test]
fn settings_are_in_range_of_one_type_and_given_once() {
    let refused = |op: &str, attribute: AttributeProto| {
        let reason = format!("attribute `{}` is out of range", attribute.name);
        assert_node_refused(&reason, op, |node| set(node, attribute));
    };
    refused("MaxPool", ints("strides", &[0, 2]));
    refused("MaxPool", ints("strides", &[2, 2, 2]));
    refused("MaxPool", ints("kernel_shape", &[-2, 2]));
    refused("MaxPool", ints("kernel_shape", &[257, 2]));
    refused("MaxPool", ints("pads", &[0, 0, 0, -1]));
    refused("MaxPool", int("kernel_shape", 2));
    refused("Conv", int("group", 0));
    refused("Conv", ints("dilations", &[i64::MAX, 1]));
    refused("Flatten", int("axis", i64::MIN));
    let unfit = "cannot take inputs of such types and shapes";
    assert_node_refused(unfit, "MaxPool", |node| set(node, ints("strides", &[2])));
    // whole numbers overflow, and a division of them by 0 panics
    for element in [DataType::Int64, DataType::Uint8, DataType::Bool, DataType::String] {
        assert_node_refused(unfit, "Cast", |node| set(node, int("to", i32::from(element).into())));
    }
    assert_node_refused(unfit, "Cast", |node| set(node, int("to", 99)));
    assert_node_refused("attribute `strides` is out of range", "MaxPool", |node| {
        node.attribute.push(ints("strides", &[0, 0]));
    });
    // settings that the operator has not, or not in this operator set
    assert_node_refused("Relu has no attribute `alpha`", "Relu", |node| {
        set(node, float("alpha", 0.5));
    });
    assert_graph_refused("Clip has no attribute `min` in this operator set", |graph| {
        append(graph, "Clip", &[], &[float("min", 0.5)]);
    });
    assert_graph_refused("BatchNormalization has no attribute `spatial` in this", |graph| {
        constant(graph, "one", &[10], &[1.0; 10]);
        append(graph, "BatchNormalization", &["one"; 4], &[int("spatial", 1)]);
    });
    // whether a Dropout trains, and so draws numbers, must be known, and false
    assert_graph_refused("attribute `training_mode` is out of range", |graph| {
        constant(graph, "ratio", &[], &[0.5]);
        constant(graph, "trains", &[], &[0.0]);
        append(graph, "Dropout", &["ratio", "trains"], &[]);
    });
    assert_graph_refused("MatMul has no attribute `transB`", |graph| {
        constant(graph, "square", &[10, 10], &[0.5; 100]);
        append(graph, "MatMul", &["square"], &[int("transB", 1)]);
    });
    assert_node_refused("attribute `kernel_shape` is out of range", "MaxPool", |node| {
        node.attribute.retain(|attribute| attribute.name != "kernel_shape");
    });
}

#[test]
fn operators_take_the_types_and_shapes_that_they_are_defined_for() {
    let appended = |op: &str, dims: &[i64], attributes: &[AttributeProto]| {
        assert_graph_refused("cannot take inputs of such types and shapes", |graph| {
            constant(graph, "more", dims, &vec![1.0; dims.iter().product::<i64>() as usize]);
            append(graph, op, &["more"], attributes);
        });
    };
    appended("Add", &[9], &[]);
    appended("Add", &[1, 1, 10, 9], &[]);
    appended("MatMul", &[9, 2], &[]);
    appended("MatMul", &[10], &[]);
    appended("Gemm", &[9, 10], &[]);
    appended("PRelu", &[3, 1], &[]);
    appended("Concat", &[1, 9], &[int("axis", 0)]);
    appended("Concat", &[1, 10], &[int("axis", 2)]);
    appended("Clip", &[10], &[]);
    let alone = |op: &str, attributes: &[AttributeProto]| {
        assert_graph_refused("cannot take inputs of such types and shapes", |graph| {
            append(graph, op, &[], attributes);
        });
    };
    alone("Softmax", &[int("axis", 2)]);
    alone("LogSoftmax", &[int("axis", -3)]);
    alone("Flatten", &[int("axis", 3)]);
    alone("Transpose", &[ints("perm", &[0, 2, 1])]);
    alone("GlobalAveragePool", &[]);
    alone("MaxPool", &[ints("kernel_shape", &[1, 1])]);
    let unfit = |op: &str, change: &dyn Fn(&mut NodeProto)| {
        assert_node_refused("cannot take inputs of such types and shapes", op, |node| change(node));
    };
    unfit("Conv", &|node| set(node, ints("kernel_shape", &[4, 5])));
    unfit("Conv", &|node| set(node, int("group", 3)));
    unfit("Gemm", &|node| node.input.swap(1, 2));
    unfit("Cast", &|node| {
        node.op_type = "Identity".into();
        node.attribute.clear();
    });
    // a background of 0 divided by itself, as bytes
    assert_graph_refused("cannot take inputs of such types and shapes", |graph| {
        let image = graph.input[0].name.clone();
        node(graph, "Cast").input[0] = "divided".into();
        let division = NodeProto {
            op_type: "Div".into(),
            input: vec![image.clone(), image],
            output: vec!["divided".into()],
            ..NodeProto::default()
        };
        graph.node.insert(0, division);
    });
    // `int64` divided by 0, before any image is seen
    assert_graph_refused("cannot take inputs of such types and shapes", |graph| {
        whole_numbers(graph, "zero", &[0]);
        append(graph, "Div", &["zero"], &[]);
        graph.node.last_mut().unwrap().input[0] = "zero".into();
    });
}

#[test]
fn a_constant_without_elements_cannot_be_sliced() {
    for step in [-1, 1] {
        assert_graph_refused("cannot take inputs of such types and shapes", |graph| {
            whole_numbers(graph, "none", &[]);
            whole_numbers(graph, "zero", &[0]);
            whole_numbers(graph, "step", &[step]);
            append(graph, "Slice", &["zero", "zero", "zero", "step"], &[]);
            graph.node.last_mut().unwrap().input[0] = "none".into();
        });
    }
}

#[test]
fn what_takes_too_much_memory_or_time_is_refused_by_its_shape() {
    let refused = |dims: &[i64], attributes: &[AttributeProto]| {
        assert_graph_refused("too much memory or time", |graph| {
            let conv = node(graph, "Conv");
            for attribute in attributes {
                set(conv, attribute.clone());
            }
            conv.attribute.retain(|attribute| attribute.name != "kernel_shape");
            conv.input.truncate(2);
            conv.input[1] = "large".into();
            constant(graph, "large", dims, &vec![1.0; dims.iter().product::<i64>() as usize]);
        });
    };
    refused(&[21_400, 1, 1, 1], &[]);
    refused(&[700, 1, 1, 1], &[ints("pads", &[64; 4])]);
    assert_graph_refused("too much memory or time", |graph| {
        // what the window of each output covers
        let conv = node(graph, "Conv");
        set(conv, ints("pads", &[64; 4]));
        let pool = node(graph, "MaxPool");
        set(pool, ints("kernel_shape", &[64; 2]));
        set(pool, ints("strides", &[1; 2]));
        set(pool, ints("pads", &[32; 4]));
    });
    assert_graph_refused("too much memory or time", |graph| {
        constant(graph, "column", &[5_000, 1], &vec![1.0; 5_000]);
        constant(graph, "row", &[5_000], &vec![1.0; 5_000]);
        append(graph, "Add", &["row"], &[]);
        graph.node.last_mut().unwrap().input[0] = "column".into();
    });
    assert_graph_refused("more than 1000", |graph| {
        for index in 0..1_000 {
            append(graph, "Relu", &[], &[]);
            graph.node.last_mut().unwrap().output[0] = format!("appended{index}");
            graph.output[0].name = format!("appended{index}");
        }
    });
}
