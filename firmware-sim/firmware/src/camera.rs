//! Rows on their way from a camera's interrupt to the main loop.
//!
//! An interrupt may not wait: when the queue is full, because inference fell behind, it drops the row and counts
//! it. The main loop sees from the rows' numbers that one is missing, and gives the frame up.

/// A row of `LEN` bytes that waits, and where it belongs.
///
/// Aligned, so that it is copied a word at a time.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(4))]
struct Row<const LEN: usize> {
    pixels: [u8; LEN],
    place: Place,
}

/// Which row it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Number of the frame, wrapping.
    pub frame: u16,
    /// Number of the row in its frame, from the top.
    pub row: u16,
}

/// A queue of rows of frames of `HEIGHT` rows, of which `WAITING` may wait; the interrupt and the main loop share it
/// behind a lock.
#[derive(Debug)]
pub struct Camera<const LEN: usize, const HEIGHT: usize, const WAITING: usize = 3> {
    rows: [Row<LEN>; WAITING],
    /// Where the row is that has waited longest.
    first: usize,
    waiting: usize,
    /// Of the row that comes next.
    place: Place,
    dropped: u32,
}

impl<const LEN: usize, const HEIGHT: usize, const WAITING: usize> Camera<LEN, HEIGHT, WAITING> {
    /// A camera before its first frame.
    #[must_use]
    pub const fn new() -> Self {
        let place = Place { frame: 0, row: 0 };
        let row = Row { pixels: [0; LEN], place };
        Self { rows: [row; WAITING], first: 0, waiting: 0, place, dropped: 0 }
    }

    /// From the interrupt: takes the next row, of this frame or the first of the next one. Never waits.
    #[inline]
    pub fn on_row(&mut self, pixels: &[u8; LEN]) {
        let free = self.first + self.waiting;
        // a division by it may panic
        let free = if free < WAITING { free } else { free - WAITING };
        match self.rows.get_mut(free) {
            Some(row) if self.waiting < WAITING => {
                // where it waits: no row lies on the stack
                row.pixels = *pixels;
                row.place = self.place;
                self.waiting += 1;
            }
            _ => self.dropped = self.dropped.saturating_add(1),
        }
        self.place.row += 1;
        if usize::from(self.place.row) == HEIGHT {
            self.place = Place { frame: self.place.frame.wrapping_add(1), row: 0 };
        }
    }

    /// For the main loop: which row has waited longest.
    #[must_use]
    pub fn next(&self) -> Option<Place> {
        let row = self.rows.get(self.first)?;
        (self.waiting > 0).then_some(row.place)
    }

    /// Hands the pixels of that row, from the left, of each all channels, to `take`, and makes room for another.
    pub fn take<T>(&mut self, take: impl FnOnce(&[u8; LEN]) -> T) -> Option<T> {
        let row = self.rows.get(self.first)?;
        if self.waiting == 0 {
            return None;
        }
        let taken = take(&row.pixels);
        self.waiting -= 1;
        self.first = if self.first + 1 < WAITING { self.first + 1 } else { 0 };
        Some(taken)
    }

    /// Rows for which there was no room.
    #[must_use]
    pub const fn dropped(&self) -> u32 {
        self.dropped
    }
}

impl<const LEN: usize, const HEIGHT: usize, const WAITING: usize> Default
    for Camera<LEN, HEIGHT, WAITING>
{
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
                while let Some(Place { frame, row }) = camera.next() {
                    let pixel = camera.take(|pixels| pixels[0]);
                    assert_eq!(pixel, Some(frame as u8 * 28 + row as u8));
                    seen.push((frame, row));
                }
                assert_eq!(camera.take(|pixels| pixels[0]), None);
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
