//! Reads the parts of a file one after the other, and never past its end.

use super::BakedFault;

/// What is left of a file.
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// Bytes that are left.
    pub(super) const fn rest(&self) -> usize {
        self.0.len()
    }

    /// The next bytes, of the part of the file that messages call `part`.
    pub(super) fn take(
        &mut self,
        count: usize,
        part: &'static str,
    ) -> Result<&'a [u8], BakedFault> {
        let (bytes, rest) = self.0.split_at_checked(count).ok_or(BakedFault::Truncated(part))?;
        self.0 = rest;
        Ok(bytes)
    }

    /// The last bytes.
    pub(super) fn take_last(&mut self, count: usize) -> Result<&'a [u8], BakedFault> {
        let rest = self.0.len().checked_sub(count).ok_or(BakedFault::Truncated("checksum"))?;
        let (rest, bytes) = self.0.split_at(rest);
        self.0 = rest;
        Ok(bytes)
    }

    pub(super) fn array<const N: usize>(
        &mut self,
        part: &'static str,
    ) -> Result<[u8; N], BakedFault> {
        let (bytes, rest) = self.0.split_first_chunk().ok_or(BakedFault::Truncated(part))?;
        self.0 = rest;
        Ok(*bytes)
    }

    pub(super) fn u8(&mut self, part: &'static str) -> Result<u8, BakedFault> {
        self.array(part).map(u8::from_le_bytes)
    }

    pub(super) fn u16(&mut self, part: &'static str) -> Result<u16, BakedFault> {
        self.array(part).map(u16::from_le_bytes)
    }

    pub(super) fn u32(&mut self, part: &'static str) -> Result<u32, BakedFault> {
        self.array(part).map(u32::from_le_bytes)
    }

    /// A `u32` that counts something.
    pub(super) fn length(&mut self, part: &'static str) -> Result<usize, BakedFault> {
        // where `usize` is narrower, no file is that long either
        self.u32(part).map(|length| usize::try_from(length).unwrap_or(usize::MAX))
    }

    /// A length and that much UTF-8.
    pub(super) fn text(&mut self, part: &'static str) -> Result<String, BakedFault> {
        let length = self.length(part)?;
        let text = str::from_utf8(self.take(length, part)?);
        text.map(str::to_owned).map_err(|_| BakedFault::Text(part))
    }

    /// The bytes of that many `f32`.
    pub(super) fn floats(
        &mut self,
        count: usize,
        part: &'static str,
    ) -> Result<&'a [[u8; 4]], BakedFault> {
        let length = count.checked_mul(size_of::<f32>()).ok_or(BakedFault::Truncated(part))?;
        Ok(self.take(length, part)?.as_chunks().0)
    }
}
