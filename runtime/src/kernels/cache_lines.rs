//! Floats that begin where a line of the cache does: a vector that straddles two lines takes twice as long to load.

/// Floats in a line.
pub(super) const LINE: usize = 16;

/// Where the first line begins in `floats`, at most [`LINE`].
pub(super) fn first_line(floats: &[f32]) -> usize {
    floats.as_ptr().align_offset(LINE * size_of::<f32>()).min(LINE)
}

/// Floats from the beginning of a line on.
#[derive(Debug)]
pub(super) struct CacheLines {
    floats: Vec<f32>,
    start: usize,
}

impl CacheLines {
    /// `length` zeros.
    pub(super) fn zeros(length: usize) -> Self {
        let mut floats = vec![0.0; length + LINE];
        let start = first_line(&floats);
        floats.truncate(start + length);
        Self { floats, start }
    }

    pub(super) fn get(&self) -> &[f32] {
        &self.floats[self.start..]
    }

    pub(super) fn get_mut(&mut self) -> &mut [f32] {
        &mut self.floats[self.start..]
    }
}
