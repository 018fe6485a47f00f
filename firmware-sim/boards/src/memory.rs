//! The memory map that the linker made: what is used of it, and how deep the stack has been.

use core::{ptr, slice};

use crate::DIMENSIONS;
use crate::machine;

unsafe extern "C" {
    static __sdata: u32;
    static __ebss: u32;
    static _flash: u8;
    static __sidata: u8;
    static __edata: u32;
    static _stack_start: u32;
    static mut _stack_end: u32;
    static _images: u32;
}

/// What unused stack is filled with.
const PAINT: u32 = 0x5afe_5afe;

/// Bytes of all statics.
#[must_use]
pub fn statics() -> usize {
    (&raw const __ebss).addr() - (&raw const __sdata).addr()
}

/// Bytes of flash: code, constants and the model.
#[must_use]
pub fn flash() -> usize {
    // it ends with the first values of the statics
    let initial_values = (&raw const __edata).addr() - (&raw const __sdata).addr();
    (&raw const __sidata).addr() - (&raw const _flash).addr() + initial_values
}

/// The lowest address of the stack.
#[must_use]
pub fn stack_end() -> usize {
    (&raw const _stack_end).addr()
}

/// Bytes of the whole stack.
#[must_use]
pub fn stack_len() -> usize {
    (&raw const _stack_start).addr() - stack_end()
}

/// Fills the stack that is not in use.
#[inline(never)]
pub fn paint_stack() {
    let here = machine::stack_pointer();
    let mut cell = &raw mut _stack_end;
    // a little is left for this function itself
    while cell.addr() < here - 16 {
        // SAFETY: between the end of the stack and its pointer nothing is in use; an interrupt that comes
        // meanwhile writes its frame there and takes it away again.
        unsafe {
            cell.write_volatile(PAINT);
            cell = cell.add(1);
        }
    }
}

/// Maximum of stack in use, in bytes, since [`paint_stack`], whoever used them.
#[must_use]
pub fn stack_high_water() -> usize {
    let mut cell = &raw const _stack_end;
    let start = &raw const _stack_start;
    // SAFETY: the stack lies between the two, and all of it may be read.
    while cell < start && unsafe { cell.read_volatile() } == PAINT {
        cell = cell.wrapping_add(1);
    }
    start.addr() - cell.addr()
}

/// A row of pixels.
pub type PixelRow = [u8; DIMENSIONS.row_len];

/// The images that the camera sees, which the host loaded into the board's memory before it started.
#[derive(Debug, Clone, Copy)]
pub struct TestImages {
    /// Number of images.
    pub count: u16,
    /// Ticks of the clock from a row to the next.
    pub row_period: u32,
    /// The rows of all images.
    pub rows: &'static [PixelRow],
}

impl TestImages {
    /// Two little-endian numbers, how many images and the period of rows; then the images.
    #[must_use]
    pub fn loaded() -> Self {
        let start = &raw const _images;
        // SAFETY: `firmware-sim board` loads this block to this aligned address before the board starts, as long
        // as it says, and nothing writes to it. Without it the memory is zero: no images.
        unsafe {
            let count = ptr::read_volatile(start) as u16;
            let row_period = ptr::read_volatile(start.add(1));
            let rows =
                slice::from_raw_parts(start.add(2).cast(), usize::from(count) * DIMENSIONS.height);
            Self { count, row_period, rows }
        }
    }
}
