//! Encoded pictures that Python gives.

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::{PyByteArray, PyBytes, PyString};
use runtime::Classifier;
use runtime::preprocess::{self, Prepared};

use crate::answers::Answer;
use crate::error::one_line;

/// The file of a picture, such as a PNG or a JPEG, in memory that Python owns; `None` where Python gave that.
pub(crate) type Picture = Option<PyBackedBytes>;

/// The answer, or why there is none.
pub(crate) type Outcome = Result<Answer, String>;

/// Takes all of `pictures`, whatever kind of sequence it is.
///
/// # Errors
/// A `TypeError` if it is one picture instead of several, or if one of them is neither bytes nor `None`.
pub(crate) fn collect(pictures: &Bound<'_, PyAny>) -> PyResult<Vec<Picture>> {
    if pictures.is_instance_of::<PyBytes>()
        || pictures.is_instance_of::<PyByteArray>()
        || pictures.is_instance_of::<PyString>()
    {
        let found = pictures.get_type().name()?;
        return Err(PyTypeError::new_err(format!(
            "pictures are of type {found}, expected a list of bytes; give one picture as [picture]"
        )));
    }
    let mut collected = vec![];
    for (index, picture) in pictures.try_iter()?.enumerate() {
        let picture = picture?;
        collected.push(match picture.extract() {
            Ok(picture) => Some(picture),
            Err(_) if picture.is_none() => None,
            Err(_) => {
                let found = picture.get_type().name()?;
                let reason = format!("picture {index} is of type {found}, expected bytes");
                return Err(PyTypeError::new_err(reason));
            }
        });
    }
    Ok(collected)
}

/// The outcome for each of a few pictures: those that can be read go through the network together.
pub(crate) fn read(classifier: &Classifier, pictures: &[Picture], outcomes: &mut [Outcome]) {
    let prepared: Vec<Result<Prepared, String>> = pictures
        .iter()
        .map(|picture| {
            let bytes = picture.as_ref().ok_or("there is none")?;
            let prepared = preprocess::from_bytes(bytes, classifier.preparation());
            prepared.map_err(|error| one_line(&error))
        })
        .collect();
    let readable: Vec<Prepared> = prepared.iter().flatten().cloned().collect();
    let mut answers = classifier.predict_batch(&readable).into_iter();
    for (outcome, prepared) in outcomes.iter_mut().zip(prepared) {
        // as many answers as could be read
        *outcome = prepared.map(|_| answers.next().as_ref().map_or(Answer::ERROR, Answer::from));
    }
}
