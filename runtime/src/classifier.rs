//! The float engine: tract behind types of our own.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use tract_onnx::prelude::*;

use crate::error::Error;
use crate::graph::{Dimension, Graph, Port};
use crate::image28::{IMAGE_SIDE, Image28, PIXELS};
use crate::prediction::{Calibration, Prediction, Verdict};
use crate::preprocess::{Content, Prepared};

/// The model inside this library: the `lenet.onnx` of our trainer's default run on MNIST.
///
/// How it was made and how good it is stands in its metadata: `runtime inspect`.
pub const EMBEDDED_MODEL: &[u8] = include_bytes!("../lenet.onnx");

/// Most bytes of a model file; ours has 1.7 million.
const LIMIT_BYTES: u64 = 256 << 20;

/// How a model with float input wants its pixels: `(pixel / 255 − mean) / std`.
///
/// Models with `uint8` input normalise by themselves.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Normalization {
    /// Subtracted from the pixel in 0 to 1.
    pub mean: f32,
    /// Divides the difference.
    pub std: f32,
}

impl Default for Normalization {
    /// Pixels from 0 to 1.
    fn default() -> Self {
        Self { mean: 0.0, std: 1.0 }
    }
}

/// A model, ready to run; share it between threads, or clone it for next to nothing.
#[derive(Clone)]
pub struct Classifier {
    plan: Arc<TypedSimplePlan>,
    input: Input,
    /// Whether the graph's last step is a softmax already.
    answers_probabilities: bool,
    classes: Vec<String>,
    calibration: Calibration,
}

/// What the graph's input takes.
#[derive(Debug, Clone)]
struct Input {
    /// Shape with 1 where the batch goes.
    shape: Vec<usize>,
    /// Axis of the batch, if the caller may choose its length.
    batch_axis: Option<usize>,
    /// `None` for `uint8`.
    normalization: Option<Normalization>,
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
        let bytes = read_model(path)?;
        Self::parse(&bytes).map_err(|error| error.in_file(path))
    }

    /// Reads a model file that takes floats, normalised as it states.
    ///
    /// # Errors
    /// As [`Self::load`]; [`Error::Normalized`] if the model takes `uint8`.
    pub fn load_normalized(path: &Path, normalization: Normalization) -> Result<Self, Error> {
        let bytes = read_model(path)?;
        Self::parse_normalized(&bytes, Some(normalization)).map_err(|error| error.in_file(path))
    }

    /// Builds the engine from the bytes of an ONNX file, and runs it once.
    ///
    /// # Errors
    /// What is wrong with the file or its graph; never a panic, whatever the bytes.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        Self::parse_normalized(bytes, None)
    }

    /// Like [`Self::parse`], for a model that takes floats and states its normalisation.
    ///
    /// # Errors
    /// As [`Self::parse`]; [`Error::Normalized`] if the model takes `uint8`.
    pub fn parse_normalized(
        bytes: &[u8],
        normalization: Option<Normalization>,
    ) -> Result<Self, Error> {
        let (graph, proto) = Graph::parse_with_proto(bytes)?;
        let input = Input::of(&graph.inputs[0], normalization)?;
        let plan = plan(&proto).map_err(|error| Error::Engine(error.into()))?;
        let last = graph.nodes.iter().find(|node| node.outputs.contains(&graph.outputs[0].name));
        let mut classifier = Self {
            plan,
            input,
            answers_probabilities: last.is_some_and(|node| node.op == "Softmax"),
            classes: vec![],
            calibration: Calibration::parse(&graph.metadata).unwrap_or_default(),
        };
        let blank = Image28([0; PIXELS]);
        let answers = classifier.run(&[&blank]).map_err(|error| Error::Engine(error.into()))?;
        let [answer] = &answers[..] else {
            return Err(Error::OutputShape { found: vec![answers.len()] });
        };
        if !(2..=256).contains(&answer.len()) {
            return Err(Error::OutputShape { found: vec![1, answer.len()] });
        }
        if classifier.input.batch_axis.is_some() {
            // a batch of two finds graphs that say "any batch" but mean one
            let two =
                classifier.run(&[&blank, &blank]).map_err(|error| Error::Engine(error.into()))?;
            if two.len() != 2 || two.iter().any(|row| row.len() != answer.len()) {
                return Err(Error::OutputShape { found: vec![two.len(), two[0].len()] });
            }
        }
        let named: Vec<String> = graph
            .metadata
            .get("classes")
            .map_or(vec![], |names| names.split(',').map(|name| name.trim().to_owned()).collect());
        classifier.classes = if named.len() == answer.len() {
            named
        } else {
            (0..answer.len()).map(|class| class.to_string()).collect()
        };
        Ok(classifier)
    }

    /// Names of the classes, in the order of the scores.
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
        let images: Vec<&Image28> = images.iter().collect();
        let run_length = if self.input.batch_axis.is_some() { images.len() } else { 1 };
        images
            .chunks(run_length.max(1))
            .flat_map(|images| self.run(images).expect("a model that ran when loaded runs again"))
            .map(|answer| self.prediction(&answer))
            .collect()
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

    fn prediction(&self, answer: &[f32]) -> Prediction {
        if self.answers_probabilities {
            let logits: Vec<f32> = answer.iter().map(|p| p.max(f32::MIN_POSITIVE).ln()).collect();
            Prediction::new(&logits, &self.calibration)
        } else {
            Prediction::new(answer, &self.calibration)
        }
    }

    /// One run: the graph's answer to each image.
    fn run(&self, images: &[&Image28]) -> TractResult<Vec<Vec<f32>>> {
        let mut shape = self.input.shape.clone();
        if let Some(axis) = self.input.batch_axis {
            shape[axis] = images.len();
        }
        let pixels = images.iter().flat_map(|image| image.0);
        let input = match self.input.normalization {
            None => Tensor::from_shape(&shape, &pixels.collect::<Vec<u8>>())?,
            Some(Normalization { mean, std }) => {
                let normalized: Vec<f32> =
                    pixels.map(|p| (f32::from(p) / 255.0 - mean) / std).collect();
                Tensor::from_shape(&shape, &normalized)?
            }
        };
        let outputs = self.plan.run(tvec!(input.into()))?;
        let scores = outputs[0].cast_to::<f32>()?;
        let view = scores.to_plain_array_view::<f32>()?;
        let classes = view.len() / images.len();
        let scores: Vec<f32> = view.iter().copied().collect();
        Ok(scores.chunks(classes.max(1)).map(<[f32]>::to_vec).collect())
    }
}

