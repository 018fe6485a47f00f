//! How the weights of a layer lie in the file, and so which kernel takes them: the one place that knows.
//!
//! A file is of one [`Layout`]. Which order a layer's weights have in it follows from its record:
//!
//! | layout | layer | order |
//! |---|---|---|
//! | both | addition | [`Order::Factors`] |
//! | both | depthwise, not of four channels each or with a multiplier | [`Order::Taps`] |
//! | Bytes | convolution, dense, depthwise | [`Order::Blocks`] |
//! | Words | 5×5 pooled convolution of one channel | [`Order::Grey`] |
//! | Words | 5×5 or 3×3 pooled convolution of four channels each | [`Order::Windows`] |
//! | Words | any other convolution | [`Order::Fours`] |
//! | Words | dense, of columns in pairs | [`Order::DenseColumns`] |
//! | Words | any other dense | [`Order::DenseWords`] |
//! | Words | depthwise of 3×3, of a stride of one across | [`Order::Strips`] |
//! | Words | any other depthwise | [`Order::Halves`] |

use core::ops::Range;

use super::record::{Kind, Record, Value};
use crate::kernels::words::{StripWeights, gathered_pairs};

/// Outputs of a block, whose weights lie side by side.
pub const BLOCK: usize = 4;

/// Pairs of outputs of a block of [`Order::DenseWords`].
pub(super) const DENSE_PAIRS: usize = crate::kernels::words::MAX_BLOCK;

/// For which cores a file's weights are laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// For any core: see [`crate::kernels::bytes`].
    Bytes,
    /// For cores with ARM's DSP instructions: see [`crate::kernels::words`].
    Words,
}

impl Layout {
    /// The number in the file.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Bytes => 0,
            Self::Words => 1,
        }
    }

    /// The layout of this number.
    #[must_use]
    pub const fn of_code(code: u8) -> Option<Self> {
        match code {
            0 => Some(Self::Bytes),
            1 => Some(Self::Words),
            _ => None,
        }
    }
}

/// An order of weights. Pairs of taps and words are those of [`crate::kernels::words`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Two numbers of 32 bits.
    Factors,
    /// `[tap][output]`, a byte each.
    Taps,
    /// `[block of four outputs][tap][output]`, a byte each.
    Blocks,
    /// `[four outputs][pair of taps][pair of outputs]`, words; the pairs of taps are those of
    /// [`crate::kernels::words::gathered_taps`]. The last outputs are filled up to four by any.
    Fours,
    /// `[pair of outputs][pair of channels][column][row]`, words; kernels of this side.
    Windows(usize),
    /// `[pair of outputs][pair of taps]`, words: a tap with the one below it, of the last row with the one beside it.
    Grey,
    /// `[block of outputs][pair of taps][pair of outputs]`, words.
    DenseWords,
    /// The same, with the taps as a value lies whose columns lie in pairs: see [`super::plan::pairs_columns`].
    DenseColumns,
    /// `[four channels][tap][two words]`, 16 bits each.
    Halves,
    /// `[channel]`[[`StripWeights`]], 16 bits each.
    Strips,
}

/// A layer's weights in numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Weights {
    /// How they lie.
    pub order: Order,
    /// Output channels.
    pub outputs: usize,
    /// Weights of one.
    pub taps: usize,
    /// Input channels.
    pub inputs: usize,
    /// Taps of a kernel row: of all its columns and channels, which lie side by side.
    pub run: usize,
}

/// Where one weight lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// In a byte.
    Byte(usize),
    /// In 16 bits that begin here.
    Half(usize),
    /// In 16 bits that begin here, as `256 · odd + even`.
    Even(usize),
    /// The same.
    Odd(usize),
}

/// Side of the kernels that have a kernel for [`Order::Grey`], and its words for a pair of outputs.
const GREY: usize = 5;
/// Words of a pair of outputs of [`Order::Grey`].
pub(super) const GREY_WORDS: usize = (GREY * GREY).div_ceil(2);

impl Weights {
    /// Of a layer that has none.
    pub const NONE: Self = Self { order: Order::Factors, outputs: 0, taps: 0, inputs: 0, run: 0 };

