//! A layer and the values between layers, as they lie in the file, and the geometry that follows from them.

use crate::number::{I32, U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::multiplier::Multiplier;

/// Side and stride of the max-pooling that may be part of a convolution.
pub const POOL: usize = 2;

/// What a layer computes, as [`Record::kind`] says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A convolution over all channels, and 2×2 max-pooling where [`Record::pooled`] says so.
    Conv,
    /// A convolution of each channel by itself, into one or more output channels.
    Depthwise,
    /// The largest of each window.
    MaxPool,
    /// The mean of each window; a padding counts as zeros.
    AveragePool,
    /// The sum of two values of one shape.
    Add,
    /// Every output takes every input.
    Dense,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Conv, Self::Depthwise, Self::MaxPool, Self::AveragePool, Self::Add, Self::Dense];

    /// The number in the file.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Conv => 1,
            Self::Depthwise => 2,
            Self::MaxPool => 3,
            Self::AveragePool => 4,
            Self::Add => 5,
            Self::Dense => 6,
        }
    }

    /// The kind of this number.
    #[must_use]
    pub const fn of_code(code: u8) -> Option<Self> {
        Some(match code {
            1 => Self::Conv,
            2 => Self::Depthwise,
            3 => Self::MaxPool,
            4 => Self::AveragePool,
            5 => Self::Add,
            6 => Self::Dense,
            _ => return None,
        })
    }
}

/// Zero points that a value may have between layers: after a ReLU, and where values of both signs pass.
pub const ZERO_POINTS: [u8; 2] = [0, 128];

/// A value between layers: its shape, what its bytes mean, and where its rows lie. 20 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Value {
    /// Maps.
    pub channels: U16,
    /// Rows of a map.
    pub height: U16,
    /// Columns of a map.
    pub width: U16,
    /// How many [`Places`](super::plan::Places) it has: one for each row, or one for all, which lie one after another, or
    /// none of outputs that are not held.
    pub places: U16,
    /// Columns of padding that lie left of a row's first.
    pub left: u8,
    /// Columns of padding that lie right of its last.
    pub right: u8,
    /// The byte that stands for 0.
    pub zero: u8,
    /// The last layer that takes it, counted from 1.
    pub reader: u8,
    /// Which of the places in the file is its first.
    pub first_place: U32,
    /// Real value of one unit, as the bits of a positive `f32`: for people and the host; the device ignores it.
    pub scale: U32,
}

impl Value {
    /// Values of one map row: all channels of all columns.
    #[must_use]
    pub fn row_len(&self) -> usize {
        usize::from(self.channels.get()) * usize::from(self.width.get())
    }

    /// Bytes of one row as it is held, with its padding.
    #[must_use]
    pub fn stride(&self) -> usize {
        let columns =
            usize::from(self.width.get()) + usize::from(self.left) + usize::from(self.right);
        usize::from(self.channels.get()) * columns
    }

    /// All values: channels, rows and columns multiplied.
    #[must_use]
    pub fn size(&self) -> usize {
        self.row_len() * usize::from(self.height.get())
    }

    /// Channels, height and width.
    #[must_use]
    pub fn shape(&self) -> [usize; 3] {
        [self.channels, self.height, self.width].map(|length| usize::from(length.get()))
    }
}

/// A layer as it lies in the file: 44 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Record {
    /// A [`Kind::code`].
    pub kind: u8,
    /// The value that it takes: 0 is the image, `n` what the `n`th layer gives.
    pub source: u8,
    /// The second value of a [`Kind::Add`], else 0.
    pub other: u8,
    /// 1 if 2×2 max-pooling is part of it, else 0.
    pub pooled: u8,
    /// Rows and columns of the kernel or window; 1 where there is none.
    pub kernel: [u8; 2],
    /// From one window to the next, down and right; 1 where there is none.
    pub stride: [u8; 2],
    /// Rows above and below, columns left and right, that count as zero.
    pub padding: [u8; 4],
    /// Of a convolution: taps that are summed up at once. Else 0.
    pub chunk: U16,
    /// Of a convolution: outputs that are. Else 0.
    pub group: U16,
    /// Where the sums of a [`Geometry::is_streamed`] pool lie, in words from the beginning of scratch. Else 0.
    pub sums: U16,
    /// 1 if the columns of what it gives lie in pairs, see [`super::plan::pairs_columns`]; else 0.
    pub paired: u8,
    /// 0.
    pub reserved: u8,
    /// Where its channels and weights lie, in bytes from the beginning of the file.
    pub data: U32,
    /// What it gives.
    pub output: Value,
}

/// What an output channel needs besides its weights. 16 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Channel {
    /// What is added to the sum of products, in units of the accumulator.
    pub bias: I32,
    /// Mantissa of the multiplier.
    pub mantissa: I32,
    /// The largest magnitude of the accumulator, see [`super::format::accumulator_bound`].
    pub bound: U32,
    /// Shift of the multiplier.
    pub shift: u8,
    /// 0.
    pub reserved: [u8; 3],
}

impl Channel {
    /// A channel of these parts.
    #[must_use]
    pub const fn new(bias: i32, multiplier: Multiplier, bound: u32) -> Self {
        Self {
            bias: I32::new(bias),
            mantissa: I32::new(multiplier.mantissa()),
            bound: U32::new(bound),
            shift: multiplier.shift(),
            reserved: [0; 3],
        }
    }

    /// What makes an activation of an accumulator; only of a channel that was checked.
    #[must_use]
    pub const fn multiplier(&self) -> Multiplier {
        Multiplier::from_checked_parts(self.mantissa.get(), self.shift)
    }

