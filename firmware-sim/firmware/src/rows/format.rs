//! The `.q8` file, version 3: any network of [`Kind`]s, used in place. Little-endian.
//!
//! | bytes | what |
//! |---|---|
//! | 96 | [`Header`] |
//! | 48 a layer | [`Record`] |
//! | of each layer, in order | 16 a [`Channel`], then weights, filled up with zeros to a multiple of four |
//! | 4 | CRC-32 (ISO-HDLC, as in zip) of everything before |
//!
//! Every part is a multiple of four bytes long, so every number is aligned if the file is.
//!
//! # Weights
//!
//! Taps of a convolution are counted `[row][column][channel]`, as the rows of its input lie; those of a dense layer by
//! the rows, columns and channels of what it takes.
//!
//! | layer | weights, i8 |
//! |---|---|
//! | convolution, dense | blocks of four outputs: `[block][tap][output]`; the last block is filled up with zeros |
//! | depthwise | `[tap][output]` |
//! | addition | two factors, i32: what each value counts |

mod check;
mod emit;

pub use super::record::{Channel, Geometry, Kind, POOL, Record, Value, ZERO_POINTS};
pub use super::schedule::{Layers, MAX_LAYERS, Need, Rehearsal};
pub use check::{accumulator_bound, chunk_bound};
pub use emit::{Part, emit, file_len};

use core::fmt;
use core::ops::Range;

use crc::{CRC_32_ISO_HDLC, Crc, NoTable};
use zerocopy::little_endian::U32;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// What a file starts with.
pub const MAGIC: [u8; 4] = *b"LNQ8";
/// The layout that this library reads.
pub const VERSION: u32 = 3;
/// Most outputs of a network.
pub const MAX_OUTPUTS: usize = 1024;
/// Outputs of a block, whose weights lie side by side.
pub const BLOCK: usize = 4;
/// Largest magnitude of an accumulator: so that `f32`, which a host may compute in, is exact.
pub const MAX_ACCUMULATOR: u32 = (1 << 23) - 1;
/// What the sums of a chunk of taps stay below, so that three fit into two words: see [`crate::kernels`].
pub const CHUNK_LIMIT: u32 = 1 << 20;
/// Largest side of a map.
pub const MAX_SIDE: u16 = 256;
/// Most maps, and values of a vector.
pub const MAX_CHANNELS: u16 = 4096;

/// Bit by bit: checked once a start, where a table would cost 1 KiB of flash.
const CRC: Crc<u32, NoTable> = Crc::<u32, NoTable>::new(&CRC_32_ISO_HDLC);

/// What stands before the layers.
#[derive(Debug, Clone, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct Header {
    /// [`MAGIC`]
    pub magic: [u8; 4],
    /// [`VERSION`]
    pub version: U32,
    /// Bytes of the file.
    pub length: U32,
    /// Words of the caller's memory that an inference needs.
    pub scratch_words: U32,
    /// Where in it the working memory of a step begins, after the steps done, the logits and the sums of streamed pools.
    pub work_at: U32,
    /// Where in it the rows begin, after the working memory.
    pub rows_at: U32,
    /// Number of layers.
    pub layers: u8,
    /// 0.
    pub reserved: [u8; 3],
    /// SHA-256 of the ONNX file that this was made from.
    pub identity: [u8; 32],
    /// Images that set the activations' scales.
    pub calibration_images: U32,
    /// The smallest margin of the best logit over the next that makes an answer confident.
    pub confidence_margin: U32,
    /// What goes in.
    pub input: Value,
}

/// A quantised network in place, which was checked: inference cannot fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Model<'a> {
    flash: &'a [u8],
    header: &'a Header,
    records: &'a [Record],
}

/// Why bytes are not a valid model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum FormatError {
    /// The file is this long, its header says otherwise, or there is no room for one.
    Length(usize),
    /// The file does not start with [`MAGIC`].
    Magic([u8; 4]),
    /// The file has another layout than [`VERSION`].
    Version(u32),
    /// The bytes were changed since the file was made.
    Checksum {
        /// What the file says.
        stored: u32,
        /// What its bytes give.
        computed: u32,
    },
    /// The header has none or too many layers, or a number that must be 0.
    Header,
    /// This value, 0 for the image, has a shape or a scale that is none, or other rows than the layers need.
    Value(u8),
    /// This layer, from 0, has a kind that is none, or lengths that do not fit.
    Layer(u8),
    /// This layer has a multiplier out of range, or a number that must be 0.
    Channel(u8),
    /// A channel of this layer may exceed [`MAX_ACCUMULATOR`] or a chunk [`CHUNK_LIMIT`], or another bound is stated.
    Bound(u8),
    /// The plan of memory has too little room, or two values at one place at once.
    Plan,
}

