//! Answers to pictures and images.

use std::ffi::c_char;
use std::ptr;

use runtime::preprocess::{self, Content, Prepared};
use runtime::{Image, Prediction, Verdict};

use crate::memory::{bytes, numbers, path, place, reference};
use crate::model::lnr_model;
use crate::status::{Failure, lnr_status, status};

/// Verdict: so confident as to be hardly ever wrong.
pub const LNR_SURE: u32 = 0;
/// Verdict: the most likely class, but look again.
pub const LNR_UNSURE: u32 = 1;
/// Verdict: there is no answer.
pub const LNR_NONE: u32 = 2;

/// What a model says of a picture. Its texts are there until the model is freed.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct lnr_answer {
    /// The most likely class, counted from 0; of equals the first.
    pub best: u32,
    /// Its probability, 0 to 1.
    pub confidence: f32,
    /// `LNR_SURE`, `LNR_UNSURE` or `LNR_NONE`: whether to rely on it.
    pub verdict: u32,
    /// The name of the class.
    pub name: *const c_char,
    /// `sure`, `unsure` or `no digit`; of a model that does not read digits `no match`.
    pub verdict_name: *const c_char,
    /// Why there is no answer; NULL where there is one.
    pub reason: *const c_char,
}

impl lnr_model {
    fn answer(&self, prediction: &Prediction, content: Content) -> lnr_answer {
        let (verdict, verdict_name) = self.verdict(prediction.verdict);
        let reason = match prediction.verdict {
            Verdict::NoDigit => self.reason(content),
            Verdict::Sure | Verdict::Unsure => ptr::null(),
        };
        let best = prediction.class();
        lnr_answer {
            best: best as u32,
            confidence: prediction.confidence(),
            verdict,
            name: self.class(best),
            verdict_name,
            reason,
        }
    }
}

/// Answers what `prepare` makes.
///
/// # Safety
/// Each pointer is NULL or points to what it says.
unsafe fn answer(
    model: *const lnr_model,
    answer: *mut lnr_answer,
    probabilities: *mut f32,
    count: usize,
    predict: impl FnOnce(&lnr_model) -> Result<(Prediction, Content), Failure>,
) -> lnr_status {
    status(|| {
        // SAFETY: the same is asked for.
        let model = unsafe { reference(model, "model") }?;
        let answer = place(answer, "answer")?;
        let probabilities = if probabilities.is_null() {
            None
        } else {
            let classes = model.classifier.classes().len();
            // SAFETY: the same is asked for.
            Some(unsafe { numbers(probabilities, count, classes, "probabilities") }?)
        };
        let (prediction, content) = predict(model)?;
        if let Some(probabilities) = probabilities {
            probabilities.copy_from_slice(&prediction.probabilities);
        }
        // SAFETY: it is not NULL and aligned, and C says that it is there.
        unsafe { answer.write(model.answer(&prediction, content)) };
        Ok(())
    })
}

fn of_prepared(model: &lnr_model, prepared: &Prepared) -> (Prediction, Content) {
    (model.classifier.predict(prepared), prepared.content)
}

/// Says what is on a picture in a file: PNG, JPEG, GIF, BMP, WebP or PNM, of any size, which is prepared as the model says.
///
/// `probabilities` takes one for each class, `count` of them, unless it is NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnr_read(
    model: *const lnr_model,
    file: *const c_char,
    found: *mut lnr_answer,
    probabilities: *mut f32,
    count: usize,
) -> lnr_status {
    let predict = |model: &lnr_model| {
        // SAFETY: C says that it is a text.
        let prepared = model.classifier.preparation().load(&unsafe { path(file) }?)?;
        Ok(of_prepared(model, &prepared))
    };
    // SAFETY: C says the same.
    unsafe { answer(model, found, probabilities, count, predict) }
}

/// As `lnr_read`, of a picture in memory: the content of such a file.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnr_read_bytes(
    model: *const lnr_model,
    content: *const u8,
    length: usize,
    found: *mut lnr_answer,
    probabilities: *mut f32,
    count: usize,
) -> lnr_status {
    let predict = |model: &lnr_model| {
        // SAFETY: C says that these bytes are there.
        let content = unsafe { bytes(content, length, "content") }?;
        let prepared = preprocess::from_bytes(content, model.classifier.preparation())?;
        Ok(of_prepared(model, &prepared))
    };
    // SAFETY: C says the same.
    unsafe { answer(model, found, probabilities, count, predict) }
}

/// As `lnr_read`, of pixels as they go into the network: `[channel][row][column]`, `length` bytes; for the model inside 0 is
/// background and 255 is ink, in MNIST's frame.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnr_predict(
    model: *const lnr_model,
    pixels: *const u8,
    length: usize,
    found: *mut lnr_answer,
    probabilities: *mut f32,
    count: usize,
) -> lnr_status {
    let predict = |model: &lnr_model| {
        // SAFETY: C says that these bytes are there.
        let pixels = unsafe { bytes(pixels, length, "pixels") }?;
        check_pixels(model, length, 1)?;
        let image = Image::new(model.classifier.input_shape(), pixels.to_vec());
        let image = image.map_err(|error| Failure::argument(error.to_string()))?;
        Ok((model.classifier.predict(&image), Content::Drawing))
    };
    // SAFETY: C says the same.
    unsafe { answer(model, found, probabilities, count, predict) }
}

/// The model's own scores of `images` images, which lie one after the other in `pixels`, `length` bytes in all.
///
/// `scores` takes `count` of them, `[image][class]`. They go through the network together, which takes less time than one
/// after another.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnr_scores(
    model: *const lnr_model,
    pixels: *const u8,
    length: usize,
    images: usize,
    scores: *mut f32,
    count: usize,
) -> lnr_status {
    status(|| {
        // SAFETY: C says that it is of `lnr_open…`.
        let model = unsafe { reference(model, "model") }?;
        check_pixels(model, length, images)?;
        // SAFETY: C says that these bytes are there.
        let pixels = unsafe { bytes(pixels, length, "pixels") }?;
        let expected = model.classifier.classes().len().saturating_mul(images);
        // SAFETY: C says that there is room.
        let scores = unsafe { numbers(scores, count, expected, "scores") }?;
        if images > 0 {
            model.classifier.scores_into(pixels, scores);
        }
        Ok(())
    })
}

/// Checks that `length` is the size of this number of images.
fn check_pixels(model: &lnr_model, length: usize, images: usize) -> Result<(), Failure> {
    let [channels, rows, columns] = model.classifier.input_shape();
    let expected = (channels * rows * columns).checked_mul(images);
    if expected == Some(length) {
        return Ok(());
    }
    Err(Failure::argument(format!(
        "{length} bytes of pixels, expected {images} times {channels}x{rows}x{columns}"
    )))
}
