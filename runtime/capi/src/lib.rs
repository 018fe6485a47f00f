#![doc = include_str!("../README.md")]
#![expect(non_camel_case_types, reason = "C's names of types")]
#![expect(clippy::missing_safety_doc, reason = "one rule for all pointers, on top of the header")]

// the header has them in this order
pub mod status;

pub mod model;

pub mod answer;

mod memory;
