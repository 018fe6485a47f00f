//! The `.q8` file: a [`File`] as it lies in flash, and a [`Model`] once it is checked. Little-endian, of one
//! length, used in place.
//!
//! | bytes | what |
//! |---|---|
//! | 4 | [`MAGIC`] |
//! | 4 | [`VERSION`] |
//! | 16 | geometry: image side, kernel, pool, maps 1, maps 2, hidden, classes, 0; `u16` each |
//! | 32 | SHA-256 of the ONNX file that it was made from |
//! | 16 | scales of stage 1, stage 2, hidden and logits: `f32`, for people and the host; the device ignores them |
//! | 4 | images it was calibrated on |
//! | 4 | confidence margin: the smallest margin of an [`Answer::Confident`](crate::Answer::Confident) |
//! | 4 layers | weights as [`words`], then a 16-byte [`Channel`] an output |
//! | 4 | CRC-32 (ISO-HDLC, as in zip) of everything before |
//!
//! Every part is a multiple of four bytes long, so every number is aligned if the file is. It need not be.

mod layer;
pub mod words;

pub use layer::{Channel, Convolution, Dense, MAX_ACCUMULATOR, Packed, accumulator_bound};

use core::fmt;
use core::ops::Range;

use crc::{CRC_32_ISO_HDLC, Crc, NoTable};
use zerocopy::little_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::geometry::{CLASSES, FLAT, HIDDEN, IMAGE_SIDE, KERNEL, MAPS1, MAPS2, POOL};
use words::{BLOCK, CONV1_WORDS, CONV2_WORDS};

/// 20 maps of one; the image has no second map to pair with, so its kernel's elements are paired.
pub type Conv1 = Convolution<1, { MAPS1 / 2 }, CONV1_WORDS>;
/// 50 maps of 20.
pub type Conv2 = Convolution<{ MAPS1 / 2 }, { MAPS2 / 2 }, CONV2_WORDS>;
/// 500 features of 800.
pub type Dense1 = Dense<{ HIDDEN / (2 * BLOCK) }, { FLAT / 2 }>;
/// Ten classes of 500.
pub type Dense2 = Dense<{ CLASSES / (2 * BLOCK) }, { HIDDEN / 2 }>;

/// What a file starts with.
pub const MAGIC: [u8; 4] = *b"LNQ8";
/// The layout that this library reads and writes.
pub const VERSION: u32 = 2;
/// Bytes of every file.
pub const LEN: usize = size_of::<File>();

const GEOMETRY: [U16; 8] = [
    U16::new(IMAGE_SIDE as u16),
    U16::new(KERNEL as u16),
    U16::new(POOL as u16),
    U16::new(MAPS1 as u16),
    U16::new(MAPS2 as u16),
    U16::new(HIDDEN as u16),
    U16::new(CLASSES as u16),
    U16::ZERO,
];

/// Bits of the positive, normal numbers of IEEE 754 binary32: exponents 1 to 254.
const POSITIVE: Range<u32> = 1 << 23..255 << 23;

/// Bit by bit: checked once a start, where a table would cost 1 KiB of flash.
const CRC: Crc<u32, NoTable> = Crc::<u32, NoTable>::new(&CRC_32_ISO_HDLC);

/// The bytes of a file, not yet checked: see [`Model::new`].
#[derive(Debug, Clone, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct File {
    magic: [u8; 4],
    version: U32,
    geometry: [U16; 8],
    /// SHA-256 of the ONNX file that this was made from.
    pub identity: [u8; 32],
    /// Real value of one unit of an activation or a logit.
    pub scales: Scales,
    /// Images of the training split that set the activations' scales.
    pub calibration_images: U32,
    /// The smallest margin of the best logit over the next that makes an answer confident.
    pub confidence_margin: U32,
    /// Image to first maps.
    pub conv1: Conv1,
    /// First maps to second maps.
    pub conv2: Conv2,
    /// Second maps to hidden features.
    pub dense1: Dense1,
    /// Hidden features to logits; one scale for all, or they could not be compared.
    pub dense2: Dense2,
    crc: U32,
}

/// Real values of one unit, as the bits of positive `f32`s (`f32::from_bits`): the device has no use for them.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned,
)]
#[repr(C)]
pub struct Scales {
    /// Of an activation after the first pooling.
    pub stage1: U32,
    /// Of an activation after the second pooling.
    pub stage2: U32,
    /// Of an activation between the dense layers.
    pub hidden: U32,
    /// Of a logit.
    pub logits: U32,
}

/// A quantised network in place, which was checked: inference cannot fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Model<'a>(&'a File);

/// Why bytes are not a valid model.
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
    /// A channel of this layer may exceed [`MAX_ACCUMULATOR`], or states another bound than its weights have.
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

impl File {
    /// Writes what follows from the rest: magic, version, geometry and checksum.
    pub fn seal(&mut self) {
        (self.magic, self.version, self.geometry) = (MAGIC, U32::new(VERSION), GEOMETRY);
        self.crc = U32::new(self.checksum());
    }

    fn checksum(&self) -> u32 {
        let bytes = self.as_bytes();
        CRC.checksum(bytes.strip_suffix(self.crc.as_bytes()).unwrap_or(bytes))
    }
}

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
        let file = File::ref_from_bytes(flash).map_err(|_| FormatError::Length(flash.len()))?;
        Self::new(file)
    }

    /// Checks what [`Self::parse`] checks.
    ///
    /// # Errors
    /// A [`FormatError`] naming the first thing wrong.
    pub fn new(file: &'a File) -> Result<Self, FormatError> {
        if file.magic != MAGIC {
            return Err(FormatError::Magic(file.magic));
        }
        if file.version != VERSION {
            return Err(FormatError::Version(file.version.get()));
        }
        if file.geometry != GEOMETRY {
            return Err(FormatError::Geometry);
        }
        let (stored, computed) = (file.crc.get(), file.checksum());
        if stored != computed {
            return Err(FormatError::Checksum { stored, computed });
        }
        let Scales { stage1, stage2, hidden, logits } = file.scales;
        for scale in [stage1, stage2, hidden, logits] {
            if !POSITIVE.contains(&scale.get()) {
                return Err(FormatError::Scale(scale.get()));
            }
        }
        layer::check(&file.conv1, "conv1")?;
        layer::check(&file.conv2, "conv2")?;
        layer::check(&file.dense1, "dense1")?;
        layer::check(&file.dense2, "dense2")?;
        if !file.conv1.last_tap_unpaired() {
            return Err(FormatError::Channel("conv1"));
        }
        if !file.dense2.output_is_unscaled() {
            return Err(FormatError::Channel("dense2"));
        }
        Ok(Self(file))
    }

    /// The checked file.
    #[must_use]
    pub const fn file(&self) -> &'a File {
        self.0
    }
}
