//! Rows on their way from a camera's interrupt to the main loop.
//!
//! An interrupt may not wait: when the queue is full, because inference fell behind, it drops the row and counts
//! it. The main loop sees from the rows' numbers that one is missing, and gives the frame up.

use heapless::spsc::Queue;

/// A row of `LEN` bytes, and where it belongs.
///
/// Aligned, so that it is copied a word at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C, align(4))]
pub struct Row<const LEN: usize> {
    /// Pixels from the left, of each all channels.
    pub pixels: [u8; LEN],
    /// Number of the frame, wrapping.
    pub frame: u16,
    /// Number of the row in its frame, from the top.
    pub number: u16,
}

/// A queue of rows of frames of `HEIGHT` rows; the interrupt and the main loop share it behind a lock.
///
/// Its length is known when it is built: with the two ends of a [`Queue`] it is not, and a division by it may
/// panic.
#[derive(Debug)]
pub struct Camera<const LEN: usize, const HEIGHT: usize> {
    /// Three rows may wait: a queue of four holds one less.
    rows: Queue<Row<LEN>, 4>,
    frame: u16,
    number: u16,
    dropped: u32,
}

impl<const LEN: usize, const HEIGHT: usize> Camera<LEN, HEIGHT> {
    /// A camera before its first frame.
    #[must_use]
    pub const fn new() -> Self {
        Self { rows: Queue::new(), frame: 0, number: 0, dropped: 0 }
    }

    /// From the interrupt: takes the next row, of this frame or the first of the next one. Never waits.
    #[inline]
    pub fn on_row(&mut self, pixels: &[u8; LEN]) {
        let row = Row { frame: self.frame, number: self.number, pixels: *pixels };
        if self.rows.enqueue(row).is_err() {
            self.dropped = self.dropped.saturating_add(1);
        }
        self.number += 1;
        if usize::from(self.number) == HEIGHT {
            (self.frame, self.number) = (self.frame.wrapping_add(1), 0);
        }
    }

    /// For the main loop: the row that has waited longest.
    pub fn next_row(&mut self) -> Option<Row<LEN>> {
        self.rows.dequeue()
    }

    /// Rows for which there was no room.
    #[must_use]
    pub const fn dropped(&self) -> u32 {
        self.dropped
    }
}

impl<const LEN: usize, const HEIGHT: usize> Default for Camera<LEN, HEIGHT> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_numbered_through_and_those_without_room_are_counted() {
        let mut camera = Camera::<28, 28>::new();
        let mut seen = std::vec::Vec::new();
        // the main loop sleeps through rows 26 to 30
        for index in 0..40_u8 {
            camera.on_row(&[index; 28]);
            if !(26..31).contains(&index) {
                while let Some(row) = camera.next_row() {
                    assert_eq!(row.pixels[0], row.frame as u8 * 28 + row.number as u8);
                    seen.push((row.frame, row.number));
                }
            }
        }
        assert_eq!(camera.dropped(), 3);
        let expected: std::vec::Vec<_> = (0..40_u16)
            .filter(|index| !(29..32).contains(index))
            .map(|index| (index / 28, index % 28))
            .collect();
        assert_eq!(seen, expected);
    }
}
