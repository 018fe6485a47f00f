//! Writes the scores of a data set's test images, as `runtime evaluate` computes them: `f32`, little-endian, `[image][class]`.
//!
//! `idx_scores FOLDER [MODEL.baked]`, with MNIST's four IDX files in the folder. `runtime/python/test` compares them with
//! those that Python gets.

use std::io::{self, Write};
use std::path::Path;
use std::{env, process};

use dataset::idx::{self, Part};
use runtime::Classifier;
use runtime::evaluate::BATCH;

fn main() {
    if let Err(error) = run() {
        eprintln!("error: {error:?}");
        process::exit(1);
    }
}

fn run() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = env::args_os().skip(1);
    let folder = arguments.next().ok_or("usage: idx_scores FOLDER [MODEL.baked]")?;
    let classifier = match arguments.next() {
        Some(model) => Classifier::load(Path::new(&model))?,
        None => Classifier::embedded(),
    };
    let split = idx::load_of_shape(Path::new(&folder), Part::Test, classifier.input_shape())?;
    let mut output = io::stdout().lock();
    for images in split.images.chunks(BATCH) {
        for prediction in classifier.predict_batch(images) {
            for score in prediction.logits {
                output.write_all(&score.to_le_bytes())?;
            }
        }
    }
    Ok(())
}
