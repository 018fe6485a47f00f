//! What the two ends say to each other.

use super::frame::Frame;
use crate::format::Layout;

/// The version of these messages.
pub const PROTOCOL: u8 = 1;

/// Maximum number of bytes of an image in one message.
pub const MAX_DATA: usize = 128;
/// Maximum number of words of a report in one message.
pub const MAX_WORDS: usize = MAX_DATA / size_of::<u32>();
/// Words of a report before the cycles: the CRC-32 of the image, and bytes of stack.
pub const REPORT_HEAD: usize = 2;
/// Maximum number of bytes of [`Chip::core`]; what is longer is cut.
pub const MAX_CORE: usize = 64;

/// What kind it is, then two numbers, then data.
pub(super) const MAX_MESSAGE: usize = 1 + 4 + 4 + MAX_DATA;
const _: () = assert!(INFO_LEN + MAX_CORE <= MAX_MESSAGE);

const HELLO: u8 = 1;
const PIXELS: u8 = 2;
const READ: u8 = 3;
const INFO: u8 = 129;
const TAKEN: u8 = 130;
const REPORT: u8 = 131;
const LOST: u8 = 132;

/// What the computer asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Request<'a> {
    /// Who are you?
    Hello,
    /// A part of an image.
    Pixels {
        /// The number of this showing.
        image: u32,
        /// Bytes of the image before these.
        at: u32,
        /// 1 to [`MAX_DATA`] bytes.
        bytes: &'a [u8],
    },
    /// The report on an image.
    Read {
        /// The number of this showing.
        image: u32,
        /// The word to begin with.
        first: u32,
    },
}

/// What the board answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reply<'a> {
    /// To [`Request::Hello`].
    Info(Info<'a>),
    /// To [`Request::Hello`], by a firmware of another version of these messages.
    OtherProtocol(u8),
    /// To [`Request::Pixels`]: they are taken.
    Taken {
        /// The number of this showing.
        image: u32,
        /// So many bytes of the image are there.
        next: u32,
    },
    /// To [`Request::Read`].
    Report {
        /// The number of this showing.
        image: u32,
        /// The word that these begin with.
        first: u32,
        /// Up to [`MAX_WORDS`] words, little-endian; none if there are no more.
        words: &'a [[u8; 4]],
    },
    /// To [`Request::Pixels`] or [`Request::Read`]: the board does not have the image so far.
    Lost {
        /// The number of this showing.
        image: u32,
    },
}

/// What counts the cycles of a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counter {
    /// None: cycles mean nothing.
    None,
    /// `DWT_CYCCNT` of a Cortex-M3 and up: 32 bits.
    Dwt,
    /// `mcycle` of a RISC-V core, or what it has instead: 32 bits.
    Mcycle,
    /// `SysTick` by the core's clock: 24 bits, so that a row of one layer may take 16 million cycles. It counts down, so
    /// give its value with all bits turned.
    SysTick,
    /// Another timer, multiplied so that it counts the core's cycles: 32 bits.
    Timer,
}

impl Counter {
    const ALL: [Self; 5] = [Self::None, Self::Dwt, Self::Mcycle, Self::SysTick, Self::Timer];

    /// What people call it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "no counter",
            Self::Dwt => "DWT",
            Self::Mcycle => "mcycle",
            Self::SysTick => "SysTick",
            Self::Timer => "a timer",
        }
    }

    const fn code(self) -> u8 {
        self as u8
    }

    fn of_code(code: u8) -> Option<Self> {
        Self::ALL.get(usize::from(code)).copied()
    }

    /// Cycles from one value to a later one.
    pub(super) const fn between(self, before: u32, after: u32) -> u32 {
        let cycles = after.wrapping_sub(before);
        match self {
            Self::SysTick => cycles & 0x00ff_ffff,
            _ => cycles,
        }
    }
}

/// What a firmware says of its board.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chip<'a> {
    /// Chip and core, as a report shows them: up to [`MAX_CORE`] bytes.
    pub core: &'a str,
    /// The core's clock; 0 if it is not known.
    pub clock_hz: u32,
    /// What counts cycles.
    pub counter: Counter,
    /// Bytes of RAM that have a fixed place; 0 if that is not known.
    pub statics: u32,
    /// Bytes of the stack that there is; 0 if that is not known.
    pub stack: u32,
    /// Bytes of flash that the program and its model take; 0 if that is not known.
    pub flash: u32,
}