/// Reads the bytes of a model file, of 256 MiB at most.
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

fn plan(proto: &tract_onnx::pb::ModelProto) -> TractResult<Arc<TypedSimplePlan>> {
    tract_onnx::onnx().model_for_proto_model(proto)?.into_typed()?.into_optimized()?.into_runnable()
}

impl Input {
    /// Accepts `uint8` and `float32`, and any shape that is 784 pixels after the batch is taken out.
    fn of(port: &Port, normalization: Option<Normalization>) -> Result<Self, Error> {
        let unusable = || Error::InputShape { name: port.name.clone(), found: port.to_string() };
        let normalization = match (port.element.as_str(), normalization) {
            ("uint8", None) => None,
            ("uint8", Some(_)) => return Err(Error::Normalized { name: port.name.clone() }),
            ("float32", normalization) => Some(normalization.unwrap_or_default()),
            _ => return Err(unusable()),
        };
        let shape: Vec<usize> = port
            .shape
            .iter()
            .map(|dimension| match dimension {
                Dimension::Fixed(length) => *length,
                Dimension::Symbol(_) => 1,
            })
            .collect();
        let sides: Vec<usize> = shape.iter().copied().filter(|&length| length != 1).collect();
        if !matches!(sides[..], [IMAGE_SIDE, IMAGE_SIDE] | [PIXELS]) {
            return Err(unusable());
        }
        let mut symbols =
            port.shape.iter().enumerate().filter(|(_, d)| matches!(d, Dimension::Symbol(_)));
        let batch_axis = symbols.next().map(|(axis, _)| axis);
        if symbols.next().is_some() || batch_axis.is_some_and(|axis| axis != 0) {
            return Err(unusable());
        }
        Ok(Self { shape, batch_axis, normalization })
    }
}

impl fmt::Debug for Classifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Classifier")
            .field("input", &self.input)
            .field("classes", &self.classes)
            .finish_non_exhaustive()
    }
}
