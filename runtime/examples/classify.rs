//! From a picture file to an answer: `cargo run --release -p runtime --example classify -- digit.png`.

use std::error::Error;
use std::path::PathBuf;

use runtime::{Classifier, Verdict, preprocess};

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args_os().nth(1).map(PathBuf::from).ok_or("usage: classify PICTURE")?;
    let classifier = Classifier::embedded(); // or Classifier::load("model.onnx".as_ref())?
    let prepared = preprocess::load(&path)?;
    let prediction = classifier.read(&prepared);
    match prediction.verdict {
        Verdict::NoDigit => println!("no digit: {:?}", prepared.content),
        verdict => {
            let class = &classifier.classes()[prediction.digit()];
            println!("{class}, with confidence {:.3}: {}", prediction.confidence(), verdict.name());
        }
    }
    Ok(())
}