impl<'a> Chip<'a> {
    /// A chip of which nothing else is known.
    #[must_use]
    pub const fn named(core: &'a str) -> Self {
        Self { core, clock_hz: 0, counter: Counter::None, statics: 0, stack: 0, flash: 0 }
    }
}

/// A board and the model that it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Info<'a> {
    /// SHA-256 of the ONNX file that the model was made from.
    pub identity: [u8; 32],
    /// The CRC-32 that the model's file ends with.
    pub crc: u32,
    /// Bytes of that file.
    pub length: u32,
    /// For which cores it is laid out.
    pub layout: Layout,
    /// The rest.
    pub chip: Chip<'a>,
}

/// Kind, version, layout, counter, six numbers and the identity.
const INFO_LEN: usize = 4 + 6 * 4 + 32;

impl<'a> Request<'a> {
    /// The message in these bytes, if they are one.
    #[must_use]
    pub fn parse(message: &'a [u8]) -> Option<Self> {
        let (&kind, rest) = message.split_first()?;
        if kind == HELLO {
            return rest.is_empty().then_some(Self::Hello);
        }
        let ([image, second], data) = numbers(rest)?;
        match kind {
            PIXELS if !data.is_empty() => Some(Self::Pixels { image, at: second, bytes: data }),
            READ if data.is_empty() => Some(Self::Read { image, first: second }),
            _ => None,
        }
    }

    /// The bytes to be sent.
    pub fn emit<'f>(&self, frame: &'f mut Frame) -> &'f [u8] {
        match self {
            Self::Hello => frame.seal(&[&[HELLO]]),
            Self::Pixels { image, at, bytes } => {
                frame.seal(&[&[PIXELS], &image.to_le_bytes(), &at.to_le_bytes(), bytes])
            }
            Self::Read { image, first } => {
                frame.seal(&[&[READ], &image.to_le_bytes(), &first.to_le_bytes()])
            }
        }
    }
}

impl<'a> Reply<'a> {
    /// The message in these bytes, if they are one.
    #[must_use]
    pub fn parse(message: &'a [u8]) -> Option<Self> {
        let (&kind, rest) = message.split_first()?;
        if kind == INFO {
            let (&version, rest) = rest.split_first()?;
            return match version {
                PROTOCOL => Some(Self::Info(Info::parse(rest)?)),
                other => Some(Self::OtherProtocol(other)),
            };
        }
        if kind == LOST {
            let ([image], rest) = numbers(rest)?;
            return rest.is_empty().then_some(Self::Lost { image });
        }
        let ([image, second], data) = numbers(rest)?;
        match kind {
            TAKEN if data.is_empty() => Some(Self::Taken { image, next: second }),
            REPORT => {
                let (words, rest) = data.as_chunks();
                rest.is_empty().then_some(Self::Report { image, first: second, words })
            }
            _ => None,
        }
    }

    /// The bytes to be sent.
    pub fn emit<'f>(&self, frame: &'f mut Frame) -> &'f [u8] {
        match self {
            Self::Info(info) => info.emit(frame),
            Self::OtherProtocol(version) => frame.seal(&[&[INFO, *version]]),
            Self::Taken { image, next } => {
                frame.seal(&[&[TAKEN], &image.to_le_bytes(), &next.to_le_bytes()])
            }
            Self::Report { image, first, words } => frame.seal(&[
                &[REPORT],
                &image.to_le_bytes(),
                &first.to_le_bytes(),
                words.as_flattened(),
            ]),
            Self::Lost { image } => frame.seal(&[&[LOST], &image.to_le_bytes()]),
        }
    }
}

impl<'a> Info<'a> {
    /// What comes after the version.
    fn parse(bytes: &'a [u8]) -> Option<Self> {
        let (&[layout, counter], rest) = bytes.split_first_chunk()?;
        let ([crc, length, clock_hz, statics, stack, flash], rest) = numbers(rest)?;
        let (identity, core) = rest.split_first_chunk()?;
        let core = core::str::from_utf8(core).ok()?;
        let counter = Counter::of_code(counter)?;
        let chip = Chip { core, clock_hz, counter, statics, stack, flash };
        let layout = Layout::of_code(layout)?;
        Some(Self { identity: *identity, crc, length, layout, chip })
    }

    fn emit<'f>(&self, frame: &'f mut Frame) -> &'f [u8] {
        let Self { identity, crc, length, layout, chip } = self;
        let Chip { core, clock_hz, counter, statics, stack, flash } = chip;
        let kind = [INFO, PROTOCOL, layout.code(), counter.code()];
        let numbers = [crc, length, clock_hz, statics, stack, flash].map(|it| it.to_le_bytes());
        frame.seal(&[&kind, numbers.as_flattened(), identity, cut(core).as_bytes()])
    }
}

