//! From an ONNX graph to layers: every operator is read for what it computes, and what belongs together is joined.
//!
//! ```text
//! Graph ──translate──▶ primitives ──fuse──▶ layers and nodes ──segments──▶ steps, some of which tract runs
//! ```
//!
//! Why not on tract's graph, after tract has simplified it: that takes longer than all else in loading a model, knows no
//! padding under a normalisation, and its forms change with its versions. The graph here was checked, and every length is
//! known. tract is left what is no layer.
//!
//! If in the end nothing but layers is left, the graph is a [`Network`].

mod fuse;
mod primitive;
mod segments;
mod size;
mod spelling;
mod translate;
mod view;

use std::sync::Arc;

use crate::affine::Affine;
use crate::architecture::{Architecture, Kind, Layer, Shape};
use crate::error::Error;
use crate::onnx::shapes::{Facts, axis_of};
use crate::onnx::{Graph, Node, takes_pixels};
use crate::plan::Plan;
use crate::reference::Network;
use crate::scores::Scores;

/// A graph as steps, each a layer or something that tract runs.
#[derive(Debug)]
pub struct Lowered {
    /// Channels, height and width of the picture that goes in.
    pub input: Shape,
    /// Whether pixels go in, 0 to 255; otherwise what the caller makes of them.
    pub takes_pixels: bool,
    /// In the order in which they run; the last makes the scores.
    pub steps: Vec<Step>,
    /// What these mean. A softmax or sigmoid at the end is told here, and is no step.
    pub scores: Scores,
}

/// One step.
#[derive(Debug)]
pub struct Step {
    /// Indices of the values that it takes: 0 is the input, `n` what the `n`th step makes.
    pub sources: Vec<usize>,
    /// Values of one image that it makes.
    pub outputs: usize,
    /// The same by channels, height and width.
    pub shape: Shape,
    /// What it computes.
    pub operation: Operation,
}

/// What a step computes.
#[derive(Debug)]
pub enum Operation {
    /// A layer with its weights. Which values an [`Kind::Add`] takes stands in [`Step::sources`].
    Layer(Layer, Affine),
    /// Operators of ONNX, run by tract.
    Plan(Arc<Plan>),
}

/// A graph that is nothing but layers.
#[derive(Debug, Clone, PartialEq)]
pub struct WholeNetwork {
    /// The layers; a normalisation inside the graph is folded into the first where that is exact.
    pub network: Network,
    /// Whether the first layer takes pixels, 0 to 255; otherwise what the caller makes of them.
    pub takes_pixels: bool,
    /// What the outputs mean.
    pub scores: Scores,
}

/// Recognises the layers of `graph`.
///
/// # Errors
/// [`Error::Engine`] if tract cannot run what is no layer.
pub fn lower(graph: &Graph) -> Result<Lowered, Error> {
    let (layout, facts) = graph.analysed().map_err(Error::Graph)?;
    let (output, scores) = scores(graph, &facts);
    let steps = match translate::translate(graph, &layout, &facts, output) {
        Some(mut sequence) => {
            sequence.fuse();
            segments::steps(&sequence, layout.picture, &facts, graph.opset)?
        }
        None => None,
    };
    let steps = match steps {
        Some(steps) => steps,
        None => vec![segments::whole(graph, &layout, &facts, output)?],
    };
    Ok(Lowered { input: layout.picture, takes_pixels: is_of_pixels(graph), steps, scores })
}

/// Leaves all of `graph` to tract.
///
/// # Errors
/// [`Error::Engine`] if tract cannot run it.
pub fn whole_in_tract(graph: &Graph) -> Result<Lowered, Error> {
    let (layout, facts) = graph.analysed().map_err(Error::Graph)?;
    let (output, scores) = scores(graph, &facts);
    let steps = vec![segments::whole(graph, &layout, &facts, output)?];
    Ok(Lowered { input: layout.picture, takes_pixels: is_of_pixels(graph), steps, scores })
}

fn is_of_pixels(graph: &Graph) -> bool {
    takes_pixels(&graph.inputs[0].element) == Some(true)
}

/// Operators that leave scores as they are, and in their order.
const SAME_SCORES: [&str; 7] =
    ["Identity", "Dropout", "Cast", "Reshape", "Flatten", "Squeeze", "Unsqueeze"];

