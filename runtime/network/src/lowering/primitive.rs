//! A graph on its way to layers: one primitive for each operator, with what it computes of which values.

use crate::affine::Affine;
use crate::architecture::{Activation, Conv, Kind, Padding, Pool, PoolMode, Shape};
use crate::onnx::Node;
use crate::onnx::shapes::Element;

use super::view::View;

/// What one operator of the graph computes.
#[derive(Debug, Clone)]
pub(super) struct Primitive {
    pub(super) work: Work,
    /// Values that it reads: 0 is the input, `n` what the `n`th primitive makes.
    pub(super) sources: Vec<usize>,
    /// Shape as which it reads the first.
    pub(super) input: Shape,
    /// Shape of what it makes.
    pub(super) output: Shape,
}

#[derive(Debug, Clone)]
pub(super) enum Work {
    /// A layer with its weights. The number in a [`Kind::Add`] means nothing: see [`Primitive::sources`].
    Layer(Kind, Affine),
    /// `scale · x + shift`, of each channel.
    Scale(Vec<[f64; 2]>),
    /// An activation by itself.
    Clamp(Activation),
    /// Zeros around each channel.
    Pad(Padding),
    /// What is no layer.
    Node(NodeWork),
}

/// An operator of ONNX that tract will run.
#[derive(Debug, Clone)]
pub(super) struct NodeWork {
    pub(super) node: Node,
    /// Which of its outputs is meant.
    pub(super) output: usize,
    /// Where each input comes from; `None` is a constant or left out.
    pub(super) inputs: Vec<Option<NodeInput>>,
    /// Lengths of what it makes, with the batch of one.
    pub(super) shape: Vec<usize>,
    /// Elements of what it makes.
    pub(super) element: Element,
}

/// A value that an operator reads.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct NodeInput {
    pub(super) value: usize,
    pub(super) view: View,
    pub(super) element: Element,
}

impl Work {
    /// A layer without weights.
    pub(super) const fn bare(kind: Kind) -> Self {
        Self::Layer(kind, Affine { weights: vec![], bias: vec![] })
    }

    /// The layer that does the same, for those that no other layer took in.
    pub(super) fn into_layer(self, [channels, ..]: Shape) -> Self {
        // each channel by itself
        let depthwise =
            |padding| Kind::Conv(Conv { padding, groups: channels, ..Conv::new(channels, [1, 1]) });
        match self {
            Self::Scale(factors) => {
                let affine = Affine {
                    weights: factors.iter().map(|[scale, _]| *scale as f32).collect(),
                    bias: factors.iter().map(|[_, shift]| *shift as f32).collect(),
                };
                Self::Layer(depthwise(Padding::default()), affine)
            }
            Self::Pad(padding) => {
                let affine = Affine { weights: vec![1.0; channels], bias: vec![0.0; channels] };
                Self::Layer(depthwise(padding), affine)
            }
            Self::Clamp(activation) => {
                let pool = Pool { activation, ..Pool::new(PoolMode::Max, [1, 1]) };
                Self::bare(Kind::Pool(pool))
            }
            other => other,
        }
    }
}
