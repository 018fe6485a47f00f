//! What a firmware links: builds only if neither `std` nor an allocator is anywhere below the library, and
//! `link-check` finds no panic in it.
//!
//! Where panics abort, as in the profile `firmware`; with unwinding, as in `cargo test`, it may not do without `std`.
#![cfg_attr(panic = "abort", no_std)]
#![forbid(unsafe_code)]

use firmware::format::MAX_LAYERS;
use firmware::link::{Buffers, Chip, Counter, Device};
use firmware::plan::MAX_SCRATCH_WORDS;
use firmware::resample::{Crop, Resample, luma};
use firmware::{Answer, FlashCheck, FlashState, Model, Progress};

/// Room for any file and any image.
type Bytes = [u8; 1 << 20];
/// Room for the memory of any model.
type Scratch = [u32; MAX_SCRATCH_WORDS];
/// Room for a row of an image.
type Row = [u8; 4096];

/// What is answered instead of a class if `flash` holds no model.
const NO_MODEL: u32 = u32::MAX;

/// What takes outputs.
type Take = extern "C" fn(usize, *const i32, usize);

// Kept although nothing calls them, so that the archive holds their whole call trees.
#[used]
static INFER: extern "C" fn(&Bytes, usize, &Bytes, usize, &mut Scratch) -> u32 = infer;
#[used]
static STREAM: extern "C" fn(&Bytes, usize, extern "C" fn(&mut Row) -> usize, &mut Scratch) -> u32 =
    stream;
#[used]
static RECHECK: extern "C" fn(&Bytes, usize, usize) -> bool = recheck;
#[used]
static OUTPUTS: extern "C" fn(&Bytes, usize, &Bytes, usize, &mut Scratch, Take) -> bool = outputs;
#[used]
static SERIAL: extern "C" fn(&Bytes, usize, &Line, &mut Scratch) -> bool = serial;
#[used]
static SHRINK: for<'a> extern "C" fn(&'a mut Shrink, &[u8; 960]) -> Option<&'a [u8; 60]> = shrink;
#[used]
static NEW_SHRINK: extern "C" fn(u16, &Crop, u16, &mut Shrink) -> bool = new_shrink;
#[used]
static GREY: extern "C" fn(&[u8; 3]) -> u8 = grey;

/// From rows of 320 colours to such of 20.
type Shrink = Resample<3, 960, 60>;

/// A whole image.
extern "C" fn infer(
    flash: &Bytes,
    length: usize,
    image: &Bytes,
    size: usize,
    scratch: &mut Scratch,
) -> u32 {
    let mut answer = || {
        let model = Model::parse(flash.get(..length)?).ok()?;
        let logits = model.infer(image.get(..size)?, scratch)?;
        Some(packed(logits.answer(model)))
    };
    answer().unwrap_or(NO_MODEL)
}

/// A whole image, and its outputs as they are computed.
extern "C" fn outputs(
    flash: &Bytes,
    length: usize,
    image: &Bytes,
    size: usize,
    scratch: &mut Scratch,
    take: Take,
) -> bool {
    let mut run = || {
        let model = Model::parse(flash.get(..length)?).ok()?;
        let image = image.get(..size)?;
        model.infer_in_blocks(image, scratch, |first, block| {
            take(first, block.as_ptr(), block.len());
        })
    };
    run().is_some()
}

/// Row by row, as from a camera.
extern "C" fn stream(
    flash: &Bytes,
    length: usize,
    read_row: extern "C" fn(&mut Row) -> usize,
    scratch: &mut Scratch,
) -> u32 {
    let mut answer = || {
        let model = Model::parse(flash.get(..length)?).ok()?;
        let mut frame = model.start(scratch)?;
        let mut row: Row = [0; 4096];
        while !frame.is_complete() {
            while let Progress::Computed(_) = frame.step() {}
            let length = read_row(&mut row);
            frame.push_row(row.get(..length)?)?;
        }
        Some(packed(frame.finish()?.answer(model)))
    };
    answer().unwrap_or(NO_MODEL)
}

/// What a serial line does and a clock gives.
#[repr(C)]
struct Line {
    read: extern "C" fn() -> u8,
    write: extern "C" fn(u8),
    cycles: extern "C" fn() -> u32,
}

/// A board on a serial line.
extern "C" fn serial(flash: &Bytes, length: usize, line: &Line, scratch: &mut Scratch) -> bool {
    let mut run = || {
        let model = Model::parse(flash.get(..length)?).ok()?;
        let chip = Chip { counter: Counter::SysTick, ..Chip::named("a core") };
        let (mut row, mut cycles): (Row, _) = ([0; 4096], [0; MAX_LAYERS + 1]);
        let buffers = Buffers { scratch, row: &mut row, cycles: &mut cycles };
        let mut device = Device::new(model, chip, buffers)?;
        loop {
            match (line.read)() {
                b'q' => return Some(()),
                byte => {
                    for &byte in device.on_byte(byte, &mut || (line.cycles)()) {
                        (line.write)(byte);
                    }
                }
            }
        }
    };
    let ended: Option<()> = run();
    ended.is_some()
}

/// Flash again, a piece at a time, and the layers of which one is damaged.
extern "C" fn recheck(flash: &Bytes, length: usize, piece: usize) -> bool {
    let check = || {
        let model = Model::parse(flash.get(..length)?).ok()?;
        let mut check = FlashCheck::START;
        let mut state = FlashState::InProgress;
        while state == FlashState::InProgress {
            state = model.verify_step(&mut check, piece);
        }
        let layers = 0..model.layers().records.len();
        Some(
            state == FlashState::Intact
                && layers.map(|it| model.layer_checksum(it)).all(|it| it > 0),
        )
    };
    check().unwrap_or(false)
}

/// A row of a frame.
extern "C" fn shrink<'a>(resample: &'a mut Shrink, row: &[u8; 960]) -> Option<&'a [u8; 60]> {
    resample.push_row(row)
}

/// What shrinks frames.
extern "C" fn new_shrink(frame_height: u16, crop: &Crop, height: u16, to: &mut Shrink) -> bool {
    Resample::new(frame_height, *crop, height).map(|new| *to = new).is_ok()
}

/// A colour as grey.
extern "C" fn grey(colour: &[u8; 3]) -> u8 {
    luma(*colour)
}

/// All that is answered, so that none of it is left out.
fn packed(answer: Answer) -> u32 {
    u32::from(answer.class) | (answer.verdict as u32) << 16 | u32::from(answer.agrees) << 24
}

#[cfg(panic = "abort")]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}
