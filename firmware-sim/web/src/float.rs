//! A float model of a baked file.

use runtime::preprocess::{Preparation, Prepared};
use runtime::{Baked, Classifier, Options, Prediction};

/// A baked model, ready to run.
#[derive(Debug)]
pub(crate) struct Float {
    classifier: Classifier,
    identity: [u8; 32],
}

impl Float {
    /// # Errors
    /// Why the file is no model that runs here.
    pub(crate) fn parse(file: &[u8]) -> Result<Self, String> {
        let baked = Baked::parse(file).map_err(|fault| fault.to_string())?;
        let classifier =
            Classifier::of_baked(&baked, Options::default()).map_err(|error| error.to_string())?;
        Ok(Self { classifier, identity: baked.identity() })
    }

    /// How a picture becomes what it takes.
    pub(crate) fn preparation(&self) -> Preparation {
        *self.classifier.preparation()
    }

    /// Names of the classes, each within a line.
    pub(crate) fn classes(&self) -> &[String] {
        self.classifier.classes()
    }

    /// SHA-256 of the ONNX file that it was baked from.
    pub(crate) const fn identity(&self) -> [u8; 32] {
        self.identity
    }

    pub(crate) fn classify(&self, prepared: &Prepared) -> Prediction {
        self.classifier.predict(prepared)
    }
}
