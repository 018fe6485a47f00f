//! [`fuzz::line`] for any bytes.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::line(bytes));
