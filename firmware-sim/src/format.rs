//! The `.q8` file: parse and emit side by side. Little-endian, of one length, used in place from flash.
//!
//! | bytes | what |
//! |---|---|
//! | 4 | [`MAGIC`] |
//! | 4 | [`VERSION`] |
//! | 16 | geometry: image side, kernel, pool, maps 1, maps 2, hidden, classes, 0; `u16` each |
//! | 32 | SHA-256 of the ONNX file that it was made from |
//! | 16 | scales of stage 1, stage 2, hidden and logits: `f32`, for people and the host; the device ignores them |
//! | 4 | images it was calibrated on |
//! | 4 | guard band: the least margin of a [`Answer::Confident`](crate::Answer::Confident), `u32` |
//! | 4 layers | weights as [`words`], then a 16-byte [`Channel`] an output |
//! | 4 | CRC-32 (ISO-HDLC, as in zip) of everything before |
//!
//! Every part is a multiple of four bytes long, so every number is aligned if the file is.

mod layer;
pub mod words;

pub use layer::{
    CHANNEL_LEN, Channel, ChannelPair, Convolution, Dense, SUM_MAX, accumulator_bound,
};

use core::fmt;
use core::ops::Range;

use crc::{CRC_32_ISO_HDLC, Crc, NoTable};

use crate::geometry::{CLASSES, FLAT, HIDDEN, IMAGE_SIDE, KERNEL, MAPS1, MAPS2, POOL};
use words::{BLOCK, CONV1_WORDS, CONV2_WORDS};

/// 20 maps of one; the image is no pair, its taps are.
pub type Conv1<'a> = Convolution<'a, 1, { MAPS1 / 2 }, CONV1_WORDS>;
/// 50 maps of 20.
pub type Conv2<'a> = Convolution<'a, { MAPS1 / 2 }, { MAPS2 / 2 }, CONV2_WORDS>;
/// 500 features of 800.
pub type Dense1<'a> = Dense<'a, { HIDDEN / (2 * BLOCK) }, { FLAT / 2 }>;
/// Ten classes of 500.
pub type Dense2<'a> = Dense<'a, { CLASSES / (2 * BLOCK) }, { HIDDEN / 2 }>;

/// What a file starts with.
pub const MAGIC: [u8; 4] = *b"LNQ8";
/// The layout that this library reads and writes.
pub const VERSION: u32 = 2;

const GEOMETRY: [u16; 8] = [
    IMAGE_SIDE as u16,
    KERNEL as u16,
    POOL as u16,
    MAPS1 as u16,
    MAPS2 as u16,
    HIDDEN as u16,
    CLASSES as u16,
    0,
];

const HEADER_LEN: usize = 4 + 4 + 2 * GEOMETRY.len() + 32 + 4 * 4 + 4 + 4;
const CRC_LEN: usize = 4;

/// Bytes of every file.
pub const LEN: usize = HEADER_LEN + Conv1::LEN + Conv2::LEN + Dense1::LEN + Dense2::LEN + CRC_LEN;

/// Bits of the positive, normal numbers of IEEE 754 binary32: exponents 1 to 254.
const POSITIVE: Range<u32> = 1 << 23..255 << 23;

/// Bit by bit: checked once a start, where a table would cost 1 KiB of flash.
const CRC: Crc<u32, NoTable> = Crc::<u32, NoTable>::new(&CRC_32_ISO_HDLC);

/// A quantised network that borrows its weights from the file, and was checked: inference cannot fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Model<'a>(Contents<'a>);

/// What a file says, before the check that makes it a [`Model`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Contents<'a> {
    /// SHA-256 of the ONNX file that this was made from.
    pub identity: &'a [u8; 32],
    /// What one step of an activation or a logit is worth.
    pub scales: Scales,
    /// Images of the training split that set the activations' scales.
    pub calibration_images: u32,
    /// The least margin of the best logit over the next that makes an answer confident.
    pub guard: u32,
    /// Image to first maps.
    pub conv1: Conv1<'a>,
    /// First maps to second maps.
    pub conv2: Conv2<'a>,
    /// Second maps to hidden features.
    pub dense1: Dense1<'a>,
    /// Hidden features to logits; one scale for all, or they could not be compared.
    pub dense2: Dense2<'a>,
}

/// Real values of one step, as the bits of positive `f32`s (`f32::from_bits`): the device has no use for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scales {
    /// Of an activation after the first pooling.
    pub stage1: u32,
    /// Of an activation after the second pooling.
    pub stage2: u32,
    /// Of an activation between the dense layers.
    pub hidden: u32,
    /// Of a logit.
    pub logits: u32,
}

/// Why bytes are no model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum FormatError {
    /// The file has another length than [`LEN`].
    Length(usize),
    /// The file does not start with [`MAGIC`].
    Magic([u8; 4]),
    /// The file has another layout than [`VERSION`].
    Version(u32),
    /// The network has other sizes.
    Geometry,
    /// The bytes were changed since the file was made.
    Checksum {
        /// What the file says.
        stored: u32,
        /// What its bytes give.
        computed: u32,
    },
    /// A scale is not a positive, normal `f32`: its bits.
    Scale(u32),
    /// This layer has a multiplier out of range, or padding that is not zero.
    Channel(&'static str),
    /// A channel of this layer may exceed [`SUM_MAX`], or states another bound than its weights have.
    Bound(&'static str),
}

impl fmt::Display for FormatError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length(found) => write!(f, "{found} bytes, a .q8 model has {LEN}"),
            Self::Magic(found) => {
                write!(f, "starts with {found:02x?}, a .q8 model with {MAGIC:02x?}")
            }
            Self::Version(found) => {
                write!(f, "format version {found}, this program reads {VERSION}")
            }
            Self::Geometry => f.write_str("a network of other sizes"),
            Self::Checksum { stored, computed } => {
                write!(f, "damaged: CRC-32 is {computed:#010x}, the file says {stored:#010x}")
            }
            Self::Scale(bits) => write!(f, "scale {bits:#010x} is not a positive number"),
            Self::Channel(layer) => {
                write!(f, "{layer}: a multiplier is out of range, or padding is not zero")
            }
            Self::Bound(layer) => write!(f, "{layer}: an accumulator may overflow"),
        }
    }
}

