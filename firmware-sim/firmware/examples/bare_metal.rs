//! What a firmware links: builds only if neither `std` nor an allocator is anywhere below the library, and
//! `link-check` finds no panic in it.
//!
//! Where panics abort, as in the profile `firmware`; with unwinding, as in `cargo test`, it may not do without `std`.
#![cfg_attr(panic = "abort", no_std)]
#![forbid(unsafe_code)]

use firmware::Model;

/// Room for any file and any image.
type Flash = [u8; 1 << 20];
/// Room for a row of any image.
const MAX_ROW: usize = 4096;
/// Room for the memory of any model.
type Scratch = [u32; 1 << 18];

/// What is answered instead of a class if `flash` holds no model.
const NO_MODEL: u16 = u16::MAX;

// Kept although nothing calls them, so that the archive holds their whole call trees.
#[used]
static INFER: extern "C" fn(&Flash, usize, &Flash, usize, &mut Scratch) -> u16 = infer;
#[used]
static STREAM: extern "C" fn(
    &Flash,
    usize,
    extern "C" fn(&mut [u8; MAX_ROW]) -> usize,
    &mut Scratch,
) -> u16 = stream;

/// A whole image.
extern "C" fn infer(
    flash: &Flash,
    length: usize,
    image: &Flash,
    size: usize,
    scratch: &mut Scratch,
) -> u16 {
    let mut class = || {
        let model = Model::parse(flash.get(..length)?).ok()?;
        let logits = model.infer(image.get(..size)?, scratch)?;
        Some(logits.answer(model).class)
    };
    class().unwrap_or(NO_MODEL)
}

/// Row by row, as from a camera.
extern "C" fn stream(
    flash: &Flash,
    length: usize,
    read_row: extern "C" fn(&mut [u8; MAX_ROW]) -> usize,
    scratch: &mut Scratch,
) -> u16 {
    let mut class = || {
        let model = Model::parse(flash.get(..length)?).ok()?;
        let mut frame = model.start(scratch)?;
        let mut row = [0; MAX_ROW];
        while !frame.is_complete() {
            let length = read_row(&mut row);
            frame.push_row(row.get(..length)?)?;
        }
        frame.finish().map(|logits| logits.class())
    };
    class().unwrap_or(NO_MODEL)
}

#[cfg(panic = "abort")]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}