    /// Of this layer; `None` of a kind without weights. `is_paired` says how the columns of `input` lie.
    #[must_use]
    pub fn of(layout: Layout, record: &Record, input: &Value, is_paired: bool) -> Option<Self> {
        let kind = Kind::of_code(record.kind)?;
        let inputs = usize::from(input.channels.get());
        let outputs = record.channels();
        let is_window = record.pooled != 0 && record.stride == [1; 2];
        let [rows, columns] = record.kernel.map(usize::from);
        let order = match (kind, layout) {
            (Kind::Add, _) => Order::Factors,
            (Kind::Depthwise, _) if outputs != inputs || !inputs.is_multiple_of(BLOCK) => {
                Order::Taps
            }
            (Kind::Conv | Kind::Dense | Kind::Depthwise, Layout::Bytes) => Order::Blocks,
            (Kind::Conv, Layout::Words) => {
                if is_window && inputs == 1 && [rows, columns] == [GREY; 2] {
                    Order::Grey
                } else if is_window
                    && inputs.is_multiple_of(4)
                    && rows == columns
                    && matches!(rows, 3 | 5)
                {
                    Order::Windows(rows)
                } else {
                    Order::Fours
                }
            }
            (Kind::Dense, Layout::Words) if is_paired => Order::DenseColumns,
            (Kind::Dense, Layout::Words) => Order::DenseWords,
            (Kind::Depthwise, Layout::Words) => {
                let is_strip = [rows, columns] == [3; 2] && record.stride[1] == 1;
                if is_strip { Order::Strips } else { Order::Halves }
            }
            (Kind::MaxPool | Kind::AveragePool, _) => return None,
        };
        Some(Self { order, outputs, taps: record.taps(input), inputs, run: columns * inputs })
    }

    /// Bytes in the file; `None` if they are more than there can be.
    #[must_use]
    pub fn file_len(&self) -> Option<usize> {
        let Self { order, outputs, taps, .. } = *self;
        let bytes = match order {
            Order::Factors => Some(2 * size_of::<i32>()),
            Order::Taps => outputs.checked_mul(taps),
            Order::Blocks => outputs.checked_next_multiple_of(BLOCK)?.checked_mul(taps),
            Order::Halves => outputs.checked_mul(taps)?.checked_mul(2),
            Order::Strips => outputs.checked_mul(size_of::<StripWeights>()),
            Order::Fours => {
                let words = outputs.div_ceil(BLOCK).checked_mul(2 * self.words())?;
                words.checked_mul(size_of::<u32>())
            }
            Order::Windows(_) | Order::Grey | Order::DenseWords | Order::DenseColumns => {
                let words = outputs.div_ceil(2).checked_mul(self.words())?;
                words.checked_mul(size_of::<u32>())
            }
        };
        bytes?.checked_next_multiple_of(size_of::<u32>())
    }

    /// Kernel rows, and the taps of each, that a chunk of this many taps has; of [`Order::Fours`].
    #[must_use]
    pub fn chunk(&self, taps: usize) -> [usize; 2] {
        match taps.checked_div(self.run) {
            Some(rows) if rows > 0 => [rows.min(self.rows()), self.run],
            _ => [1, taps],
        }
    }

    /// Kernel rows.
    #[must_use]
    pub const fn rows(&self) -> usize {
        match self.taps.checked_div(self.run) {
            Some(rows) => rows,
            None => 0,
        }
    }

    /// Words of a pair of outputs.
    #[must_use]
    pub const fn words(&self) -> usize {
        match self.order {
            Order::Grey => GREY_WORDS,
            Order::Fours => gathered_pairs(self.rows(), self.run),
            _ => self.taps.next_multiple_of(4) / 2,
        }
    }

    /// Taps that fill the words of an output up. What they meet may be any byte, so they must weigh nothing.
    #[must_use]
    pub const fn filling(&self) -> Range<usize> {
        self.taps..self.count()
    }