impl fmt::Display for FormatError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length(found) => write!(f, "{found} bytes, its header says otherwise"),
            Self::Magic(found) => {
                write!(f, "starts with {found:02x?}, a .q8 model with {MAGIC:02x?}")
            }
            Self::Version(found @ 0..=2) => write!(
                f,
                "format version {found}, this program reads {VERSION}: make it anew from its ONNX file"
            ),
            Self::Version(found) => {
                write!(f, "format version {found}, this program reads {VERSION}")
            }
            Self::Checksum { stored, computed } => {
                write!(f, "damaged: CRC-32 is {computed:#010x}, the file says {stored:#010x}")
            }
            Self::Header => f.write_str("the header has no layers, too many, or reserved bytes"),
            Self::Value(0) => f.write_str("the image has another shape, scale or plan than it may"),
            Self::Value(number) => {
                write!(f, "layer {number} gives another shape, scale or plan than it may")
            }
            Self::Layer(layer) => write!(f, "layer {}: lengths that do not fit", layer + 1),
            Self::Channel(layer) => {
                write!(f, "layer {}: a multiplier is out of range", layer + 1)
            }
            Self::Bound(layer) => write!(f, "layer {}: an accumulator may overflow", layer + 1),
            Self::Plan => f.write_str("the plan of memory does not hold the network"),
        }
    }
}

impl core::error::Error for FormatError {}

/// Words of memory that an inference of this model needs, for a `static` of just this length; 0 of what is no model.
///
/// Only [`Model::parse`] checks that it is true.
#[must_use]
pub const fn scratch_words(flash: &[u8]) -> usize {
    match flash {
        [b'L', b'N', b'Q', b'8', 3, 0, 0, 0, _, _, _, _, a, b, c, d, ..] => {
            u32::from_le_bytes([*a, *b, *c, *d]) as usize
        }
        _ => 0,
    }
}

/// The CRC-32 that a file ends with, of all its bytes before.
#[must_use]
pub fn checksum(content: &[u8]) -> u32 {
    CRC.checksum(content)
}

impl<'a> Model<'a> {
    /// Checks `flash` once, so that inference has nothing left to fail on. Copies nothing.
    ///
    /// # Errors
    /// A [`FormatError`] naming the first thing wrong. Never panics, whatever the bytes.
    pub fn parse(flash: &'a [u8]) -> Result<Self, FormatError> {
        check::check(flash)
    }

    /// The model without its check.
    const fn from_checked_parts(
        flash: &'a [u8],
        header: &'a Header,
        records: &'a [Record],
    ) -> Self {
        Self { flash, header, records }
    }

    /// The file's bytes.
    #[must_use]
    pub const fn bytes(&self) -> &'a [u8] {
        self.flash
    }

    /// The file's header.
    #[must_use]
    pub const fn header(&self) -> &'a Header {
        self.header
    }

    /// The network without its weights.
    #[must_use]
    pub const fn layers(&self) -> Layers<'a> {
        Layers { input: &self.header.input, records: self.records }
    }

    /// Words of memory that an inference needs.
    #[must_use]
    pub fn scratch_words(&self) -> usize {
        self.header.scratch_words.get() as usize
    }

    /// Outputs of the last layer: logits of the classes, or raw outputs.
    #[must_use]
    pub fn outputs(&self) -> usize {
        self.records.last().map_or(0, |record| record.output.size())
    }

    /// The channels of a layer, one for each output channel, or one for all.
    #[must_use]
    pub fn channels(&self, layer: usize) -> &'a [Channel] {
        self.parts(layer).map_or(&[], |(channels, _)| channels)
    }

    /// The weights of a layer as they lie in the file.
    #[must_use]
    pub fn weights(&self, layer: usize) -> &'a [u8] {
        self.parts(layer).map_or(&[], |(_, weights)| weights)
    }

    fn parts(&self, layer: usize) -> Option<(&'a [Channel], &'a [u8])> {
        let record = self.records.get(layer)?;
        let input = self.layers().value(record.source.into())?;
        let range = data(record, input)?;
        let (channels, weights) =
            <[Channel]>::ref_from_prefix_with_elems(self.flash.get(range)?, record.channels())
                .ok()?;
        Some((channels, weights))
    }
}

/// Bytes of a layer's weights in the file.
///
/// `None` if they are more than any file has.
#[must_use]
pub fn weights_len(record: &Record, input: &Value) -> Option<usize> {
    let outputs = record.channels();
    let taps = record.taps(input);
    let bytes = match Kind::of_code(record.kind)? {
        Kind::Conv | Kind::Dense => outputs.next_multiple_of(BLOCK).checked_mul(taps)?,
        Kind::Depthwise => outputs.checked_mul(taps)?,
        Kind::Add => 2 * size_of::<u32>(),
        Kind::MaxPool | Kind::AveragePool => 0,
    };
    bytes.checked_next_multiple_of(4)
}

/// Where a layer's channels and weights lie.
fn data(record: &Record, input: &Value) -> Option<Range<usize>> {
    let start = record.data.get() as usize;
    let channels = record.channels() * size_of::<Channel>();
    let end = start.checked_add(channels)?.checked_add(weights_len(record, input)?)?;
    Some(start..end)
}

const _: () = assert!(size_of::<Header>() == 96 && size_of::<Record>() == 48);
const _: () = assert!(size_of::<Value>() == 28);
