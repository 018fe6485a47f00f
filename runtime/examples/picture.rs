//! From a picture file to an answer: `cargo run --release -p runtime --example picture -- digit.png`.

use std::error::Error;
use std::path::PathBuf;

use runtime::{Classifier, Verdict};

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args_os().nth(1).map(PathBuf::from).ok_or("usage: picture PICTURE")?;
    let classifier = Classifier::embedded(); // or Classifier::load("model.onnx".as_ref())?
    let prepared = classifier.preparation().load(&path)?;
    let prediction = classifier.predict(&prepared);
    match prediction.verdict {
        Verdict::NoDigit => println!("no digit: {:?}", prepared.content),
        verdict => {
            let (name, confidence) = (prediction.name(), prediction.confidence());
            println!("{name}, with confidence {confidence:.3}: {}", verdict.name());
        }
    }
    Ok(())
}
