//! In the place of a float model, for a page that is to be small: there is none, so that no engine for it is linked.

use runtime::Prediction;
use runtime::preprocess::{Preparation, Prepared};

/// A model that no page holds.
#[derive(Debug)]
pub(crate) enum Float {}

impl Float {
    /// # Errors
    /// Always.
    pub(crate) fn parse(_: &[u8]) -> Result<Self, String> {
        Err("this page is built for int8 models alone".into())
    }

    pub(crate) const fn preparation(&self) -> Preparation {
        match *self {}
    }

    pub(crate) const fn classes(&self) -> &[String] {
        match *self {}
    }

    pub(crate) const fn identity(&self) -> [u8; 32] {
        match *self {}
    }

    pub(crate) const fn classify(&self, _: &Prepared) -> Prediction {
        match *self {}
    }
}
