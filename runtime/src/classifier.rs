//! A model behind types of our own: how it is loaded, asked, and what it answers.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tract_onnx::prelude::*;

use crate::chain::Buffers;
use crate::engine::Engine;
use crate::error::Error;
use crate::graph::Graph;
use crate::image28::{Image28, PIXELS};
use crate::input::{Input, Normalization};
use crate::kernels::Kernels;
use crate::line::OneLine;
use crate::prediction::{Calibration, Prediction, Verdict};
use crate::preprocess::{Content, Prepared};
use crate::session::Session;

/// The model inside this library: the `lenet.onnx` of our trainer's default run on MNIST.
///
/// How it was made and how good it is stands in its metadata: `runtime inspect`.
pub const EMBEDDED_MODEL: &[u8] = include_bytes!("../lenet.onnx");

/// Most bytes of a model file; ours has 1.7 million.
const LIMIT_BYTES: u64 = 64 << 20;

/// How a model is to be run.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Options {
    /// For models with float input; without it, pixels from 0 to 1.
    pub normalization: Option<Normalization>,
    /// What computes the layers.
    pub kernels: Kernels,
}

/// A model, ready to run; share it between threads, or clone it for next to nothing.
#[derive(Clone)]
pub struct Classifier {
    engine: Arc<Engine>,
    /// Memory that no call is using.
    idle: Arc<Mutex<Vec<Buffers>>>,
    /// Whether the graph's last step is a softmax already.
    answers_probabilities: bool,
    classes: Vec<String>,
    calibration: Calibration,
}

impl Classifier {
    /// The model that is part of this library.
    ///
    /// # Panics
    /// Never: the bytes are constant, and a test loads them.
    #[must_use]
    pub fn embedded() -> Self {
        Self::parse(EMBEDDED_MODEL).expect("the embedded model loads")
    }

    /// Reads a model file.
    ///
    /// # Errors
    /// [`Error::Read`], or [`Error::File`] around what [`Self::parse`] says.
    pub fn load(path: &Path) -> Result<Self, Error> {
        Self::load_with(path, Options::default())
    }

    /// Reads a model file to be run as `options` say.
    ///
    /// # Errors
    /// As [`Self::load`]; [`Error::Normalized`] if the model takes `uint8` and a normalisation is given.
    pub fn load_with(path: &Path, options: Options) -> Result<Self, Error> {
        let bytes = read_model(path)?;
        Self::parse_with(&bytes, options).map_err(|error| error.in_file(path))
    }

