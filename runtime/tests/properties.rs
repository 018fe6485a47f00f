//! Properties of loading: a damaged model is refused for a reason that is told with all others, or runs, and nothing panics,
//! whatever the bytes.

use network::onnx::Graph;
use proptest::prelude::*;
use runtime::{Classifier, EMBEDDED_MODEL, Image};

/// Where the graph's structure lies: before and after the long weights, which any bytes are good for.
fn structure() -> impl Strategy<Value = usize> {
    prop_oneof![0..2_000_usize, EMBEDDED_MODEL.len() - 2_000..EMBEDDED_MODEL.len()]
}

fn load_and_run(bytes: &[u8]) {
    if let Ok((graph, faults)) = Graph::diagnose(bytes, None) {
        let _ = graph.node_costs();
        match Graph::parse(bytes) {
            Ok(_) => assert_eq!(faults, []),
            // the first reason is among all of them
            Err(network::Error::Graph(first)) => assert!(faults.contains(&first), "{faults:?}"),
            Err(error) => panic!("{error}"),
        }
    }
    if let Ok(classifier) = Classifier::parse(bytes) {
        let shape = classifier.input_shape();
        let white = vec![255; shape.iter().product()];
        let prediction = classifier.predict(&Image::new(shape, white).unwrap());
        assert_eq!(prediction.probabilities.len(), classifier.classes().len());
    }
}

proptest! {
    #[test]
    fn a_model_with_a_few_changed_bytes_never_panics(changes in prop::collection::vec((structure(), any::<u8>()), 1..4)) {
        let mut bytes = EMBEDDED_MODEL.to_vec();
        for (place, byte) in changes {
            bytes[place] = byte;
        }
        load_and_run(&bytes);
    }

    #[test]
    fn a_model_that_ends_early_is_refused(length in 1..EMBEDDED_MODEL.len()) {
        prop_assert!(Classifier::parse(&EMBEDDED_MODEL[..length]).is_err());
    }

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        load_and_run(&bytes);
    }
}
