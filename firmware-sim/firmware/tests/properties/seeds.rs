//! The files that the fuzzer begins with: `tests/fuzz/seeds/q8`.

use std::fs;
use std::path::PathBuf;

use firmware::Model;
use firmware::format::Layout;

use crate::definition::refused_or_exact;
use crate::synthetic::{Network, Random};

fn folder() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fuzz/seeds/q8"))
}

#[test]
fn the_fuzzers_seeds_are_models_and_have_all_routines() {
    let mut routines = 0;
    for entry in fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        let file = fs::read(&path).unwrap();
        let model = Model::parse(&file).unwrap_or_else(|error| {
            panic!("{}: {error}; after a change of the format write them anew, as tests/README.md says", path.display())
        });
        routines |= model.header().routines.get();
        refused_or_exact(&file);
    }
    assert_eq!(routines.count_ones(), 16);
}

/// Of small random networks, those of which each has a routine that none before had.
#[test]
#[ignore = "writes the files"]
fn write_the_fuzzers_seeds() {
    const MAX_LEN: usize = 3000;
    // of more outputs than are held
    const MAX_LONG_LEN: usize = 6000;
    let _ = fs::remove_dir_all(folder());
    fs::create_dir_all(folder()).unwrap();
    for (layout, name) in [(Layout::Bytes, "bytes"), (Layout::Words, "words")] {
        let mut found = 0;
        for seed in 0..5000 {
            let file = Network::random(&mut Random(seed)).file(layout);
            let model = Model::parse(&file).unwrap();
            let most = if model.holds_outputs() { MAX_LEN } else { MAX_LONG_LEN };
            let routines = model.header().routines.get();
            if file.len() <= most && routines & !found != 0 {
                found |= routines;
                fs::write(folder().join(format!("{name}-{seed}")), &file).unwrap();
            }
        }
    }
}
