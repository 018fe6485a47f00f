//! Reads the digit in each picture: what a small program that links `runtime` looks like. `run` measures it.

use runtime::{Classifier, Error, preprocess};

fn main() -> Result<(), Error> {
    let classifier = Classifier::embedded();
    for path in std::env::args_os().skip(1) {
        let prepared = preprocess::load(path.as_ref())?;
        println!("{}", classifier.read(&prepared).digit());
    }
    Ok(())
}
