//! Many pictures in batches, on all cores: `cargo run --release -p runtime --example session -- *.png`.

use std::error::Error;
use std::path::PathBuf;

use runtime::{Classifier, preprocess};

/// Pictures per call: enough for every thread to have a shard.
const BATCH: usize = 256;

fn main() -> Result<(), Box<dyn Error>> {
    let paths: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let classifier = Classifier::embedded();
    // it keeps its memory and its threads from batch to batch
    let mut session = classifier.session(0)?;
    for paths in paths.chunks(BATCH) {
        let images = paths.iter().map(|path| Ok(preprocess::load(path)?.image));
        let images: Vec<_> = images.collect::<Result<_, runtime::Error>>()?;
        let scores = session.scores(&images).chunks_exact(classifier.classes().len());
        for (path, scores) in paths.iter().zip(scores) {
            let prediction = classifier.prediction(scores);
            println!("{}: {}", path.display(), classifier.classes()[prediction.digit()]);
        }
    }
    Ok(())
}
