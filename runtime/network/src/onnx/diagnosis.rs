//! All that keeps a graph from running, where [`super::check`] stops at the first.

use std::collections::BTreeSet;
use std::iter;

use super::check::{MAX_NODES, check, check_facts, file_faults, node_faults};
use super::{Dimension, Graph, GraphFault, Node, Tensor, input, select, shapes};

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

/// What is known of a node of a graph, also of one that cannot run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeCost {
    /// The node's name.
    pub name: String,
    /// Its operator.
    pub op: String,
    /// Lengths of its first output for one picture.
    pub output: Option<Vec<usize>>,
    /// Multiply-accumulates for one picture: of convolutions and products of matrices.
    pub macs: Option<usize>,
    /// Elements of the constants that it reads, without lengths, axes and single numbers.
    pub parameters: usize,
    /// Bytes of [`Self::parameters`], where they have the width that they have here.
    pub bytes: usize,
    /// Whether nothing is wrong with it by itself.
    pub is_supported: bool,
}

impl Graph {
    /// What is known of the nodes that make the first output, in an order in which they could run; of all nodes where
    /// there is no such order.
    #[must_use]
    pub fn node_costs(&self) -> Vec<NodeCost> {
        let made = if self.nodes.len() > MAX_NODES || self.outputs.is_empty() {
            None
        } else {
            select::making(self, 0).ok()
        };
        let graph = made.as_ref().unwrap_or(self);
        let is_sound: Vec<bool> =
            graph.nodes.iter().map(|node| node_faults(graph, node).next().is_none()).collect();
        let sound = only(graph, &is_sound);
        let facts = lengths(graph).map(|lengths| shapes::survey(&sound, &lengths).0);
        let cost = |(node, is_supported): (&Node, &bool)| {
            let output = facts.as_ref().zip(node.outputs.first());
            let fact = output.and_then(|(facts, output)| facts.get(output.as_str()));
            let constants = node.inputs.iter().filter_map(|name| graph.tensors.get(name));
            let sizes = constants.filter_map(Tensor::parameters);
            let (parameters, bytes) =
                sizes.fold((0, 0), |(count, bytes), (more, size)| (count + more, bytes + size));
            NodeCost {
                name: node.name.clone(),
                op: node.op.clone(),
                output: fact.map(|fact| fact.shape.clone()),
                macs: fact.and_then(|_| Some(shapes::macs(node, facts.as_ref()?, graph.opset))),
                parameters,
                bytes,
                is_supported: *is_supported,
            }
        };
        let nodes = graph.nodes.iter().zip(&is_sound);
        nodes.filter(|(node, _)| node.op != "Constant").map(cost).collect()
    }
}

/// The graph without the nodes of which nothing is known.
fn only(graph: &Graph, is_sound: &[bool]) -> Graph {
    let mut sound = graph.clone();
    let mut is_sound = is_sound.iter();
    sound.nodes.retain(|_| is_sound.next() == Some(&true));
    sound
}

/// Whether an axis may be as long as this for its nodes to be looked at.
const fn is_surveyed(length: usize) -> bool {
    matches!(length, 1..=65_536)
}

/// Lengths of the input for one picture, also of one that is no picture here; `None` where they are not known.
fn lengths(graph: &Graph) -> Option<Vec<usize>> {
    let [port] = &graph.inputs[..] else { return None };
    let layout = input::layouts(graph).into_iter().next();
    let mut axes = port.shape.iter();
    layout.map(|layout| layout.lengths).or_else(|| {
        axes.next()?;
        let fixed = axes.map(|axis| match axis {
            Dimension::Fixed(length) => Some(*length).filter(|&length| is_surveyed(length)),
            Dimension::Symbol(_) => None,
        });
        iter::once(Some(1)).chain(fixed).collect()
    })
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
    let sound = only(graph, &of_nodes.iter().map(Vec::is_empty).collect::<Vec<_>>());
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
    fn what_nodes_make_and_cost_is_known_up_to_one_that_is_not() {
        let mut graph = lenet();
        // as large as no picture here may be
        graph.inputs[0] = Port::of_batches("image", "uint8", &[1, 300, 300]);
        let costs = graph.node_costs();
        let conv = costs.iter().find(|cost| cost.op == "Conv").unwrap();
        assert_eq!(conv.output, Some(vec![1, 20, 296, 296]));
        assert_eq!(conv.macs, Some(20 * 296 * 296 * 25));
        assert_eq!((conv.parameters, conv.bytes), (520, 2080));
        graph.nodes.iter_mut().find(|node| node.op == "Relu").unwrap().op = "Resize".into();
        let costs = graph.node_costs();
        let unknown = costs.iter().position(|cost| !cost.is_supported).unwrap();
        assert!(costs[..unknown].iter().all(|cost| cost.output.is_some()));
        assert!(costs[unknown..].iter().all(|cost| cost.output.is_none() && cost.macs.is_none()));
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
