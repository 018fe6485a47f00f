//! Whether flash still holds the model that was parsed, between frames: a piece at a time, or a layer.

use zerocopy::IntoBytes;

use super::{Model, crc, data};

/// How far a check of flash is: see [`Model::verify_step`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FlashCheck {
    /// Bytes that were looked at.
    done: usize,
    /// Their CRC-32.
    crc: u32,
}

/// What a part of a check of flash has found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FlashState {
    /// Not finished: there are more bytes to check.
    InProgress,
    /// The checksum of the whole file is right; the next call begins again.
    Intact,
    /// A bit of the file has changed; the next call begins again.
    Damaged,
}

impl FlashCheck {
    /// Before the first byte.
    pub const START: Self = Self { done: 0, crc: 0 };

    /// Bytes that were looked at since the last [`FlashState::Intact`] or [`FlashState::Damaged`].
    #[must_use]
    pub const fn done(&self) -> usize {
        self.done
    }
}

impl<const ROUTINES: u16> Model<'_, ROUTINES> {
    /// Looks at the next bytes of the file in flash, `max_bytes` at most and one at least: to be called between frames, until
    /// it says [`FlashState::Intact`] or [`FlashState::Damaged`]. After these it begins again.
    ///
    /// [`Model::parse`] has compared the checksum once; what flips later is found by this. The CRC-32 finds every change of
    /// one or two bits of the file, its own among them, and of more all but one in 2³². It takes no memory but `check`, and
    /// does not fail; the README says how long it takes.
    ///
    /// ```no_run
    /// # const FLASH: &[u8] = &[];
    /// # fn next_frame() {}
    /// # fn stop() {}
    /// use firmware::{FlashCheck, FlashState, Model};
    ///
    /// let model = Model::parse(FLASH)?;
    /// let mut check = FlashCheck::START;
    /// loop {
    ///     next_frame();
    ///     if model.verify_step(&mut check, 4096) == FlashState::Damaged {
    ///         stop();
    ///     }
    /// }
    /// # Ok::<(), firmware::FormatError>(())
    /// ```
    pub fn verify_step(&self, check: &mut FlashCheck, max_bytes: usize) -> FlashState {
        let Some((content, stored)) = self.bytes().split_last_chunk() else {
            return FlashState::Damaged;
        };
        let rest = content.get(check.done..).unwrap_or_default();
        let piece = rest.get(..max_bytes.max(1)).unwrap_or(rest);
        check.crc = crc::crc32_after(check.crc, piece);
        if piece.len() < rest.len() {
            check.done = check.done.wrapping_add(piece.len()); // at most the file's length
            return FlashState::InProgress;
        }
        let is_good = check.crc == u32::from_le_bytes(*stored);
        *check = FlashCheck::START;
        if is_good { FlashState::Intact } else { FlashState::Damaged }
    }

    /// The CRC-32 of a layer: of its record, channels and weights. No file states it: a program remembers it after
    /// [`Model::parse`], four bytes a layer, and compares it when it wants to know whether this layer is still as it was, or
    /// which one is damaged. What goes in, the header and the places of rows are of no layer: they are [`Self::verify_step`]'s.
    #[must_use]
    pub fn layer_checksum(&self, layer: usize) -> u32 {
        let layers = self.layers();
        let Some(record) = layers.records.get(layer) else { return 0 };
        let data = data(record, layers.weights(layer)).and_then(|range| self.bytes().get(range));
        crc::crc32_after(crc::crc32(record.as_bytes()), data.unwrap_or_default())
    }
}
