//! The model that a command is given: a file, standard input, or the one inside this program.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use network::onnx::{self, Graph, GraphFault};
use runtime::{Baked, Classifier, EMBEDDED_BAKED, EMBEDDED_MODEL, Kernels, Options};

use crate::class_names;
use crate::cli;
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

/// The engine of the model that arguments name: a file, or the one inside this program.
///
/// That one is baked, which is ready in less time, unless tract is to run it. What was read is gone when this returns.
pub(crate) fn classifier(arguments: &cli::Model) -> anyhow::Result<Classifier> {
    arguments.check().unwrap_or_else(|error| error.exit());
    let file = match &arguments.file {
        Some(path) => File::read(path)?,
        None if arguments.kernels() == Kernels::Tract => File::embedded_onnx(),
        None => File::embedded(),
    };
    let options = arguments.options()?;
    let classifier = if file.is_baked() {
        let classifier = Classifier::baked_with(&file.bytes, options);
        classifier.map_err(|error| with_hint(error.in_file(&file.name)))?
    } else {
        file.parse()?.classifier(options)?
    };
    match &arguments.preparation.classes {
        Some(names) => class_names::apply(&classifier, names),
        None => Ok(classifier),
    }
}

/// A model file that was read.
pub(crate) struct File {
    /// How messages name it.
    pub(crate) name: String,
    pub(crate) bytes: Cow<'static, [u8]>,
    /// Where an ONNX file may have its weights in another file.
    folder: Option<PathBuf>,
}

impl File {
    /// The baked file inside this program.
    pub(crate) fn embedded() -> Self {
        Self { name: EMBEDDED.into(), bytes: EMBEDDED_BAKED.into(), folder: None }
    }

    /// The ONNX file inside this program.
    pub(crate) fn embedded_onnx() -> Self {
        Self { name: EMBEDDED.into(), bytes: EMBEDDED_MODEL.into(), folder: None }
    }

    /// Reads a file, or standard input.
    pub(crate) fn read(path: &Path) -> anyhow::Result<Self> {
        if stdin::is_meant(path) {
            let bytes = stdin::read_bounded(onnx::MAX_BYTES)?.into();
            return Ok(Self { name: stdin::NAME.into(), bytes, folder: None });
        }
        let folder = path.parent().map(Path::to_owned);
        let bytes = onnx::read_model(path)?.into();
        Ok(Self { name: path.display().to_string(), bytes, folder })
    }

    pub(crate) fn is_baked(&self) -> bool {
        Baked::is_baked(&self.bytes)
    }

    /// Reads what it holds.
    pub(crate) fn parse(self) -> anyhow::Result<Source> {
        let content = self.content()?;
        Ok(Source { name: self.name, bytes: self.bytes, content })
    }

    /// What it holds.
    pub(crate) fn content(&self) -> anyhow::Result<Content> {
        Ok(if self.is_baked() {
            let baked = Baked::parse(&self.bytes).map_err(runtime::Error::from);
            Content::Baked(baked.map_err(|error| error.in_file(&self.name))?.into())
        } else {
            let graph = Graph::parse_in(&self.bytes, self.folder.as_deref());
            Content::Onnx(graph.map_err(|error| error.in_file(&self.name))?.into())
        })
    }

    /// An ONNX file's graph as far as it can be read, and all that keeps it from running.
    pub(crate) fn diagnose(&self) -> anyhow::Result<(Graph, Vec<GraphFault>)> {
        let diagnosed = Graph::diagnose(&self.bytes, self.folder.as_deref());
        Ok(diagnosed.map_err(|error| error.in_file(&self.name))?)
    }
}

impl Source {
    /// Reads and parses a file, or standard input.
    pub(crate) fn read_file(path: &Path) -> anyhow::Result<Self> {
        File::read(path)?.parse()
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
