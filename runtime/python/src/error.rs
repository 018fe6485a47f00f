//! What Python is told of an error.

use std::error::Error as _;
use std::io;
use std::path::Path;

use pyo3::PyErr;
use pyo3::exceptions::{PyOSError, PyValueError};

/// Of a model that was not loaded: an `OSError` with number, reason and path if the system did not give the file, else a
/// `ValueError` of one line.
pub(crate) fn of_loading(error: &runtime::Error, path: Option<&Path>) -> PyErr {
    let mut cause = error.source();
    while let Some(reason) = cause {
        if let Some(io) = reason.downcast_ref::<io::Error>()
            && let Some(number) = io.raw_os_error()
        {
            // Python makes its own class of it by the number, such as FileNotFoundError
            return PyOSError::new_err((
                number,
                words(io),
                path.map(|path| path.as_os_str().to_owned()),
            ));
        }
        cause = reason.source();
    }
    PyValueError::new_err(one_line(error))
}

/// An error with its causes.
pub(crate) fn one_line(error: &runtime::Error) -> String {
    let line = format!("{error:?}");
    if error.is_unbaked() {
        return format!("{line}, by `runtime bake MODEL.onnx -o MODEL.baked`");
    }
    line
}

/// The system's reason, without the number that Python puts before it.
fn words(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or_default().to_owned()
}