    /// Where the weight of a tap to an output lies; of [`Self::filling`] too.
    #[expect(clippy::inline_always, reason = "of the first tap there is little to reckon")]
    #[inline(always)]
    fn place(&self, output: usize, tap: usize) -> Place {
        let Self { order, outputs, inputs, run, .. } = *self;
        // of a word that belongs to two outputs
        let in_word = |word: usize, half: usize| {
            let at = size_of::<u32>() * word + 2 * half;
            if output.is_multiple_of(2) { Place::Even(at) } else { Place::Odd(at) }
        };
        let row = output / 2 * self.words();
        // of four neighbours 0, 1, 2, 3 the first word has 0 and 2, the second 1 and 3
        let neighbours = |tap: usize| [tap / 4 * 2 + tap % 2, tap / 2 % 2];
        match order {
            Order::Factors => Place::Byte(0),
            Order::Taps => Place::Byte(self.of_tap(output, tap)),
            Order::Blocks => Place::Byte(self.of_block(output, tap)),
            Order::Fours => {
                let fours = run / 4 * 4;
                let y = (tap / run.max(1)).min(self.rows().saturating_sub(1));
                let x = tap - y * run;
                let [pair, half] = if x < fours {
                    neighbours(y * fours + x)
                } else {
                    let number = y * (run - fours) + x - fours;
                    [self.rows() * fours / 2 + number / 2, number % 2]
                };
                let block = output / BLOCK * 2 * self.words();
                in_word(block + 2 * pair + output / 2 % 2, half)
            }
            Order::Windows(side) => {
                let inputs = inputs.max(1);
                let (channel, element) = (tap % inputs, tap / inputs);
                let side = side.max(1);
                let (y, x) = (element / side, element % side);
                let [pair, half] = neighbours(channel);
                in_word(row + (pair * side + x) * side + y, half)
            }
            Order::Grey => {
                let y = (tap / GREY).min(GREY - 1);
                let x = tap - y * GREY;
                if y + 1 < GREY {
                    in_word(row + y / 2 * GREY + x, y % 2)
                } else {
                    in_word(row + (GREY - 1) / 2 * GREY + x / 2, x % 2)
                }
            }
            Order::DenseWords | Order::DenseColumns => {
                let inputs = inputs.max(1);
                let (column, channel) = (tap / inputs, tap % inputs);
                let [pair, half] = neighbours(match order {
                    Order::DenseWords => tap,
                    _ => (column / 2 * inputs + channel / 2 * 2 + column % 2) * 2 + channel % 2,
                });
                let block = output / (2 * DENSE_PAIRS);
                let before = block * DENSE_PAIRS;
                let width = (outputs.div_ceil(2) - before).min(DENSE_PAIRS);
                in_word(before * self.words() + pair * width + output / 2 - before, half)
            }
            Order::Halves => Place::Half(self.half(output, tap)),
            Order::Strips => Place::Half(Self::of_strip(output, tap)),
        }
    }

    /// The weight of a tap to an output; 0 if there is none.
    #[must_use]
    #[inline(never)]
    pub fn get(&self, bytes: &[u8], output: usize, tap: usize) -> i16 {
        let half = |at: usize| {
            let bytes = bytes.get(at..).and_then(|bytes| bytes.first_chunk());
            i16::from_le_bytes(*bytes.unwrap_or(&[0; 2]))
        };
        match self.place(output, tap) {
            Place::Byte(at) => bytes.get(at).map_or(0, |byte| byte.cast_signed().into()),
            Place::Half(at) => half(at),
            Place::Even(at) => (half(at) as i8).into(),
            Place::Odd(at) => odd(half(at).to_le_bytes()),
        }
    }

    /// The same of a depthwise layer: without the places in the orders of other layers, which take flash.
    #[inline(never)]
    pub(crate) fn of_depthwise(&self, bytes: &[u8], output: usize, tap: usize) -> i16 {
        let at = match self.order {
            Order::Halves | Order::Strips => {
                let is_half = matches!(self.order, Order::Halves);
                let at = if is_half { self.half(output, tap) } else { Self::of_strip(output, tap) };
                let half = bytes.get(at..).and_then(|bytes| bytes.first_chunk());
                return i16::from_le_bytes(*half.unwrap_or(&[0; 2]));
            }
            Order::Blocks => self.of_block(output, tap),
            Order::Taps => self.of_tap(output, tap),
            // of other layers
            Order::Factors
            | Order::Fours
            | Order::Windows(_)
            | Order::Grey
            | Order::DenseWords
            | Order::DenseColumns => return 0,
        };
        bytes.get(at).map_or(0, |byte| byte.cast_signed().into())
    }

    /// Where a weight lies in [`Order::Taps`].
    const fn of_tap(&self, output: usize, tap: usize) -> usize {
        tap * self.outputs + output
    }

    /// The same in [`Order::Blocks`].
    const fn of_block(&self, output: usize, tap: usize) -> usize {
        (output / BLOCK * self.taps + tap) * BLOCK + output % BLOCK
    }

