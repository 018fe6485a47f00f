//! A board on a serial line: shows a computer what the model in its flash makes of test images.
//!
//! `firmware-sim board --serial /dev/ttyACM0` is the other end. A [`Device`] is all that a firmware needs: it takes the
//! bytes that come in, whatever brings them (a UART, USB, a socket), and gives the bytes to be sent.
//!
//! ```no_run
//! # macro_rules! include_bytes { ($path:literal) => { &[0_u8; 256] } }
//! use firmware::link::{Buffers, Chip, Counter, Device};
//! use firmware::{Dimensions, Model};
//! # struct Uart;
//! # impl Uart { fn read(&mut self) -> u8 { 0 } fn write(&mut self, _: u8) {} }
//! # fn dwt_cyccnt() -> u32 { 0 }
//! # let mut uart = Uart;
//!
//! #[repr(C, align(4))]
//! struct Aligned<T: ?Sized>(T);
//!
//! static FLASH: &Aligned<[u8]> = &Aligned(*include_bytes!("model.q8"));
//! const SIZES: Dimensions = Dimensions::of(&FLASH.0);
//!
//! let model = Model::parse(&FLASH.0)?;
//! let chip = Chip { clock_hz: 84_000_000, counter: Counter::Dwt, ..Chip::named("STM32F401, Cortex-M4") };
//! let (mut scratch, mut row) = ([0; SIZES.scratch_words], [0; SIZES.row_len]);
//! let mut cycles = [0; SIZES.layers + 1];
//! let buffers = Buffers { scratch: &mut scratch, row: &mut row, cycles: &mut cycles };
//! // `None` only for a buffer that is too short
//! let Some(mut device) = Device::new(model, chip, buffers) else { return Ok(()) };
//! loop {
//!     let byte = uart.read(); // waits; a byte that was lost or damaged does no harm
//!     for &byte in device.on_byte(byte, &mut dwt_cyccnt) {
//!         uart.write(byte);
//!     }
//! #   break;
//! }
//! # Ok::<(), firmware::FormatError>(())
//! ```
//!
//! The board speaks only when it is asked, one frame for one frame, and the computer waits for the answer before it asks
//! again: so a board never gets more than [`MAX_FRAME`] bytes at once, and a receive buffer of that size is never
//! overrun. It need not read while it computes.
//!
//! # Frames
//!
//! A frame is a message and the CRC-32 of it (ISO-HDLC, as in zip), together at most 253 bytes, coded by COBS: Cheshire and
//! Baker, *Consistent Overhead Byte Stuffing*, 1999. On the line no byte of a frame is zero, and a zero stands before and
//! after it. Whatever was lost, added or changed, what follows the next zero is read as it was sent; and what does not
//! have its CRC-32 is passed over. Numbers are little-endian.
//!
//! # Messages
//!
//! | first byte | who | then |
//! |---|---|---|
//! | 1 hello | computer | nothing |
//! | 129 info | board | what the board is and has: see [`Info`] |
//! | 2 pixels | computer | `u32` image, `u32` at, 1 to [`MAX_DATA`] bytes: of the image `[row][column][channel]`, from byte `at` on |
//! | 130 taken | board | `u32` image, `u32` next: how many bytes of the image are there, and layers are computed as far as they can be |
//! | 3 read | computer | `u32` image, `u32` first |
//! | 131 report | board | `u32` image, `u32` first, up to [`MAX_WORDS`] words of the image's report, from word `first` on |
//! | 132 lost | board | `u32` image: the board does not have it so far, since it was reset, say; the image must be shown from its beginning |
//!
//! `image` is a number that the computer gives each showing of an image, another one each time. Each request may be sent
//! again, and is answered again: pixels that the board has are only acknowledged. So the computer asks again until an
//! answer comes, and counts what says of another image, or of another place in it, for no answer.
//!
//! The words of a report are: the CRC-32 of all bytes of the image, as they came; bytes of stack that were used; cycles of
//! each layer, and of taking rows in; all outputs, as `i32`.

mod device;
mod frame;
mod message;

pub use device::{Board, Buffers, Device};
pub use frame::{Frame, MAX_FRAME};
pub use message::{
    Chip, Counter, Info, MAX_CORE, MAX_DATA, MAX_WORDS, PROTOCOL, REPORT_HEAD, Reply, Request,
};
