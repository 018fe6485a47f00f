#![doc = include_str!("../README.md")]

mod answers;
mod error;
mod images;
mod model;
mod pictures;
mod threads;

/// Runs small CNNs on NumPy arrays and pictures.
#[pyo3::pymodule]
mod lenet_runtime {
    use pyo3::prelude::*;

    #[pymodule_export]
    use crate::model::Model;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