    /// The same in [`Order::Strips`].
    const fn of_strip(output: usize, tap: usize) -> usize {
        let half = if tap < 6 { tap % 3 * 2 + tap / 3 } else { tap };
        size_of::<StripWeights>() * output + 2 * half
    }

    /// The same in [`Order::Halves`].
    const fn half(&self, output: usize, tap: usize) -> usize {
        let four = output % BLOCK;
        let word = (output / BLOCK * self.taps + tap) * 2 + four % 2;
        size_of::<u32>() * word + four / 2 * 2
    }

    /// Weights of an output with the zeros that fill up, as they lie one after another.
    #[must_use]
    pub const fn count(&self) -> usize {
        match self.order {
            Order::Fours | Order::Grey | Order::DenseWords => 2 * self.words(),
            Order::Strips => size_of::<StripWeights>() / 2,
            _ => self.taps,
        }
    }

    /// Which of these one of [`Self::filling`] is.
    #[must_use]
    pub const fn number(&self, filling: usize) -> usize {
        match self.order {
            // of four taps the first word has 0 and 2
            Order::DenseWords => filling & !3 | (filling & 1) << 1 | filling >> 1 & 1,
            _ => filling,
        }
    }

    /// Sum of some weights of an output, and sum of their magnitudes; by their numbers, as they lie.
    #[must_use]
    #[inline(never)]
    pub fn sums(&self, bytes: &[u8], output: usize, numbers: Range<usize>) -> (i32, u32) {
        let place = self.place(output, 0);
        // words hold two taps
        let (start, step, in_word) = match place {
            Place::Byte(at) if self.order == Order::Taps => (at, self.outputs, 0),
            Place::Byte(at) => (at, BLOCK, 0),
            Place::Half(at) if self.order == Order::Strips => (at, 2, 0),
            Place::Half(at) => (at, 2 * size_of::<u32>(), 0),
            Place::Even(at) | Place::Odd(at) => {
                let mut width = 1;
                if matches!(self.order, Order::DenseWords | Order::DenseColumns) {
                    let before = output / (2 * DENSE_PAIRS) * DENSE_PAIRS;
                    width = (self.outputs.div_ceil(2) - before).min(DENSE_PAIRS);
                } else if self.order == Order::Fours {
                    width = 2;
                }
                (at, size_of::<u32>() * width, 1)
            }
        };
        let is_half = matches!(place, Place::Half(_));
        let is_odd = matches!(place, Place::Odd(_));
        let (mut sum, mut magnitudes) = (0_i32, 0_u32);
        for number in numbers {
            let at = start + (number >> in_word) * step + 2 * (number & in_word);
            // a layer's bytes are an even number
            let (Some(&high), Some(&low)) = (bytes.get(at | 1), bytes.get(at)) else { break };
            let mut weight = i32::from(low.cast_signed());
            if is_odd {
                weight = odd([low, high]).into();
            } else if is_half {
                weight = i16::from_le_bytes([low, high]).into();
            }
            // none overflows: taps are so few, and halves are of a kernel
            sum = sum.wrapping_add(weight);
            magnitudes = magnitudes.wrapping_add(weight.unsigned_abs());
        }
        (sum, magnitudes)
    }

    /// Sets the weight of a tap to an output. The even one of two outputs must be set before the odd one.
    pub fn set(&self, bytes: &mut [u8], output: usize, tap: usize, weight: i8) {
        let mut half = |at: usize, change: &dyn Fn(i16) -> i16| {
            if let Some(bytes) = bytes.get_mut(at..).and_then(|bytes| bytes.first_chunk_mut()) {
                *bytes = change(i16::from_le_bytes(*bytes)).to_le_bytes();
            }
        };
        match self.place(output, tap) {
            Place::Byte(at) => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = weight.cast_unsigned();
                }
            }
            Place::Half(at) | Place::Even(at) => half(at, &|_| weight.into()),
            Place::Odd(at) => half(at, &|even| even.wrapping_add(i16::from(weight) << 8)),
        }
    }
}

/// The odd of two weights that share 16 bits.
const fn odd(half: [u8; 2]) -> i16 {
    let even = half[0].cast_signed() as i32;
    // in 32 bits: 256 · 128 does not fit in 16
    ((i16::from_le_bytes(half) as i32 - even) >> 8) as i16
}