    /// Builds the engine from the bytes of an ONNX file, and runs it once.
    ///
    /// # Errors
    /// What is wrong with the file or its graph; never a panic, whatever the bytes.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        Self::parse_with(bytes, Options::default())
    }

    /// Like [`Self::parse`], to be run as `options` say.
    ///
    /// # Errors
    /// As [`Self::parse`]; [`Error::Normalized`] if the model takes `uint8` and a normalisation is given.
    pub fn parse_with(bytes: &[u8], options: Options) -> Result<Self, Error> {
        let (graph, proto) = Graph::parse_with_proto(bytes)?;
        let input = Input::of(&graph.inputs[0], options.normalization)?;
        // its words hold names of the file
        let unusable =
            |error: TractError| Error::Engine(OneLine(format!("{error:#}")).to_string().into());
        let last = graph.nodes.iter().find(|node| node.outputs.contains(&graph.outputs[0].name));
        let mut classifier = Self {
            engine: Arc::new(Engine::build(&proto, input, options.kernels).map_err(unusable)?),
            idle: Arc::default(),
            answers_probabilities: last.is_some_and(|node| node.op == "Softmax"),
            classes: vec![],
            calibration: Calibration::parse(&graph.metadata).unwrap_or_default(),
        };
        let blank = [const { Image28([0; PIXELS]) }; 2];
        let (mut buffers, mut scores) = (Buffers::default(), vec![]);
        classifier.engine.run(&blank[..1], &mut buffers, &mut scores).map_err(unusable)?;
        let classes = scores.len();
        if !(2..=256).contains(&classes) {
            return Err(Error::OutputShape { found: vec![1, classes] });
        }
        if classifier.engine.takes_batches() {
            // a batch of two finds graphs that say "any batch" but mean one
            classifier.engine.run(&blank, &mut buffers, &mut scores).map_err(unusable)?;
            if scores.len() != 2 * classes {
                return Err(Error::OutputShape { found: vec![2, scores.len() / 2] });
            }
        }
        let numbers = || (0..classes).map(|class| class.to_string()).collect();
        let one_line = |name: String| OneLine(name).to_string();
        classifier.classes = graph
            .class_names()
            .map_or_else(numbers, |names| names.into_iter().map(one_line).collect());
        if classifier.classes.len() != classes {
            return Err(Error::OutputShape { found: vec![1, classes] });
        }
        Ok(classifier)
    }

    /// Names of the classes, in the order of the scores; each fit for a line, see [`OneLine`].
    #[must_use]
    pub fn classes(&self) -> &[String] {
        &self.classes
    }

    /// What the scores are worth, from the model's metadata.
    #[must_use]
    pub const fn calibration(&self) -> &Calibration {
        &self.calibration
    }

    /// Scores one picture.
    ///
    /// # Panics
    /// Never: the model ran when it was loaded, and none of its operators depends on the pixels' values.
    #[must_use]
    pub fn classify(&self, image: &Image28) -> Prediction {
        self.classify_batch(std::slice::from_ref(image)).swap_remove(0)
    }

    /// Scores pictures in one run of the engine, or one by one where the model's batch is fixed to 1.
    ///
    /// # Panics
    /// Never, as [`Self::classify`].
    #[must_use]
    pub fn classify_batch(&self, images: &[Image28]) -> Vec<Prediction> {
        let mut buffers = self.idle().pop().unwrap_or_default();
        let mut scores = vec![];
        self.score(images, &mut buffers, &mut scores);
        self.idle().push(buffers);
        scores.chunks_exact(self.classes.len()).map(|scores| self.prediction(scores)).collect()
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Buffers>> {
        // buffers hold nothing that a panic could leave half done
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Memory and threads of one's own, for many batches one after the other.
    ///
    /// # Errors
    /// That of the system if it has no more threads.
    pub fn session(&self, threads: NonZeroUsize) -> io::Result<Session> {
        Session::new(self, threads)
    }

    /// The graph's output for each image, one after the other.
    pub(crate) fn score(&self, images: &[Image28], buffers: &mut Buffers, scores: &mut Vec<f32>) {
        self.engine.run(images, buffers, scores).expect("a model that ran when loaded runs again");
    }

    /// Scores a picture that [`crate::preprocess`] prepared; where that found no single drawing, the verdict is
    /// [`Verdict::NoDigit`] whatever the scores.
    ///
    /// # Panics
    /// Never, as [`Self::classify`].
    #[must_use]
    pub fn read(&self, prepared: &Prepared) -> Prediction {
        let mut prediction = self.classify(&prepared.image);
        if prepared.content != Content::Drawing {
            prediction.verdict = Verdict::NoDigit;
        }
        prediction
    }

    /// What an image's scores say.
    ///
    /// # Panics
    /// If there are not as many as classes.
    #[must_use]
    pub fn prediction(&self, scores: &[f32]) -> Prediction {
        assert_eq!(scores.len(), self.classes.len(), "a score a class");
        if self.answers_probabilities {
            let logits: Vec<f32> = scores.iter().map(|p| p.max(f32::MIN_POSITIVE).ln()).collect();
            Prediction::new(&logits, &self.calibration)
        } else {
            Prediction::new(scores, &self.calibration)
        }
    }

    /// The engine that runs it.
    #[must_use]
    pub(crate) fn engine(&self) -> &Engine {
        &self.engine
    }
}

/// Reads the bytes of a model file, of 64 MiB at most.
///
/// # Errors
/// [`Error::Read`], or [`Error::File`] around [`Error::TooLarge`].
pub fn read_model(path: &Path) -> Result<Vec<u8>, Error> {
    let unreadable = |source| Error::Read { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(unreadable)?;
    file.take(LIMIT_BYTES + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > LIMIT_BYTES {
        return Err(Error::TooLarge { limit_bytes: LIMIT_BYTES }.in_file(path));
    }
    Ok(bytes)
}

impl fmt::Debug for Classifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Classifier")
            .field("engine", &self.engine)
            .field("classes", &self.classes)
            .finish_non_exhaustive()
    }
}
