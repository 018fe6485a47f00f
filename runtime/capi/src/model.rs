//! A model: opened, described, freed.

use std::ffi::{CString, c_char};
use std::ptr;

use runtime::preprocess::Content;
use runtime::{Classifier, Verdict};

use crate::memory::{bytes, path, place, reference};
use crate::status::{Failure, lnr_status, status, text};

/// A model, ready to run.
pub struct lnr_model {
    pub(crate) classifier: Classifier,
    /// Names of the classes.
    classes: Vec<CString>,
    /// Names of [`VERDICTS`].
    verdicts: [CString; 3],
    /// Why there is no answer, for [`CONTENTS`].
    reasons: [CString; 4],
}

/// In the order of `LNR_SURE`, `LNR_UNSURE` and `LNR_NONE`.
const VERDICTS: [Verdict; 3] = [Verdict::Sure, Verdict::Unsure, Verdict::NoDigit];
const CONTENTS: [Content; 4] =
    [Content::Drawing, Content::Blank, Content::Several, Content::Clutter];

impl lnr_model {
    fn new(classifier: Classifier) -> Self {
        let preprocess = classifier.preparation().preprocess();
        let reason = |content| Verdict::NoDigit.reason(content, preprocess).unwrap_or_default();
        Self {
            classes: classifier.classes().iter().map(|name| text(name)).collect(),
            verdicts: VERDICTS.map(|verdict| text(verdict.name_after(preprocess))),
            reasons: CONTENTS.map(|content| text(reason(content))),
            classifier,
        }
    }

    /// The name of a class; NULL if there is none of this number.
    pub(crate) fn class(&self, class: usize) -> *const c_char {
        self.classes.get(class).map_or(ptr::null(), |name| name.as_ptr())
    }

    /// The number and the name of a verdict.
    pub(crate) fn verdict(&self, verdict: Verdict) -> (u32, *const c_char) {
        let names = (0..).zip(VERDICTS.iter().zip(&self.verdicts));
        let mut found = names.filter(|(_, (it, _))| **it == verdict);
        found.next().map_or((u32::MAX, ptr::null()), |(number, (_, name))| (number, name.as_ptr()))
    }

    /// Why there is no answer for a picture on which this was found.
    pub(crate) fn reason(&self, content: Content) -> *const c_char {
        let mut reasons = CONTENTS.iter().zip(&self.reasons);
        reasons.find(|(it, _)| **it == content).map_or(ptr::null(), |(_, reason)| reason.as_ptr())
    }
}

/// Gives a model to C.
fn open(
    model: *mut *mut lnr_model,
    load: impl FnOnce() -> Result<Classifier, Failure>,
) -> lnr_status {
    status(|| {
        let model = place(model, "model")?;
        // SAFETY: it is not NULL and aligned, and C says that it is there.
        unsafe { model.write(ptr::null_mut()) };
        let loaded = Box::new(lnr_model::new(load()?));
        // SAFETY: as above.
        unsafe { model.write(Box::into_raw(loaded)) };
        Ok(())
    })
}

/// Opens the model that is inside this library, the reader of handwritten digits. If it fails, `*model` is NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnr_open_embedded(model: *mut *mut lnr_model) -> lnr_status {
    open(model, || Ok(Classifier::embedded()))
}

/// Opens a file that `runtime bake` wrote. If it fails, `*model` is NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnr_open(file: *const c_char, model: *mut *mut lnr_model) -> lnr_status {
    open(model, || {
        // SAFETY: C says that it is a text.
        let path = unsafe { path(file) }?;
        Classifier::load(&path).map_err(Failure::from)
    })
}

/// Opens a model that is in memory: the content of such a file, of which nothing is needed afterwards.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnr_open_bytes(
    content: *const u8,
    length: usize,
    model: *mut *mut lnr_model,
) -> lnr_status {
    open(model, || {
        // SAFETY: C says that these bytes are there.
        let content = unsafe { bytes(content, length, "content") }?;
        Classifier::baked(content).map_err(Failure::from)
    })
}

/// Frees a model, which nobody may be using; of NULL nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnr_free(model: *mut lnr_model) {
    let _ = status(|| {
        if !model.is_null() {
            // SAFETY: C says that it is of `lnr_open…`, and was not freed.
            drop(unsafe { Box::from_raw(model) });
        }
        Ok(())
    });
}

/// What a model takes and gives.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct lnr_info {
    /// Bytes of a pixel, one for each channel.
    pub channels: u32,
    /// Rows of an image.
    pub rows: u32,
    /// Columns of an image.
    pub columns: u32,
    /// Classes: how many scores and probabilities there are.
    pub classes: u32,
}

/// Says what a model takes and gives.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnr_info(model: *const lnr_model, info: *mut lnr_info) -> lnr_status {
    status(|| {
        // SAFETY: C says that it is of `lnr_open…`.
        let model = unsafe { reference(model, "model") }?;
        let info = place(info, "info")?;
        let [channels, rows, columns] = model.classifier.input_shape().map(|side| side as u32);
        let classes = model.classes.len() as u32;
        // SAFETY: it is not NULL and aligned, and C says that it is there.
        unsafe { info.write(lnr_info { channels, rows, columns, classes }) };
        Ok(())
    })
}

/// The name of a class, counted from 0, which is there until the model is freed; NULL if there is none of this number.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnr_class_name(
    model: *const lnr_model,
    class_number: u32,
) -> *const c_char {
    let mut name = ptr::null();
    let _ = status(|| {
        // SAFETY: C says that it is of `lnr_open…`.
        name = unsafe { reference(model, "model") }?.class(class_number as usize);
        Ok(())
    });
    name
}
