//! The `.q8` file, version 3: any network of [`Kind`]s, used in place. Little-endian.
//!
//! | bytes | what |
//! |---|---|
//! | 100 | [`Header`] |
//! | 44 a layer | [`Record`] |
//! | 2 a place, filled up with zeros | where each row lies in memory: see [`Places`] |
//! | of each layer, in order | 16 a [`Channel`], then weights, filled up with zeros to a multiple of four |
//! | 4 | CRC-32 (ISO-HDLC, as in zip) of everything before |
//!
//! Every part is a multiple of four bytes long, so every number is aligned if the file is.
//!
//! Taps of a convolution are counted `[row][column][channel]`, as the rows of its input lie; those of a dense layer by
//! the rows, columns and channels of what it takes. How weights lie: see [`Weights`].

mod check;
pub(crate) mod crc;
mod emit;
mod recheck;

pub use super::answer::Limits;
pub use super::plan::Places;
pub use super::record::{Channel, Geometry, Kind, POOL, Record, Value, ZERO_POINTS};
pub use super::routine::{OF_THIS_CORE, Routine};
pub use super::schedule::{Layers, MAX_HELD_OUTPUTS, MAX_LAYERS, Rehearsal};
pub use super::weights::{BLOCK, Layout, Order, Weights};
pub use check::{accumulator_bound, chunk_bound};
pub use emit::{Part, emit, file_len};
pub use recheck::{FlashCheck, FlashState};

use core::fmt;
use core::ops::Range;

use crate::number::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::plan;

/// What a file starts with.
pub const MAGIC: [u8; 4] = *b"LNQ8";
/// The layout that this library reads.
pub const VERSION: u32 = 3;
/// Most outputs of a network.
pub const MAX_OUTPUTS: usize = 1024;
/// Largest magnitude of an accumulator: so that `f32`, which a host may compute in, is exact.
pub const MAX_ACCUMULATOR: u32 = (1 << 23) - 1;
/// What the sums of a chunk of taps stay below, so that three fit into two words: see [`crate::kernels`].
pub const CHUNK_LIMIT: u32 = 1 << 20;
/// Largest side of a convolution's kernel.
pub const MAX_KERNEL: usize = 11;
/// Largest stride down of a convolution that max-pooling is part of.
pub const MAX_POOLED_STRIDE: usize = 4;
/// Largest side of a map.
pub const MAX_SIDE: u16 = 256;
/// Most maps, and values of a vector.
pub const MAX_CHANNELS: u16 = 4096;

/// What stands before the layers.
#[derive(Debug, Clone, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
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
    /// Where in it the working memory of a step begins, after the steps done and the sums of streamed pools.
    pub work_at: U32,
    /// Where in it the rows begin, after the working memory.
    pub rows_at: U32,
    /// Number of layers.
    pub layers: u8,
    /// A [`Layout::code`].
    pub layout: u8,
    /// The [`Routine::bit`]s of all layers.
    pub routines: U16,
    /// SHA-256 of the ONNX file that this was made from.
    pub identity: [u8; 32],
    /// Images that set the activations' scales.
    pub calibration_images: U16,
    /// [`Limits::rejected`]
    pub rejected: U16,
    /// The smallest margin of the best logit over the next at which int8 and float give one class:
    /// [`Answer::agrees`](super::Answer::agrees).
    pub agreement_margin: U32,
    /// [`Limits::rate`]
    pub rate: U32,
    /// [`Limits::sure`]
    pub sure: U32,
    /// [`Limits::unsure`]
    pub unsure: U32,
    /// What goes in.
    pub input: Value,
}

/// A quantised network in place, which was checked: inference cannot fail.
///
/// `ROUTINES` are the [`Routine::bit`]s of what is linked: all that [this core has](OF_THIS_CORE), or those of one file,
/// [`Dimensions::routines`], which takes less flash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Model<'a, const ROUTINES: u16 = { OF_THIS_CORE }> {
    flash: &'a [u8],
    header: &'a Header,
    records: &'a [Record],
    places: Places<'a>,
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
    /// The header has none or too many layers, a layout that is none, or other routines than the layers have.
    Header,
    /// The file does not lie at a multiple of four, where its numbers are read in place.
    Alignment,
    /// The file needs these routines, [`Routine::bit`]s, which are not there: it is laid out for other cores, or more is
    /// in it than was linked.
    Routines(u16),
    /// This value, 0 for the image, has a shape or a scale that is none, or other rows than the layers need.
    Value(u8),
    /// This layer, from 0, has a kind that is none, or lengths that do not fit.
    Layer(u8),
    /// This layer has a multiplier out of range, or a number that must be 0.
    Channel(u8),
    /// A channel of this layer may exceed [`MAX_ACCUMULATOR`] or a chunk [`CHUNK_LIMIT`], or another bound is stated.
    Bound(u8),
    /// The plan of memory has too little room, or writes a row where another is still needed.
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
            Self::Header => {
                f.write_str("the header has no layers, too many, or other routines than they need")
            }
            Self::Alignment => f.write_str("does not lie at a multiple of four: align it"),
            Self::Routines(bits) => write!(
                f,
                "laid out for another family of cores, or for more than is linked ({bits:#06x})"
            ),
            Self::Value(0) => f.write_str("the image has another shape, scale or plan than it may"),
            Self::Value(number) => {
                write!(f, "layer {number} gives another shape, scale or plan than it may")
            }
            Self::Layer(layer) => write!(f, "layer {}: lengths that do not fit", layer + 1),
            Self::Channel(layer) => {
                write!(f, "layer {}: a multiplier is out of range, or a number is not 0", layer + 1)
            }
            Self::Bound(layer) => write!(f, "layer {}: an accumulator may overflow", layer + 1),
            Self::Plan => f.write_str("the plan of memory does not hold the network"),
        }
    }
}

