//! The board's end: shows the model the images that come, and reports.

use super::frame::Frame;
use super::message::{Chip, Info, MAX_WORDS, REPORT_HEAD, Reply, Request};
use crate::engine::Progress;
use crate::format::{OF_THIS_CORE, crc};
use crate::{Frame as Inference, Model};

/// What is measured on the chip. A function that gives the cycles will do.
pub trait Board {
    /// Cycles of the core's clock since some moment, as many bits as [`Counter`](super::Counter) says, wrapping.
    fn cycles(&mut self) -> u32;

    /// Before an image: fills the stack that is not in use with a pattern.
    fn paint_stack(&mut self) {}

    /// After an image: bytes of stack that were used since then, whoever used them; 0 if that is not known.
    fn used_stack(&mut self) -> u32 {
        0
    }
}

impl<F: FnMut() -> u32> Board for F {
    fn cycles(&mut self) -> u32 {
        self()
    }
}

/// Memory of a [`Device`].
#[derive(Debug)]
pub struct Buffers<'m> {
    /// [`Dimensions::scratch_words`](crate::Dimensions) words.
    pub scratch: &'m mut [u32],
    /// [`Dimensions::row_len`](crate::Dimensions) bytes.
    pub row: &'m mut [u8],
    /// One for each of [`Dimensions::layers`](crate::Dimensions), and one for taking rows in.
    pub cycles: &'m mut [u32],
}

/// A model on a board that shows a computer what it makes of images.
#[derive(Debug)]
pub struct Device<'a, 'm, const ROUTINES: u16 = { OF_THIS_CORE }> {
    frame: Frame,
    bench: Bench<'a, 'm, ROUTINES>,
}

/// All but the frame that comes or goes.
#[derive(Debug)]
struct Bench<'a, 'm, const ROUTINES: u16> {
    model: Model<'a, ROUTINES>,
    chip: Chip<'a>,
    inference: Inference<'a, 'm, ROUTINES>,
    /// Of the model's length.
    row: &'m mut [u8],
    /// One more than there are layers.
    cycles: &'m mut [u32],
    /// The number of the image that is shown, once one is.
    image: Option<u32>,
    /// Bytes of it that came, `size` at most.
    next: u32,
    /// Bytes of an image.
    size: u32,
    /// Of these bytes, before its last step.
    crc: u32,
    /// Bytes of stack.
    stack: u32,
}

impl<'a, 'm, const ROUTINES: u16> Device<'a, 'm, ROUTINES> {
    /// A board that was shown nothing yet.
    ///
    /// `None` if a buffer is too short.
    #[must_use]
    pub fn new(model: Model<'a, ROUTINES>, chip: Chip<'a>, buffers: Buffers<'m>) -> Option<Self> {
        let Buffers { scratch, row, cycles } = buffers;
        let input = &model.header().input;
        let layers = model.layers().records.len();
        let bench = Bench {
            inference: model.start(scratch)?,
            row: row.get_mut(..input.row_len())?,
            cycles: cycles.get_mut(..=layers)?,
            image: None,
            next: 0,
            size: input.size() as u32,
            crc: crc::START,
            stack: 0,
            model,
            chip,
        };
        Some(Self { frame: Frame::new(), bench })
    }

    /// Takes the next byte from the computer, and gives the bytes to be sent: none, but after the last byte of a
    /// request. If that completes rows of the image, computes all that they make possible before it returns.
    pub fn on_byte(&mut self, byte: u8, board: &mut impl Board) -> &[u8] {
        let Self { frame, bench } = self;
        let Some(request) = frame.push(byte).and_then(Request::parse) else { return &[] };
        match request {
            Request::Hello => bench.introduce(frame),
            Request::Pixels { image, at, bytes } => {
                let reply = match bench.take(image, at, bytes, board) {
                    Some(next) => Reply::Taken { image, next },
                    None => Reply::Lost { image },
                };
                reply.emit(frame)
            }
            Request::Read { image, first } => bench.report(image, first, frame),
        }
    }
}

