//! Arrays of images that Python gives.

use numpy::{PyArrayDescrMethods, PyReadonlyArrayDyn, PyUntypedArray, PyUntypedArrayMethods};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;

/// Images one after the other, `[image][channel][row][column]`, in an array that Python owns.
pub(crate) struct Images<'py> {
    array: PyReadonlyArrayDyn<'py, u8>,
    count: usize,
}

impl<'py> Images<'py> {
    /// Checks that `images` is an array of images of `shape`, `[channels, height, width]`, in the order of the memory. Of
    /// one channel, its axis may be left out.
    ///
    /// # Errors
    /// A `TypeError` of what is no array of `uint8`, a `ValueError` of one that has another shape or order.
    pub(crate) fn check(images: &Bound<'py, PyAny>, shape: [usize; 3]) -> PyResult<Self> {
        let Ok(array) = images.cast::<PyUntypedArray>() else {
            let found = images.get_type().name()?;
            return Err(PyTypeError::new_err(format!(
                "images are of type {found}, expected a numpy.ndarray of uint8"
            )));
        };
        let Ok(typed) = images.cast::<numpy::PyArrayDyn<u8>>() else {
            let dtype = array.dtype();
            // of fractions, it is not known what they are out of
            let advice = if dtype.kind() == b'f' {
                "if they are from 0 to 1, give (images * 255).astype(numpy.uint8), and if they are from 0 to 255, \
                 images.astype(numpy.uint8)"
            } else {
                "give images.astype(numpy.uint8) if all are in this range"
            };
            return Err(PyTypeError::new_err(format!(
                "images are {}, expected uint8, pixels from 0 to 255: {advice}",
                dtype.str()?
            )));
        };
        let (expected, count) = (&shape[..], array.shape().first().copied().unwrap_or_default());
        let is_expected = match array.shape() {
            [_, image @ ..] if image == expected => true,
            [_, image @ ..] => shape[0] == 1 && image == &expected[1..],
            [] => false,
        };
        if !is_expected {
            let [channels, height, width] = shape;
            let or =
                if channels == 1 { format!(" or (n, {height}, {width})") } else { String::new() };
            let advice = match array.shape() {
                [_, image @ ..] if image == [height, width, channels] => {
                    "; give numpy.ascontiguousarray(images.transpose(0, 3, 1, 2))"
                }
                _ => "",
            };
            return Err(PyValueError::new_err(format!(
                "images are of shape {}, expected (n, {channels}, {height}, {width}){or}{advice}",
                array.getattr("shape")?
            )));
        }
        if !array.is_c_contiguous() {
            return Err(PyValueError::new_err(
                "images do not lie one after the other in memory; give numpy.ascontiguousarray(images), a copy",
            ));
        }
        let array = numpy::PyArrayMethods::try_readonly(typed)
            .map_err(|error| PyValueError::new_err(error.to_string()))?;
        Ok(Self { array, count })
    }

    /// Number of images.
    pub(crate) const fn count(&self) -> usize {
        self.count
    }

    /// All pixels.
    pub(crate) fn pixels(&self) -> PyResult<&[u8]> {
        Ok(self.array.as_slice()?)
    }
}
