//! Our model with a part changed, and what is said about it.

use network::onnx::Graph;
use runtime::{Classifier, EMBEDDED_MODEL};
use tract_onnx::pb::{GraphProto, ModelProto, NodeProto};

pub(crate) use fixtures::protobuf::*;

/// What is said about our model after `change`.
pub(crate) fn refusal(change: impl FnOnce(&mut ModelProto)) -> String {
    let bytes = changed(change);
    // the first reason is among all of them
    match (Graph::parse(&bytes), Graph::diagnose(&bytes, None)) {
        (Ok(_), diagnosed) => assert_eq!(diagnosed.unwrap().1, []),
        (Err(network::Error::Graph(first)), Ok((_, faults))) => {
            assert!(faults.contains(&first), "{first} in {faults:?}");
        }
        (Err(error), diagnosed) => assert!(diagnosed.is_err(), "{error}"),
    }
    match Classifier::parse(&bytes) {
        Ok(_) => "it loads".into(),
        Err(error) => error.to_string(),
    }
}

pub(crate) fn changed(change: impl FnOnce(&mut ModelProto)) -> Vec<u8> {
    edited(EMBEDDED_MODEL, change)
}

#[track_caller]
pub(crate) fn assert_refused(reason: &str, change: impl FnOnce(&mut ModelProto)) {
    let found = refusal(change);
    assert!(found.contains(reason), "{found}, for {reason}");
}

/// Like [`assert_refused`], with the graph in hand.
#[track_caller]
pub(crate) fn assert_graph_refused(reason: &str, change: impl FnOnce(&mut GraphProto)) {
    assert_refused(reason, |model| change(graph(model)));
}

/// Like [`assert_refused`], with the first of these operators in hand.
#[track_caller]
pub(crate) fn assert_node_refused(reason: &str, op: &str, change: impl FnOnce(&mut NodeProto)) {
    assert_graph_refused(reason, |graph| change(node(graph, op)));
}