/// The beginning of a text, as long as it may be.
fn cut(text: &str) -> &str {
    let mut end = text.len().min(MAX_CORE);
    while !text.is_char_boundary(end) {
        end = end.saturating_sub(1);
    }
    text.get(..end).unwrap_or_default()
}

/// The numbers that bytes begin with, and what comes after them.
fn numbers<const COUNT: usize>(bytes: &[u8]) -> Option<([u32; COUNT], &[u8])> {
    let (words, _) = bytes.as_chunks();
    let words: &[[u8; 4]; COUNT] = words.first_chunk()?;
    Some((words.map(u32::from_le_bytes), bytes.get(4 * COUNT..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const INFO: Info<'_> = Info {
        identity: [7; 32],
        crc: 0x1234_5678,
        length: 442_000,
        layout: Layout::Words,
        chip: Chip {
            core: "STM32F405, Cortex-M4",
            clock_hz: 168_000_000,
            counter: Counter::Dwt,
            statics: 3100,
            stack: 800,
            flash: 456_208,
        },
    };

    /// What the other end reads of what is sent.
    fn received(line: &[u8]) -> std::vec::Vec<u8> {
        let mut frame = Frame::new();
        line.iter().find_map(|&byte| frame.push(byte).map(<[u8]>::to_vec)).unwrap()
    }

    #[test]
    fn requests_come_out_as_they_went_in() {
        for request in [
            Request::Hello,
            Request::Pixels { image: 1 << 31, at: 3, bytes: &[0; MAX_DATA] },
            Request::Read { image: u32::MAX, first: 0 },
        ] {
            let message = received(request.emit(&mut Frame::new()));
            assert_eq!(Request::parse(&message), Some(request));
            assert_eq!(Reply::parse(&message), None, "a board's echo is no answer");
        }
    }

    #[test]
    fn replies_come_out_as_they_went_in() {
        for reply in [
            Reply::Info(INFO),
            Reply::OtherProtocol(9),
            Reply::Taken { image: 5, next: 784 },
            Reply::Report { image: 5, first: 2, words: &[[1, 2, 3, 4]; MAX_WORDS] },
            Reply::Report { image: 5, first: 2, words: &[] },
            Reply::Lost { image: 0 },
        ] {
            let message = received(reply.emit(&mut Frame::new()));
            assert_eq!(Reply::parse(&message), Some(reply));
            assert_eq!(Request::parse(&message), None);
        }
    }

    #[test]
    fn what_is_too_short_or_too_long_is_no_message() {
        for request in [
            Request::Hello,
            Request::Pixels { image: 1, at: 2, bytes: &[3] },
            Request::Read { image: 4, first: 5 },
        ] {
            let mut message = received(request.emit(&mut Frame::new()));
            if !matches!(request, Request::Pixels { .. }) {
                message.push(0);
                assert_eq!(Request::parse(&message), None);
                message.pop();
            }
            message.pop();
            assert_eq!(Request::parse(&message), None);
        }
        let mut message = received(Reply::Lost { image: 1 }.emit(&mut Frame::new()));
        message.pop();
        assert_eq!(Reply::parse(&message), None);
        let message = received(Reply::Info(INFO).emit(&mut Frame::new()));
        assert_eq!(Reply::parse(&message[..INFO_LEN - 1]), None);
    }

    #[test]
    fn a_long_name_is_cut_between_characters() {
        let core = "é".repeat(MAX_CORE);
        let info = Info { chip: Chip::named(&core), ..INFO };
        let message = received(Reply::Info(info).emit(&mut Frame::new()));
        let Some(Reply::Info(found)) = Reply::parse(&message) else { panic!("{message:?}") };
        assert_eq!(found.chip.core, "é".repeat(MAX_CORE / 2));
        let core = std::format!("a{core}");
        assert_eq!(cut(&core), std::format!("a{}", "é".repeat(MAX_CORE / 2 - 1)));
    }

    #[test]
    fn a_counter_of_24_bits_wraps_at_24_bits() {
        // SysTick counts down, and is given with all bits turned: from 5 over 0 to 0xfffffe, seven ticks
        assert_eq!(Counter::SysTick.between(!5, !0x00ff_fffe), 7);
        assert_eq!(Counter::Dwt.between(u32::MAX, 6), 7);
    }
}