impl core::error::Error for FormatError {}

/// Lengths that a firmware needs before it runs, for `static`s of just the right size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dimensions {
    /// Words of memory that an inference needs.
    pub scratch_words: usize,
    /// Rows of an image.
    pub height: usize,
    /// Bytes of a row: its pixels, and of each all channels.
    pub row_len: usize,
    /// Layers.
    pub layers: usize,
    /// Outputs of the last layer.
    pub outputs: usize,
    /// The [`Routine::bit`]s of all layers.
    pub routines: u16,
}

impl Dimensions {
    const NONE: Self =
        Self { scratch_words: 0, height: 0, row_len: 0, layers: 0, outputs: 0, routines: 0 };

    /// What the header of a file says; zeros if it is none. Only [`Model::parse`] checks that it is true.
    #[must_use]
    pub const fn of(flash: &[u8]) -> Self {
        let layers = byte(flash, core::mem::offset_of!(Header, layers)) as usize;
        if word(flash, core::mem::offset_of!(Header, version)) != VERSION as usize {
            return Self::NONE;
        }
        let input = shape(flash, core::mem::offset_of!(Header, input));
        let record = size_of::<Header>() + layers.saturating_sub(1) * size_of::<Record>();
        let output = shape(flash, record + core::mem::offset_of!(Record, output));
        Self {
            scratch_words: word(flash, core::mem::offset_of!(Header, scratch_words)),
            height: input[1],
            row_len: input[0] * input[2],
            layers,
            outputs: output[0] * output[1] * output[2],
            routines: half(flash, core::mem::offset_of!(Header, routines)) as u16,
        }
    }
}

const fn byte(flash: &[u8], index: usize) -> u8 {
    if index < flash.len() { flash[index] } else { 0 }
}

const fn half(flash: &[u8], index: usize) -> usize {
    u16::from_le_bytes([byte(flash, index), byte(flash, index + 1)]) as usize
}

const fn word(flash: &[u8], index: usize) -> usize {
    half(flash, index) | half(flash, index + 2) << 16
}

/// A value's channels, height and width.
const fn shape(flash: &[u8], value: usize) -> [usize; 3] {
    [half(flash, value), half(flash, value + 2), half(flash, value + 4)]
}

/// The CRC-32 that a file ends with, of all its bytes before.
#[must_use]
pub fn checksum(content: &[u8]) -> u32 {
    crc::crc32(content)
}

impl<'a> Model<'a> {
    /// Checks `flash` once, so that inference has nothing left to fail on. Copies nothing; the file must lie
    /// at a multiple of four.
    ///
    /// # Errors
    /// A [`FormatError`] naming the first thing wrong. Never panics, whatever the bytes.
    pub fn parse(flash: &'a [u8]) -> Result<Self, FormatError> {
        Self::parse_linked(flash)
    }
}

impl<'a, const ROUTINES: u16> Model<'a, ROUTINES> {
    /// As [`Model::parse`], of a file that needs no other than these routines.
    ///
    /// ```no_run
    /// # const FLASH: &[u8] = &[];
    /// use firmware::{Dimensions, Model};
    ///
    /// let model = Model::<{ Dimensions::of(FLASH).routines }>::parse_linked(FLASH)?;
    /// # Ok::<(), firmware::FormatError>(())
    /// ```
    ///
    /// # Errors
    /// Those, and [`FormatError::Routines`].
    pub fn parse_linked(flash: &'a [u8]) -> Result<Self, FormatError> {
        Self::linked(check::check(flash)?)
    }

