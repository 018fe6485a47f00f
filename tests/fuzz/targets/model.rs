//! [`fuzz::model`] for any bytes; three in four changes are of a model's parts, not of bytes.
#![no_main]

use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};

fuzz_target!(|bytes: &[u8]| fuzz::model(bytes));

fuzz_mutator!(|bytes: &mut [u8], length: usize, most: usize, seed: u32| {
    if seed % 4 > 0
        && let Some(changed) = fuzz::changes::model(&bytes[..length], seed.into())
        && changed.len() <= most
    {
        bytes[..changed.len()].copy_from_slice(&changed);
        return changed.len();
    }
    fuzzer_mutate(bytes, length, most)
});