/// The value before a softmax or sigmoid at the end of a graph, and what the scores are.
fn scores<'g>(graph: &'g Graph, facts: &Facts) -> (&'g str, Scores) {
    let end = graph.outputs[0].name.as_str();
    let mut name = end;
    // what does not change the order of the scores may follow
    while let Some(node) = maker(graph, name) {
        let scores = match node.op.as_str() {
            "Softmax" | "LogSoftmax"
                if is_over_all(node, facts, graph.opset)
                    && !may_be_shares(&node.inputs[0], graph, facts) =>
            {
                Scores::Logits
            }
            "Sigmoid" => Scores::Independent,
            op if SAME_SCORES.contains(&op) => {
                name = &node.inputs[0];
                continue;
            }
            _ => break,
        };
        return (&node.inputs[0], scores);
    }
    (end, Scores::Logits)
}

/// Whether a value may be probabilities of sum 1. A softmax of those changes them, and who has only what it reads would take
/// that for the answer.
fn may_be_shares(name: &str, graph: &Graph, facts: &Facts) -> bool {
    let Some(node) = maker(graph, name) else { return false };
    let is_constant =
        |name: &String| facts.get(name.as_str()).is_some_and(|fact| fact.value.is_some());
    match node.op.as_str() {
        "Softmax" => true,
        // a softmax that is written out
        "Div" => !node.inputs.iter().any(is_constant),
        op if SAME_SCORES.contains(&op) => may_be_shares(&node.inputs[0], graph, facts),
        _ => false,
    }
}

fn maker<'g>(graph: &'g Graph, name: &str) -> Option<&'g Node> {
    graph.nodes.iter().find(|node| node.outputs.first().is_some_and(|made| made == name))
}

/// Whether a softmax goes over all elements together, not over parts of them.
fn is_over_all(node: &Node, facts: &Facts, opset: i64) -> bool {
    let Some(fact) = facts.get(node.inputs[0].as_str()) else { return false };
    let Some(axis) = axis_of(node, if opset < 13 { 1 } else { -1 }, fact.shape.len()) else {
        return false;
    };
    let length = if opset < 13 { fact.shape[axis..].iter().product() } else { fact.shape[axis] };
    length == fact.shape.iter().product::<usize>()
}

impl Lowered {
    /// What each step makes of one picture, `[channel][row][column]`, by the slow reference.
    ///
    /// # Errors
    /// [`Error::Engine`] if tract cannot run a step of its own.
    pub fn activations(&self, input: &[f32]) -> Result<Vec<Vec<f32>>, Error> {
        let mut values = vec![input.to_vec()];
        for step in &self.steps {
            let source = |number: usize| &values[step.sources[number]][..];
            let made = match &step.operation {
                Operation::Layer(layer, affine) if step.sources.len() == 2 => {
                    let sum: Vec<f32> =
                        source(0).iter().zip(source(1)).map(|(a, b)| a + b).collect();
                    layer.apply(affine, &sum)
                }
                Operation::Layer(layer, affine) => layer.apply(affine, source(0)),
                Operation::Plan(plan) => {
                    let mut output = vec![0.0; step.outputs];
                    plan.run((0..step.sources.len()).map(source), &mut output)?;
                    output
                }
            };
            values.push(made);
        }
        values.remove(0);
        Ok(values)
    }

    /// The network that the graph is; `None` if tract runs any of it.
    #[must_use]
    pub fn network(&self) -> Option<WholeNetwork> {
        let mut kinds = vec![];
        let mut affine = vec![];
        for step in &self.steps {
            let Operation::Layer(layer, weights) = &step.operation else { return None };
            let kind = match (layer.kind(), &step.sources[..]) {
                (Kind::Add { activation, .. }, &[_, other]) => Kind::Add { other, activation },
                (kind, _) => kind,
            };
            kinds.push((*step.sources.first()?, kind));
            affine.push(weights.clone());
        }
        let architecture = Architecture::connected(self.input, kinds).ok()?;
        // a reshape between two layers may not have made another picture
        let mut steps = architecture.layers().iter().zip(&self.steps);
        let same = steps.all(|(layer, step)| match &step.operation {
            Operation::Layer(found, _) => match layer.kind() {
                Kind::Dense { .. } => layer.fan_in() == found.fan_in(),
                _ => layer.input() == found.input(),
            },
            Operation::Plan(_) => false,
        });
        let network = same.then(|| Network::new(architecture, affine))?;
        Some(WholeNetwork { network, takes_pixels: self.takes_pixels, scores: self.scores })
    }
}

#[cfg(test)]
mod tests;
