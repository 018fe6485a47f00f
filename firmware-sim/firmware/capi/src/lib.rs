#![doc = include_str!("../README.md")]
// where panics abort, as in the profile `firmware`; with unwinding, as in `cargo test`, it may not do without `std`
#![cfg_attr(panic = "abort", no_std)]
#![expect(unsafe_code, reason = "C gives pointers")]
#![expect(non_camel_case_types, reason = "C's names of types")]
#![expect(
    clippy::missing_safety_doc,
    reason = "one rule for all pointers, in the README and on top of the header"
)]

// the header has them in this order
pub mod status;

pub mod model;

pub mod frame;

pub mod answer;

mod memory;
#[cfg(test)]
mod tests;

/// The engine's routines that are linked: all that this core has, or those of the file `LNQ_MODEL`.
#[cfg(not(one_model))]
const ROUTINES: u16 = u16::MAX;
#[cfg(one_model)]
const ROUTINES: u16 = firmware::Dimensions::of(include_bytes!(env!("LNQ_MODEL"))).routines;

const _: () = assert!(ROUTINES != 0, "LNQ_MODEL names no .q8 file of this version");

/// Nothing calls it, as `link-check` proves.
#[cfg(panic = "abort")]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}