    /// As [`Self::parse_linked`], of a file that the build of this program has checked, as the README shows. Looks only
    /// at what may have changed since: whether all of it is there and undamaged, lies at a multiple of four, and is for
    /// this core. The whole check, 7 KB of flash, need not be linked.
    ///
    /// Only for such a file: of one that was made to mislead, what an inference gives may be wrong or nothing, or it may
    /// not end.
    ///
    /// # Errors
    /// [`FormatError::Magic`], [`FormatError::Version`], [`FormatError::Length`], [`FormatError::Alignment`],
    /// [`FormatError::Checksum`], [`FormatError::Header`], and [`FormatError::Routines`].
    pub fn parse_embedded(flash: &'a [u8]) -> Result<Self, FormatError> {
        Self::linked(check::read(flash)?)
    }

    /// The same model in other bytes, of which nothing is checked: as if those that were parsed had changed since. For
    /// experiments with faults in memory; what an inference gives may be wrong or nothing.
    ///
    /// `None` unless they are as many, and lie at a multiple of four.
    #[must_use]
    pub fn after_faults<'b>(&self, flash: &'b [u8]) -> Option<Model<'b, ROUTINES>> {
        if flash.len() != self.flash.len() {
            return None;
        }
        let (header, rest) = Header::ref_from_prefix(flash).ok()?;
        let (records, rest) =
            <[Record]>::ref_from_prefix_with_elems(rest, self.records.len()).ok()?;
        let (places, _) = <[U16]>::ref_from_prefix_with_elems(rest, self.places.0.len()).ok()?;
        Some(Model { flash, header, records, places: Places(places) })
    }

    /// The model with the routines that are linked.
    fn linked(model: Model<'a>) -> Result<Self, FormatError> {
        let Model { flash, header, records, places } = model;
        match header.routines.get() & !(ROUTINES & OF_THIS_CORE) {
            0 => Ok(Self { flash, header, records, places }),
            others => Err(FormatError::Routines(others)),
        }
    }

    /// Whether a routine is linked.
    pub(super) const fn has(routine: Routine) -> bool {
        ROUTINES & OF_THIS_CORE & routine.bit() != 0
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

    /// The limits of its verdicts.
    #[must_use]
    pub const fn limits(&self) -> Limits {
        let Header { rate, sure, unsure, rejected, .. } = self.header;
        Limits {
            rate: rate.get(),
            sure: sure.get(),
            unsure: unsure.get(),
            rejected: rejected.get(),
        }
    }

    /// The network without its weights.
    #[must_use]
    pub fn layers(&self) -> Layers<'a> {
        // of a layout that is none nothing comes out of the check
        let layout = Layout::of_code(self.header.layout).unwrap_or(Layout::Bytes);
        Layers { input: &self.header.input, records: self.records, layout }
    }

    /// Where the rows of all values lie.
    #[must_use]
    pub const fn places(&self) -> Places<'a> {
        self.places
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

    /// Whether all outputs lie in memory at the end. Of a last dense layer with more than [`MAX_HELD_OUTPUTS`] they do
    /// not: [`Frame::finish_in_blocks`](super::Frame::finish_in_blocks) gives them out as they are computed.
    #[must_use]
    pub fn holds_outputs(&self) -> bool {
        self.layers().holds_outputs()
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
        self.parts_of(self.records.get(layer)?, self.layers().weights(layer))
    }

    /// The channels of a layer, and its weights as they lie in the file.
    #[inline]
    pub(super) fn parts_of(
        &self,
        record: &Record,
        weights: Option<Weights>,
    ) -> Option<(&'a [Channel], &'a [u8])> {
        parts(self.flash, record, weights)
    }
}

impl<'a> Model<'a> {
    /// The model without its check.
    const fn from_checked_parts(
        flash: &'a [u8],
        header: &'a Header,
        records: &'a [Record],
        places: Places<'a>,
    ) -> Self {
        Self { flash, header, records, places }
    }
}

/// Where the channels and weights begin.
fn data_start(layers: Layers<'_>) -> usize {
    size_of::<Header>() + size_of_val(layers.records) + plan::table_len(layers)
}

/// A layer's channels and weights.
#[inline(never)] // once, whatever is linked
fn parts<'a>(
    flash: &'a [u8],
    record: &Record,
    weights: Option<Weights>,
) -> Option<(&'a [Channel], &'a [u8])> {
    let data = flash.get(data(record, weights)?)?;
    <[Channel]>::ref_from_prefix_with_elems(data, record.channels()).ok()
}

/// Where a layer's channels and weights lie.
fn data(record: &Record, weights: Option<Weights>) -> Option<Range<usize>> {
    let start = record.data.get() as usize;
    let channels = record.channels() * size_of::<Channel>();
    let weights = match weights {
        Some(weights) => weights.file_len()?,
        None => 0,
    };
    Some(start..start.checked_add(channels)?.checked_add(weights)?)
}

const _: () = assert!(size_of::<Header>() == 100 && size_of::<Record>() == 44);
const _: () = assert!(size_of::<Value>() == 20);
