//! What a user should know, though nothing failed: lines on standard error that begin with `note: `.

use std::fmt;
use std::io::{self, Write};
use std::path::Path;

use runtime::preprocess::Preprocess;
use runtime::{Classifier, Image, Prediction};
use safe_io::SingleLine;

/// Differences of probabilities up to which predictions are alike.
const ALIKE: f32 = 0.01;

/// Prints a note; untrusted text in it must be safe.
pub(crate) fn print(note: fmt::Arguments) {
    let _ = writeln!(io::stderr(), "note: {note}"); // without a standard error nobody reads it
}

/// Tells which normalization is assumed where a model needs one, and neither flags nor its file say which.
pub(crate) fn assumption(classifier: &Classifier, model: Option<&Path>) {
    if !classifier.assumes_normalization() {
        return;
    }
    let name = model.map(|path| path.display().to_string());
    print(format_args!(
        "{} takes floats: pixels are given as 0 to 1; if it was trained otherwise, `runtime evaluate \
         --find-normalization` tells how, and --mean and --std say so",
        SingleLine(name.as_deref().unwrap_or("the model"))
    ));
}

/// How much a model's probabilities depend on the picture.
pub(crate) struct Spread {
    /// Of a blank picture.
    blank: Vec<f32>,
    /// The largest difference to these.
    largest: f32,
    pictures: usize,
    takes_pixels: bool,
    /// Whether a single picture tells: with a known normalization, one of nothing may well look like a blank one.
    one_tells: bool,
}

impl Spread {
    pub(crate) fn new(classifier: &Classifier) -> Self {
        let shape = classifier.input_shape();
        let blank = Image::new(shape, vec![0; shape.iter().product::<usize>()]);
        let blank = blank.map(|image| classifier.predict(&image).probabilities);
        let reads_digits = classifier.preparation().preprocess() == Preprocess::Digit;
        Self {
            blank: blank.expect("models take images"),
            largest: 0.0,
            pictures: 0,
            takes_pixels: classifier.takes_pixels(),
            one_tells: classifier.assumes_normalization() || reads_digits,
        }
    }

    /// Takes the prediction of a picture on which something is.
    pub(crate) fn add(&mut self, prediction: &Prediction) {
        self.pictures += 1;
        for (of_picture, of_blank) in prediction.probabilities.iter().zip(&self.blank) {
            self.largest = self.largest.max((of_picture - of_blank).abs());
        }
    }

    /// Tells it if all were alike.
    pub(crate) fn note(&self) {
        if self.pictures == 0 || self.largest >= ALIKE || (self.pictures == 1 && !self.one_tells) {
            return;
        }
        let question = if self.takes_pixels { "" } else { ": is the normalization right?" };
        match self.pictures {
            1 => print(format_args!(
                "the model gives this picture the scores of a blank one{question}"
            )),
            _ => print(format_args!("the model's scores hardly depend on the picture{question}")),
        }
    }
}
