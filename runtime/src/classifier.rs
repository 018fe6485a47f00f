//! A model, ready to classify: from a graph to predictions.

use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use dataset::{Image28, PIXELS};
use network::onnx::Graph;
use safe_io::SingleLine;

use crate::engine::{Buffers, Engine};
use crate::error::Error;
use crate::input::{FloatInput, Input};
use crate::kernels::Kernels;
use crate::prediction::{Calibration, Prediction, Verdict};
use crate::preprocess::{Content, Prepared};

/// The model inside this library: the `lenet.onnx` of our trainer's default run on MNIST.
///
/// How it was made and how good it is stands in its metadata: `runtime inspect`.
pub const EMBEDDED_MODEL: &[u8] = include_bytes!("../lenet.onnx");

/// How a model is to be run.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Options {
    /// For models with float input; without it, pixels from 0 to 1.
    pub float_input: Option<FloatInput>,
    /// What computes the layers.
    pub kernels: Kernels,
}

/// A model, ready to run; share it between threads, or clone it, which copies no weights.
#[derive(Clone)]
pub struct Classifier {
    engine: Arc<Engine>,
    /// Buffers that no call is using.
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
    /// [`Error::Model`] if the file or its graph is refused, or what [`Self::new`] says, in [`Error::File`].
    pub fn load(path: &Path) -> Result<Self, Error> {
        Self::new(&Graph::load(path)?, Options::default()).map_err(|error| error.in_file(path))
    }

    /// Builds the engine from the bytes of an ONNX file.
    ///
    /// # Errors
    /// What is wrong with the file or its graph; never a panic, whatever the bytes.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        Self::new(&Graph::parse(bytes)?, Options::default())
    }

    /// Builds the engine of a graph that was parsed, and runs it once.
    ///
    /// # Errors
    /// [`Error::InputShape`] if it takes no 28×28 picture, [`Error::OutputShape`] if it does not give one score per
    /// class, [`Error::NotFinite`] if these are no numbers, [`Error::Normalized`] or [`Error::FloatInput`] if `options` do
    /// not fit, [`Error::Calibration`] if that in the metadata is damaged, or [`Error::Model`].
    pub fn new(graph: &Graph, options: Options) -> Result<Self, Error> {
        let input = Input::of(&graph.inputs[0], options.float_input)?;
        let last = graph.nodes.iter().find(|node| node.outputs.contains(&graph.outputs[0].name));
        let mut classifier = Self {
            engine: Arc::new(Engine::build(graph, input, options.kernels)?),
            idle: Arc::default(),
            answers_probabilities: last.is_some_and(|node| node.op == "Softmax"),
            classes: vec![],
            calibration: calibration(graph)?,
        };
        let blank = [Image28([0; PIXELS]), Image28([255; PIXELS])];
        let (mut buffers, mut scores) = (Buffers::default(), vec![]);
        let mut run = |images: &[Image28], scores: &mut Vec<f32>| {
            classifier.engine.run(images, &mut buffers, scores, &mut |_, run| run())
        };
        run(&blank[1..], &mut scores)?;
        let is_finite = |scores: &[f32]| scores.iter().all(|score| score.is_finite());
        let of_white = is_finite(&scores);
        run(&blank[..1], &mut scores)?;
        let classes = scores.len();
        if !of_white || !is_finite(&scores) {
            return Err(Error::NotFinite);
        }
        if !(2..=256).contains(&classes) {
            return Err(Error::OutputShape { found: vec![1, classes] });
        }
        if classifier.engine.takes_batches() {
            // a batch of two finds graphs that say "any batch" but mean one
            run(&blank, &mut scores)?;
            if scores.len() != 2 * classes {
                return Err(Error::OutputShape { found: vec![2, scores.len() / 2] });
            }
        }
        let numbers = || (0..classes).map(|class| class.to_string()).collect();
        let printable = |name: String| SingleLine(name).to_string();
        classifier.classes = graph
            .class_names()
            .map_or_else(numbers, |names| names.into_iter().map(printable).collect());
        if classifier.classes.len() != classes {
            return Err(Error::OutputShape { found: vec![1, classes] });
        }
        Ok(classifier)
    }

    /// Names of the classes, in the order of the scores; each safe to print, see [`SingleLine`].
    #[must_use]
    pub fn classes(&self) -> &[String] {
        &self.classes
    }

    /// How the scores become confidences and verdicts, from the model's metadata.
    #[must_use]
    pub const fn calibration(&self) -> &Calibration {
        &self.calibration
    }

    /// Scores one picture.
    ///
    /// # Panics
    /// Never: the model ran when it was loaded, and none of its operators depends on the pixels' values.
    #[must_use]
    pub fn predict(&self, image: &Image28) -> Prediction {
        self.predict_batch(std::slice::from_ref(image)).swap_remove(0)
    }

    /// Scores pictures in one run of the engine, or one by one where the model's batch is fixed to 1.
    ///
    /// # Panics
    /// Never, as [`Self::predict`].
    #[must_use]
    pub fn predict_batch(&self, images: &[Image28]) -> Vec<Prediction> {
        let mut buffers = self.idle().pop().unwrap_or_default();
        let mut scores = vec![];
        self.score(images, &mut buffers, &mut scores);
        self.idle().push(buffers);
        scores.chunks_exact(self.classes.len()).map(|scores| self.prediction(scores)).collect()
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Buffers>> {
        // a panic cannot leave buffers half done: each call overwrites them
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The graph's output for each image, one after the other.
    pub(crate) fn score(&self, images: &[Image28], buffers: &mut Buffers, scores: &mut Vec<f32>) {
        let ran = self.engine.run(images, buffers, scores, &mut |_, run| run());
        ran.expect("a model that ran when loaded runs again");
    }

    /// Scores a picture that [`crate::preprocess`] prepared; where that found no single drawing, the verdict is
    /// [`Verdict::NoDigit`] whatever the scores.
    ///
    /// # Panics
    /// Never, as [`Self::predict`].
    #[must_use]
    pub fn read(&self, prepared: &Prepared) -> Prediction {
        let mut prediction = self.predict(&prepared.image);
        if prepared.content != Content::Drawing {
            prediction.verdict = Verdict::NoDigit;
        }
        prediction
    }

    /// The prediction that an image's scores stand for.
    ///
    /// # Panics
    /// If there are not as many as classes.
    #[must_use]
    pub fn prediction(&self, scores: &[f32]) -> Prediction {
        assert_eq!(scores.len(), self.classes.len(), "one score per class");
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

/// The calibration in the metadata, or the default where there is nothing of one.
fn calibration(graph: &Graph) -> Result<Calibration, Error> {
    match Calibration::parse(&graph.metadata) {
        None if Calibration::KEYS.iter().any(|key| graph.metadata.contains_key(*key)) => {
            Err(Error::Calibration)
        }
        calibration => Ok(calibration.unwrap_or_default()),
    }
}

impl fmt::Debug for Classifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Classifier")
            .field("engine", &self.engine)
            .field("classes", &self.classes)
            .finish_non_exhaustive()
    }
}
