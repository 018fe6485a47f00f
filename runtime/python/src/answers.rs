//! Answers as Python gets them: a column each of classes, confidences and verdicts.

use numpy::PyArray1;
use pyo3::exceptions::PyMemoryError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyList, PyString};
use runtime::preprocess::Preprocess;
use runtime::{Prediction, Verdict};

/// Number of the class, confidence, and verdict of one picture.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Answer {
    class: i64,
    confidence: f32,
    verdict: Option<Verdict>,
}

/// What Python gets: `int64[n]`, `float32[n]`, and `n` of `str`.
pub(crate) type Columns<'py> =
    (Bound<'py, PyArray1<i64>>, Bound<'py, PyArray1<f32>>, Bound<'py, PyList>);

/// Room for `len` items.
///
/// # Errors
/// A `MemoryError`, where Rust would end the interpreter.
pub(crate) fn column<T>(len: usize) -> PyResult<Vec<T>> {
    let mut column = vec![];
    column.try_reserve_exact(len).map_err(|error| PyMemoryError::new_err(error.to_string()))?;
    Ok(column)
}

impl From<&Prediction> for Answer {
    fn from(prediction: &Prediction) -> Self {
        Self {
            class: prediction.class() as i64,
            confidence: prediction.confidence(),
            verdict: Some(prediction.verdict),
        }
    }
}

impl Answer {
    /// Of a picture that cannot be read.
    pub(crate) const ERROR: Self = Self { class: -1, confidence: f32::NAN, verdict: None };

    /// The columns of `answers` of a model that pictures are prepared for like this.
    pub(crate) fn columns<'py>(
        py: Python<'py>,
        answers: &[Self],
        preprocess: Preprocess,
    ) -> PyResult<Columns<'py>> {
        let mut classes = column(answers.len())?;
        classes.extend(answers.iter().map(|answer| answer.class));
        let mut confidences = column(answers.len())?;
        confidences.extend(answers.iter().map(|answer| answer.confidence));
        let error = intern!(py, "error");
        // one object of each text, however many answers
        let texts = [Verdict::Sure, Verdict::Unsure, Verdict::NoDigit]
            .map(|verdict| (verdict, PyString::intern(py, verdict.name_after(preprocess))));
        let text = |answer: &Self| {
            let found = texts.iter().find(|(verdict, _)| Some(*verdict) == answer.verdict);
            found.map_or(error, |(_, text)| text)
        };
        Ok((
            PyArray1::from_vec(py, classes),
            PyArray1::from_vec(py, confidences),
            PyList::new(py, answers.iter().map(text))?,
        ))
    }
}
