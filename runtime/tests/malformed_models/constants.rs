//! Constants, which are weights and lengths.

use network::onnx::Graph;
use runtime::EMBEDDED_MODEL;
use tract_onnx::pb::tensor_proto::{DataLocation, DataType};
use tract_onnx::pb::{NodeProto, StringStringEntryProto, TensorProto};

use crate::edit::*;

#[test]
fn data_outside_the_file_is_never_looked_for() {
    let location =
        |path: &str| StringStringEntryProto { key: "location".into(), value: path.into() };
    for path in ["weights.bin", "../weights.bin", "/etc/passwd"] {
        assert_graph_refused("lies in a second file", |graph| {
            let weights = weights(graph);
            weights.raw_data.clear();
            weights.external_data = vec![location(path)];
            weights.data_location = Some(DataLocation::External.into());
        });
        // a file may leave out where its data lie
        assert_graph_refused("lies in a second file", |graph| {
            let weights = weights(graph);
            weights.raw_data.clear();
            weights.external_data = vec![location(path)];
        });
        // data in the file are those that ONNX Runtime takes
        let inside = changed(|model| {
            weights(model.graph.as_mut().unwrap()).external_data = vec![location(path)];
        });
        assert!(
            Graph::parse(&inside).unwrap().tensors == Graph::parse(EMBEDDED_MODEL).unwrap().tensors
        );
    }
}

#[test]
fn every_constant_is_there_and_finite() {
    let refused = |reason: &str, change: fn(&mut TensorProto)| {
        assert_graph_refused(reason, |graph| change(weights(graph)));
    };
    refused("not as long as its shape", |weights| weights.raw_data.truncate(1_999));
    refused("not as long as its shape", |weights| weights.raw_data.truncate(96));
    refused("not as long as its shape", |weights| weights.raw_data.clear());
    refused("not as long as its shape", |weights| weights.raw_data.extend([0; 4]));
    refused("NaN or infinity", |weights| {
        weights.raw_data[4..8].copy_from_slice(&f32::NAN.to_le_bytes());
    });
    refused("NaN or infinity", |weights| {
        weights.raw_data[4..8].copy_from_slice(&f32::NEG_INFINITY.to_le_bytes());
    });
    refused("not as long as its shape", |weights| weights.data_type = DataType::Double.into());
    refused(
        "reads `conv1.weight`, whose elements are complex64, which is not supported",
        |weights| {
            weights.data_type = DataType::Complex64.into();
        },
    );
    refused("whose elements are undefined", |weights| weights.data_type = 99);
    assert_node_refused("`beta` is out of range", "Gemm", |node| {
        set(node, float("beta", f32::NAN));
    });
    assert_graph_refused("attribute `value_float` is out of range", |graph| {
        append(graph, "Add", &["infinite"], &[]);
        let made = NodeProto {
            op_type: "Constant".into(),
            output: vec!["infinite".into()],
            attribute: vec![float("value_float", f32::NAN)],
            ..NodeProto::default()
        };
        graph.node.insert(0, made);
    });
}

#[test]
fn shapes_of_constants_are_positive_and_few_and_do_not_overflow() {
    let refused = |reason: &str, dims: &[i64]| {
        assert_graph_refused(reason, |graph| weights(graph).dims = dims.to_vec());
    };
    refused("negative length", &[-20, 1, 5, 5]);
    refused("not as long as its shape", &[20, 0, 5, 5]);
    refused("overflows", &[1 << 62, 1 << 62]);
    refused("overflows", &[i64::MAX, 3]);
    refused("not as long as its shape", &[i64::MAX]);
    refused("too many axes", &[1; 9]);
    refused("must be [out, in, rows, columns]", &[500]);
}
