//! The fuzzer's properties, checked on all its seeds and on changes of them by stable Rust: what it once found stays
//! mended.
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

/// Maximum bytes of a file that is changed, as for the fuzzer.
const MAX_BYTES: usize = 1 << 16;

/// Numbers at which sizes and counts go wrong.
const NUMBERS: [u64; 8] = [0, 1, 0x7f, 0xff, 0x7fff_ffff, 0xffff_ffff, 1 << 63, u64::MAX];

/// One change of a file.
#[derive(Debug, Clone)]
enum Change {
    Byte(Index, u8),
    /// The lowest bytes of a number are written over others.
    Number(Index, u64, usize),
    /// The file ends there.
    Truncated(Index),
    /// Some bytes are left out.
    Removed(Index, usize),
    /// A part of a model changes, as the fuzzer changes it.
    Model(u64),
    /// A piece of this or another seed is inserted.
    Inserted {
        to: Index,
        seed: Index,
        from: Index,
        length: usize,
    },
}

/// Ten changes of bytes to `weight` changes of a model's parts.
fn change(weight: u32) -> impl Strategy<Value = Change> {
    let place = any::<Index>;
    prop_oneof![
        4 => (place(), any::<u8>()).prop_map(|(place, byte)| Change::Byte(place, byte)),
        2 => (place(), select(&NUMBERS[..]), 1..=8_usize)
            .prop_map(|(place, number, length)| Change::Number(place, number, length)),
        1 => place().prop_map(Change::Truncated),
        1 => (place(), 1..64_usize).prop_map(|(place, length)| Change::Removed(place, length)),
        2 => (place(), place(), place(), 1..300_usize)
            .prop_map(|(to, seed, from, length)| Change::Inserted { to, seed, from, length }),
        weight => any::<u64>().prop_map(Change::Model),
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
        Change::Truncated(place) => bytes.truncate(place.index(length)),
        Change::Removed(place, count) => {
            let place = place.index(length);
            bytes.drain(place..length.min(place + count));
        }
        Change::Model(seed) => {
            if let Some(changed) = fuzz::changes::model(bytes, *seed) {
                *bytes = changed;
            }
        }
        Change::Inserted { to, seed, from, length: count } => {
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

/// Checks `property` on the seeds of `target` and of `more` folders, then on `cases` changes of them.
fn check(target: &str, more: &[&str], weight: u32, cases: u32, property: fn(&[u8])) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let own = format!("tests/fuzz/seeds/{target}");
    let folders = [&own[..]].into_iter().chain(more.iter().copied());
    let mut seeds = vec![];
    for path in folders.flat_map(|folder| files(&root.join(folder))) {
        println!("{}", path.display());
        let bytes = fs::read(path).unwrap();
        property(&bytes);
        if (1..=MAX_BYTES).contains(&bytes.len()) {
            seeds.push(bytes);
        }
    }
    let config = ProptestConfig {
        failure_persistence: Some(Box::new(FileFailurePersistence::Off)),
        max_shrink_time: 60_000,
        ..ProptestConfig::with_cases(cases)
    };
    let case = (any::<Index>(), prop::collection::vec(change(weight), 1..5));
    let changed = case.prop_map(move |(seed, changes)| {
        let mut bytes = seed.get(&seeds).clone();
        for change in &changes {
            apply(&mut bytes, change, &seeds);
        }
        bytes
    });
    proptest!(config, |(bytes in changed)| property(&bytes));
}

#[test]
fn a_model_is_refused_or_all_kernels_score_alike() {
    check("model", &[], 40, 2_000, fuzz::model);
}

#[test]
fn a_baked_model_is_refused_or_written_again_byte_for_byte() {
    check("baked", &[], 0, 5_000, fuzz::baked);
}

#[test]
fn an_idx_file_is_refused_or_emitted_again_byte_for_byte() {
    check("idx", &[], 0, 5_000, fuzz::idx);
}

#[test]
fn a_picture_is_refused_or_prepared_alike_after_another_round_through_png() {
    let more = ["runtime/tests/pictures/samples", "tests/data/digits"];
    check("picture", &more, 0, 2_000, fuzz::picture);
}

#[test]
fn a_list_of_pictures_is_refused_or_read_again_alike() {
    check("csv", &[], 0, 3_000, fuzz::csv);
}

#[test]
fn a_file_on_the_page_is_refused_or_answers() {
    check("page", &["tests/fuzz/seeds/baked", "tests/fuzz/seeds/q8"], 0, 1_000, fuzz::page);
}

#[test]
fn a_quantised_model_is_refused_or_gives_what_its_definition_gives() {
    check("q8", &[], 0, 1_000, fuzz::q8);
}

#[test]
fn a_board_answers_requests_and_nothing_else_that_comes_over_a_line() {
    check("line", &[], 0, 2_000, fuzz::line);
}