impl<const ROUTINES: u16> Bench<'_, '_, ROUTINES> {
    #[inline(never)] // its locals are not on the stack during inference
    fn introduce<'f>(&self, frame: &'f mut Frame) -> &'f [u8] {
        let Self { model, chip, .. } = self;
        let (file, layers) = (model.bytes(), model.layers());
        let info = Info {
            identity: model.header().identity,
            // a file that was checked ends with it
            crc: file.last_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes)),
            length: file.len() as u32,
            layout: layers.layout,
            chip: *chip,
        };
        Reply::Info(info).emit(frame)
    }

    /// Takes the bytes from `at` on of image number `image`, and gives how many of it are there; `None` if those before
    /// are not.
    fn take(&mut self, image: u32, at: u32, bytes: &[u8], board: &mut impl Board) -> Option<u32> {
        if self.image != Some(image) {
            if at > 0 {
                return None;
            }
            self.start(image);
            board.paint_stack();
        }
        // those that are here already, since the answer to them was lost
        let known = self.next.checked_sub(at)?;
        let bytes = bytes.get(known as usize..).unwrap_or_default();
        let left = self.size - self.next;
        let bytes = bytes.get(..left as usize).unwrap_or(bytes);
        self.crc = crc::extend(self.crc, bytes);
        for &byte in bytes {
            self.take_byte(byte, board)?;
        }
        if !bytes.is_empty() && self.next == self.size {
            self.finish(board);
        }
        Some(self.next)
    }

    fn start(&mut self, image: u32) {
        self.image = Some(image);
        self.next = 0;
        self.crc = crc::START;
        self.inference.restart();
        for cycles in &mut *self.cycles {
            *cycles = 0;
        }
    }

    /// Takes the next byte of the image, and computes what is possible with the row that it completes.
    fn take_byte(&mut self, byte: u8, board: &mut impl Board) -> Option<()> {
        let len = self.row.len() as u32;
        // a division by a length that may be zero would panic
        let place = self.next.checked_rem(len)?;
        *self.row.get_mut(place as usize)? = byte;
        self.next += 1;
        if place + 1 < len {
            return Some(());
        }
        let before = board.cycles();
        self.inference.push_row(self.row)?;
        let counter = self.chip.counter;
        if let Some(cycles) = self.cycles.last_mut() {
            *cycles += counter.between(before, board.cycles());
        }
        loop {
            let before = board.cycles();
            let Progress::Computed(layer) = self.inference.step() else { return Some(()) };
            if let Some(cycles) = self.cycles.get_mut(layer) {
                *cycles += counter.between(before, board.cycles());
            }
        }
    }

    /// After the last byte: what is measured of the whole.
    fn finish(&mut self, board: &mut impl Board) {
        if !self.model.holds_outputs() {
            // they are computed when they are asked for, and here only to be measured
            let before = board.cycles();
            let _ = self.inference.outputs(|_, _| ());
            let cycles = self.chip.counter.between(before, board.cycles());
            if let Some(last) = self.cycles.iter_mut().nth_back(1) {
                *last = cycles;
            }
        }
        self.stack = board.used_stack();
    }

    /// A part of the report on image number `image`.
    #[inline(never)] // its locals are not on the stack during inference
    fn report<'f>(&mut self, image: u32, first: u32, frame: &'f mut Frame) -> &'f [u8] {
        if self.image != Some(image) || self.next < self.size {
            return Reply::Lost { image }.emit(frame);
        }
        let mut part = Part { words: [[0; 4]; MAX_WORDS], first: first as usize, len: 0 };
        let head: [u32; REPORT_HEAD] = [crc::finish(self.crc), self.stack];
        part.take(0, &head.map(u32::cast_signed));
        for (number, cycles) in (REPORT_HEAD..).zip(&*self.cycles) {
            part.take(number, &[cycles.cast_signed()]);
        }
        let before = REPORT_HEAD + self.cycles.len();
        let _ = self.inference.outputs(|number, outputs| part.take(before + number, outputs));
        let words = part.words.get(..part.len).unwrap_or_default();
        Reply::Report { image, first, words }.emit(frame)
    }
}

/// Some of the words of a report.
struct Part {
    words: [[u8; 4]; MAX_WORDS],
    /// The number of the first word in the report.
    first: usize,
    len: usize,
}

impl Part {
    /// Takes of these words, the first of which has this number, those that belong to this part. They come in order.
    fn take(&mut self, number: usize, words: &[i32]) {
        for (number, word) in (number..).zip(words) {
            let place = number.wrapping_sub(self.first);
            if let Some(cell) = self.words.get_mut(place) {
                *cell = word.to_le_bytes();
                self.len = place + 1;
            }
        }
    }
}
