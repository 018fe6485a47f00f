//! What reading a baked model allocates: what the file holds, not what it promises.

use peak_alloc::PeakAlloc;
use runtime::{Baked, Classifier, EMBEDDED_BAKED};

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// Where the header's numbers stand, from the input's channels to the count of metadata, and the records after it.
const NUMBERS: std::ops::Range<usize> = 44..68;
const LAYERS: usize = 4;
const RECORD: usize = 32;

fn peak<T>(of: impl FnOnce() -> T) -> (T, usize) {
    MEMORY.reset_peak_usage();
    let before = MEMORY.current_usage();
    let result = of();
    (result, MEMORY.peak_usage() - before)
}

#[test]
fn a_promise_of_gigabytes_takes_no_more_memory_than_the_file() {
    // one test, since another at the same time would count here too
    let built = peak(|| Classifier::baked(EMBEDDED_BAKED).unwrap()).1;
    assert!(
        built < EMBEDDED_BAKED.len() * 3 / 2,
        "{built} bytes: more than one copy of the weights"
    );
    let peak = |bytes: &[u8]| peak(|| Baked::parse(bytes).is_ok());
    let whole = peak(EMBEDDED_BAKED);
    assert!(whole.0 && whole.1 < EMBEDDED_BAKED.len() + (64 << 10), "{whole:?}");
    let structure = NUMBERS.start..NUMBERS.end + LAYERS * RECORD;
    for at in structure {
        for length in 1..=4 {
            let mut bytes = EMBEDDED_BAKED.to_vec();
            bytes[at..at + length].fill(0xFF);
            let crc = bytes.len() - 4;
            let sum = crc32fast::hash(&bytes[..crc]).to_le_bytes();
            bytes[crc..].copy_from_slice(&sum);
            let found = peak(&bytes);
            assert!(found.1 < 64 << 10 || found.0, "{length} bytes at {at}: {found:?}");
        }
    }
}
