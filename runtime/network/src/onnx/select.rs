//! The part of a graph that makes one of its outputs, in an order in which it can run.

use std::collections::{BTreeMap, BTreeSet};

use super::{Dimension, Graph, GraphFault, Node, Values};

/// Operators of which the outputs after the first are for training, or tell where a value came from.
const FIRST_OUTPUT_COUNTS: [&str; 4] =
    ["BatchNormalization", "Dropout", "LayerNormalization", "MaxPool"];

/// The nodes that output number `output` needs, each after those that it reads, and the constants that these read.
pub(super) fn making(graph: &Graph, output: usize) -> Result<Graph, GraphFault> {
    let output = &graph.outputs[output];
    let mut makers: BTreeMap<&str, usize> = BTreeMap::new();
    for (index, node) in graph.nodes.iter().enumerate() {
        for value in node.outputs.iter().filter(|value| !value.is_empty()) {
            let is_constant = node.op != "Constant" && graph.tensors.contains_key(value);
            let is_input = graph.inputs.iter().any(|input| input.name == *value);
            if is_constant || is_input || makers.insert(value, index).is_some() {
                return Err(GraphFault::MadeTwice { value: value.clone() });
            }
        }
    }
    let maker = |value: &str| makers.get(value).copied();
    // a constant is no output: nothing of the picture is in it
    let is_made = maker(&output.name).is_some_and(|index| graph.nodes[index].op != "Constant");
    if !is_made {
        let reader = "the graph's output".into();
        return Err(GraphFault::Unmade { value: output.name.clone(), reader });
    }
    // those that the output needs
    let mut needed = BTreeSet::new();
    let mut waiting: Vec<usize> = maker(&output.name).into_iter().collect();
    while let Some(index) = waiting.pop() {
        if needed.insert(index) {
            waiting.extend(graph.nodes[index].inputs.iter().filter_map(|value| maker(value)));
        }
    }
    // each after those that it reads, and else as in the file
    let is_given = |value: &str| {
        value.is_empty()
            || graph.tensors.contains_key(value)
            || graph.inputs.iter().any(|input| input.name == value)
    };
    let mut made = BTreeSet::new();
    let mut nodes: Vec<Node> = Vec::with_capacity(needed.len());
    while !needed.is_empty() {
        let is_ready = |index: &&usize| {
            let mut inputs = graph.nodes[**index].inputs.iter();
            inputs.all(|value| is_given(value) || made.contains(value.as_str()))
        };
        let Some(&index) = needed.iter().find(is_ready) else {
            return Err(unmade(graph, &needed, |value| is_given(value) || made.contains(value)));
        };
        needed.remove(&index);
        made.extend(graph.nodes[index].outputs.iter().map(String::as_str));
        nodes.push(graph.nodes[index].clone());
    }
    let read: BTreeSet<String> = nodes.iter().flat_map(|node| node.inputs.clone()).collect();
    for node in &mut nodes {
        let is_read = |value: &String| read.contains(value) || *value == output.name;
        if FIRST_OUTPUT_COUNTS.contains(&node.op.as_str())
            && !node.outputs.iter().skip(1).any(is_read)
        {
            node.outputs.truncate(1);
        }
    }
    let tensors = graph.tensors.iter().filter(|(name, _)| read.contains(*name));
    Ok(Graph {
        outputs: vec![output.clone()],
        nodes,
        tensors: tensors.map(|(name, tensor)| (name.clone(), tensor.clone())).collect(),
        ..graph.clone()
    })
}

/// The first value that is made by nothing, or by what needs it.
fn unmade(graph: &Graph, nodes: &BTreeSet<usize>, is_there: impl Fn(&str) -> bool) -> GraphFault {
    let mut reads = nodes.iter().flat_map(|&index| {
        let node = &graph.nodes[index];
        node.inputs.iter().map(move |value| (value, node))
    });
    let makes = |value: &str| {
        nodes.iter().any(|&index| graph.nodes[index].outputs.iter().any(|made| made == value))
    };
    let missing = reads.clone().find(|(value, _)| !is_there(value) && !makes(value));
    match missing.or_else(|| reads.find(|(value, _)| !is_there(value))) {
        Some((value, node)) => {
            GraphFault::Unmade { value: value.clone(), reader: format!("node `{}`", node.name) }
        }
        None => GraphFault::NoGraph,
    }
}

/// The graph for one picture where its batch is fixed to more: reshapes that name that batch name 1.
pub(super) fn with_batch_of_one(graph: &Graph, batch: usize) -> Graph {
    let mut graph = graph.clone();
    if let Some(first) = graph.inputs.first_mut().and_then(|input| input.shape.first_mut()) {
        *first = Dimension::Fixed(1);
    }
    for node in graph.nodes.iter_mut().filter(|node| node.op == "Reshape") {
        let Some(name) = node.inputs.get(1) else { continue };
        let Some(mut target) = graph.tensors.get(name).cloned() else { continue };
        if let Values::I64(lengths) = &mut target.values
            && let Some(first) = lengths.first_mut().filter(|first| **first == batch as i64)
        {
            *first = 1;
            // another node may read the same lengths for something else
            let name = format!("{name} of a batch of one");
            graph.tensors.insert(name.clone(), target);
            node.inputs[1] = name;
        }
    }
    graph
}
