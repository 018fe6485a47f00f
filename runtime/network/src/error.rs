//! Why a model was refused, in one line each.

use std::path::PathBuf;

use safe_io::SingleLine;
use safe_io::read::ReadError;

use crate::onnx::GraphFault;

/// Why a model was refused; names from the file are made safe to print.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file cannot be read, or is too large.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The file's content was refused.
    #[error("{}", SingleLine(path.display()))]
    File {
        /// The file that was read.
        path: PathBuf,
        /// What is wrong with it.
        source: Box<Error>,
    },
    /// The file holds nothing.
    #[error("the file is empty")]
    Empty,
    /// The bytes are no ONNX protobuf.
    #[error("not an ONNX file")]
    NotOnnx(#[source] prost::DecodeError),
    /// The graph is not one that runs safely here.
    #[error("unusable ONNX graph: {}", SingleLine(.0))]
    Graph(GraphFault),
    /// tract cannot run the graph.
    #[error("the engine cannot run this model")]
    Engine(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Error {
    /// Names the file that this is about.
    #[must_use]
    pub fn in_file(self, path: impl Into<PathBuf>) -> Self {
        Self::File { path: path.into(), source: Box::new(self) }
    }
}
