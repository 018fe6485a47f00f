//! A model, ready to classify: from a graph to predictions.

mod array;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use std::path::Path;

use network::Scores;
#[cfg(feature = "tract")]
use network::onnx::Graph;
use safe_io::SingleLine;
use safe_io::read::read_bounded;

use crate::baked::{Baked, BakedFile, MAX_BAKED_BYTES};
use crate::engine::{Buffers, Program};
use crate::error::Error;
use crate::input::{FloatInput, Input};
use crate::kernels::{Instructions, Kernels};
use crate::prediction::{Calibration, Prediction};
use crate::preprocess::{Color, Preparation, Prepared, Preprocess};

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
    /// For models with float input; without it, what the model's metadata say, or else pixels from 0 to 1.
    pub float_input: Option<FloatInput>,
    /// What becomes of pictures of another size; without it, what the model's metadata say.
    pub preprocess: Option<Preprocess>,
    /// Whether pictures keep their colours; without it, what the model's metadata say.
    pub color: Option<Color>,
    /// What computes the layers.
    pub kernels: Kernels,
    /// Whether a model is refused of which tract would run a part.
    pub native_only: bool,
}

/// A model, ready to run; share it between threads, or clone it, which copies no weights.
#[derive(Clone)]
pub struct Classifier {
    program: Arc<Program>,
    float_input: FloatInput,
    assumes_normalization: bool,
    /// Buffers that no call is using.
    idle: Arc<Mutex<Vec<Buffers>>>,
    scores: Scores,
    classes: Arc<[String]>,
    calibration: Calibration,
    preparation: Preparation,
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
        Self::baked_with(bytes, Options::default())
    }

    /// [`Self::baked`] of a model that does not say all about itself.
    ///
    /// It takes half of the memory of [`Baked::parse`] and [`Self::of_baked`]: there is one copy of the weights.
    ///
    /// # Errors
    /// As [`Self::baked`].
    pub fn baked_with(bytes: &[u8], options: Options) -> Result<Self, Error> {
        if bytes.is_empty() {
            return Err(Error::Empty);
        }
        let BakedFile {
            architecture, takes_pixels, scores, class_names, metadata, weights, ..
        } = BakedFile::parse(bytes)?;
        let instructions = check_baked(takes_pixels, options)?;
        let program = Program::of_layers(&architecture, weights, takes_pixels, instructions);
        Self::assemble(program, architecture.input(), options, scores, class_names, &metadata)
    }

    /// Builds the engine of a baked model, and runs it once.
    ///
    /// # Errors
    /// [`Error::NotFinite`] if it gives no numbers, [`Error::Normalized`] or [`Error::FloatInput`] if `options` do not
    /// fit, [`Error::NoGraph`] if these ask for tract, or [`Error::Calibration`] if that in the metadata is damaged.
    pub fn of_baked(baked: &Baked, options: Options) -> Result<Self, Error> {
        let instructions = check_baked(baked.takes_pixels(), options)?;
        let program = Program::of_network(baked.network(), baked.takes_pixels(), instructions);
        let names = baked.class_names().map(<[String]>::to_vec);
        Self::assemble(
            program,
            baked.network().architecture().input(),
            options,
            baked.scores(),
            names,
            baked.metadata(),
        )
    }

    /// Reads a model file: a baked model, or with the feature `tract` an ONNX file too.
    ///
    /// # Errors
    /// [`Error::ModelFile`] if the file cannot be read, [`Error::Model`] if the graph is refused, or what
    /// [`Self::baked`] or [`Self::new`] says, in [`Error::File`].
    pub fn load(path: &Path) -> Result<Self, Error> {
        Self::load_with(path, Options::default())
    }

    /// Reads a model file that does not say all about itself, such as what its float input means.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn load_with(path: &Path, options: Options) -> Result<Self, Error> {
        let bytes = read_bounded(path, MAX_BAKED_BYTES).map_err(Error::ModelFile)?;
        #[cfg(feature = "tract")]
        if !Baked::is_baked(&bytes) {
            let folder = path.parent().unwrap_or(Path::new(""));
            let graph = Graph::parse_in(&bytes, Some(folder));
            let classifier = Self::new(&graph.map_err(|error| error.in_file(path))?, options);
            return classifier.map_err(|error| error.in_file(path));
        }
        Self::baked_with(&bytes, options).map_err(|error| error.in_file(path))
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
    /// [`Error::OutputShape`] if it does not give one score per class,
    /// [`Error::NotFinite`] if these are no numbers, [`Error::Normalized`] or [`Error::FloatInputChannels`] if `options`
    /// do not fit, [`Error::NotNative`] if they do not want tract and it is needed, [`Error::Calibration`] if that in the
    /// metadata is damaged, what [`Preparation::parse`] says, or [`Error::Model`].
    #[cfg(feature = "tract")]
    pub fn new(graph: &Graph, options: Options) -> Result<Self, Error> {
        use network::lowering::{lower, whole_in_tract};
        let (lowered, instructions) = match options.kernels {
            Kernels::Tract => (whole_in_tract(graph)?, Instructions::default()),
            Kernels::Fused(instructions) => (lower(graph)?, instructions),
        };
        if options.native_only {
            let steps = lowered.names().into_iter().zip(&lowered.steps);
            let in_tract = steps.filter(|(_, step)| step.needs_tract());
            let steps: Vec<_> = in_tract.map(|(name, step)| format!("{name} ({step})")).collect();
            if !steps.is_empty() {
                return Err(Error::NotNative { steps });
            }
        }
        if lowered.takes_pixels && options.float_input.is_some() {
            return Err(Error::Normalized { name: graph.inputs[0].name.clone() });
        }
        let program = Program::of_lowered(&lowered, instructions);
        let names = graph.class_names();
        Self::assemble(program, lowered.input, options, lowered.scores, names, &graph.metadata)
    }

    /// Puts the parts of a model together, whose input is `[channels, height, width]`, and runs it once.
    fn assemble(
        program: Program,
        shape: [usize; 3],
        options: Options,
        scores: Scores,
        names: Option<Vec<String>>,
        metadata: &BTreeMap<String, String>,
    ) -> Result<Self, Error> {
        // what a model that takes pixels says of its normalization happens in its own graph
        let stated = if program.takes_pixels() { None } else { FloatInput::parse(metadata)? };
        let stated = options.float_input.or(stated);
        let float_input = stated.unwrap_or_default();
        float_input.check(shape[0])?;
        let preparation = Preparation::parse(shape, metadata)?;
        let preparation = preparation.with(options.preprocess, options.color)?;
        let count = program.outputs();
        let numbers = || (0..count).map(|class| class.to_string()).collect();
        let printable = |name: String| SingleLine(name).to_string();
        let classes: Arc<[String]> =
            names.map_or_else(numbers, |names| names.into_iter().map(printable).collect());
        if !(2..=256).contains(&count) || classes.len() != count {
            return Err(Error::OutputShape { found: vec![1, count] });
        }
        let mut classifier = Self {
            assumes_normalization: stated.is_none() && !program.takes_pixels(),
            program: Arc::new(program),
            float_input,
            idle: Arc::default(),
            scores,
            classes,
            calibration: Calibration::of_model(metadata, count)?,
            preparation,
        };
        classifier.try_out()?;
        Ok(classifier)
    }

    /// Runs the model on three images, and looks at what it gives.
    fn try_out(&mut self) -> Result<(), Error> {
        let (mut buffers, mut scores) = (Buffers::default(), vec![]);
        let mut all_sum_to_one = true;
        // black, white, and a pattern of all values
        let patterns: [fn(usize) -> u8; 3] = [|_| 0, |_| 255, |at| (at * 97 % 256) as u8];
        for pattern in patterns {
            let image: Vec<u8> = (0..self.program.inputs()).map(pattern).collect();
            self.score(&[image], &mut buffers, &mut scores);
            if !scores.iter().all(|score| score.is_finite()) {
                return Err(Error::NotFinite);
            }
            all_sum_to_one &= are_probabilities(&scores);
        }
        // a softmax that is written out, or that something follows, is told by what it gives
        if self.scores == Scores::Logits && all_sum_to_one {
            self.scores = Scores::Probabilities;
        }
        Ok(())
    }

    /// The same model, whose float input is normalised otherwise; the weights are shared.
    ///
    /// # Errors
    /// [`Error::Normalized`] if it takes pixels, [`Error::FloatInputChannels`] if it has other channels, or
    /// [`Error::NotFinite`] if it then gives no numbers.
    pub fn with_float_input(&self, float_input: FloatInput) -> Result<Self, Error> {
        if self.takes_pixels() {
            return Err(Error::Normalized { name: "image".into() });
        }
        float_input.check(self.input_shape()[0])?;
        let mut classifier = Self { float_input, assumes_normalization: false, ..self.clone() };
        classifier.try_out()?;
        Ok(classifier)
    }

    /// The same model, whose classes have these names, in the order of the scores; the weights are shared.
    ///
    /// ```
    /// let names = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"];
    /// let classifier = runtime::Classifier::embedded().with_classes(&names)?;
    /// assert_eq!(classifier.classes()[7], "seven");
    /// # Ok::<(), runtime::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::ClassCount`] if there are not as many as classes, or [`Error::ClassTwice`] if two are equal.
    pub fn with_classes(&self, names: &[impl AsRef<str>]) -> Result<Self, Error> {
        let expected = self.classes.len();
        if names.len() != expected {
            return Err(Error::ClassCount { found: names.len(), expected });
        }
        let mut seen = BTreeSet::new();
        if let Some(name) = names.iter().map(AsRef::as_ref).find(|&name| !seen.insert(name)) {
            return Err(Error::ClassTwice { name: name.to_owned() });
        }
        let classes = names.iter().map(|name| SingleLine(name.as_ref()).to_string()).collect();
        Ok(Self { classes, ..self.clone() })
    }

    /// Whether pixels go in as they are, 0 to 255, so that there is no [`FloatInput`].
    #[must_use]
    pub fn takes_pixels(&self) -> bool {
        self.program.takes_pixels()
    }

    /// Whether pixels go into a float input as 0 to 1 only because neither [`Options`] nor the metadata say otherwise.
    #[must_use]
    pub const fn assumes_normalization(&self) -> bool {
        self.assumes_normalization
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

    /// How a picture becomes what the model takes, by its metadata or [`Options`].
    #[must_use]
    pub const fn preparation(&self) -> &Preparation {
        &self.preparation
    }

    /// `[channels, height, width]` of the images that the model takes.
    #[must_use]
    pub const fn input_shape(&self) -> [usize; 3] {
        self.preparation.shape()
    }

    /// Scores an image, or a picture that [`Self::preparation`] prepared; where that found no single drawing, the verdict
    /// is [`Verdict::NoDigit`](crate::Verdict::NoDigit) whatever the scores.
    ///
    /// # Panics
    /// If the image is not of the [`Self::input_shape`], and for no other reason: the model ran when it was loaded, and
    /// none of its operators depends on the pixels' values.
    #[must_use]
    pub fn predict(&self, input: &impl Input) -> Prediction {
        self.predict_batch(std::slice::from_ref(input)).swap_remove(0)
    }

    /// Scores images in one run of the engine.
    ///
    /// # Panics
    /// As [`Self::predict`].
    #[must_use]
    pub fn predict_batch(&self, inputs: &[impl Input]) -> Vec<Prediction> {
        self.check_shapes(inputs);
        let mut buffers = self.idle().pop().unwrap_or_default();
        let mut scores = vec![];
        self.score(inputs, &mut buffers, &mut scores);
        self.idle().push(buffers);
        self.predictions(inputs, &scores)
    }

    /// The predictions of `inputs`, whose scores are one after the other.
    pub(crate) fn predictions(&self, inputs: &[impl Input], scores: &[f32]) -> Vec<Prediction> {
        let scores = scores.chunks_exact(self.classes.len());
        let prediction =
            |(input, scores): (&_, _)| self.prediction(scores).of_content(Input::content(input));
        inputs.iter().zip(scores).map(prediction).collect()
    }

    /// Panics if an image is not of the model's shape.
    pub(crate) fn check_shapes(&self, inputs: &[impl Input]) {
        for input in inputs {
            let checked = input.image().check_shape(self.input_shape());
            checked.unwrap_or_else(|error| panic!("the model was given {error}"));
        }
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

    /// [`Self::predict`] of a picture that was prepared.
    ///
    /// # Panics
    /// As there.
    #[must_use]
    pub fn read(&self, prepared: &Prepared) -> Prediction {
        self.predict(prepared)
    }

    /// The prediction that an image's scores stand for.
    ///
    /// # Panics
    /// If there are not as many as classes.
    #[must_use]
    pub fn prediction(&self, scores: &[f32]) -> Prediction {
        assert_eq!(scores.len(), self.classes.len(), "one score per class");
        Prediction::of_scores(self.scores, scores, &self.calibration, &self.classes)
    }

    /// What computes the scores.
    #[must_use]
    pub(crate) fn program(&self) -> &Program {
        &self.program
    }

    /// How pixels become what a model with float input takes; nothing happens to those of a model that takes pixels.
    #[must_use]
    pub const fn float_input(&self) -> FloatInput {
        self.float_input
    }
}

/// What a baked model is run on, if options fit it.
fn check_baked(takes_pixels: bool, options: Options) -> Result<Instructions, Error> {
    let Kernels::Fused(instructions) = options.kernels else { return Err(Error::NoGraph) };
    if takes_pixels && options.float_input.is_some() {
        return Err(Error::Normalized { name: "image".into() });
    }
    Ok(instructions)
}

/// Whether scores are what a softmax gives.
fn are_probabilities(scores: &[f32]) -> bool {
    let sum: f32 = scores.iter().sum();
    scores.iter().all(|score| (0.0..=1.0).contains(score)) && (sum - 1.0).abs() < 1e-4
}

impl fmt::Debug for Classifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Classifier")
            .field("program", &self.program)
            .field("classes", &self.classes)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
pub(crate) mod tests;
