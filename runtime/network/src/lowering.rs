//! From an ONNX graph to layers, and what is none to tract.

use std::sync::Arc;

use crate::affine::Affine;
use crate::architecture::{Layer, Shape};
use crate::error::Error;
use crate::onnx::Graph;
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
    /// What these mean.
    pub scores: Scores,
}

/// One step.
#[derive(Debug)]
pub struct Step {
    /// Indices of the values that it takes: 0 is the input, `n` what the `n`th step makes.
    pub sources: Vec<usize>,
    /// Values of one image that it makes.
    pub outputs: usize,
    /// What it computes.
    pub operation: Operation,
}

/// What a step computes.
#[derive(Debug)]
pub enum Operation {
    /// A layer with its weights.
    Layer(Layer, Affine),
    /// Operators of ONNX, run by tract.
    Plan(Arc<Plan>),
}

/// A graph that is nothing but layers.
#[derive(Debug, Clone, PartialEq)]
pub struct WholeNetwork {
    /// The layers; a normalisation inside the graph is folded into the first.
    pub network: Network,
    /// Whether the first layer takes pixels, 0 to 255; otherwise what the caller makes of them.
    pub takes_pixels: bool,
    /// What the outputs mean.
    pub scores: Scores,
}

/// Recognises the layers of `graph`.
///
/// # Errors
/// [`Error::Engine`] if tract cannot read what is no layer.
pub fn lower(graph: &Graph) -> Result<Lowered, Error> {
    whole_in_tract(graph)
}

/// Leaves all of `graph` to tract.
///
/// # Errors
/// [`Error::Engine`] if tract cannot read it.
pub fn whole_in_tract(graph: &Graph) -> Result<Lowered, Error> {
    let _ = graph;
    todo!()
}

impl Lowered {
    /// The network that the graph is; `None` if tract runs any of it.
    #[must_use]
    pub fn network(&self) -> Option<WholeNetwork> {
        None
    }
}
