//! All that keeps a graph from running, where [`super::check`] stops at the first.

use std::collections::BTreeSet;

use super::check::{check, check_facts, file_faults, node_faults};
use super::{Graph, GraphFault, input, select, shapes};

/// The faults of a decoded graph, besides those of its parts: none if [`check`] finds none, else also what that finds.
pub(super) fn faults(graph: &Graph, of_parts: &[GraphFault]) -> Vec<GraphFault> {
    let first = if of_parts.is_empty() {
        match check(graph) {
            Ok(_) => return vec![],
            Err(fault) => Some(fault),
        }
    } else {
        None
    };
    let mut faults: Vec<GraphFault> = file_faults(graph).collect();
    if of_parts.contains(&GraphFault::NoOpset) {
        faults.retain(|fault| !matches!(fault, GraphFault::Opset { .. }));
    }
    // ordering this many would take long
    let is_too_large = faults.iter().any(|fault| matches!(fault, GraphFault::TooManyNodes { .. }));
    if !is_too_large && !graph.outputs.is_empty() {
        match select::making(graph, 0) {
            Ok(making) => faults.extend(of_output(&making)),
            Err(fault) => faults.push(fault),
        }
    }
    let unread: BTreeSet<&str> = of_parts.iter().filter_map(constant).collect();
    faults.retain(|fault| {
        !matches!(fault, GraphFault::Element { tensor, .. } if unread.contains(&tensor[..]))
    });
    if let Some(first) = first.filter(|first| !faults.contains(first)) {
        faults.insert(0, first);
    }
    faults
}

/// The constant that a fault is about.
fn constant(fault: &GraphFault) -> Option<&str> {
    match fault {
        GraphFault::Tensor { name, .. } => Some(name),
        GraphFault::External { tensor, .. } => Some(tensor),
        _ => None,
    }
}

/// The faults of a graph of one output.
fn of_output(graph: &Graph) -> Vec<GraphFault> {
    let of_node = |index: usize| node_faults(graph, &graph.nodes[index]).collect::<Vec<_>>();
    let of_nodes: Vec<Vec<GraphFault>> = (0..graph.nodes.len()).map(of_node).collect();
    // nothing is known of what a node makes that cannot run
    let mut sound = graph.clone();
    let mut is_sound = of_nodes.iter().map(Vec::is_empty);
    sound.nodes.retain(|_| is_sound.next() == Some(true));
    let are_all_sound = sound.nodes.len() == graph.nodes.len();
    let mut faults: Vec<GraphFault> = of_nodes.into_iter().flatten().collect();
    let [port] = &graph.inputs[..] else { return faults };
    let layouts = input::layouts(graph);
    if input::takes_pixels(&port.element).is_none() || layouts.is_empty() {
        faults.push(GraphFault::Input { name: port.name.clone(), found: port.to_string() });
    }
    let of_layout = layouts.into_iter().map(|layout| {
        let graph = match layout.fixed_batch {
            Some(batch) => select::with_batch_of_one(&sound, batch),
            None => sound.clone(),
        };
        let (facts, mut faults) = shapes::survey(&graph, &layout.lengths);
        if facts.contains_key(graph.outputs[0].name.as_str()) {
            faults.extend(check_facts(&graph, &facts).err());
        }
        let does_not_fit = |fault: &GraphFault| {
            matches!(fault, GraphFault::Shapes { .. } | GraphFault::Output { .. })
        };
        match layout.fixed_batch {
            Some(length) if are_all_sound && faults.iter().any(does_not_fit) => {
                faults.retain(|fault| !does_not_fit(fault));
                faults.push(GraphFault::FixedBatch { length });
            }
            _ => {}
        }
        faults
    });
    faults.extend(of_layout.min_by_key(Vec::len).unwrap_or_default());
    faults
}

#[cfg(test)]
mod tests {
    use super::super::network::tests::lenet;
    use super::super::{Attribute, Error, Port, Values};
    use super::*;

    fn faults(graph: &Graph) -> Vec<String> {
        let bytes = graph.emit();
        let (_, faults) = Graph::diagnose(&bytes, None).unwrap();
        if let Err(Error::Graph(first)) = Graph::parse(&bytes) {
            assert!(faults.contains(&first), "{first} in {faults:?}");
        } else {
            assert_eq!(faults, []);
        }
        faults.iter().map(GraphFault::to_string).collect()
    }

    #[test]
    fn a_graph_that_runs_has_none() {
        assert_eq!(faults(&lenet()), [""; 0]);
    }

    #[test]
    fn every_fault_is_told_at_once_and_none_for_what_only_follows_from_another() {
        let mut graph = lenet();
        graph.opset = 6;
        graph.ir_version = 99;
        let convs: Vec<usize> =
            (0..graph.nodes.len()).filter(|&at| graph.nodes[at].op == "Conv").collect();
        // the second convolution, all after the first operator that is not known, still has its attributes looked at
        graph.nodes[convs[0]].op = "Convolve".into();
        let second = &mut graph.nodes[convs[1]];
        second.attributes.insert("group".into(), Attribute::Int(0));
        second.attributes.insert("strides".into(), Attribute::Ints(vec![0, 1]));
        let weights = graph.tensors.values_mut().filter(|tensor| tensor.shape.len() == 4);
        if let Some(Values::F32(values)) = weights.last().map(|tensor| &mut tensor.values) {
            values[0] = f32::NAN;
        }
        let found = faults(&graph);
        let parts = [
            "it holds NaN or infinity",
            "operator set 6",
            "IR version 99",
            "is a Convolve, which is not supported",
            "attribute `group` is out of range",
            "attribute `strides` is out of range",
        ];
        assert_eq!(found.len(), parts.len(), "{found:#?}");
        for (found, part) in found.iter().zip(parts) {
            assert!(found.contains(part), "{part} in {found}");
        }
    }

    #[test]
    fn shapes_that_do_not_fit_are_told_beside_operators_that_are_not_known() {
        let mut graph = lenet();
        graph.inputs[0] = Port::of_batches("image", "uint8", &[1, 27, 27]);
        graph.inputs[0].element = "string".into();
        graph.nodes.last_mut().unwrap().op = "TopK".into();
        let found: Vec<String> =
            super::faults(&graph, &[]).iter().map(GraphFault::to_string).collect();
        let parts = ["is a TopK", "its input `image` is string", "(Gemm) cannot take inputs"];
        assert_eq!(found.len(), parts.len(), "{found:#?}");
        for (found, part) in found.iter().zip(parts) {
            assert!(found.contains(part), "{part} in {found}");
        }
    }
}