    /// The activation that a sum of products gives, where 0 is the byte `zero`.
    #[must_use]
    pub const fn activation(&self, sum: i32, zero: u8) -> u8 {
        self.multiplier().requantize_around(sum.wrapping_add(self.bias.get()), zero)
    }
}

/// A record in numbers that can be reckoned with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Geometry {
    /// What it computes.
    pub kind: Kind,
    /// Number of the value that it takes.
    pub source: usize,
    /// Of the second one, of a [`Kind::Add`].
    pub other: usize,
    /// Whether 2×2 max-pooling is part of it.
    pub pooled: bool,
    /// Rows and columns of the kernel or window.
    pub kernel: [usize; 2],
    /// Steps down and right.
    pub stride: [usize; 2],
    /// Above, below, left, right.
    pub padding: [usize; 4],
    /// Rows of the input.
    pub height: usize,
    /// Rows of the output.
    pub out_height: usize,
}

impl Geometry {
    /// Rows of its map that one step computes, before pooling.
    #[must_use]
    pub const fn rows_at_once(&self) -> usize {
        if self.pooled { POOL } else { 1 }
    }

    /// Whether it takes value `number`.
    #[must_use]
    pub const fn takes(&self, number: usize) -> bool {
        self.source == number || (matches!(self.kind, Kind::Add) && self.other == number)
    }

    /// Whether it takes every row of its input as soon as it comes, into sums: the mean of windows that do not
    /// overlap.
    #[must_use]
    pub const fn is_streamed(&self) -> bool {
        matches!(self.kind, Kind::AveragePool)
            && self.kernel[0] > 1
            && self.stride[0] >= self.kernel[0]
            && self.padding[0] == 0
    }

    /// Steps in which it is computed: one for each row of the output, or for each row of a window of a streamed pool.
    #[must_use]
    pub const fn steps(&self) -> usize {
        if self.is_streamed() { self.out_height * self.kernel[0] } else { self.out_height }
    }

    /// Rows of the output that are there after so many steps.
    #[must_use]
    pub fn rows_after(&self, steps: usize) -> usize {
        if self.is_streamed() {
            steps.checked_div(self.kernel[0]).unwrap_or_default()
        } else {
            steps
        }
    }

    /// The input's rows that step `step` needs, from the first to before the last: of those that there are.
    #[must_use]
    pub fn needs(&self, step: usize) -> [usize; 2] {
        let [first, end] = match self.kind {
            Kind::Dense => return [0, self.height],
            _ if self.is_streamed() => {
                let window = self.rows_after(step);
                let row = window * self.stride[0] + (step - window * self.kernel[0]);
                [row, row + 1]
            }
            _ => {
                let rows = self.rows_at_once();
                let first = step * rows * self.stride[0];
                [first, first + (rows - 1) * self.stride[0] + self.kernel[0]]
            }
        };
        let inside = |row: usize| row.saturating_sub(self.padding[0]).min(self.height);
        [inside(first), inside(end)]
    }
}

impl Record {
    /// What follows from the record, which was checked, and from the value that it takes.
    #[must_use]
    #[expect(
        clippy::inline_always,
        reason = "whoever needs a few numbers does not make the others"
    )]
    #[inline(always)]
    pub fn geometry(&self, input: &Value) -> Geometry {
        Geometry {
            kind: Kind::of_code(self.kind).unwrap_or(Kind::Dense),
            source: self.source.into(),
            other: self.other.into(),
            pooled: self.pooled != 0,
            kernel: self.kernel.map(usize::from),
            stride: self.stride.map(usize::from),
            padding: self.padding.map(usize::from),
            height: input.height.get().into(),
            out_height: self.output.height.get().into(),
        }
    }

    /// Whether it takes value `number`.
    #[must_use]
    pub fn takes(&self, number: usize) -> bool {
        let is_other = usize::from(self.other) == number && self.kind == Kind::Add.code();
        usize::from(self.source) == number || is_other
    }

    /// Taps of one output: weights that it has.
    #[must_use]
    pub fn taps(&self, input: &Value) -> usize {
        let [rows, columns] = self.kernel.map(usize::from);
        let channels = usize::from(input.channels.get());
        match Kind::of_code(self.kind) {
            Some(Kind::Conv) => rows * columns * channels,
            Some(Kind::Depthwise) => rows * columns,
            Some(Kind::Dense) => input.size(),
            _ => 0,
        }
    }

    /// Rows, with an `axis` of 0, or columns, with 1, of windows on this input, after a pooling that is part of it.
    ///
    /// `None` if the input has no room for one window.
    #[must_use]
    pub fn places_along(&self, input: &Value, axis: usize) -> Option<usize> {
        let axis = axis & 1;
        let length = if axis == 0 { input.height } else { input.width };
        let [before, after] = [self.padding[2 * axis], self.padding[2 * axis + 1]];
        let padded = u32::from(length.get()) + u32::from(before) + u32::from(after);
        let room = padded.checked_sub(self.kernel[axis].into())?;
        let places = (room.checked_div(self.stride[axis].into())? + 1) as usize;
        let places = if self.pooled != 0 { places / POOL } else { places };
        (places > 0).then_some(places)
    }

    /// [`Channel`]s that it has: one for each output channel; of a pool of means and of an addition one for all.
    #[must_use]
    pub fn channels(&self) -> usize {
        match Kind::of_code(self.kind) {
            Some(Kind::Conv | Kind::Depthwise | Kind::Dense) => self.output.channels.get().into(),
            Some(Kind::AveragePool | Kind::Add) => 1,
            _ => 0,
        }
    }
}
