//! Rows of a value as they are held, and where a step's results go.

use crate::rows::format::{Channel, Value};

/// Rows of a value, to be read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rows<'m> {
    /// All rows that are held.
    ring: &'m [u8],
    /// What they are rows of.
    pub(super) value: &'m Value,
    /// The first row that may be asked for, and where it lies.
    first: usize,
    first_slot: usize,
}

impl<'m> Rows<'m> {
    /// The rows from `first` on.
    pub(super) fn new(ring: &'m [u8], value: &'m Value, first: usize) -> Self {
        let first_slot = first.checked_rem(value.rows.get().into()).unwrap_or_default();
        Self { ring, value, first, first_slot }
    }

    /// Row `row` with its padding; `None` above and below the map.
    pub(super) fn row(&self, row: usize) -> Option<&'m [u8]> {
        self.ring.get(self.offset(row)?..)?.get(..self.value.stride())
    }

    /// All rows, of a value that is held whole and has no padding.
    pub(super) fn all(&self) -> &'m [u8] {
        self.ring
    }

    /// All that is held.
    pub(super) fn ring(&self) -> &'m [u8] {
        self.ring
    }

    /// Where row `row` begins in what is held; `None` above and below the map.
    pub(super) fn offset(&self, row: usize) -> Option<usize> {
        if row >= self.value.height.get().into() {
            return None;
        }
        let held = usize::from(self.value.rows.get());
        let slot = self.first_slot + row.checked_sub(self.first)?;
        let slot = if slot < held { slot } else { slot - held };
        Some(slot * self.value.stride())
    }

    /// Row `row` without its padding.
    pub(super) fn inside(&self, row: usize) -> Option<&'m [u8]> {
        let channels = usize::from(self.value.channels.get());
        self.row(row)?.get(usize::from(self.value.left) * channels..)?.get(..self.value.row_len())
    }

    /// Where in a row with its padding a window begins: that of output column `column`.
    pub(super) fn window(&self, column: usize, stride: usize, padding: usize) -> usize {
        let column = (column * stride + usize::from(self.value.left)).saturating_sub(padding);
        column * usize::from(self.value.channels.get())
    }
}

/// The place of row `row` among those that are held.
pub(super) fn slot<'m>(ring: &'m mut [u8], value: &Value, row: usize) -> Option<&'m mut [u8]> {
    let stride = value.stride();
    let slot = row.checked_rem(value.rows.get().into())?;
    ring.get_mut(slot * stride..)?.get_mut(..stride)
}

/// A row to be written.
pub(super) struct Inside<'m>(&'m mut [u8]);

/// Fills a row's padding, which what lay there before may have left otherwise, and gives what is between.
pub(super) fn with_padding<'m>(row: &'m mut [u8], value: &Value) -> Inside<'m> {
    let channels = usize::from(value.channels.get());
    let (left, right) = (usize::from(value.left) * channels, usize::from(value.right) * channels);
    let Some((left, rest)) = row.split_at_mut_checked(left) else { return Inside(&mut []) };
    let end = rest.len().saturating_sub(right);
    let Some((inside, right)) = rest.split_at_mut_checked(end) else { return Inside(&mut []) };
    left.fill(value.zero);
    right.fill(value.zero);
    Inside(inside)
}

impl<'m> Inside<'m> {
    /// Writes all of it.
    pub(super) fn copy_from_slice_of(self, values: &[u8]) {
        for (byte, &value) in self.0.iter_mut().zip(values) {
            *byte = value;
        }
    }

    /// All of it.
    pub(super) fn into_bytes(self) -> &'m mut [u8] {
        self.0
    }
}

/// Where the results of a step go.
#[derive(Debug)]
pub(super) enum Output<'m> {
    /// Into a row that later layers take.
    Row {
        /// The row with its padding.
        bytes: &'m mut [u8],
        /// What it is a row of.
        value: &'m Value,
    },
    /// Out: they are the last layer's.
    Logits {
        /// `[channel][row][column]`
        logits: &'m mut [u32],
        /// What they are.
        value: &'m Value,
        /// Which row.
        row: usize,
    },
}

impl<'m> Output<'m> {
    /// What the results are.
    pub(super) const fn value(&self) -> &'m Value {
        match self {
            Self::Row { value, .. } | Self::Logits { value, .. } => value,
        }
    }

    /// The row without its padding, which is filled; empty if it is the last layer's.
    pub(super) fn bytes(&mut self) -> &mut [u8] {
        match self {
            Self::Row { bytes, value } => with_padding(bytes, value).into_bytes(),
            Self::Logits { .. } => &mut [],
        }
    }

    /// The bytes of the channels from `first` on at column `column`, and the byte that stands for 0; `None` if the results
    /// are the last layer's.
    pub(super) fn place(&mut self, column: usize, first: usize) -> Option<(&mut [u8], u8)> {
        let value = self.value();
        let channels = usize::from(value.channels.get());
        let at = (column + usize::from(value.left)) * channels;
        match self {
            Self::Row { bytes, .. } => {
                Some((bytes.get_mut(at..)?.get_mut(..channels)?.get_mut(first..)?, value.zero))
            }
            Self::Logits { .. } => None,
        }
    }

    /// Takes the sums of products of consecutive channels, from `first` on, at column `column`; without biases.
    #[inline(never)]
    pub(super) fn put(&mut self, column: usize, first: usize, sums: &[i32], channels: &[Channel]) {
        self.put_by(column, first, sums, channels.iter());
    }

    /// Takes the sums of all channels at column `column`, which have one multiplier.
    #[inline(never)]
    pub(super) fn put_alike(&mut self, column: usize, sums: &[i32], channel: &Channel) {
        self.put_by(column, 0, sums, core::iter::repeat(channel));
    }

    #[inline(always)]
    fn put_by<'c>(
        &mut self,
        column: usize,
        first: usize,
        sums: &[i32],
        channels: impl Iterator<Item = &'c Channel>,
    ) {
        let value = self.value();
        match self {
            Self::Row { bytes, .. } => {
                let at = (column + usize::from(value.left)) * usize::from(value.channels.get());
                let bytes = bytes.get_mut(at + first..).unwrap_or_default();
                for ((byte, &sum), channel) in bytes.iter_mut().zip(sums).zip(channels) {
                    *byte = channel.activation(sum, value.zero);
                }
            }
            Self::Logits { logits, row, .. } => {
                let [_, height, width] = value.shape();
                let at = first * height * width + *row * width + column;
                let logits = logits.get_mut(at..).unwrap_or_default().iter_mut();
                // a width or height of 0 was refused
                let step = (height * width).max(1);
                for ((logit, &sum), channel) in logits.step_by(step).zip(sums).zip(channels) {
                    *logit = sum.wrapping_add(channel.bias.get()).cast_unsigned();
                }
            }
        }
    }
}
