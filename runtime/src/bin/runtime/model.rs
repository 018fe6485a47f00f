//! The model that a command is given: a file, standard input, or the one inside this program.

use std::borrow::Cow;
use std::path::Path;

use network::onnx::{self, Graph};
use runtime::{Baked, Classifier, EMBEDDED_BAKED, EMBEDDED_MODEL, Kernels, Options};

use crate::hint::with_hint;
use crate::stdin;

/// How messages name the model inside this program.
const EMBEDDED: &str = "embedded model";

/// A model file that was read and parsed.
pub(crate) struct Source {
    /// How messages name it.
    pub(crate) name: String,
    pub(crate) bytes: Cow<'static, [u8]>,
    pub(crate) content: Content,
}

/// What a model file holds.
pub(crate) enum Content {
    Onnx(Box<Graph>),
    Baked(Box<Baked>),
}

impl Source {
    /// Reads and parses a file, or the model inside this program: baked, since that is ready in less time, unless tract
    /// is to run it.
    pub(crate) fn read(path: Option<&Path>, kernels: Kernels) -> anyhow::Result<Self> {
        match path {
            Some(path) => Self::read_file(path),
            None if kernels == Kernels::Tract => Self::embedded(),
            None => Self::parse(EMBEDDED.into(), EMBEDDED_BAKED.into(), None),
        }
    }

    /// The ONNX file inside this program.
    pub(crate) fn embedded() -> anyhow::Result<Self> {
        Self::parse(EMBEDDED.into(), EMBEDDED_MODEL.into(), None)
    }

    /// Reads and parses a file, or standard input.
    pub(crate) fn read_file(path: &Path) -> anyhow::Result<Self> {
        if stdin::is_meant(path) {
            let bytes = stdin::read_bounded(onnx::MAX_BYTES)?;
            return Self::parse(stdin::NAME.into(), bytes.into(), None);
        }
        let folder = path.parent();
        Self::parse(path.display().to_string(), onnx::read_model(path)?.into(), folder)
    }

    /// `folder` is where an ONNX file may have its weights in another file.
    fn parse(
        name: String,
        bytes: Cow<'static, [u8]>,
        folder: Option<&Path>,
    ) -> anyhow::Result<Self> {
        let content = if Baked::is_baked(&bytes) {
            let baked = Baked::parse(&bytes).map_err(runtime::Error::from);
            Content::Baked(baked.map_err(|error| error.in_file(&name))?.into())
        } else {
            let graph = Graph::parse_in(&bytes, folder);
            Content::Onnx(graph.map_err(|error| error.in_file(&name))?.into())
        };
        Ok(Self { name, bytes, content })
    }

    /// Builds its engine.
    pub(crate) fn classifier(&self, options: Options) -> anyhow::Result<Classifier> {
        let classifier = match &self.content {
            Content::Onnx(graph) => Classifier::new(graph, options),
            Content::Baked(baked) => Classifier::of_baked(baked, options),
        };
        classifier.map_err(|error| with_hint(error.in_file(&self.name)))
    }
}
