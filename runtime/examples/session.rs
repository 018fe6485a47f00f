//! Many pictures in batches, on all cores: `cargo run --release -p runtime --example session -- *.png`.

use std::error::Error;
use std::path::PathBuf;

use runtime::Classifier;

/// Pictures per call: enough for every thread to have a shard.
const BATCH: usize = 256;

fn main() -> Result<(), Box<dyn Error>> {
    let paths: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let classifier = Classifier::embedded();
    // it keeps its memory and its threads from batch to batch
    let mut session = classifier.session(0)?;
    for paths in paths.chunks(BATCH) {
        let pictures = paths.iter().map(|path| classifier.preparation().load(path));
        let pictures: Vec<_> = pictures.collect::<Result<_, _>>()?;
        for (path, prediction) in paths.iter().zip(session.predict(&pictures)) {
            let (name, verdict) = (prediction.name(), prediction.verdict.name());
            println!("{}: {name}, {verdict}", path.display());
        }
    }
    Ok(())
}
