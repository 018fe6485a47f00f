//! Floats that begin where a line of the cache does.

use std::ops::{Deref, DerefMut};

/// Floats of a line of the cache, which is as long as the longest vector.
pub(super) const LINE: usize = 16;

/// Floats of which no vector lies in two lines of the cache, which would take twice as long to read: those of the
/// system's allocator begin anywhere.
#[derive(Debug, Default)]
pub(crate) struct Aligned {
    /// The floats, with what is before and behind them.
    room: Vec<f32>,
    length: usize,
}

impl Aligned {
    /// As many zeros.
    pub(crate) fn zeros(length: usize) -> Self {
        let mut zeros = Self::default();
        zeros.set_length(length);
        zeros
    }

    /// Makes it this long; what it holds then is not said.
    pub(crate) fn set_length(&mut self, length: usize) {
        let room = length + LINE - 1;
        if room > self.room.len() {
            self.room.resize(room, 0.0);
        }
        self.length = length;
    }

    /// Makes it at least this long.
    pub(crate) fn grow(&mut self, length: usize) {
        self.set_length(length.max(self.length));
    }

    fn begin(&self) -> usize {
        // it may not be known, which costs nothing but time
        let begin = self.room.as_ptr().align_offset(LINE * size_of::<f32>());
        if begin < LINE { begin } else { 0 }
    }
}

impl From<&[f32]> for Aligned {
    fn from(values: &[f32]) -> Self {
        let mut aligned = Self::default();
        aligned.set_length(values.len());
        aligned.copy_from_slice(values);
        aligned
    }
}

impl Deref for Aligned {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        if self.length == 0 {
            return &[];
        }
        &self.room[self.begin()..][..self.length]
    }
}

impl DerefMut for Aligned {
    fn deref_mut(&mut self) -> &mut [f32] {
        if self.length == 0 {
            return &mut [];
        }
        let begin = self.begin();
        &mut self.room[begin..][..self.length]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_begin_at_a_line_however_long_they_are() {
        let mut aligned = Aligned::default();
        assert!(aligned.is_empty());
        for length in [1, 5, 1000, 3, 0, 100_000] {
            aligned.set_length(length);
            assert_eq!(aligned.len(), length);
            aligned.fill(1.0);
            assert!(aligned.is_empty() || aligned.as_ptr().addr().is_multiple_of(64));
        }
        assert_eq!(*Aligned::from(&[1.0, 2.0][..]), [1.0, 2.0]);
    }
}
