//! What runs a model: a program of compiled layers, with tract for what is no layer.

mod layer;
mod layouts;
mod program;
#[cfg(test)]
mod properties;
mod weights;

pub use layer::{CompiledLayer, Workspace};
pub(crate) use program::{Buffers, Program, Reduction};
pub(crate) use weights::Weights;

/// Gets the number of an operator, and has to call what runs it.
pub(crate) type Observer<'a> = dyn FnMut(usize, &mut dyn FnMut()) + 'a;

/// One step of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Operator {
    /// What it does.
    pub(crate) name: String,
    /// Multiply-accumulates for one image.
    pub(crate) macs: usize,
}
