//! What a firmware links: builds only if neither `std` nor an allocator is anywhere below the library, and
//! `link-check` finds no panic in it.
//!
//! Where panics abort, as in the profile `firmware`; with unwinding, as in `cargo test`, it may not do without `std`.
#![cfg_attr(panic = "abort", no_std)]
#![forbid(unsafe_code)]

use firmware::format::File;
use firmware::geometry::{IMAGE_SIDE, PIXELS};
use firmware::{Model, Scratch, format};

type Flash = [u8; format::LEN];

/// What is answered instead of a digit if `flash` holds no model.
const NO_MODEL: u8 = u8::MAX;

// Kept although nothing calls them, so that the archive holds their whole call trees.
#[used]
static INFER: extern "C" fn(&Flash, &[u8; PIXELS], &mut Scratch) -> u8 = infer;
#[used]
static STREAM: extern "C" fn(&Flash, extern "C" fn(&mut [u8; IMAGE_SIDE]), &mut Scratch) -> u8 =
    stream;
#[used]
static COPY: extern "C" fn(&[u8; 1 << 20], usize, &mut File) -> bool = copy;

/// A whole image.
extern "C" fn infer(flash: &Flash, image: &[u8; PIXELS], scratch: &mut Scratch) -> u8 {
    Model::parse(flash).map_or(NO_MODEL, |model| model.infer(image, scratch).digit())
}

/// Row by row, as from a camera.
extern "C" fn stream(
    flash: &Flash,
    read_row: extern "C" fn(&mut [u8; IMAGE_SIDE]),
    scratch: &mut Scratch,
) -> u8 {
    let Ok(model) = Model::parse(flash) else { return NO_MODEL };
    let mut frame = model.start(scratch);
    let mut row = [0; IMAGE_SIDE];
    while !frame.is_complete() {
        read_row(&mut row);
        frame.push_row(&row);
    }
    frame.finish().map_or(NO_MODEL, |logits| logits.digit())
}

/// A model of any claimed length, as from an update, into flash.
extern "C" fn copy(update: &[u8; 1 << 20], length: usize, flash: &mut File) -> bool {
    update
        .get(..length)
        .and_then(|update| Model::parse(update).ok())
        .map(|model| flash.clone_from(model.file()))
        .is_some()
}

#[cfg(panic = "abort")]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}
