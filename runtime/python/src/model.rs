//! The class `Model`.

use std::path::PathBuf;

use numpy::{PyArray1, PyArray2, PyArrayMethods};
use pyo3::exceptions::PyValueError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyList, PyTuple};
use runtime::Classifier;
use runtime::evaluate::BATCH;

use crate::answers::{Answer, Columns, column};
use crate::error::of_loading;
use crate::images::Images;
use crate::pictures::{self, Outcome};
use crate::threads::Threads;

/// Pictures that a thread decodes before they go through the network together.
const PICTURES: usize = 16;

/// Columns of answers, and of the errors of pictures that could not be read.
type ColumnsAndErrors<'py> =
    (Bound<'py, PyArray1<i64>>, Bound<'py, PyArray1<f32>>, Bound<'py, PyList>, Vec<Option<String>>);

/// A baked model, ready to run; without a path, the reader of handwritten digits that is inside this module.
///
/// `runtime bake MODEL.onnx -o MODEL.baked` bakes an ONNX file. A model never changes, and any number of threads may call it
/// at a time. Calls leave Python's lock to other threads, and work on `threads` of their own: 0 stands for one on each
/// core.
#[pyclass(frozen, module = "lenet_runtime")]
pub(crate) struct Model {
    classifier: Classifier,
}

#[pymethods]
impl Model {
    #[new]
    #[pyo3(signature = (path=None))]
    #[expect(
        clippy::needless_pass_by_value,
        reason = "Python gives a path of any kind, which is converted"
    )]
    fn new(py: Python<'_>, path: Option<PathBuf>) -> PyResult<Self> {
        let loaded = py.detach(|| match &path {
            Some(path) => Classifier::load(path),
            None => Ok(Classifier::embedded()),
        });
        let classifier = loaded.map_err(|error| of_loading(&error, path.as_deref()))?;
        Ok(Self { classifier })
    }

    /// The model whose file's content is `data`, as a cluster's workers may be given it.
    #[staticmethod]
    fn from_bytes(py: Python<'_>, data: &[u8]) -> PyResult<Self> {
        let loaded = py.detach(|| Classifier::baked(data));
        Ok(Self { classifier: loaded.map_err(|error| of_loading(&error, None))? })
    }

    /// Names of the classes, in the order of the scores.
    #[getter]
    fn classes<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, self.classifier.classes())
    }

    /// Channels, height and width of the images that the model takes.
    #[getter]
    fn input_shape(&self) -> (usize, usize, usize) {
        self.classifier.input_shape().into()
    }

    /// What becomes of a picture of another size: `digit`, `stretch`, `crop` or `pad`.
    #[getter]
    fn preprocess(&self) -> &'static str {
        self.classifier.preparation().preprocess().name()
    }

    /// The model's scores of `uint8[n, channels, height, width]`, or of one channel `uint8[n, height, width]`.
    ///
    /// Gives `float32[n, classes]`. The images are read where they are, so they must lie one after the other in memory;
    /// what another thread writes into them meanwhile may or may not count. They go into the network as they are.
    #[pyo3(signature = (images, *, threads=1))]
    fn scores<'py>(
        &self,
        images: &Bound<'py, PyAny>,
        threads: isize,
    ) -> PyResult<Bound<'py, PyArray2<f32>>> {
        let (py, threads) = (images.py(), Threads::new(threads)?);
        let images = Images::check(images, self.classifier.input_shape())?;
        // NumPy's own function raises MemoryError
        let numpy = py.import(intern!(py, "numpy"))?;
        let shape = (images.count(), self.classifier.classes().len());
        let scores = numpy.call_method1(intern!(py, "zeros"), (shape, intern!(py, "float32")))?;
        let scores = scores.cast_into::<PyArray2<f32>>()?;
        let mut writable =
            scores.try_readwrite().map_err(|e| PyValueError::new_err(e.to_string()))?;
        let (pixels, classes) = self.batch_sizes();
        let batches = images.pixels()?.chunks(pixels);
        let mut work: Vec<_> = batches.zip(writable.as_slice_mut()?.chunks_mut(classes)).collect();
        threads.run(py, &mut work, |(pixels, scores)| {
            self.classifier.scores_into(pixels, scores);
        })?;
        drop(writable);
        Ok(scores)
    }

    /// The answers to images as `scores` takes them: numbers of the classes, confidences from 0 to 1, and verdicts.
    ///
    /// Gives `int64[n]`, `float32[n]` and a list of `sure`, `unsure`, or `no digit`: there is no answer, though the class is
    /// the likeliest. Of a model that does not read digits that is `no match`.
    #[pyo3(signature = (images, *, threads=1))]
    fn predict<'py>(&self, images: &Bound<'py, PyAny>, threads: isize) -> PyResult<Columns<'py>> {
        let (py, threads) = (images.py(), Threads::new(threads)?);
        let images = Images::check(images, self.classifier.input_shape())?;
        let mut answers = column(images.count())?;
        answers.resize(images.count(), Answer::ERROR);
        let (pixels, classes) = self.batch_sizes();
        let batches = images.pixels()?.chunks(pixels);
        let mut work: Vec<_> = batches.zip(answers.chunks_mut(BATCH)).collect();
        threads.run(py, &mut work, |(pixels, answers)| {
            let mut scores = vec![0.0; answers.len() * classes / BATCH];
            self.classifier.scores_into(pixels, &mut scores);
            let scores = scores.chunks_exact(classes / BATCH);
            for (answer, scores) in answers.iter_mut().zip(scores) {
                *answer = Answer::from(&self.classifier.prediction(scores));
            }
        })?;
        Answer::columns(py, &answers, self.classifier.preparation().preprocess())
    }

    /// The answers to encoded pictures, PNG, JPEG, GIF, BMP, WebP or PNM, which are prepared as the model says.
    ///
    /// Gives what `predict` gives. Raises `ValueError` with the number and the reason of the first that cannot be read:
    /// where some may be damaged, take `try_read`.
    #[pyo3(signature = (pictures, *, threads=1))]
    fn read<'py>(&self, pictures: &Bound<'py, PyAny>, threads: isize) -> PyResult<Columns<'py>> {
        let answers = self.outcomes(pictures, threads)?.into_iter().enumerate();
        let answers: PyResult<Vec<Answer>> = answers
            .map(|(index, outcome)| {
                outcome
                    .map_err(|reason| PyValueError::new_err(format!("picture {index}: {reason}")))
            })
            .collect();
        Answer::columns(pictures.py(), &answers?, self.classifier.preparation().preprocess())
    }

    /// `read` for pictures of which some may be damaged, or `None`: gives a fourth column, of errors.
    ///
    /// A picture that can be read has the error `None`. One that cannot has the class -1, the confidence NaN, the verdict
    /// `error`, and the reason.
    #[pyo3(signature = (pictures, *, threads=1))]
    fn try_read<'py>(
        &self,
        pictures: &Bound<'py, PyAny>,
        threads: isize,
    ) -> PyResult<ColumnsAndErrors<'py>> {
        let (answers, errors): (Vec<_>, Vec<_>) = self
            .outcomes(pictures, threads)?
            .into_iter()
            .map(|outcome| match outcome {
                Ok(answer) => (answer, None),
                Err(reason) => (Answer::ERROR, Some(reason)),
            })
            .unzip();
        let preprocess = self.classifier.preparation().preprocess();
        let (classes, confidences, verdicts) =
            Answer::columns(pictures.py(), &answers, preprocess)?;
        Ok((classes, confidences, verdicts, errors))
    }

    fn __repr__(&self) -> String {
        let [channels, height, width] = self.classifier.input_shape();
        let classes = self.classifier.classes().len();
        format!(
            "<lenet_runtime.Model: uint8[n, {channels}, {height}, {width}] to {classes} classes>"
        )
    }
}

impl Model {
    /// Pixels and scores of a batch of images.
    fn batch_sizes(&self) -> (usize, usize) {
        let pixels: usize = self.classifier.input_shape().iter().product();
        (BATCH * pixels, BATCH * self.classifier.classes().len())
    }

    /// The outcome for each picture.
    fn outcomes(&self, pictures: &Bound<'_, PyAny>, threads: isize) -> PyResult<Vec<Outcome>> {
        let (py, threads) = (pictures.py(), Threads::new(threads)?);
        let pictures = pictures::collect(pictures)?;
        let mut outcomes = vec![Ok(Answer::ERROR); pictures.len()];
        let batches = pictures.chunks(PICTURES).zip(outcomes.chunks_mut(PICTURES));
        let mut work: Vec<_> = batches.collect();
        threads.run(py, &mut work, |(pictures, outcomes)| {
            pictures::read(&self.classifier, pictures, outcomes);
        })?;
        Ok(outcomes)
    }
}
