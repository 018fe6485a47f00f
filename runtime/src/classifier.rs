//! A model, ready to classify: from a graph to predictions.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

#[cfg(feature = "tract")]
use std::path::Path;

use dataset::Image28;
use network::Scores;
#[cfg(feature = "tract")]
use network::onnx::Graph;
use safe_io::SingleLine;

use crate::baked::Baked;
use crate::engine::{Buffers, Program};
use crate::error::Error;
use crate::input::FloatInput;
use crate::kernels::Kernels;
use crate::prediction::{Calibration, Prediction, Verdict};
use crate::preprocess::{Content, Prepared};

/// The model inside this library: the `lenet.onnx` of our trainer's default run on MNIST, baked; see [`Baked`].
///
/// How it was made and how good it is stands in its metadata.
pub const EMBEDDED_BAKED: &[u8] = include_bytes!("../lenet.baked");

/// The ONNX file that [`EMBEDDED_BAKED`] was baked from.
#[cfg(feature = "tract")]
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
    program: Arc<Program>,
    float_input: FloatInput,
    /// Buffers that no call is using.
    idle: Arc<Mutex<Vec<Buffers>>>,
    scores: Scores,
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
        Self::baked(EMBEDDED_BAKED).expect("the embedded model loads")
    }

    /// Builds the engine from the bytes of a baked model.
    ///
    /// # Errors
    /// [`Error::Empty`] or [`Error::Baked`] if it is refused, or what [`Self::of_baked`] says; never a panic, whatever
    /// the bytes.
    pub fn baked(bytes: &[u8]) -> Result<Self, Error> {
        if bytes.is_empty() {
            return Err(Error::Empty);
        }
        Self::of_baked(&Baked::parse(bytes)?, Options::default())
    }

    /// Builds the engine of a baked model, and runs it once.
    ///
    /// # Errors
    /// [`Error::NotFinite`] if it gives no numbers, [`Error::Normalized`] or [`Error::FloatInput`] if `options` do not
    /// fit, [`Error::NoGraph`] if these ask for tract, or [`Error::Calibration`] if that in the metadata is damaged.
    pub fn of_baked(baked: &Baked, options: Options) -> Result<Self, Error> {
        let Kernels::Fused(instructions) = options.kernels else { return Err(Error::NoGraph) };
        if baked.takes_pixels() && options.float_input.is_some() {
            return Err(Error::Normalized { name: "image".into() });
        }
        let program = Program::of_network(baked.network(), baked.takes_pixels(), instructions);
        let names = baked.class_names().map(<[String]>::to_vec);
        Self::assemble(program, options, baked.scores(), names, baked.metadata())
    }

    /// Reads a model file, ONNX or baked.
    ///
    /// # Errors
    /// [`Error::Model`] if the file or its graph is refused, or what [`Self::baked`] or [`Self::new`] says, in
    /// [`Error::File`].
    #[cfg(feature = "tract")]
    pub fn load(path: &Path) -> Result<Self, Error> {
        let bytes = network::onnx::read_model(path)?;
        let classifier = if Baked::is_baked(&bytes) {
            Self::baked(&bytes)
        } else {
            let graph = Graph::parse(&bytes).map_err(|error| error.in_file(path))?;
            Self::new(&graph, Options::default())
        };
        classifier.map_err(|error| error.in_file(path))
    }

    /// Builds the engine from the bytes of an ONNX file or of a baked model.
    ///
    /// # Errors
    /// What is wrong with the file or its graph; never a panic, whatever the bytes.
    #[cfg(feature = "tract")]
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        if Baked::is_baked(bytes) {
            return Self::baked(bytes);
        }
        Self::new(&Graph::parse(bytes)?, Options::default())
    }

    /// Builds the engine of a graph that was parsed, and runs it once.
    ///
    /// # Errors
    /// [`Error::InputShape`] if it takes no picture, [`Error::OutputShape`] if it does not give one score per class,
    /// [`Error::NotFinite`] if these are no numbers, [`Error::Normalized`] or [`Error::FloatInput`] if `options` do
    /// not fit, [`Error::Calibration`] if that in the metadata is damaged, or [`Error::Model`].
    #[cfg(feature = "tract")]
    pub fn new(graph: &Graph, options: Options) -> Result<Self, Error> {
        use crate::kernels::Instructions;
        use network::lowering::{lower, whole_in_tract};
        let (lowered, instructions) = match options.kernels {
            Kernels::Tract => (whole_in_tract(graph)?, Instructions::default()),
            Kernels::Fused(instructions) => (lower(graph)?, instructions),
        };
        if lowered.takes_pixels && options.float_input.is_some() {
            return Err(Error::Normalized { name: graph.inputs[0].name.clone() });
        }
        let program = Program::of_lowered(&lowered, instructions);
        let names = graph.class_names();
        Self::assemble(program, options, lowered.scores, names, &graph.metadata)
    }

    /// Puts the parts of a model together, and runs it once.
    fn assemble(
        program: Program,
        options: Options,
        scores: Scores,
        names: Option<Vec<String>>,
        metadata: &BTreeMap<String, String>,
    ) -> Result<Self, Error> {
        let float_input = options.float_input.unwrap_or_default();
        float_input.check()?;
        let count = program.outputs();
        let numbers = || (0..count).map(|class| class.to_string()).collect();
        let printable = |name: String| SingleLine(name).to_string();
        let classes: Vec<String> =
            names.map_or_else(numbers, |names| names.into_iter().map(printable).collect());
        if !(2..=256).contains(&count) || classes.len() != count {
            return Err(Error::OutputShape { found: vec![1, count] });
        }
        let classifier = Self {
            program: Arc::new(program),
            float_input,
            idle: Arc::default(),
            scores,
            classes,
            calibration: calibration(metadata)?,
        };
        let (mut buffers, mut scores) = (Buffers::default(), vec![]);
        for pixel in [255, 0] {
            let blank = vec![pixel; classifier.program.inputs()];
            classifier.score(&[blank], &mut buffers, &mut scores);
            if !scores.iter().all(|score| score.is_finite()) {
                return Err(Error::NotFinite);
            }
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

    /// Scores pictures in one run of the engine.
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

    /// The network's output for each image, one after the other.
    pub(crate) fn score(
        &self,
        images: &[impl AsRef<[u8]>],
        buffers: &mut Buffers,
        scores: &mut Vec<f32>,
    ) {
        self.program.run(images, self.float_input, buffers, scores, &mut |_, run| run());
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
        Prediction::of_scores(self.scores, scores, &self.calibration)
    }

    /// What computes the scores.
    #[must_use]
    pub(crate) fn program(&self) -> &Program {
        &self.program
    }

    /// What happens to pixels before a network that takes floats.
    pub(crate) const fn float_input(&self) -> FloatInput {
        self.float_input
    }
}

/// The calibration in the metadata, or the default where there is nothing of one.
fn calibration(metadata: &BTreeMap<String, String>) -> Result<Calibration, Error> {
    match Calibration::parse(metadata) {
        None if Calibration::KEYS.iter().any(|key| metadata.contains_key(*key)) => {
            Err(Error::Calibration)
        }
        calibration => Ok(calibration.unwrap_or_default()),
    }
}

impl fmt::Debug for Classifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Classifier")
            .field("program", &self.program)
            .field("classes", &self.classes)
            .finish_non_exhaustive()
    }
}