impl core::error::Error for FormatError {}

impl<'a> Model<'a> {
    /// Checks `flash` once, so that inference has nothing left to fail on. Copies nothing.
    ///
    /// # Errors
    /// A [`FormatError`] naming the first thing wrong. Never panics, whatever the bytes.
    pub fn parse(flash: &'a [u8]) -> Result<Self, FormatError> {
        // what kind of file it is comes before its length: it makes the better message
        if let Some((magic, _)) = flash.split_first_chunk()
            && *magic != MAGIC
        {
            return Err(FormatError::Magic(*magic));
        }
        let length = FormatError::Length(flash.len());
        let whole: &[u8; LEN] = flash.try_into().map_err(|_| length)?;
        let rest = &mut &whole[..];
        let _magic: &[u8; 4] = take(rest).ok_or(length)?;
        let version = take_u32(rest).ok_or(length)?;
        if version != VERSION {
            return Err(FormatError::Version(version));
        }
        for expected in GEOMETRY {
            if u16::from_le_bytes(*take(rest).ok_or(length)?) != expected {
                return Err(FormatError::Geometry);
            }
        }
        let (content, stored) = whole.split_last_chunk::<CRC_LEN>().ok_or(length)?;
        let (stored, computed) = (u32::from_le_bytes(*stored), CRC.checksum(content));
        if stored != computed {
            return Err(FormatError::Checksum { stored, computed });
        }
        Self::new(Contents::take(rest).ok_or(length)?)
    }

    /// Checks what [`Self::parse`] checks of a file's content.
    ///
    /// # Errors
    /// [`FormatError::Scale`], [`FormatError::Channel`] or [`FormatError::Bound`].
    pub fn new(contents: Contents<'a>) -> Result<Self, FormatError> {
        for bits in contents.scales.bits() {
            if !POSITIVE.contains(&bits) {
                return Err(FormatError::Scale(bits));
            }
        }
        contents.conv1.check("conv1")?;
        if !contents.conv1.ends_alone() {
            return Err(FormatError::Channel("conv1"));
        }
        contents.conv2.check("conv2")?;
        contents.dense1.check("dense1")?;
        contents.dense2.check("dense2")?;
        if !contents.dense2.gives_logits() {
            return Err(FormatError::Channel("dense2"));
        }
        Ok(Self(contents))
    }

    /// Writes the file that [`Self::parse`] reads as this model.
    pub fn emit(&self, file: &mut [u8; LEN]) {
        let Contents { identity, scales, calibration_images, guard, .. } = &self.0;
        let Contents { conv1, conv2, dense1, dense2, .. } = &self.0;
        let content = MAGIC
            .into_iter()
            .chain(VERSION.to_le_bytes())
            .chain(GEOMETRY.into_iter().flat_map(u16::to_le_bytes))
            .chain(**identity)
            .chain(scales.bits().into_iter().flat_map(u32::to_le_bytes))
            .chain(calibration_images.to_le_bytes())
            .chain(guard.to_le_bytes())
            .chain(conv1.bytes())
            .chain(conv2.bytes())
            .chain(dense1.bytes())
            .chain(dense2.bytes());
        file.iter_mut().zip(content).for_each(|(cell, byte)| *cell = byte);
        if let Some((content, crc)) = file.split_last_chunk_mut() {
            *crc = CRC.checksum(content).to_le_bytes();
        }
    }

    /// What the file says.
    #[must_use]
    pub const fn contents(&self) -> &Contents<'a> {
        &self.0
    }
}

impl<'a> Contents<'a> {
    /// Splits everything between the geometry and the CRC off the front.
    fn take(rest: &mut &'a [u8]) -> Option<Self> {
        Some(Self {
            identity: take(rest)?,
            scales: Scales {
                stage1: take_u32(rest)?,
                stage2: take_u32(rest)?,
                hidden: take_u32(rest)?,
                logits: take_u32(rest)?,
            },
            calibration_images: take_u32(rest)?,
            guard: take_u32(rest)?,
            conv1: Conv1::take(rest)?,
            conv2: Conv2::take(rest)?,
            dense1: Dense1::take(rest)?,
            dense2: Dense2::take(rest)?,
        })
    }
}

impl Scales {
    const fn bits(&self) -> [u32; 4] {
        [self.stage1, self.stage2, self.hidden, self.logits]
    }
}

/// Splits `N` bytes off the front.
fn take<'a, const N: usize>(rest: &mut &'a [u8]) -> Option<&'a [u8; N]> {
    let (taken, after) = rest.split_first_chunk()?;
    *rest = after;
    Some(taken)
}

fn take_u32(rest: &mut &[u8]) -> Option<u32> {
    take(rest).copied().map(u32::from_le_bytes)
}
