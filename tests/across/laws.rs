//! The fuzzer's laws, held to all its seeds and to changes of them by stable Rust: what it once found stays mended.
//!
//! A failing case prints its bytes; they become a seed in `tests/fuzz/seeds`.

#[expect(unreachable_pub, reason = "public to the fuzzer's targets")]
#[path = "../fuzz/src/lib.rs"]
mod fuzz;

use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::FileFailurePersistence;

/// Longest file that is changed, as for the fuzzer.
const LONGEST: usize = 1 << 16;

/// Numbers at which sizes and counts go wrong.
const NUMBERS: [u64; 8] = [0, 1, 0x7f, 0xff, 0x7fff_ffff, 0xffff_ffff, 1 << 63, u64::MAX];

/// What may happen to a file.
#[derive(Debug, Clone)]
enum Change {
    Byte(Index, u8),
    /// Some bytes of a number, from the lowest.
    Number(Index, u64, usize),
    Cut(Index),
    Left(Index, usize),
    /// A part of a model is another, as the fuzzer changes it.
    Part(u64),
    /// A piece of this or another seed comes in.
    Piece {
        to: Index,
        seed: Index,
        from: Index,
        length: usize,
    },
}

/// Changes of bytes, ten to so many of a model's parts.
fn change(parts: u32) -> impl Strategy<Value = Change> {
    let place = any::<Index>;
    prop_oneof![
        4 => (place(), any::<u8>()).prop_map(|(place, byte)| Change::Byte(place, byte)),
        2 => (place(), select(&NUMBERS[..]), 1..=8_usize)
            .prop_map(|(place, number, length)| Change::Number(place, number, length)),
        1 => place().prop_map(Change::Cut),
        1 => (place(), 1..64_usize).prop_map(|(place, length)| Change::Left(place, length)),
        2 => (place(), place(), place(), 1..300_usize)
            .prop_map(|(to, seed, from, length)| Change::Piece { to, seed, from, length }),
        parts => any::<u64>().prop_map(Change::Part),
    ]
}

fn apply(bytes: &mut Vec<u8>, change: &Change, seeds: &[Vec<u8>]) {
    if bytes.is_empty() {
        return;
    }
    let length = bytes.len();
    match change {
        Change::Byte(place, byte) => bytes[place.index(length)] = *byte,
        Change::Number(place, number, count) => {
            let place = place.index(length);
            for (old, new) in bytes[place..].iter_mut().zip(&number.to_le_bytes()[..*count]) {
                *old = *new;
            }
        }
        Change::Cut(place) => bytes.truncate(place.index(length)),
        Change::Left(place, count) => {
            let place = place.index(length);
            bytes.drain(place..length.min(place + count));
        }
        Change::Part(seed) => {
            if let Some(changed) = fuzz::changes::model(bytes, *seed) {
                *bytes = changed;
            }
        }
        Change::Piece { to, seed, from, length: count } => {
            let seed = seed.get(seeds);
            let from = from.index(seed.len());
            let piece = seed[from..seed.len().min(from + count)].iter().copied();
            let to = to.index(length);
            bytes.splice(to..to, piece);
        }
    }
}

/// Files of a folder, the shortest first.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort_by_key(|path| (fs::metadata(path).unwrap().len(), path.clone()));
    assert!(!files.is_empty(), "{}", folder.display());
    files
}

/// Holds the seeds of `target` and of `more` folders to `law`, then so many changes of them.
fn hold(target: &str, more: &[&str], parts: u32, cases: u32, law: fn(&[u8])) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let own = format!("tests/fuzz/seeds/{target}");
    let folders = [&own[..]].into_iter().chain(more.iter().copied());
    let mut seeds = vec![];
    for path in folders.flat_map(|folder| files(&root.join(folder))) {
        println!("{}", path.display());
        let bytes = fs::read(path).unwrap();
        law(&bytes);
        if (1..=LONGEST).contains(&bytes.len()) {
            seeds.push(bytes);
        }
    }
    let config = ProptestConfig {
        failure_persistence: Some(Box::new(FileFailurePersistence::Off)),
        max_shrink_time: 60_000,
        ..ProptestConfig::with_cases(cases)
    };
    let case = (any::<Index>(), prop::collection::vec(change(parts), 1..5));
    let changed = case.prop_map(move |(seed, changes)| {
        let mut bytes = seed.get(&seeds).clone();
        for change in &changes {
            apply(&mut bytes, change, &seeds);
        }
        bytes
    });
    proptest!(config, |(bytes in changed)| law(&bytes));
}

#[test]
fn a_model_is_refused_or_runs_alike_by_all_kernels() {
    hold("model", &[], 40, 2_000, fuzz::model);
}

#[test]
fn an_idx_file_is_refused_or_is_what_its_items_are_written_as() {
    hold("idx", &[], 0, 5_000, fuzz::idx);
}

#[test]
fn a_picture_is_refused_or_prepared_alike_after_being_written_again() {
    let more = ["runtime/tests/pictures/samples", "tests/data/digits"];
    hold("picture", &more, 0, 2_000, fuzz::picture);
}

#[test]
fn a_quantised_model_is_refused_or_keeps_within_its_bounds() {
    hold("q8", &[], 0, 300, fuzz::q8);
}
