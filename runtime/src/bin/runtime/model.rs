//! The model that a command is given: a file, standard input, or the one inside this program.

use std::borrow::Cow;
use std::path::Path;

use network::onnx::{self, Graph};
use runtime::{Classifier, EMBEDDED_MODEL, Options};

use crate::hint::with_hint;
use crate::stdin;

/// A model file that was read and parsed.
pub(crate) struct Source {
    /// How messages name it.
    pub(crate) name: String,
    pub(crate) bytes: Cow<'static, [u8]>,
    pub(crate) graph: Graph,
}

impl Source {
    /// Reads and parses a file, or the model inside this program.
    pub(crate) fn read(path: Option<&Path>) -> anyhow::Result<Self> {
        let (name, bytes) = match path {
            None => ("embedded model".to_owned(), Cow::Borrowed(EMBEDDED_MODEL)),
            Some(path) if stdin::is_meant(path) => {
                (stdin::NAME.to_owned(), Cow::Owned(stdin::read_bounded(onnx::MAX_BYTES)?))
            }
            Some(path) => (path.display().to_string(), Cow::Owned(onnx::read_model(path)?)),
        };
        let graph = Graph::parse(&bytes).map_err(|error| error.in_file(&name))?;
        Ok(Self { name, bytes, graph })
    }

    /// Builds its engine.
    pub(crate) fn classifier(&self, options: Options) -> anyhow::Result<Classifier> {
        let classifier = Classifier::new(&self.graph, options);
        classifier.map_err(|error| with_hint(error.in_file(&self.name)))
    }
}
